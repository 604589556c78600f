// SPDX-License-Identifier: Apache-2.0
// Segments and packets that no honest host writes: options, lengths, checksums, flags.
#include "tests/hostile/hostile_fixture.h"

namespace mtcp::victim {
namespace {

// --- options

struct BadOption {
    BadOption(const char* what, std::initializer_list<unsigned> octets)
        : name(what), bytes(bytes_of(octets)) {}
    const char* name;
    Bytes bytes;
};

class OptionsTest : public Hostile, public ::testing::WithParamInterface<BadOption> {};

// In a SYN and in an established connection alike: the segment stands, what cannot be read of its
// options is not there (RFC 9293 MUST-7), and reading ends.
TEST_P(OptionsTest, AreSkippedAndTheConnectionStands) {
    const Bytes options = GetParam().bytes;
    Pair pair = establish(40'000, options);
    for (int i = 0; i < 3; ++i) {
        TcpFields data = pair.peer->segment(Flags::ack | Flags::psh, text("x"));
        data.options = options;
        pair.peer->send(data);
        EXPECT_EQ(read(pair.fd), "x");
    }
    expect_alive(pair);
    // Data of any size leaves in segments that the peer can take, and never in none at all.
    EXPECT_EQ(write(pair.fd, 3000), 3000);
    std::size_t got = 0;
    for (const Heard& heard : pair.peer->listen()) {
        got += heard.payload.size();
        EXPECT_GE(heard.payload.size(), 40u);
    }
    EXPECT_GE(got, 88u);
}

INSTANTIATE_TEST_SUITE_P(
    Malformed, OptionsTest,
    ::testing::Values(
        BadOption{"LengthZero", {2, 0, 5, 0xb4}}, BadOption{"LengthOne", {2, 1, 5, 0xb4}},
        BadOption{"UnknownLengthZero", {77, 0, 0, 0}}, BadOption{"UnknownLengthOne", {77, 1, 0, 0}},
        BadOption{"LongerThanWhatIsLeft", {1, 1, 77, 12}}, BadOption{"MssTruncated", {1, 1, 2, 4}},
        BadOption{"KindWithoutLength", {1, 1, 1, 2}},
        BadOption{"MssTooLong", {2, 6, 5, 0xb4, 0, 0}},
        BadOption{"MssTwice", {2, 4, 5, 0xb4, 2, 4, 0, 100}}, BadOption{"MssZero", {2, 4, 0, 0}},
        BadOption{"MssOne", {2, 4, 0, 1}}, BadOption{"MssHuge", {2, 4, 0xff, 0xff}},
        BadOption{"TimestampsTwice",
                  {8, 10, 0, 0, 0, 1, 0, 0, 0, 0, 8, 10, 0, 0, 0, 2, 0, 0, 0, 0}},
        BadOption{"TimestampsTooShort", {8, 4, 0, 1}},
        BadOption{"ScaleTwice", {3, 3, 2, 3, 3, 5, 1, 1}}, BadOption{"ScaleFifteen", {3, 3, 15, 1}},
        BadOption{"ScaleMost", {3, 3, 255, 1}}, BadOption{"ScaleTooLong", {3, 4, 2, 2}},
        BadOption{"SackPermittedTooLong", {4, 4, 1, 1}},
        BadOption{"SackOfOddLength", {5, 9, 0, 0, 0, 1, 0, 0, 0, 1, 1, 1}},
        BadOption{"SackWithoutBlocks", {5, 2, 1, 1}},
        BadOption{"FastOpenOfOddLength", {34, 5, 1, 2, 3, 1, 1, 1}},
        BadOption{"FastOpenTooLong", {34, 24, 1,  2,  3,  4,  5,  6,  7,  8,  9,  10,
                                      11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22}},
        BadOption{"FortyNops", {1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1,
                                1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1}},
        BadOption{"Authentication", {29, 4, 0, 0}},
        BadOption{"Md5", {19, 18, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 1}}),
    [](const auto& tested) { return std::string(tested.param.name); });

class Malformed : public Hostile {};

// The original mTCP died of the first of these and hung on the second.
TEST_F(Malformed, ASynWithoutAnMssIsServed) {
    Pair pair = establish();
    EXPECT_EQ(write(pair.fd, 2000), 2000);
    for (const Heard& heard : pair.peer->listen())
        EXPECT_LE(heard.payload.size(), 536u);  // RFC 9293 MUST-15
}

// RFC 7323 §2.3: a shift above 14 counts as 14.
TEST_F(Malformed, AWindowScaleAboveFourteenIsFourteen) {
    Pair pair = establish(40'000, bytes_of({2, 4, 5, 0xb4, 3, 3, 40, 1}));
    pair.peer->own_window = 1;  // 16384 bytes by a shift of 14, none by 40 modulo 32
    pair.peer->send(pair.peer->segment(Flags::ack));
    EXPECT_EQ(write(pair.fd, 5000), 5000);
    std::size_t got = 0;
    for (const Heard& heard : pair.peer->listen())
        got += heard.payload.size();
    EXPECT_EQ(got, 5000u);
}

// --- lengths, versions, checksums: dropped in silence, under exactly one counter

TEST_F(Malformed, LengthsThatLieAreDroppedInSilence) {
    Pair pair = establish();
    const TcpFields good = pair.peer->segment(Flags::ack | Flags::psh, text("payload"));
    std::vector<Bytes> bad;
    const auto with = [&](auto change) {
        TcpFields fields = good;
        change(fields);
        bad.push_back(tcp_packet(fields));
    };
    for (const int words : {0, 1, 4, 8, 15})  // data offset: below 5, or beyond the segment
        with([=](TcpFields& f) { f.header_words = static_cast<std::uint8_t>(words); });
    for (const int words : {0, 1, 4, 15})  // ihl
        with([=](TcpFields& f) { f.ip.header_words = static_cast<std::uint8_t>(words); });
    for (const int version : {0, 3, 5, 6, 15})
        with([=](TcpFields& f) { f.ip.version = static_cast<std::uint8_t>(version); });
    for (const int length : {0, 1, 19, 20, 39, 48, 1500, 65535})
        with([=](TcpFields& f) { f.ip.total_length = static_cast<std::uint16_t>(length); });
    for (const Checksum kind : {Checksum::wrong, Checksum::zero, Checksum::ones}) {
        with([=](TcpFields& f) { f.checksum = kind; });
        with([=](TcpFields& f) { f.ip.checksum = kind; });
    }
    with([](TcpFields& f) { f.source_port = 0; });
    with([](TcpFields& f) { f.destination_port = 0; });
    const Bytes whole = tcp_packet(good);
    for (std::size_t length = 1; length < whole.size(); ++length)
        bad.emplace_back(whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(length));
    const auto dropped = [&] {
        std::uint64_t sum = 0;
        for (const std::uint64_t count : victim().counters().dropped)
            sum += count;
        return sum;
    };
    for (const Bytes& packet : bad) {
        const std::uint64_t before = dropped();
        victim().inject(packet);
        victim().settle();
        EXPECT_EQ(dropped(), before + 1);
    }
    EXPECT_TRUE(victim().take_heard().empty());
    EXPECT_EQ(read(pair.fd), "errno " + std::to_string(EAGAIN));
    expect_alive(pair);
}

// --- scans, as nmap sends them; the answers are those of Linux

struct Scan {
    const char* name;
    std::uint8_t flags;
    bool reset_by_closed;
    bool reset_by_open;
    bool accepted_by_open;  // answered by a SYN-ACK
};

class ScanTest : public Hostile, public ::testing::WithParamInterface<Scan> {};

TEST_P(ScanTest, ClosedAndOpenPortsAnswerAsRfc9293Says) {
    const Scan& scan = GetParam();
    const auto probe = [&](std::uint16_t port) {
        RawPeer peer(victim(), 50'000, port);
        TcpFields fields = peer.segment(scan.flags);
        fields.ack = 0x1234;
        peer.throw_in(fields);
        return victim().take_heard();
    };
    const auto closed = probe(81);
    ASSERT_EQ(closed.size(), scan.reset_by_closed ? 1u : 0u);
    EXPECT_TRUE(!scan.reset_by_closed || closed[0].has(Flags::rst));
    const auto open = probe(80);
    ASSERT_EQ(open.size(), scan.reset_by_open || scan.accepted_by_open ? 1u : 0u);
    EXPECT_TRUE(!scan.reset_by_open || open[0].has(Flags::rst));
    EXPECT_TRUE(!scan.accepted_by_open || open[0].is(Flags::syn | Flags::ack));
    EXPECT_EQ(victim().core().levels().half_open, scan.accepted_by_open ? 1u : 0u);
}

constexpr std::uint8_t kFin = Flags::fin, kSyn = Flags::syn, kRst = Flags::rst, kPsh = Flags::psh,
                       kAck = Flags::ack, kUrg = Flags::urg;
INSTANTIATE_TEST_SUITE_P(
    Scans, ScanTest,
    ::testing::Values(Scan{"Null", 0, true, false, false}, Scan{"Fin", kFin, true, false, false},
                      Scan{"Xmas", kFin | kPsh | kUrg, true, false, false},
                      Scan{"Maimon", kFin | kAck, true, true, false},
                      Scan{"Ack", kAck, true, true, false},
                      Scan{"SynFin", kSyn | kFin, true, false, false},
                      Scan{"SynRst", kSyn | kRst, false, false, false},
                      Scan{"SynAck", kSyn | kAck, true, true, false},
                      Scan{"Rst", kRst, false, false, false},
                      Scan{"RstAck", kRst | kAck, false, false, false},
                      Scan{"All", 0xff, false, false, false}, Scan{"Syn", kSyn, true, false, true},
                      Scan{"SynUrgPsh", kSyn | kUrg | kPsh, true, false, true}),
    [](const auto& tested) { return std::string(tested.param.name); });

// --- every combination of flags in every state: no crash, and no more than one answer each

class EveryFlag : public Hostile {
  protected:
    // Brings a connection into a state; false when there is none of it left.
    enum class Place {
        listen,
        syn_sent,
        syn_received,
        established,
        fin_wait_1,
        fin_wait_2,
        closing,
        close_wait,
        last_ack,
        time_wait,
        closed
    };
    int bring(RawPeer& peer, Place place) {
        if (place == Place::listen || place == Place::closed) {
            peer.snd_nxt = peer.iss;
            if (place == Place::closed) peer.victim_port = 81;
            return -1;
        }
        if (place == Place::syn_sent) {
            const int fd = static_cast<int>(sockets().make(sim::Blocking::never_blocks));
            EXPECT_EQ(sockets().bind(fd, {kVictim, 12'000}), 0);
            peer.victim_port = 12'000;
            EXPECT_EQ(sockets().connect(fd, {peer.address, peer.port}), -EINPROGRESS);
            victim().settle();
            peer.listen();
            peer.snd_nxt = peer.iss;
            return fd;
        }
        if (place == Place::syn_received) {
            peer.snd_nxt = peer.iss;
            peer.send(peer.segment(Flags::syn));
            return -1;
        }
        EXPECT_TRUE(peer.connect());
        const int fd = accept();
        const bool peer_first = place == Place::close_wait || place == Place::last_ack;
        if (peer_first) peer.send(peer.segment(Flags::ack | Flags::fin));
        if (place != Place::established && place != Place::close_wait) {
            EXPECT_EQ(sockets().close(fd), 0);
            victim().settle();
        }
        const std::uint32_t before_fin = peer.rcv_nxt;
        peer.listen();
        if (place == Place::closing) {
            const std::uint32_t all = peer.rcv_nxt;
            peer.rcv_nxt = before_fin;
            peer.send(peer.segment(Flags::ack | Flags::fin));
            peer.rcv_nxt = all;
        } else if (place == Place::time_wait) {
            peer.send(peer.segment(Flags::ack | Flags::fin));
        } else if (place == Place::fin_wait_2) {
            peer.send(peer.segment(Flags::ack));
        }
        return fd;
    }
};

TEST_F(EveryFlag, InEveryStateIsAnsweredAtMostOnce) {
    setup.stack.half_open_max = 1024;
    setup.stack.time_wait_max = 1024;
    setup.stack.max_concurrency = 512;
    int combinations = 0;
    for (int place = 0; place <= static_cast<int>(Place::closed); ++place) {
        for (unsigned flags = 0; flags < 256; ++flags) {
            RawPeer peer(victim(), static_cast<std::uint16_t>(20'000 + flags));
            peer.iss = static_cast<std::uint32_t>(place) * 0x0100'0000u + flags * 1000;
            const int fd = bring(peer, static_cast<Place>(place));
            victim().take_heard();
            for (const std::uint32_t offset : {0u, 0xffff'ffffu, 1000u, 0x4000'0000u}) {
                TcpFields fields = peer.segment(static_cast<std::uint8_t>(flags));
                fields.seq += offset;
                fields.ack = peer.rcv_nxt;
                fields.urgent = 3;
                peer.throw_in(fields);
                // One answer, and one more where an ACK let data, a FIN or a SYN-ACK go.
                EXPECT_LE(victim().take_heard().size(), 2u)
                    << "state " << place << " flags " << flags << " offset " << offset;
                ++combinations;
            }
            // Away with it, whatever became of it.
            static_cast<void>(sockets().abort(fd));
            TcpFields rst = peer.segment(Flags::rst);
            peer.throw_in(rst);
            for (int left = accept(); left >= 0; left = accept())
                static_cast<void>(sockets().abort(left));
            victim().settle();
        }
        victim().run_for(seconds(200));  // half-open and TIME-WAIT records
    }
    EXPECT_EQ(combinations, 11 * 256 * 4);
}

}  // namespace
}  // namespace mtcp::victim
