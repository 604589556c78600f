// SPDX-License-Identifier: Apache-2.0
// Explicit Congestion Notification from both ends.
#include "tcp/path/ecn.h"

#include <gtest/gtest.h>

#include <cerrno>
#include <optional>

#include "tcp/testing/pair.h"
#include "tcp/testing/solo.h"

namespace mtcp::tcp {
namespace {

using testing::In;
using testing::OnWire;
using testing::Pair;
using testing::Solo;
using Ecn = Configuration::Ecn;

constexpr std::uint8_t kSetup = wire::Flags::ece | wire::Flags::cwr;

void connect_with_ecn(Solo& solo) {
    solo.env.configuration.ecn = Ecn::request;
    solo.peer_syn_flags = wire::Flags::ece;
    solo.connect();
    ASSERT_TRUE(solo.tcb.ecn.agreed);
}

In syn_ack(const Solo& solo, const char* flags) {
    In in{.flags = flags, .seq = 0};
    in.options = solo.peer_options;
    return in;
}

// Checks RFC 3168 §6.1.1.
TEST(Ecn, SynOffersAndSynAckAgrees) {
    Solo solo;
    solo.env.configuration.ecn = Ecn::request;
    solo.open();
    EXPECT_EQ(solo.out(), "SEW 0:0(0)");
    solo.segment(syn_ack(solo, "S.E"));
    EXPECT_TRUE(solo.tcb.ecn.agreed);
    EXPECT_EQ(solo.out(), ". 1:1(0) ack 1");
}

TEST(Ecn, IsNotRequestedByDefaultButAccepted) {  // Checks RFC 9293 SHLD-8.
    Solo solo;
    solo.open();
    EXPECT_EQ(solo.out(), "S 0:0(0)");
    Solo server;
    server.peer_syn_flags = kSetup;
    server.accept();
    EXPECT_TRUE(server.tcb.ecn.agreed);
}

TEST(Ecn, OffMeansNeither) {
    Solo solo;
    solo.env.configuration.ecn = Ecn::off;
    solo.peer_syn_flags = kSetup;
    solo.accept();
    EXPECT_FALSE(solo.tcb.ecn.agreed);
}

TEST(Ecn, SynWithOneOfTheBitsIsNoOffer) {
    Solo solo;
    solo.peer_syn_flags = wire::Flags::ece;
    solo.accept();
    EXPECT_FALSE(solo.tcb.ecn.agreed);
}

TEST(Ecn, SynThatIsMarkedCapableIsNoOffer) {  // Checks RFC 8311 §4.3.
    wire::Segment syn;
    syn.flags = {wire::Flags::syn | kSetup};
    EXPECT_TRUE(accepts_ecn({}, {}, syn));
    syn.ecn = EcnField::capable_0;
    EXPECT_FALSE(accepts_ecn({}, {}, syn));
    EXPECT_TRUE(accepts_ecn({}, {.congestion = CongestionAlgorithm::dctcp}, syn));
}

TEST(Ecn, DctcpOffersItUnlessItIsOff) {
    for (const bool off : {false, true}) {
        Solo solo;
        solo.settings.congestion = CongestionAlgorithm::dctcp;
        if (off) solo.env.configuration.ecn = Ecn::off;
        solo.open();
        EXPECT_EQ(solo.out(), off ? "S 0:0(0)" : "SEW 0:0(0)");
    }
}

TEST(Ecn, MirroredBitsAgreeToNothing) {
    Solo solo;
    solo.env.configuration.ecn = Ecn::request;
    solo.open();
    static_cast<void>(solo.out());
    solo.segment(syn_ack(solo, "S.EW"));
    EXPECT_FALSE(solo.tcb.ecn.agreed);
    solo.send(10);
    EXPECT_EQ(solo.out(), "P. 1:11(10) ack 1");
}

TEST(Ecn, LostSynIsRepeatedWithoutTheOffer) {  // Checks RFC 3168 §6.1.1.1.
    Solo solo;
    solo.env.configuration.ecn = Ecn::request;
    solo.open();
    EXPECT_EQ(solo.out(), "SEW 0:0(0)");
    EXPECT_EQ(solo.advance(seconds(1)), "+1000 S 0:0(0)");
    solo.segment(syn_ack(solo, "S.E"));
    EXPECT_FALSE(solo.tcb.ecn.agreed);
}

TEST(Ecn, RefusedSynIsRepeatedOnceWithoutTheOffer) {
    Solo solo;
    solo.env.configuration.ecn = Ecn::request;
    solo.open();
    static_cast<void>(solo.out());
    solo.segment({.flags = "R.", .seq = 0, .ack = 1});
    EXPECT_EQ(solo.last_drop, Drop::tcp_ecn_refused);
    EXPECT_EQ(solo.out(), "S 0:0(0)");
    solo.segment({.flags = "R.", .seq = 0, .ack = 1});
    EXPECT_EQ(solo.error, ECONNREFUSED);
}

// The time-out of the SYN that was refused is not that of the new one.
TEST(Ecn, SynWithoutTheOfferHasATimeoutOfItsOwn) {
    Solo solo;
    solo.env.configuration.ecn = Ecn::request;
    solo.open();
    static_cast<void>(solo.out());
    EXPECT_EQ(solo.advance(milliseconds(900)), "");
    solo.segment({.flags = "R.", .seq = 0, .ack = 1});
    EXPECT_EQ(solo.out(), "S 0:0(0)");
    EXPECT_EQ(solo.advance(milliseconds(999)), "");
    EXPECT_EQ(solo.advance(milliseconds(1)), "+1 S 0:0(0)");
}

TEST(Ecn, SimultaneousOpenAgreesWhenBothOffer) {
    Solo solo;
    solo.env.configuration.ecn = Ecn::request;
    solo.open();
    static_cast<void>(solo.out());
    solo.segment(syn_ack(solo, "SEW"));
    EXPECT_EQ(solo.out(), "SE. 0:0(0) ack 1");
    EXPECT_TRUE(solo.tcb.ecn.agreed);
}

TEST(Ecn, NewDataIsCapableAndNothingElse) {  // Checks RFC 3168 §6.1.4, §6.1.5.
    Solo solo;
    connect_with_ecn(solo);
    solo.send(1000);
    EXPECT_EQ(solo.out(), "[ect0] P. 1:1001(1000) ack 1");
    EXPECT_EQ(solo.advance(milliseconds(300)), "+201 P. 1:1001(1000) ack 1");
    solo.segment({.seq = 1, .ack = 1001});
    solo.segment({.seq = 1, .length = 1000, .ack = 1001});
    EXPECT_EQ(solo.out(), ". 1001:1001(0) ack 1001");
    solo.shutdown();
    EXPECT_EQ(solo.out(), "F. 1001:1001(0) ack 1001");
}

TEST(Ecn, MarkIsEchoedUntilCwr) {  // Checks RFC 3168 §6.1.3.
    Solo solo;
    connect_with_ecn(solo);
    solo.segment({.seq = 1, .length = 100, .ecn = EcnField::capable_0});
    EXPECT_EQ(solo.out(), "");
    solo.segment({.seq = 101, .length = 100, .ecn = EcnField::marked});
    EXPECT_EQ(solo.out(), "E. 1:1(0) ack 201");
    solo.segment({.seq = 201, .length = 1000, .ecn = EcnField::capable_0});
    EXPECT_EQ(solo.out(), "E. 1:1(0) ack 1201");
    solo.send(10);
    EXPECT_EQ(solo.out(), "[ect0] PE. 1:11(10) ack 1201");
    solo.segment({.flags = ".W", .seq = 1201, .length = 100, .ack = 11, .ecn = 2});
    EXPECT_EQ(solo.out(), ". 11:11(0) ack 1301");
    // A segment with CWR may be marked itself.
    solo.segment({.flags = ".W", .seq = 1301, .length = 100, .ack = 11, .ecn = 3});
    EXPECT_EQ(solo.out(), "E. 11:11(0) ack 1401");
    EXPECT_EQ(solo.counters.ecn_marks_in, 2u);
}

TEST(Ecn, MarksOfAConnectionWithoutItMeanNothing) {
    Solo solo;
    solo.connect();
    solo.segment({.seq = 1, .length = 1000, .ecn = EcnField::marked});
    EXPECT_EQ(solo.out(), ". 1:1(0) ack 1001");
    EXPECT_EQ(solo.counters.ecn_marks_in, 0u);
    const std::uint32_t before = solo.tcb.cwnd;
    solo.send(1000);
    EXPECT_EQ(solo.out(), "P. 1:1001(1000) ack 1001");
    solo.segment({.flags = ".E", .seq = 1001, .ack = 1001});
    EXPECT_GE(solo.tcb.cwnd, before);
}

TEST(Ecn, EchoHalvesTheWindowOnceARoundTrip) {  // Checks RFC 3168 §6.1.2.
    Solo solo;
    connect_with_ecn(solo);
    solo.send(20'000);
    static_cast<void>(solo.out());  // ten segments
    ASSERT_EQ(solo.tcb.cwnd, 10'000u);
    solo.segment({.flags = ".E", .ack = 1001});
    EXPECT_EQ(solo.tcb.cwnd, 5'000u);
    EXPECT_EQ(solo.tcb.ssthresh, 5'000u);
    EXPECT_EQ(solo.counters.ecn_reductions, 1u);
    EXPECT_TRUE(status(solo.env, solo.tcb, solo.now).ecn_reduced);
    for (std::uint32_t ack = 2001; ack <= 9001; ack += 1000)
        solo.segment({.flags = ".E", .ack = ack});
    EXPECT_EQ(solo.tcb.cwnd, 5'000u);  // neither again, nor grown
    EXPECT_EQ(solo.counters.ecn_reductions, 1u);
    // CWR on the first new segment only, whatever a device could cut.
    static_cast<void>(solo.out(4000));
    ASSERT_GE(solo.sent.size(), 2u);
    EXPECT_EQ(solo.sent[0].data_length, 1000u);
    EXPECT_TRUE(solo.sent[0].flags.has(wire::Flags::cwr));
    EXPECT_GT(solo.sent[1].data_length, 1000u);
    EXPECT_FALSE(solo.sent[1].flags.has(wire::Flags::cwr));
    solo.segment({.flags = ".E", .ack = 11'001});
    EXPECT_EQ(solo.counters.ecn_reductions, 2u);
    static_cast<void>(solo.out());
    solo.segment({.ack = solo.tcb.snd.nxt - solo.tcb.iss});
    EXPECT_FALSE(status(solo.env, solo.tcb, solo.now).ecn_reduced);
}

// RFC 4015 §3.2: a loss that was none is taken back, but not what a mark has told of since.
TEST(Ecn, AMarksReductionIsNotUndoneWithTheLossBefore) {
    Solo solo;
    connect_with_ecn(solo);
    solo.send(10'000);
    static_cast<void>(solo.out());
    solo.segment({.sack = {{1001, 5001}}});
    ASSERT_EQ(solo.tcb.phase, Phase::fast_recovery);
    static_cast<void>(solo.out());
    solo.segment({.ack = 10'001});
    ASSERT_EQ(solo.tcb.phase, Phase::open);
    const std::uint32_t after_loss = solo.tcb.cwnd;
    solo.send(5'000);
    static_cast<void>(solo.out());
    solo.segment({.flags = "E.", .ack = 11'001});
    const std::uint32_t after_mark = solo.tcb.cwnd;
    ASSERT_LT(after_mark, after_loss);
    solo.segment({.flags = ".", .ack = 11'001, .sack = {{1, 1001}}});  // both copies had arrived
    EXPECT_EQ(solo.tcb.cwnd, after_mark);
}

// RFC 3168 §6.1.2: one reduction for the marks and the losses of one window of data.
TEST(Ecn, ALossInAWindowThatAMarkHasReducedReducesNoFurther) {
    Solo solo;
    connect_with_ecn(solo);
    solo.send(20'000);
    static_cast<void>(solo.out());
    solo.segment({.flags = ".E", .ack = 1001});
    ASSERT_EQ(solo.tcb.ssthresh, 5'000u);
    solo.segment({.flags = ".E", .ack = 1001, .sack = {{2001, 6001}}});
    ASSERT_EQ(solo.tcb.phase, Phase::fast_recovery);
    EXPECT_EQ(solo.out().substr(0, 8), ". 1001:2");
    EXPECT_EQ(solo.tcb.ssthresh, 5'000u);
    EXPECT_LE(solo.tcb.cwnd, 5'000u);
    solo.segment({.flags = ".E", .ack = 10'001});
    EXPECT_EQ(solo.tcb.cwnd, 5'000u);
    static_cast<void>(solo.out());
    // What is lost of the next window does.
    solo.segment({.ack = 10'001, .sack = {{11'001, 15'001}}});
    EXPECT_LT(solo.tcb.ssthresh, 5'000u);
    static_cast<void>(solo.out());
}

TEST(Ecn, LossThatHalvedTheWindowIsToldByCwr) {
    Solo solo;
    connect_with_ecn(solo);
    solo.send(12'000);
    static_cast<void>(solo.out());
    for (std::uint32_t end = 2001; end <= 4001; end += 1000)
        solo.segment({.flags = ".E", .ack = 1, .sack = {{1001, end}}});
    ASSERT_EQ(solo.tcb.phase, Phase::fast_recovery);
    const std::uint32_t before = solo.tcb.ssthresh;
    solo.segment({.flags = ".E", .ack = 1, .sack = {{1001, 5001}}});
    EXPECT_EQ(solo.tcb.ssthresh, before);  // not for the mark as well
    EXPECT_TRUE(solo.tcb.ecn.cwr);
    static_cast<void>(solo.out());
}

// RFC 3168 §6.1.2: nor when that loss is repaired and nothing newer is acknowledged.
TEST(Ecn, AMarkOfAWindowThatALossHasHalvedCostsNothing) {
    Solo solo;
    connect_with_ecn(solo);
    solo.send(10'000);
    static_cast<void>(solo.out());
    solo.segment({.ack = 1, .sack = {{1001, 5001}}});
    ASSERT_EQ(solo.tcb.phase, Phase::fast_recovery);
    EXPECT_EQ(solo.tcb.ssthresh, 5'000u);
    static_cast<void>(solo.out());
    solo.segment({.flags = ".E", .ack = 10'001, .window = 20'000});
    ASSERT_EQ(solo.tcb.phase, Phase::open);
    solo.segment({.flags = ".E", .ack = 10'001, .window = 30'000});
    EXPECT_EQ(solo.tcb.ssthresh, 5'000u);
    solo.send(1000);
    EXPECT_EQ(solo.out(), "[ect0] PW. 10001:11001(1000) ack 1");
    solo.segment({.flags = ".E", .ack = 11'001});  // a new mark
    EXPECT_LT(solo.tcb.ssthresh, 5'000u);
    static_cast<void>(solo.out());
}

// Checks RFC 8257 §3.2.
TEST(Ecn, ExactReceiverAnswersEachRunOfMarksOnItsOwn) {
    Solo solo;
    connect_with_ecn(solo);
    solo.tcb.ecn.exact = true;
    solo.tcb.quick_acks = 0;
    solo.segment({.seq = 1, .length = 1000, .ecn = EcnField::capable_0});
    EXPECT_EQ(solo.out(), "");
    solo.segment({.seq = 1001, .length = 1000, .ecn = EcnField::marked});
    EXPECT_TRUE(must_answer_first(solo.tcb));
    EXPECT_EQ(solo.out(), ". 1:1(0) ack 1001 | E. 1:1(0) ack 2001");
    // The same right edge in both, whatever the number acknowledged.
    EXPECT_EQ(solo.sent[0].ack + solo.sent[0].window, solo.sent[1].ack + solo.sent[1].window);
    solo.segment({.seq = 2001, .length = 1000, .ecn = EcnField::marked});
    EXPECT_EQ(solo.out(), "");  // delayed as ever
    solo.segment({.seq = 3001, .length = 1000, .ecn = EcnField::marked});
    EXPECT_EQ(solo.out(), "E. 1:1(0) ack 4001");
    solo.segment({.seq = 4001, .length = 1000, .ecn = EcnField::capable_0});
    EXPECT_EQ(solo.out(), ". 1:1(0) ack 5001");
    // CWR means nothing to it.
    solo.segment({.flags = ".W", .seq = 5001, .length = 1000, .ecn = EcnField::marked});
    EXPECT_EQ(solo.out(), "E. 1:1(0) ack 6001");
}

// RFC 7323 §2.4: the edge goes back by less than a unit, however many ACKs tell of it.
TEST(Ecn, AnAckForEarlierMarksRoundsTheWindowOnce) {
    constexpr std::uint8_t kShift = 7;
    Solo solo;
    solo.env.configuration.window_shift = kShift;
    solo.peer_options.window_shift = 0;
    connect_with_ecn(solo);
    ASSERT_EQ(solo.tcb.receive_window_shift, kShift);
    solo.tcb.ecn.exact = true;
    solo.tcb.settings.receive_buffer = 16'384;  // less than is offered: no room to round up
    wire::SequenceNumber highest = solo.tcb.rcv.nxt + solo.tcb.rcv.wnd;
    std::uint32_t seq = 1;
    for (int i = 0; i < 40; ++i) {
        const std::uint8_t field = i % 3 == 0 ? EcnField::capable_0 : EcnField::marked;
        solo.segment({.seq = seq, .length = 333, .ecn = field});
        seq += 333;
        static_cast<void>(solo.out());
        for (const wire::OutgoingSegment& ack : solo.sent) {
            const wire::SequenceNumber edge = ack.ack + (std::uint32_t{ack.window} << kShift);
            EXPECT_LT(highest, edge + (1u << kShift)) << "after " << seq;
            highest = wire::higher(highest, edge);
        }
    }
}

// What the wire of a transfer from `sender` saw, in bytes.
struct Marks {
    std::uint32_t marked = 0;
    std::uint32_t echoed = 0;  // acknowledged with ECE
};

// One data segment in four is marked; both ends run `algorithm`.
void transfer_with_marks(CongestionAlgorithm algorithm, int sender, Marks& marks) {
    Pair pair(21);
    for (int side = 0; side < 2; ++side) {
        testing::Host& host = pair.host(side);
        host.env.configuration.ecn = Ecn::request;
        host.settings.congestion = host.listener.settings.congestion = algorithm;
    }
    testing::Host& host = pair.host(sender);
    host.application.to_send = 400'000;
    std::uint32_t data_segments = 0;
    pair.marker = [&](const OnWire& seen) {
        const auto length = static_cast<std::uint32_t>(seen.segment.payload.size());
        const bool data = seen.from == sender && length > 0;
        if (!data || seen.segment.flags.has(wire::Flags::fin)) return false;
        if (++data_segments % 4 != 0) return false;
        marks.marked += length;
        return true;
    };
    std::optional<wire::SequenceNumber> last;
    pair.filter = [&](const OnWire& seen) {
        const wire::Segment& segment = seen.segment;
        if (seen.from == sender || !segment.flags.has(wire::Flags::ack)) return true;
        if (last && segment.flags.has(wire::Flags::ece)) marks.echoed += segment.ack - *last;
        last = segment.ack;
        return true;
    };
    pair.open();
    ASSERT_TRUE(pair.run(seconds(600)));
    ASSERT_EQ(pair.host(1 - sender).received, host.application.to_send);
    ASSERT_EQ(host.counters.segments_retransmitted, 0u);
}

// Checks RFC 8257 §3.2, whichever end opened the connection.
TEST(Ecn, MarksComeBackByteForByteBetweenDctcpEnds) {
    for (const int sender : {0, 1}) {
        SCOPED_TRACE(sender);
        Marks marks;
        transfer_with_marks(CongestionAlgorithm::dctcp, sender, marks);
        EXPECT_GT(marks.marked, 80'000u);
        EXPECT_EQ(marks.echoed, marks.marked);
    }
}

// RFC 3168 §6.1.3: elsewhere a mark is repeated until CWR comes.
TEST(Ecn, MarksAreRepeatedBetweenOtherEnds) {
    Marks marks;
    transfer_with_marks(CongestionAlgorithm::new_reno, 0, marks);
    EXPECT_GT(marks.echoed, marks.marked * 2);
}

TEST(Ecn, CookieRemembersIt) {
    Environment env;
    const Instant now{seconds(1'000).ns};
    env.configuration.syn_cookies = Configuration::Cookies::always;
    env.configuration.timestamps = Configuration::Use::on;
    wire::Segment syn;
    syn.seq = testing::kPeerIss;
    syn.flags = {wire::Flags::syn | kSetup};
    syn.options.mss = 1000;
    syn.options.timestamps = true;
    const ListenDecision decision =
        on_listen_segment(env, {}, testing::some_flow(), syn, Backlog::has_room, now);
    ASSERT_EQ(decision.verdict, ListenVerdict::cookie);
    EXPECT_TRUE(decision.reply.flags.has(wire::Flags::ece));
    wire::Segment ack;
    ack.flags = {wire::Flags::ack};
    ack.seq = syn.seq + 1;
    ack.ack = decision.reply.seq + 1;
    ack.options.timestamps = true;
    ack.options.ts_echo = decision.reply.options.ts_value;
    HalfOpen half;
    ASSERT_TRUE(check_cookie(env, {}, testing::some_flow(), ack, now, half));
    EXPECT_EQ(half.ecn, 1);
}

}  // namespace
}  // namespace mtcp::tcp
