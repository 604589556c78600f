// SPDX-License-Identifier: Apache-2.0
// Every pool is emptied, one by one, and every mapping refused once: what is short is counted,
// those who are served go on, and when the load ends all is as before.
#include "base/memory.h"
#include "tests/hostile/hostile_fixture.h"
#include "wire/icmp.h"

namespace mtcp::victim {
namespace {

class Exhaustion : public Hostile {
  protected:
    stack::Core::Levels levels() { return victim().core().levels(); }
    // `count` half-open connections from different places.
    void open_halves(int count, std::uint16_t port = 80) {
        for (int i = 0; i < count; ++i) {
            RawPeer peer(victim(), static_cast<std::uint16_t>(1000 + i), port,
                         wire::IpAddress::v4(0x0a020000 + static_cast<std::uint32_t>(i)));
            peer.snd_nxt = peer.iss;
            peer.throw_in(peer.segment(Flags::syn));
        }
        victim().take_heard();
    }
    // Takes all chunks there are, of few.
    std::vector<Pair> send_what_nobody_reads() {
        std::vector<Pair> pairs;
        for (std::uint16_t i = 0; i < 40; ++i) {
            pairs.push_back(establish(static_cast<std::uint16_t>(10'000 + i)));
            for (int n = 0; n < 3; ++n) {
                TcpFields next = pairs.back().peer->segment(Flags::ack, Bytes(500));
                next.seq = pairs.back().peer->acked;
                pairs.back().peer->send(next);
                pairs.back().peer->listen();
            }
        }
        return pairs;
    }
};

// --- half-open records

TEST_F(Exhaustion, WithoutHalfOpenRecordsCookiesAreSentAndHonoured) {
    victim();
    open_halves(500);
    EXPECT_EQ(levels().half_open, 64u);
    EXPECT_GT(victim().counters().cookies_sent, 400u);
    bystander().check();
    Pair pair = establish(50'000, bytes_of({2, 4, 5, 0xb4}));
    EXPECT_EQ(victim().counters().cookies_accepted, 2u);  // the bystander's second connection, too
    expect_alive(pair);
    victim().run_for(seconds(200));
    EXPECT_EQ(levels().half_open, 0u);
}

TEST_F(Exhaustion, CookiesAreHonouredAMinuteLaterAndNoLongerThanTwo) {
    setup.stack.tcp.syn_cookies = tcp::Configuration::Cookies::always;
    victim();
    for (const bool in_time : {true, false}) {
        RawPeer peer(victim(), in_time ? 50'000 : 50'001);
        peer.snd_nxt = peer.iss;
        peer.throw_in(peer.segment(Flags::syn));
        ++peer.snd_nxt;
        peer.listen();
        victim().run_for(in_time ? seconds(63) : seconds(129));
        peer.send(peer.segment(Flags::ack));
        EXPECT_EQ(accept() >= 0, in_time);
        EXPECT_EQ(peer.was_reset, !in_time);
    }
}

TEST_F(Exhaustion, WithCookiesOffSynsAreDroppedAndTheTableRecovers) {
    setup.stack.tcp.syn_cookies = tcp::Configuration::Cookies::off;
    victim();
    open_halves(500);
    EXPECT_EQ(levels().half_open, 64u);
    EXPECT_EQ(victim().drops(Drop::tcp_half_open_full), 500u - 64u);
    victim().run_for(seconds(200));
    Pair pair = establish();
    expect_alive(pair);
}

// The backlog of a listener bounds its half-open records, so that one port cannot starve another.
TEST_F(Exhaustion, OneListenersFloodLeavesTheOtherItsRecords) {
    victim();
    listen_on(90, 8);
    open_halves(300, 90);
    EXPECT_EQ(levels().half_open, 8u + 1);
    const std::uint64_t cookies = victim().counters().cookies_sent;
    Pair pair = establish();
    EXPECT_EQ(victim().counters().cookies_sent, cookies) << "an honest record";
    expect_alive(pair);
}

// --- connection records

TEST_F(Exhaustion, WithoutConnectionRecordsHandshakesWaitAndConnectSaysSo) {
    setup.stack.max_concurrency = 48;
    victim();
    const int big = listen_on(90, 128);
    std::vector<std::unique_ptr<RawPeer>> peers;
    for (int i = 0; i < 100; ++i) {
        peers.push_back(
            std::make_unique<RawPeer>(victim(), static_cast<std::uint16_t>(1000 + i), 90));
        static_cast<void>(peers.back()->connect());
    }
    EXPECT_GT(victim().drops(Drop::tcp_no_connection_record), 0u);
    // Descriptors go first for the application; whatever it is told, it is an error, not a crash.
    std::vector<int> fds;
    wire::Endpoint from;
    long last = 0;
    while ((last = sockets().accept(big, from)) >= 0)
        fds.push_back(static_cast<int>(last));
    EXPECT_TRUE(last == -EMFILE || last == -EAGAIN) << last;
    for (const int fd : fds)
        EXPECT_EQ(sockets().abort(fd), 0);
    while ((last = sockets().accept(big, from)) >= 0)
        EXPECT_EQ(sockets().abort(static_cast<int>(last)), 0);
    victim().run_for(seconds(1));
    EXPECT_EQ(sockets().close(big), 0);
    victim().run_for(seconds(1));
    Pair pair = establish();
    expect_alive(pair);
}

// The client believes to be connected. It hears nothing of it, and its handshake is completed when
// there is a record again.
TEST_F(Exhaustion, AHandshakeThatFindsNoConnectionRecordIsCompletedLater) {
    setup.stack.max_concurrency = 48;
    victim();
    const int big = listen_on(90, 128);
    std::vector<std::unique_ptr<RawPeer>> peers;
    while (victim().drops(Drop::tcp_no_connection_record) == 0) {
        const auto port = static_cast<std::uint16_t>(1000 + peers.size());
        peers.push_back(std::make_unique<RawPeer>(victim(), port, 90));
        ASSERT_TRUE(peers.back()->connect());
    }
    RawPeer& last = *peers.back();
    wire::Endpoint from;
    for (long fd = 0; (fd = sockets().accept(big, from)) >= 0;)
        EXPECT_EQ(sockets().abort(static_cast<int>(fd)), 0);
    victim().settle();
    last.listen();
    last.send(last.segment(Flags::ack | Flags::psh, text("still there?")));
    last.listen();
    EXPECT_FALSE(last.was_reset);
    const int fd = static_cast<int>(sockets().accept(big, from));
    ASSERT_GE(fd, 0);
    EXPECT_EQ(from.port, last.port);
    EXPECT_EQ(read(fd), "still there?");
    EXPECT_EQ(sockets().abort(fd), 0);
    EXPECT_EQ(sockets().close(big), 0);
}

TEST_F(Exhaustion, WithoutDescriptorsSocketsAreRefusedAndComeBack) {
    setup.stack.max_concurrency = 32;
    victim();
    std::vector<long> fds;
    long fd = 0;
    while ((fd = sockets().make(sim::Blocking::never_blocks)) >= 0)
        fds.push_back(fd);
    EXPECT_EQ(fd, -EMFILE);
    RawPeer peer(victim(), 1000);
    EXPECT_TRUE(peer.connect());
    EXPECT_EQ(accept(), -EMFILE);
    for (const long open : fds)
        EXPECT_EQ(sockets().close(static_cast<int>(open)), 0);
    const int accepted = accept();
    EXPECT_GE(accepted, 0) << "the connection kept waiting";
}

// --- TIME-WAIT

TEST_F(Exhaustion, AFullTimeWaitTableGivesUpItsOldest) {
    setup.stack.time_wait_max = 8;
    for (std::uint16_t i = 0; i < 40; ++i) {
        Pair pair = establish(static_cast<std::uint16_t>(10'000 + i));
        EXPECT_EQ(sockets().close(pair.fd), 0);
        victim().settle();
        pair.peer->listen();
        pair.peer->send(pair.peer->segment(Flags::ack | Flags::fin));
        EXPECT_LE(levels().time_wait, 8u);
    }
    EXPECT_EQ(levels().time_wait, 8u);
    EXPECT_GE(victim().counters().time_wait_recycled, 32u);
}

// --- recovery and reassembly records

TEST_F(Exhaustion, WithoutReassemblyRecordsOnlyInOrderDataIsTaken) {
    setup.stack.reassemblies_max = 2;
    std::vector<Pair> pairs;
    for (std::uint16_t i = 0; i < 6; ++i) {
        pairs.push_back(establish(static_cast<std::uint16_t>(10'000 + i)));
        TcpFields ahead = pairs.back().peer->segment(Flags::ack, text("bb"));
        ahead.seq += 2;
        pairs.back().peer->throw_in(ahead);
    }
    EXPECT_EQ(levels().reassemblies, 2u);
    EXPECT_EQ(victim().drops(Drop::tcp_out_of_order_full), 4u);
    for (Pair& pair : pairs) {
        pair.peer->send(pair.peer->segment(Flags::ack, text("aa")));
        victim().run_for(milliseconds(50));
        pair.peer->listen();
        if (pair.peer->acked == pair.peer->snd_nxt) {
            pair.peer->send(pair.peer->segment(Flags::ack, text("bb")));
        }
        pair.peer->snd_nxt = pair.peer->acked;
        victim().run_for(milliseconds(50));
        pair.peer->listen();
        EXPECT_EQ(read(pair.fd), "aabb");
        pair.peer->snd_nxt = pair.peer->acked;
        expect_alive(pair);
    }
    EXPECT_EQ(levels().reassemblies, 0u);
}

TEST_F(Exhaustion, WithoutRecoveryRecordsLossIsRepairedAllTheSame) {
    setup.stack.recoveries_max = 1;
    setup.stack.chunks.count = {4096, 2048, 64};
    std::vector<Pair> pairs;
    for (std::uint16_t i = 0; i < 4; ++i) {
        pairs.push_back(establish(static_cast<std::uint16_t>(10'000 + i),
                                  bytes_of({2, 4, 5, 0xb4, 4, 2, 1, 1})));
        EXPECT_EQ(write(pairs.back().fd, 10'000), 10'000);
        pairs.back().peer->listen();
    }
    for (Pair& pair : pairs) {  // the first segment was lost, the rest is there
        const std::uint32_t una = pair.peer->victim_iss + 1;
        for (std::uint32_t got = 2; got <= 6; ++got) {
            TcpFields sack = pair.peer->segment(Flags::ack);
            sack.ack = una;
            sack.options = bytes_of({1, 1, 5, 10, 0, 0, 0, 0, 0, 0, 0, 0});
            for (int b = 0; b < 4; ++b) {
                sack.options[4 + static_cast<std::size_t>(b)] =
                    static_cast<std::byte>((una + 1460) >> (24 - 8 * b));
                sack.options[8 + static_cast<std::size_t>(b)] =
                    static_cast<std::byte>((una + 1460 * got) >> (24 - 8 * b));
            }
            pair.peer->throw_in(sack);
        }
    }
    EXPECT_LE(levels().recoveries, 1u);
    victim().run_for(seconds(3));
    EXPECT_GE(victim().counters().segments_retransmitted, 4u);
    for (Pair& pair : pairs) {
        victim().take_heard();
        pair.peer->rcv_nxt = pair.peer->victim_iss + 1 + 10'000;
        pair.peer->send(pair.peer->segment(Flags::ack));
        victim().run_for(milliseconds(100));
        victim().take_heard();
        expect_alive(pair);
    }
}

// --- chunks

// Peers that fill their windows out of order hold memory without any application being slow. A
// connection that is served keeps going all the while.
TEST_F(Exhaustion, OutOfOrderHoardersDoNotStarveAConnectionThatIsRead) {
    setup.stack.chunks.count = {1024, 512, 16};
    std::vector<Pair> pairs;
    for (std::uint16_t i = 0; i < 40; ++i)
        pairs.push_back(establish(static_cast<std::uint16_t>(10'000 + i), bytes_of({3, 3, 7, 1})));
    for (Pair& pair : pairs) {
        for (std::uint32_t at = 1; at + 1400 < 250'000; at += 1400) {
            TcpFields ahead = pair.peer->segment(Flags::ack, Bytes(1400));
            ahead.seq += at;
            pair.peer->throw_in(ahead);
        }
    }
    EXPECT_GT(victim().drops(Drop::tcp_no_chunk) + victim().drops(Drop::tcp_out_of_order_full), 0u);
    for (int i = 0; i < 10; ++i)
        bystander().check();
    for (Pair& pair : pairs)
        pair.peer->throw_in(pair.peer->segment(Flags::rst));
    for (Pair& pair : pairs)
        EXPECT_EQ(sockets().close(pair.fd), 0);
}

// The same with data that nobody reads: each holds what it was promised, nobody holds the last.
TEST_F(Exhaustion, UnreadDataDoesNotStarveAConnectionThatIsRead) {
    setup.stack.chunks.count = {1024, 512, 16};
    std::vector<Pair> pairs;
    for (std::uint16_t i = 0; i < 40; ++i)
        pairs.push_back(establish(static_cast<std::uint16_t>(10'000 + i), bytes_of({3, 3, 7, 1})));
    for (Pair& pair : pairs) {
        for (int i = 0; i < 200 && pair.peer->window >= 1400; ++i) {
            TcpFields next = pair.peer->segment(Flags::ack, Bytes(1400));
            next.seq = pair.peer->acked;
            pair.peer->send(next);
        }
    }
    for (int i = 0; i < 10; ++i)
        bystander().check();
    // Control traffic needs no chunk: a new connection opens, and everybody may leave.
    Pair late = establish(20'000);
    late.peer->snd_nxt = late.peer->acked;
    late.peer->send(late.peer->segment(Flags::ack | Flags::fin));
    EXPECT_EQ(read(late.fd), "");
    EXPECT_EQ(sockets().close(late.fd), 0);
    for (Pair& pair : pairs)
        EXPECT_EQ(sockets().close(pair.fd), 0);
}

// Its record must not stay for ever when the peer does not come again.
TEST_F(Exhaustion, AHandshakeWhoseDataFindsNoChunkEndsWhenThePeerIsGone) {
    setup.stack.chunks.count = {64, 64, 16};
    victim();
    std::vector<Pair> pairs = send_what_nobody_reads();
    const std::uint32_t before = levels().connections;
    const std::uint64_t dropped = victim().drops(Drop::tcp_no_chunk);
    EXPECT_GT(dropped, 0u);
    RawPeer gone(victim(), 50'000);
    gone.snd_nxt = gone.iss;
    gone.throw_in(gone.segment(Flags::syn));
    ++gone.snd_nxt;
    gone.listen();
    gone.throw_in(gone.segment(Flags::ack, Bytes(500)));
    EXPECT_EQ(victim().drops(Drop::tcp_no_chunk), dropped + 1);
    EXPECT_EQ(levels().connections, before + 1);
    for (Pair& pair : pairs)
        EXPECT_EQ(sockets().close(pair.fd), 0);
    victim().run_for(seconds(300));
    EXPECT_EQ(levels().connections, before - pairs.size());
}

// RFC 9293 §3.5.3: a reset may carry text, for which no room is needed.
TEST_F(Exhaustion, AResetWithTextNeedsNoChunk) {
    setup.stack.chunks.count = {64, 64, 16};
    Pair reset = establish(50'000);
    std::vector<Pair> pairs = send_what_nobody_reads();
    EXPECT_GT(victim().drops(Drop::tcp_no_chunk), 0u);
    TcpFields last = reset.peer->segment(Flags::rst | Flags::ack, Bytes(500));
    last.seq = reset.peer->acked;
    reset.peer->throw_in(last);
    std::array<std::byte, 16> room;
    EXPECT_EQ(sockets().receive(reset.fd, room, 0), -ECONNRESET);
    for (Pair& pair : pairs)
        EXPECT_EQ(sockets().close(pair.fd), 0);
}

// --- frames

// The other end of the wire keeps all frames: what cannot be sent is counted and sent later.
TEST_F(Exhaustion, WithoutFramesSegmentsWaitAndLeaveLater) {
    setup.wire_frames = 64;
    setup.stack.tcp.defaults.send_buffer = 1 << 20;
    setup.stack.chunks.count = {4096, 2048, 64};
    Pair pair = establish(40'000, bytes_of({2, 4, 5, 0xb4, 3, 3, 8, 1}));
    std::uint32_t sent = 0;
    for (int i = 0; i < 2000 && sent < 400'000; ++i) {
        const long n = sockets().send(pair.fd, pattern(sent, 8192), 0);
        if (n > 0) sent += static_cast<std::uint32_t>(n);
        victim().run_for(milliseconds(1));
        pair.peer->listen();
        pair.peer->send(pair.peer->segment(Flags::ack));
    }
    victim().run_for(seconds(1));
    pair.peer->listen();
    EXPECT_EQ(pair.peer->rcv_nxt - pair.peer->victim_iss - 1, sent);
    pair.peer->send(pair.peer->segment(Flags::ack));
}

// The other end reads nothing, and its ring is as full of answers as what may wait behind it. The
// last ACK of a connection is an answer that nobody could give again before the peer's time-out.
TEST_F(Exhaustion, BehindAFullRingTheLastAckOfAConnectionStillFindsRoom) {
    setup.wire_ring = 64;
    Pair pair = establish();
    EXPECT_EQ(sockets().close(pair.fd), 0);
    victim().settle();
    pair.peer->listen();
    pair.peer->send(pair.peer->segment(Flags::ack));  // FIN-WAIT-2
    TcpFields stray = pair.peer->segment(Flags::syn);
    stray.destination_port = 81;
    for (int i = 0; i < 64 + 200; ++i) {
        ++stray.source_port;
        victim().inject(tcp_packet(stray));
        static_cast<void>(victim().machine().turn());
    }
    const TcpFields fin = pair.peer->segment(Flags::fin | Flags::ack);
    victim().inject(tcp_packet(fin));
    static_cast<void>(victim().machine().turn());
    victim().run_for(milliseconds(1));
    pair.peer->listen();
    EXPECT_EQ(pair.peer->acked, fin.seq + 1);
    EXPECT_EQ(victim().drops(Drop::io_transmit_full), 0u);
}

// --- memory at the start

int mappings_left = 0;

// Each mapping a core and its application ask for is refused once: a problem with a text, nothing
// half made, no crash.
TEST(ExhaustionAtStart, EveryRefusedMappingIsAProblemWithAText) {
    int refused = 0;
    for (int nth = 0; nth < 200; ++nth) {
        mappings_left = nth;
        set_allocation_hook([](std::size_t) { return mappings_left-- > 0; });
        stack::CoreSetup core_setup;
        core_setup.configuration = VictimSetup::small_stack();
        core_setup.loopback_addresses = {{kVictim, 32}};
        auto core = stack::Core::create(std::move(core_setup));
        if (!core) {
            set_allocation_hook(nullptr);
            EXPECT_FALSE(core.error().text().empty());
            EXPECT_EQ(core.error().error, ENOMEM) << core.error().text();
            ++refused;
            continue;
        }
        struct Idle final : socket::Driver {
            void run_stack() override {}
            void kick() override {}
            Wake wait(Instant) override { return Wake::interrupted; }
            Instant now() override { return {}; }
            int event_descriptor() override { return -1; }
        } driver;
        auto application = socket::Application::create((*core)->view(driver), {});
        const bool all = application.ok() && mappings_left > 0;
        set_allocation_hook(nullptr);
        if (all) break;
        if (application.ok()) continue;
        EXPECT_FALSE(application.error().text().empty());
        ++refused;
    }
    EXPECT_GE(refused, 15);
}

}  // namespace
}  // namespace mtcp::victim
