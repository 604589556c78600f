// SPDX-License-Identifier: Apache-2.0
// Lies about the path: ICMP (RFC 5927), fragments (RFC 1858, RFC 5722), LAND, and loops of answers.
#include "tests/hostile/hostile_fixture.h"
#include "wire/icmp.h"

namespace mtcp::victim {
namespace {

// --- ICMP

class Icmp : public Hostile {
  protected:
    // An error about a segment of the victim with number `seq`.
    void send_error(const RawPeer& peer, std::uint8_t type, std::uint8_t code, std::uint32_t seq,
                    std::uint32_t rest = 0) {
        TcpFields quoted;
        quoted.ip.source = kVictim;
        quoted.ip.destination = peer.address;
        quoted.source_port = peer.victim_port;
        quoted.destination_port = peer.port;
        quoted.seq = seq;
        quoted.flags = Flags::ack;
        Bytes quote = tcp_packet(quoted);
        quote.resize(28);
        Bytes message(wire::kIcmpHeader);
        message.insert(message.end(), quote.begin(), quote.end());
        wire::emit_icmp_header(type, code, rest, message);
        IpFields ip;
        ip.source = wire::IpAddress::v4(0x0a0000fe);
        ip.destination = kVictim;
        ip.protocol = 1;
        victim().inject(ip_packet(ip, message));
        victim().settle();
    }
    // A connection with 20 segments in flight.
    Pair with_flight() {
        Pair pair = establish(40'000, bytes_of({2, 4, 5, 0xb4}));
        EXPECT_EQ(write(pair.fd, 12'000), 12'000);
        pair.peer->listen();
        una_ = pair.peer->victim_iss + 1;
        return pair;
    }
    // Sizes of what is sent from now on.
    std::size_t largest_of(Pair& pair) {
        victim().run_for(seconds(2));
        std::size_t largest = 0;
        for (const Heard& heard : pair.peer->listen())
            largest = std::max(largest, heard.payload.size());
        return largest;
    }
    void finish(Pair& pair) {
        for (int i = 0; i < 100; ++i) {
            pair.peer->send(pair.peer->segment(Flags::ack));
            victim().run_for(milliseconds(100));
            pair.peer->listen();
        }
        EXPECT_EQ(pair.peer->rcv_nxt - una_, 12'000u);
        pair.peer->send(pair.peer->segment(Flags::ack));
        expect_alive(pair);
    }
    std::uint32_t una_ = 0;
};

// Hard errors are soft in synchronised states, also with the right number (RFC 5927 §5.2).
TEST_F(Icmp, HardErrorsDoNotEndAnEstablishedConnection) {
    Pair pair = with_flight();
    for (std::uint8_t code = 0; code < 16; ++code) {
        if (code == 4) continue;
        send_error(*pair.peer, 3, code, una_);
        send_error(*pair.peer, 3, code, una_ + 0x1000'0000u);
    }
    send_error(*pair.peer, 11, 0, una_);
    send_error(*pair.peer, 12, 0, una_);
    EXPECT_GE(victim().drops(Drop::icmp_stale), 14u);
    EXPECT_NE(read(pair.fd), "");
    finish(pair);
}

TEST_F(Icmp, FragmentationNeededCannotLieTheSegmentsSmallOrLarge) {
    Pair pair = with_flight();
    // A number that is not in flight: nothing happens.
    send_error(*pair.peer, 3, 4, una_ - 1, 600);
    send_error(*pair.peer, 3, 4, una_ + 50'000, 600);
    EXPECT_EQ(largest_of(pair), 1460u);
    // Below what a packet can be, zero, and larger than what we send: no smaller than the floor.
    for (const std::uint32_t mtu : {1u, 67u, 68u, 100u, 551u})
        send_error(*pair.peer, 3, 4, una_, mtu);
    const std::size_t small = largest_of(pair);
    EXPECT_GE(small, 512u);
    EXPECT_LE(small, 1460u);
    send_error(*pair.peer, 3, 4, una_, 1500);
    send_error(*pair.peer, 3, 4, una_, 65'535);
    EXPECT_LE(largest_of(pair), small) << "never raised by ICMP";
    finish(pair);
}

TEST_F(Icmp, AFloodOfFragmentationNeededMakesNoFloodOfRetransmissions) {
    Pair pair = with_flight();
    const std::uint64_t before = victim().counters().segments_retransmitted;
    for (int i = 0; i < 2'000; ++i)
        send_error(*pair.peer, 3, 4, una_, 1400 - static_cast<std::uint32_t>(i % 700));
    // RFC 5927 §7.2: three are believed at once, the others wait for a time-out that never comes.
    EXPECT_LE(victim().counters().segments_retransmitted - before, 3u * 14);
    EXPECT_EQ(victim().counters().path_mtu_lowered, 3u);
    EXPECT_GE(victim().counters().path_claims_held, 600u);
    finish(pair);
}

TEST_F(Icmp, SourceQuenchAndRedirectHaveNoEffect) {
    Pair pair = with_flight();
    const std::uint64_t before = victim().drops(Drop::icmp_ignored);
    for (int i = 0; i < 50; ++i) {
        send_error(*pair.peer, 4, 0, una_);
        send_error(*pair.peer, 5, 1, una_, kAttacker.v4_bits());
    }
    EXPECT_EQ(victim().drops(Drop::icmp_ignored), before + 100);
    finish(pair);
}

// In SYN-SENT a hard error with the right number ends the attempt (RFC 1122), a guess does not.
TEST_F(Icmp, AnOpeningConnectionEndsOnlyByTheRightNumber) {
    victim();
    const int fd = static_cast<int>(sockets().make(sim::Blocking::never_blocks));
    EXPECT_EQ(sockets().bind(fd, {kVictim, 12'000}), 0);
    EXPECT_EQ(sockets().connect(fd, {kAttacker, 443}), -EINPROGRESS);
    victim().settle();
    RawPeer peer(victim(), 443, 12'000);
    ASSERT_EQ(peer.listen().size(), 1u);
    send_error(peer, 3, 3, peer.victim_iss + 77);
    EXPECT_EQ(sockets().error(fd), 0);
    send_error(peer, 3, 3, peer.victim_iss);
    EXPECT_EQ(sockets().error(fd), ECONNREFUSED);
}

// Answers to ICMP are limited, whatever the flood (echo, unreachable).
TEST_F(Icmp, AnswersAreRateLimited) {
    IpFields ip;
    ip.source = kAttacker;
    ip.destination = kVictim;
    ip.protocol = 1;
    Bytes echo(64);
    wire::emit_icmp_header(8, 0, 1, echo);
    const Bytes ping = ip_packet(ip, echo);
    ip.protocol = 17;
    const Bytes udp = ip_packet(ip, Bytes(64));
    for (int i = 0; i < 5'000; ++i) {
        victim().inject(ping);
        victim().inject(udp);
        if (i % 20 == 0) victim().settle();
    }
    victim().settle();
    EXPECT_LE(victim().take_other().size(), 1'100u);
    EXPECT_GE(victim().drops(Drop::icmp_rate_limited), 3'900u);
}

// --- fragments

class Fragments : public Hostile {
  protected:
    void send_fragment(const RawPeer& peer, std::span<const std::byte> part, std::uint32_t offset,
                       bool last, std::uint16_t id = 1) {
        IpFields ip;
        ip.source = peer.address;
        ip.destination = kVictim;
        ip.identification = id;
        ip.fragment = static_cast<std::uint16_t>(offset / 8 | (last ? 0 : 0x2000));
        victim().inject(ip_packet(ip, part));
        victim().settle();
    }
};

TEST_F(Fragments, HonestOnesArePutTogether) {
    Pair pair = establish();
    const Bytes segment =
        tcp_bytes(pair.peer->segment(Flags::ack | Flags::psh, Bytes(1000, std::byte{'y'})));
    send_fragment(*pair.peer, std::span(segment).subspan(512), 512, true);
    send_fragment(*pair.peer, std::span(segment).first(512), 0, false);
    EXPECT_EQ(read(pair.fd), std::string(1000, 'y'));
    pair.peer->snd_nxt += 1000;
    expect_alive(pair);
}

// Teardrop, overlaps that rewrite flags or data, a first fragment too small for a header.
TEST_F(Fragments, OverlapsAndTinyOnesNeverReachTcp) {
    Pair pair = establish();
    const TcpFields fields =
        pair.peer->segment(Flags::ack | Flags::psh, Bytes(1000, std::byte{'y'}));
    const Bytes segment = tcp_bytes(fields);
    const auto all = std::span(segment);
    const std::uint64_t before = victim().counters().fragments_reassembled;
    send_fragment(*pair.peer, all.first(512), 0, false, 1);  // overlap by 8
    send_fragment(*pair.peer, all.subspan(504), 504, true, 1);
    send_fragment(*pair.peer, all.first(8), 0, false, 2);  // RFC 1858: tiny
    send_fragment(*pair.peer, all.subspan(8), 8, true, 2);
    send_fragment(*pair.peer, all.first(64), 0, false, 3);  // teardrop: ends inside the first
    send_fragment(*pair.peer, all.subspan(24, 16), 24, true, 3);
    send_fragment(*pair.peer, all.subspan(512), 512, true, 4);  // two ends
    send_fragment(*pair.peer, all.subspan(512), 520, true, 4);
    send_fragment(*pair.peer, all.first(512), 0, false, 4);
    send_fragment(*pair.peer, all.first(512), 65'528, true, 5);  // beyond 64 KB: ping of death
    EXPECT_EQ(victim().counters().fragments_reassembled, before);
    EXPECT_EQ(read(pair.fd), "errno " + std::to_string(EAGAIN));
    victim().run_for(seconds(70));  // what waited has gone
    expect_alive(pair);
}

TEST_F(Fragments, AFloodOfBeginningsHoldsABoundedTable) {
    Pair pair = establish();
    const Bytes part(1024, std::byte{'z'});
    for (std::uint32_t i = 0; i < 20'000; ++i) {
        RawPeer forged(victim(), 1, 80, wire::IpAddress::v4(0x0a000100 + i % 5000));
        send_fragment(forged, part, i % 2 * 1024, false, static_cast<std::uint16_t>(i));
    }
    EXPECT_GT(victim().drops(Drop::fragment_table_full) + victim().drops(Drop::fragment_timeout),
              0u);
    expect_alive(pair);
}

// --- LAND, self-connection, loops

class Loops : public Hostile {};

TEST_F(Loops, LandIsDropped) {
    RawPeer land(victim(), 80, 80, kVictim);
    land.snd_nxt = land.iss;
    for (const std::uint8_t flags : {Flags::syn, Flags::ack, Flags::rst, Flags::fin})
        land.throw_in(land.segment(flags));
    EXPECT_TRUE(victim().take_heard().empty());
    EXPECT_EQ(victim().core().levels().half_open, 0u);
    for (const std::uint32_t source :
         {0u, 0xffff'ffffu, 0xe000'0001u, 0x7f00'0001u, 0x0a00'00ffu}) {
        RawPeer forged(victim(), 1000, 80, wire::IpAddress::v4(source));
        forged.snd_nxt = forged.iss;
        forged.throw_in(forged.segment(Flags::syn));
        EXPECT_TRUE(victim().take_heard().empty()) << source;
    }
    EXPECT_EQ(victim().core().levels().half_open, 0u);
}

// A program may connect a port to itself: simultaneous open with one end (RFC 9293 §3.5).
TEST_F(Loops, ASelfConnectionWorksAndEnds) {
    victim();
    const int fd = static_cast<int>(sockets().make(sim::Blocking::never_blocks));
    EXPECT_EQ(sockets().bind(fd, {kVictim, 5000}), 0);
    static_cast<void>(sockets().connect(fd, {kVictim, 5000}));
    victim().run_for(milliseconds(100));
    if (sockets().send(fd, text("echo"), 0) == 4) {
        victim().settle();
        EXPECT_EQ(read(fd), "echo");
    }
    EXPECT_EQ(sockets().close(fd), 0);
    const std::uint64_t turns = victim().counters().segments_out;
    victim().run_for(seconds(10));
    EXPECT_LE(victim().counters().segments_out - turns, 20u) << "no storm";
}

// Two stacks that find each other's segments unacceptable (FreeRTOS+TCP #1235, smoltcp #338): here
// the honest host and the victim, between whom the attacker desynchronises a connection.
TEST_F(Loops, TwoStacksDoNotAnswerEachOtherForEver) {
    auto& honest = victim().honest().sockets();
    const int server = listen_on(90);
    const int client = static_cast<int>(honest.make(sim::Blocking::never_blocks));
    static_cast<void>(honest.connect(client, {kVictimInside, 90}));
    victim().run_for(milliseconds(10));
    wire::Endpoint from;
    const int fd = static_cast<int>(sockets().accept(server, from));
    ASSERT_GE(fd, 0);
    wire::Endpoint own;
    EXPECT_EQ(honest.local_name(client, own), 0);
    const std::uint64_t before = victim().counters().segments_out;
    // Forged in both names: each lets one of them say something the other has to doubt.
    Random random(5);
    for (int i = 0; i < 500; ++i) {
        TcpFields forged;
        forged.ip.source = kHonest;
        forged.ip.destination = kVictimInside;
        forged.source_port = own.port;
        forged.destination_port = 90;
        forged.seq = static_cast<std::uint32_t>(random.next());
        forged.ack = static_cast<std::uint32_t>(random.next());
        constexpr std::uint8_t kKinds[] = {Flags::ack, Flags::syn, Flags::syn | Flags::ack,
                                           Flags::fin | Flags::ack};
        forged.flags = kKinds[random.below(4)];
        victim().inject(tcp_packet(forged));
        victim().settle();
    }
    victim().run_for(seconds(5));
    const std::uint64_t sent = victim().counters().segments_out - before;
    // Text and FINs outside the window are answered one for one (a lost ACK is likelier than an
    // attack), all else once in half a second; no answer makes another.
    EXPECT_LE(sent, 160u);
    const std::uint64_t quiet = victim().counters().segments_out;
    victim().run_for(seconds(60));
    EXPECT_LE(victim().counters().segments_out - quiet, 2u);
    EXPECT_EQ(honest.send(client, text("still here"), 0), 10);
    victim().run_for(seconds(1));
    EXPECT_EQ(read(fd), "still here");
    EXPECT_EQ(sockets().close(fd), 0);
}

// Strays between two stacks: a reset is never answered.
TEST_F(Loops, AResetIsNeverAnswered) {
    RawPeer stray(victim(), 1234, 4321);
    for (int flags = 0; flags < 256; ++flags) {
        if ((flags & Flags::rst) == 0) continue;
        for (const std::uint16_t port : {std::uint16_t{80}, std::uint16_t{4321}}) {
            stray.victim_port = port;
            stray.throw_in(stray.segment(static_cast<std::uint8_t>(flags)));
        }
    }
    EXPECT_TRUE(victim().take_heard().empty());
}

}  // namespace
}  // namespace mtcp::victim
