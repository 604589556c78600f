// SPDX-License-Identifier: Apache-2.0
// A peer that makes the victim hold memory, or work: SegmentSmack, SACK floods, zero windows for
// ever, slow readers, full queues, churn.
#include <netinet/in.h>
#include <netinet/tcp.h>

#include "tests/hostile/hostile_fixture.h"
#include "wire/big_endian.h"

namespace mtcp::victim {
namespace {

class Resources : public Hostile {
  protected:
    [[nodiscard]] stack::Core::Levels levels() { return victim().core().levels(); }
};

// --- CVE-2018-5390 and reassembly

TEST_F(Resources, OneByteSegmentsInReverseOrderAreBoundedAndCounted) {
    Pair pair = establish();
    const std::uint64_t chunks = levels().chunks;
    // Every second byte, backwards: as many holes as there can be.
    for (std::uint32_t i = 20'000; i > 0; i -= 2) {
        TcpFields byte = pair.peer->segment(Flags::ack, text("x"));
        byte.seq = pair.peer->snd_nxt + i;
        pair.peer->throw_in(byte);
    }
    EXPECT_GT(victim().drops(Drop::tcp_out_of_order_full), 9'000u);
    EXPECT_LE(levels().chunks - chunks, 64u) << "a handful of chunks for one connection";
    EXPECT_LE(levels().reassemblies, 1u);
    EXPECT_EQ(read(pair.fd), "errno " + std::to_string(EAGAIN));
    // The stream from the front is still taken, and what was held does not harm it.
    // A segment over more holes than one answer can name is taken up to there, and comes again.
    const std::uint32_t end = pair.peer->snd_nxt + 21'000;
    for (int i = 0; i < 200 && pair.peer->acked != end; ++i) {
        TcpFields more = pair.peer->segment(Flags::ack, {});
        more.seq = pair.peer->acked;
        more.payload.assign(std::min<std::size_t>(1000, end - more.seq), std::byte{'x'});
        pair.peer->send(more);
        victim().run_for(milliseconds(50));
        pair.peer->listen();
    }
    EXPECT_EQ(pair.peer->acked, end);
    std::size_t got = 0;
    for (std::string part = read(pair.fd); part[0] == 'x'; part = read(pair.fd)) {
        got += part.size();
        EXPECT_EQ(part.find_first_not_of('x'), std::string::npos);
    }
    EXPECT_EQ(got, 21'000u);
}

// Segments that overlap and contradict each other: what came first stays (as Linux), and the SACK
// blocks name what is held, no more.
TEST_F(Resources, OverlappingSegmentsAreConsistent) {
    Pair pair = establish(40'000, bytes_of({2, 4, 5, 0xb4, 4, 2, 1, 1}));
    const std::uint32_t base = pair.peer->snd_nxt;
    const auto put = [&](std::uint32_t at, const std::string& s) {
        TcpFields fields = pair.peer->segment(Flags::ack, text(s));
        fields.seq = base + at;
        pair.peer->throw_in(fields);
    };
    put(4, "EFGH");
    auto heard = pair.peer->listen();
    ASSERT_FALSE(heard.empty());
    ASSERT_EQ(heard.back().segment.options.sack_count, 1);
    EXPECT_EQ(heard.back().segment.options.sack[0].begin.raw, base + 4);
    EXPECT_EQ(heard.back().segment.options.sack[0].end.raw, base + 8);
    put(2, "cdefghij");
    put(6, "1234");
    put(0, "ab");
    victim().run_for(milliseconds(50));
    EXPECT_EQ(read(pair.fd), "abcdEFGHij");
    heard = pair.peer->listen();
    ASSERT_FALSE(heard.empty());
    EXPECT_EQ(heard.back().segment.ack.raw, base + 10);
    EXPECT_EQ(heard.back().segment.options.sack_count, 0);
    pair.peer->snd_nxt = base + 10;
    expect_alive(pair);
}

// --- SACK (CVE-2019-11477, 11478, 11479)

TEST_F(Resources, SackBlocksOfAnyShapeOverTinySegmentsCostNoMoreThanTheirNumber) {
    setup.stack.tcp.defaults.send_buffer = 1 << 20;
    Pair pair = establish(40'000, bytes_of({2, 4, 0, 48, 3, 3, 14, 4, 2, 1, 1, 1}));
    pair.peer->own_window = 65'535;
    pair.peer->send(pair.peer->segment(Flags::ack));
    std::uint32_t offset = 0;
    for (int i = 0; i < 40; ++i) {
        const long n = write(pair.fd, 20'000, offset);
        if (n <= 0) break;
        offset += static_cast<std::uint32_t>(n);
    }
    for (const Heard& heard : pair.peer->listen())
        EXPECT_GE(heard.payload.size(), 36u) << "a floor under the MSS (mss_floor)";
    const std::uint32_t una = pair.peer->victim_iss + 1;
    const std::uint64_t chunks = levels().chunks;
    const std::uint64_t before = victim().packets_heard();
    for (std::uint32_t i = 0; i < 5'000; ++i) {
        TcpFields fields = pair.peer->segment(Flags::ack);
        fields.ack = una;
        fields.options = bytes_of({1, 1, 5, 34});
        fields.options.resize(36);
        for (std::size_t b = 0; b < 4; ++b) {
            // Alternating segments, backwards blocks, blocks below UNA and beyond NXT.
            std::uint32_t begin = una + (i * 4 + static_cast<std::uint32_t>(b)) * 96 % 20'000;
            std::uint32_t end = begin + 48;
            if (i % 5 == 1) std::swap(begin, end);
            if (i % 5 == 2) end = begin + 0x4000'0000u;
            if (i % 5 == 3) begin = una - 500;
            wire::store_be32(fields.options.data() + 4 + 8 * b, begin);
            wire::store_be32(fields.options.data() + 8 + 8 * b, end);
        }
        pair.peer->throw_in(fields);
    }
    EXPECT_LE(levels().chunks, chunks) << "SACK holds no memory";
    EXPECT_LE(levels().recoveries, 1u);
    EXPECT_LE(victim().packets_heard() - before, 40'000u);
    // The truth heals it.
    pair.peer->listen();
    for (int i = 0; i < 400 && pair.peer->rcv_nxt - una < offset; ++i) {
        pair.peer->send(pair.peer->segment(Flags::ack));
        victim().run_for(milliseconds(300));
        pair.peer->listen();
    }
    EXPECT_EQ(pair.peer->rcv_nxt - una, offset);
    pair.peer->send(pair.peer->segment(Flags::ack));
}

// --- sockstress, slow readers

// RFC 9293 MUST-36, MUST-37: a zero window that is confirmed for ever keeps a connection for ever,
// as long as the application wants it.
TEST_F(Resources, AZeroWindowIsProbedAndKeptWhileItIsAnswered) {
    Pair pair = establish();
    pair.peer->own_window = 0;
    pair.peer->send(pair.peer->segment(Flags::ack));
    EXPECT_EQ(write(pair.fd, 5000), 5000);
    pair.peer->listen();
    std::size_t probes = 0;
    for (int i = 0; i < 3600; ++i) {
        victim().run_for(seconds(1));
        const std::size_t heard = pair.peer->listen().size();
        probes += heard;
        if (heard != 0) pair.peer->send(pair.peer->segment(Flags::ack));
    }
    EXPECT_FALSE(pair.peer->was_reset);
    EXPECT_GE(probes, 20u);
    EXPECT_LE(probes, 100u) << "backed off";
    pair.peer->own_window = 65'535;
    pair.peer->send(pair.peer->segment(Flags::ack));
    pair.peer->send(pair.peer->segment(Flags::ack));
    EXPECT_EQ(pair.peer->rcv_nxt - pair.peer->victim_iss - 1, 5000u);
}

// ...but one that the application has closed is an orphan, and orphans end (R2, user time-out).
TEST_F(Resources, OrphansBehindAZeroWindowEnd) {
    setup.stack.tcp.defaults.user_timeout_ms = 30'000;
    Pair pair = establish();
    pair.peer->own_window = 0;
    pair.peer->send(pair.peer->segment(Flags::ack));
    EXPECT_EQ(write(pair.fd, 5000), 5000);
    EXPECT_EQ(sockets().close(pair.fd), 0);
    const std::uint32_t before = levels().connections;
    for (int i = 0; i < 120; ++i) {
        victim().run_for(seconds(1));
        if (!pair.peer->listen().empty() && !pair.peer->was_reset)
            pair.peer->send(pair.peer->segment(Flags::ack));  // he answers every probe
    }
    EXPECT_LT(levels().connections, before);
}

// A hundred connections that read nothing hold their own buffers and no more; what they held comes
// back when they are reset.
TEST_F(Resources, ManyZeroWindowsHoldWhatTheirBuffersAllow) {
    setup.stack.tcp.defaults.send_buffer = 8192;
    std::vector<Pair> pairs;
    for (std::uint16_t i = 0; i < 60; ++i) {
        pairs.push_back(establish(static_cast<std::uint16_t>(30'000 + i)));
        pairs.back().peer->own_window = 0;
        pairs.back().peer->send(pairs.back().peer->segment(Flags::ack));
    }
    const std::uint64_t idle = levels().chunks;
    for (Pair& pair : pairs) {
        for (int i = 0; i < 10; ++i)
            write(pair.fd, 4000);
    }
    EXPECT_LE(levels().chunks - idle, 60u * 9) << "8 KB each";
    bystander().check();
    for (Pair& pair : pairs)
        pair.peer->throw_in(pair.peer->segment(Flags::rst));
    victim().run_for(milliseconds(10));
    for (Pair& pair : pairs)
        EXPECT_EQ(sockets().close(pair.fd), 0);
    victim().settle();
    EXPECT_LE(levels().chunks, idle + 8);
}

// RFC 9293 §3.8.6.2.1: windows that open byte by byte do not make byte by byte leave.
TEST_F(Resources, OneByteWindowsDoNotMakeSillySegments) {
    Pair pair = establish();
    pair.peer->own_window = 0;
    pair.peer->send(pair.peer->segment(Flags::ack));
    EXPECT_EQ(write(pair.fd, 50'000), 50'000);
    std::size_t segments = 0;
    std::size_t bytes = 0;
    for (int i = 0; i < 500; ++i) {
        pair.peer->own_window = 1;
        pair.peer->send(pair.peer->segment(Flags::ack));
        victim().run_for(milliseconds(10));
        for (const Heard& heard : pair.peer->listen()) {
            segments += heard.payload.empty() ? 0u : 1u;
            bytes += heard.payload.size();
        }
    }
    // The override time-out lets one go now and then, no more.
    EXPECT_LE(segments, 30u) << bytes << " bytes";
}

// An application that reads byte by byte does not advertise byte by byte either (MUST-39).
TEST_F(Resources, ReadingByteByByteOpensTheWindowInSteps) {
    setup.stack.tcp.defaults.receive_buffer = 8192;
    Pair pair = establish();
    for (int i = 0; i < 20 && pair.peer->window >= 1000; ++i) {
        pair.peer->send(pair.peer->segment(Flags::ack, Bytes(1000)));
        victim().run_for(milliseconds(50));
        pair.peer->listen();
    }
    std::size_t updates = 0;
    for (int i = 0; i < 4000; ++i) {
        read(pair.fd, 1);
        victim().settle();
        updates += pair.peer->listen().size();
    }
    EXPECT_LE(updates, 8u);
}

// --- queues

TEST_F(Resources, AFullAcceptQueueDropsAndRecovers) {
    victim();
    const int small = listen_on(90, 4);
    std::vector<std::unique_ptr<RawPeer>> peers;
    for (std::uint16_t i = 0; i < 40; ++i) {
        peers.push_back(
            std::make_unique<RawPeer>(victim(), static_cast<std::uint16_t>(1000 + i), 90));
        static_cast<void>(peers.back()->connect());
    }
    EXPECT_GT(victim().drops(Drop::tcp_accept_queue_full), 0u);
    wire::Endpoint from;
    int accepted = 0;
    for (long fd; (fd = sockets().accept(small, from)) >= 0; ++accepted)
        EXPECT_EQ(sockets().abort(static_cast<int>(fd)), 0);
    EXPECT_EQ(accepted, 4 + 1);  // listen(2), as Linux reads it
    victim().settle();
    RawPeer late(victim(), 2000, 90);
    EXPECT_TRUE(late.connect());
    EXPECT_GE(sockets().accept(small, from), 0);
}

// Half-open records, connections waiting for accept, and one whose handshake data waits: all go
// with the listener, and each peer hears a reset at its next word.
TEST_F(Resources, AListenerThatClosesTakesAllAlong) {
    victim();
    const int doomed = listen_on(90, 8);
    RawPeer half(victim(), 1001, 90);
    half.snd_nxt = half.iss;
    half.send(half.segment(Flags::syn));
    RawPeer whole(victim(), 1002, 90);
    EXPECT_TRUE(whole.connect());
    whole.send(whole.segment(Flags::ack, text("unread")));
    EXPECT_EQ(sockets().close(doomed), 0);
    victim().settle();
    whole.listen();
    half.listen();
    half.snd_nxt = half.iss + 1;
    half.send(half.segment(Flags::ack));
    EXPECT_TRUE(half.was_reset);
    whole.send(whole.segment(Flags::ack));
    EXPECT_TRUE(whole.was_reset);
    RawPeer late(victim(), 1003, 90);
    EXPECT_FALSE(late.connect());
    EXPECT_TRUE(late.was_reset);
}

// --- ports and churn

TEST_F(Resources, ExhaustedPortsAreSaidSoAndComeBack) {
    setup.stack.port_first = 20'000;
    setup.stack.port_last = 20'031;
    victim();
    std::vector<int> fds;
    const wire::Endpoint target{kAttacker, 443};
    const auto open = [&] {
        const int fd = static_cast<int>(sockets().make(sim::Blocking::never_blocks));
        const long answer = sockets().connect(fd, target);
        victim().settle();
        fds.push_back(fd);
        return answer == -EINPROGRESS ? -sockets().error(fd) : answer;
    };
    for (int i = 0; i < 32; ++i)
        EXPECT_EQ(open(), 0) << i;
    EXPECT_EQ(open(), -EADDRNOTAVAIL);
    EXPECT_EQ(open(), -EADDRNOTAVAIL);
    for (const int fd : fds)
        EXPECT_EQ(sockets().abort(fd), 0);
    victim().run_for(milliseconds(10));
    victim().take_heard();
    EXPECT_EQ(open(), 0);
}

// Connections that end in every way at once, with unread data, resets that cross FINs, and data
// behind them.
TEST_F(Resources, ChurnLeavesNothingBehind) {
    setup.stack.time_wait_max = 1024;
    Random random(3);
    for (int round = 0; round < 600; ++round) {
        RawPeer peer(victim(), static_cast<std::uint16_t>(10'000 + round));
        peer.iss = static_cast<std::uint32_t>(random.next());
        ASSERT_TRUE(peer.connect());
        if (random.below(2) == 0) peer.send(peer.segment(Flags::ack | Flags::psh, text("unread")));
        const int fd = accept();
        ASSERT_GE(fd, 0);
        if (random.below(2) == 0) write(fd, random.below(5000));
        if (random.below(3) == 0) static_cast<void>(read(fd));
        const TcpFields last[] = {peer.segment(Flags::rst), peer.segment(Flags::ack | Flags::fin),
                                  peer.segment(Flags::ack | Flags::fin, text("more")),
                                  peer.segment(Flags::rst | Flags::ack, text("why"))};
        const TcpFields& end = last[random.below(4)];
        victim().inject(tcp_packet(end));
        if (random.below(2) == 0) victim().settle();
        const bool abort = random.below(3) == 0;
        EXPECT_EQ(abort ? sockets().abort(fd) : sockets().close(fd), 0);
        victim().inject(tcp_packet(last[random.below(4)]));
        victim().settle();
        if (random.below(2) == 0) {
            peer.listen();
            peer.send(peer.segment(Flags::ack));
            peer.send(peer.segment(Flags::rst));
        }
        victim().run_for(milliseconds(random.below(20)));
        victim().take_heard();
    }
    EXPECT_EQ(levels().half_open, 0u);
}

// RFC 9293 §3.6.1: data that nobody will read is answered with a reset, on close and after it.
TEST_F(Resources, ClosingWithUnreadDataResets) {
    Pair pair = establish();
    pair.peer->send(pair.peer->segment(Flags::ack | Flags::psh, text("unread")));
    EXPECT_EQ(sockets().close(pair.fd), 0);
    victim().settle();
    pair.peer->listen();
    EXPECT_TRUE(pair.peer->was_reset);
}

// --- the flow table

// Tuples that collide in an unkeyed table (equal sums, equal low bits) spread here: finding one of
// them takes no longer. Counted in instructions elsewhere; here the table must hold them all.
TEST_F(Resources, CraftedTuplesDoNotPileUp) {
    setup.stack.half_open_max = 4096;
    setup.stack.tcp.syn_cookies = tcp::Configuration::Cookies::off;
    victim();
    const int big = listen_on(90, 200);
    static_cast<void>(big);
    for (std::uint32_t i = 0; i < 200; ++i) {
        // Source address and port move against each other: their sum stays.
        RawPeer peer(victim(), static_cast<std::uint16_t>(10'000 + i), 90,
                     wire::IpAddress::v4(0x0a001000 - i));
        peer.snd_nxt = peer.iss;
        peer.throw_in(peer.segment(Flags::syn));
    }
    EXPECT_EQ(levels().half_open, 200u);
    EXPECT_GE(levels().flows, 200u);
    victim().run_for(seconds(200));
    EXPECT_EQ(levels().half_open, 0u);
}

// --- FINs

TEST_F(Resources, FinsInStrangePlacesFollowTheStateTable) {
    Pair pair = establish();
    // Below RCV.NXT: a duplicate, acknowledged.
    TcpFields fin = pair.peer->segment(Flags::ack | Flags::fin);
    fin.seq -= 1;
    pair.peer->throw_in(fin);
    EXPECT_EQ(read(pair.fd), "errno " + std::to_string(EAGAIN)) << "not the end";
    expect_alive(pair);
    // Ahead of a hole: remembered, not delivered.
    fin = pair.peer->segment(Flags::ack | Flags::fin, text("cd"));
    fin.seq += 2;
    pair.peer->throw_in(fin);
    EXPECT_EQ(read(pair.fd), "errno " + std::to_string(EAGAIN));
    pair.peer->throw_in(pair.peer->segment(Flags::ack, text("ab")));
    victim().settle();
    EXPECT_EQ(read(pair.fd), "abcd");
    EXPECT_EQ(read(pair.fd), "");
}

TEST_F(Resources, AFinIntoAZeroWindowIsTakenAloneAndComesAgainWithText) {
    setup.stack.tcp.defaults.receive_buffer = 2920;
    Pair pair = establish();
    for (int i = 0; i < 10 && pair.peer->window > 0; ++i) {
        const std::size_t fits = std::min<std::size_t>(pair.peer->window, 1460);
        pair.peer->send(pair.peer->segment(Flags::ack | Flags::psh, Bytes(fits, std::byte{'x'})));
        victim().run_for(milliseconds(50));
        pair.peer->listen();
    }
    ASSERT_EQ(pair.peer->window, 0u);
    pair.peer->throw_in(pair.peer->segment(Flags::ack | Flags::fin, text("y")));
    EXPECT_EQ(pair.peer->listen().size(), 1u);
    std::string got = read(pair.fd);
    for (std::string part; (part = read(pair.fd))[0] == 'x';)
        got += part;
    EXPECT_EQ(got.find('y'), std::string::npos);
    EXPECT_EQ(read(pair.fd), "errno " + std::to_string(EAGAIN));
    victim().run_for(milliseconds(100));
    pair.peer->listen();
    while (pair.peer->window > 0) {
        const std::size_t fits = std::min<std::size_t>(pair.peer->window, 1460);
        pair.peer->send(pair.peer->segment(Flags::ack | Flags::psh, Bytes(fits, std::byte{'x'})));
        victim().run_for(milliseconds(50));
        pair.peer->listen();
    }
    pair.peer->throw_in(pair.peer->segment(Flags::ack | Flags::fin));
    EXPECT_EQ(pair.peer->listen().size(), 1u);
    while (read(pair.fd)[0] == 'x') {
    }
    EXPECT_EQ(read(pair.fd), "");
}

// --- urgent (RFC 6093, CVE-2019-12255, CVE-2020-17437)

TEST_F(Resources, UrgentPointersOfAnyValueMoveNoByte) {
    Pair pair = establish();
    for (const unsigned pointer : {0u, 1u, 2u, 100u, 65'535u}) {
        TcpFields fields = pair.peer->segment(Flags::ack | Flags::urg | Flags::psh, text("abc"));
        fields.urgent = static_cast<std::uint16_t>(pointer);
        pair.peer->send(fields);
        std::string got;
        for (std::string part = read(pair.fd); part.rfind("errno", 0) != 0; part = read(pair.fd))
            got += part;
        EXPECT_EQ(got, "abc") << pointer;
        TcpFields bare = pair.peer->segment(Flags::ack | Flags::urg);
        bare.urgent = static_cast<std::uint16_t>(pointer);
        pair.peer->throw_in(bare);
    }
    expect_alive(pair);
}

}  // namespace
}  // namespace mtcp::victim
