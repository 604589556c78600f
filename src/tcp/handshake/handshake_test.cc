// SPDX-License-Identifier: Apache-2.0
// The handshake from both sides, options, simultaneous open, refusal, giving up.
#include <gtest/gtest.h>

#include <cerrno>

#include "tcp/congestion/controller.h"
#include "tcp/testing/solo.h"

namespace mtcp::tcp {
namespace {

using testing::In;
using testing::Solo;

In syn_ack(const Solo& solo) {
    In in{.flags = "S.", .seq = 0};
    in.options = solo.peer_options;
    return in;
}

TEST(Handshake, ActiveOpenTakesThreeSegments) {
    Solo solo;
    solo.open();
    EXPECT_EQ(solo.last.work, Work::control);
    EXPECT_EQ(solo.out(), "S 0:0(0)");
    solo.segment(syn_ack(solo));
    EXPECT_EQ(solo.state(), State::established);
    EXPECT_TRUE(solo.take_events() & Events::connected);
    EXPECT_EQ(solo.last.work, Work::ack);
    EXPECT_EQ(solo.out(), ". 1:1(0) ack 1");
}

TEST(Handshake, TheAckRidesOnTheFirstData) {
    Solo solo;
    solo.open();
    EXPECT_EQ(solo.out(), "S 0:0(0)");
    solo.segment(syn_ack(solo));
    solo.send(64);
    EXPECT_EQ(solo.out(), "P. 1:65(64) ack 1");
}

TEST(Handshake, DataQueuedBeforeTheHandshakeEndsLeavesWithItsAck) {
    Solo solo;
    solo.open();
    solo.send(10);
    EXPECT_EQ(bytes_unsent(solo.tcb), 10u);
    EXPECT_EQ(solo.out(), "S 0:0(0)");
    solo.segment(syn_ack(solo));
    EXPECT_EQ(solo.out(), "P. 1:11(10) ack 1");
}

TEST(Handshake, SynOffersTheConfiguredOptions) {
    Solo solo;
    solo.env.configuration = {};
    solo.open();
    static_cast<void>(solo.out());
    const wire::Options& options = solo.sent.at(0).options;
    EXPECT_EQ(options.mss, 1460);
    EXPECT_TRUE(options.sack_permitted);
    EXPECT_TRUE(options.timestamps);
    EXPECT_EQ(options.window_shift, 7);
    EXPECT_EQ(wire::options_length(options), 20u);
}

TEST(Handshake, OptionsThePeerDoesNotOfferAreNotUsed) {
    Solo solo;
    solo.env.configuration = {};
    solo.peer_options = {};
    solo.connect();
    EXPECT_FALSE(solo.tcb.flags.timestamps);
    EXPECT_FALSE(solo.tcb.flags.selective_ack);
    EXPECT_FALSE(solo.tcb.flags.window_scaling);
    EXPECT_EQ(solo.tcb.receive_window_shift, 0);
    EXPECT_EQ(effective_mss(solo.tcb), 536u);  // Checks RFC 9293 MUST-15.
    solo.send(10);
    EXPECT_EQ(solo.out(), "P. 1:11(10) ack 1");
    EXPECT_EQ(solo.sent.at(0).window, 65535);
    EXPECT_EQ(wire::options_length(solo.sent.at(0).options), 0u);
}

// Checks RFC 6691 §2, §3.1: options come off what is sent, not off what is offered.
TEST(Handshake, TimestampsMakeSegmentsSmallerNotTheOffer) {
    Solo solo;
    solo.env.configuration.timestamps = Configuration::Use::on;
    solo.peer_options.timestamps = true;
    solo.peer_options.mss = 1460;
    solo.open();
    EXPECT_EQ(solo.out(), "S 0:0(0)");
    EXPECT_EQ(solo.sent.at(0).options.mss, 1460);
    solo.segment(syn_ack(solo));
    static_cast<void>(solo.out());
    EXPECT_EQ(effective_mss(solo.tcb), 1448u);
}

TEST(Handshake, TinyMssOfThePeerIsRaisedToTheFloor) {
    Solo solo;
    solo.peer_options.mss = 1;
    solo.connect();
    EXPECT_EQ(effective_mss(solo.tcb), 88u);
}

TEST(Handshake, SynIsSentAgainAndGivenUpAfterMoreThanThreeMinutes) {  // Checks RFC 9293 MUST-23.
    Solo solo;
    solo.open();
    EXPECT_EQ(solo.out(), "S 0:0(0)");
    EXPECT_EQ(solo.advance(seconds(127)),
              "+1000 S 0:0(0) | +3000 S 0:0(0) | +7000 S 0:0(0) | +15000 S 0:0(0) | "
              "+31000 S 0:0(0) | +63000 S 0:0(0) | +127000 S 0:0(0)");
    EXPECT_EQ(solo.advance(seconds(53)), "");
    EXPECT_EQ(solo.state(), State::syn_sent);
    EXPECT_EQ(solo.advance(seconds(70)), "");
    EXPECT_EQ(solo.state(), State::closed);
    EXPECT_EQ(solo.error, ETIMEDOUT);
    EXPECT_EQ(solo.counters.connections_timed_out, 1u);
}

TEST(Handshake, ResetRefusesTheConnection) {
    Solo solo;
    solo.open();
    static_cast<void>(solo.out());
    solo.segment({.flags = "R.", .seq = 0, .ack = 1});
    EXPECT_EQ(solo.error, ECONNREFUSED);
    EXPECT_TRUE(solo.events & Events::closed);
    EXPECT_EQ(solo.out(), "");
}

TEST(Handshake, ResetWithoutAValidAckIsIgnored) {
    Solo solo;
    solo.open();
    static_cast<void>(solo.out());
    solo.segment({.flags = "R", .seq = 0});
    solo.segment({.flags = "R.", .seq = 0, .ack = 2});
    solo.segment({.flags = "R.", .seq = 0, .ack = 0});
    EXPECT_EQ(solo.state(), State::syn_sent);
    EXPECT_EQ(solo.out(), "");
}

// RFC 9293 §3.5.1, figure 9.
TEST(Handshake, AnAckOfAnotherLifeIsAnsweredWithAResetAndTheSynOnceMore) {
    Solo solo;
    solo.open();
    static_cast<void>(solo.out());
    static_cast<void>(solo.advance(milliseconds(600)));
    solo.segment({.flags = ".", .seq = 300, .ack = 91});
    EXPECT_EQ(solo.state(), State::syn_sent);
    EXPECT_EQ(solo.out(), "R 91:91(0) | S 0:0(0)");
    EXPECT_EQ(solo.last_drop, Drop::tcp_bad_ack);
    EXPECT_EQ(solo.counters.segments_retransmitted, 1u);
    // Not as often as a forger likes.
    solo.segment({.flags = ".", .seq = 300, .ack = 92});
    EXPECT_EQ(solo.out(), "R 92:92(0)");
    // The time-out is that of the new SYN, and no time-out has been counted before.
    EXPECT_EQ(solo.advance(milliseconds(2'900)), "+1000 S 0:0(0)");
    EXPECT_EQ(solo.counters.retransmission_timeouts, 1u);
    solo.segment({.flags = ".", .seq = 300, .ack = 91});
    EXPECT_EQ(solo.out(), "R 91:91(0)");
    solo.segment(syn_ack(solo));
    EXPECT_EQ(solo.state(), State::established);
}

TEST(Handshake, ATimestampTellsTheRoundTripBehindIt) {
    Solo solo;
    solo.env.configuration.timestamps = Configuration::Use::on;
    solo.peer_options.timestamps = true;
    solo.open();
    static_cast<void>(solo.out());
    In in = syn_ack(solo);
    in.options.ts_echo = solo.sent.at(0).options.ts_value;
    solo.segment({.flags = ".", .seq = 300, .ack = 91});
    static_cast<void>(solo.out());
    static_cast<void>(solo.advance(milliseconds(20)));
    solo.segment(in);
    EXPECT_EQ(solo.state(), State::established);
    EXPECT_NEAR(solo.tcb.srtt_us, 20'000, 1'000);
}

TEST(Handshake, AnAckOfAnotherLifeBeforeTheSynHasLeftIsNoReasonForASecondOne) {
    Solo solo;
    solo.open();
    solo.segment({.flags = ".", .seq = 300, .ack = 91});
    EXPECT_EQ(solo.out(), "R 91:91(0) | S 0:0(0)");
    EXPECT_EQ(solo.counters.segments_retransmitted, 0u);
}

// It says nothing of the path, unlike a SYN that was lost: the window is the full one.
TEST(Handshake, ASynSentAgainBehindAResetIsNoLoss) {
    Solo solo;
    solo.open();
    static_cast<void>(solo.out());
    solo.segment({.flags = ".", .seq = 300, .ack = 91});
    static_cast<void>(solo.out());
    solo.segment(syn_ack(solo));
    EXPECT_EQ(solo.tcb.cwnd, congestion::initial_window(solo.env.configuration, solo.tcb.mss));
}

TEST(Handshake, SynAckThatEchoesAForeignTimestampIsReset) {
    Solo solo;
    solo.env.configuration.timestamps = Configuration::Use::on;
    solo.peer_options.timestamps = true;
    solo.peer_options.ts_value = 5;
    solo.open();
    static_cast<void>(solo.out());
    In in = syn_ack(solo);
    in.options.ts_echo = 1;
    solo.segment(in);
    EXPECT_EQ(solo.out(), "R 1:1(0)");
    in.options.ts_echo = solo.tcb.ts_offset + static_cast<std::uint32_t>(solo.now.ns / 1'000'000);
    solo.segment(in);
    EXPECT_EQ(solo.state(), State::established);
}

// Checks RFC 9293 MUST-10.
// RFC 5482 §4.1's timeout may be set at any time; what went before it is ours all the same.
TEST(Handshake, AUserTimeoutThatIsSetMeanwhileForgetsNoTimestamp) {
    Solo solo;
    solo.env.configuration.timestamps = Configuration::Use::on;
    solo.peer_options.timestamps = true;
    solo.open();
    EXPECT_EQ(solo.out(), "S 0:0(0)");
    In in = syn_ack(solo);
    in.options.ts_echo = solo.sent.at(0).options.ts_value;
    static_cast<void>(solo.advance(milliseconds(20)));
    solo.settings.user_timeout_ms = 10'000;
    solo.apply_settings();
    static_cast<void>(solo.advance(milliseconds(20)));
    solo.segment(in);
    EXPECT_EQ(solo.state(), State::established);
}

TEST(Handshake, SimultaneousOpenMeetsInTheMiddle) {  // Checks RFC 9293 MUST-11.
    Solo solo;
    solo.open();
    static_cast<void>(solo.out());
    In syn{.flags = "S", .seq = 0};
    syn.options = solo.peer_options;
    solo.segment(syn);
    EXPECT_EQ(solo.state(), State::syn_received);
    EXPECT_EQ(solo.out(), "S. 0:0(0) ack 1");
    solo.segment(syn_ack(solo));
    EXPECT_EQ(solo.state(), State::established);
    EXPECT_TRUE(solo.events & Events::connected);
    EXPECT_EQ(solo.out(), ". 1:1(0) ack 1 sack 0:1");  // our SYN-ACK may be lost
    solo.send(5);
    EXPECT_EQ(solo.out(), "P. 1:6(5) ack 1");
}

TEST(Handshake, SimultaneousOpenSurvivesALostSynAck) {
    Solo solo;
    solo.open();
    static_cast<void>(solo.out());
    solo.segment({.flags = "S", .seq = 0});
    static_cast<void>(solo.out());
    EXPECT_EQ(solo.advance(seconds(1)), "+1000 S. 0:0(0) ack 1");
    solo.segment({.seq = 1, .ack = 1});
    EXPECT_EQ(solo.state(), State::established);
}

TEST(Handshake, WrongAckInSynReceivedIsAnsweredWithAReset) {
    Solo solo;
    solo.open();
    static_cast<void>(solo.out());
    solo.segment({.flags = "S", .seq = 0});
    static_cast<void>(solo.out());
    solo.segment({.seq = 1, .ack = 77});
    EXPECT_EQ(solo.out(), "R 77:77(0)");
    EXPECT_EQ(solo.state(), State::syn_received);
}

TEST(Handshake, SynAckMayCarryData) {
    Solo solo;
    solo.open();
    static_cast<void>(solo.out());
    In in = syn_ack(solo);
    in.length = 20;
    solo.segment(in);
    EXPECT_EQ(solo.received, 20u);
    EXPECT_EQ(solo.last.placement_count, 1);
    EXPECT_EQ(solo.last.placements[0].stream_offset, 0u);
    EXPECT_EQ(solo.out(), ". 1:1(0) ack 21");
}

TEST(Handshake, ShutdownDuringTheHandshakeSendsFinAfterIt) {
    Solo solo;
    solo.open();
    static_cast<void>(solo.out());
    solo.send(3);
    solo.shutdown();
    EXPECT_EQ(solo.state(), State::syn_sent);
    solo.segment(syn_ack(solo));
    EXPECT_EQ(solo.state(), State::fin_wait_1);
    EXPECT_EQ(solo.out(), "FP. 1:4(3) ack 1");
}

// RFC 9293 §3.10.7.3, fourth: other controls and text are processed, also behind a shutdown.
TEST(Handshake, SynAckWithTextAndFinAfterAShutdownIsTakenWhole) {
    Solo solo;
    solo.open();
    static_cast<void>(solo.out());
    solo.shutdown();
    In in = syn_ack(solo);
    in.flags = "SF.";
    in.length = 10;
    solo.segment(in);
    EXPECT_EQ(solo.received, 10u);
    EXPECT_EQ(solo.state(), State::closing);
    EXPECT_EQ(solo.out(), "F. 1:1(0) ack 12");
}

TEST(Handshake, CloseInSynSentEndsAtOnce) {
    Solo solo;
    solo.open();
    static_cast<void>(solo.out());
    solo.close();
    EXPECT_EQ(solo.state(), State::closed);
    EXPECT_EQ(solo.out(), "");
}

TEST(Handshake, LostSynsLeaveThreeSecondsAndTheSecondOneSegment) {
    for (const int lost : {1, 2}) {
        Solo solo;
        solo.open();
        static_cast<void>(solo.out());
        static_cast<void>(solo.advance(seconds(2 * lost - 1)));
        EXPECT_EQ(solo.counters.retransmission_timeouts, static_cast<unsigned>(lost));
        solo.segment(syn_ack(solo));
        const std::uint32_t mss = effective_mss(solo.tcb);
        // RFC 6928 §2, RFC 5681 §3.1
        EXPECT_EQ(
            solo.tcb.cwnd,
            lost == 1 ? congestion::initial_window(solo.env.configuration, solo.tcb.mss) : mss);
        EXPECT_EQ(solo.tcb.rto_us, 3'000'000u);  // RFC 6298 §5.7
        static_cast<void>(solo.out());
    }
}

TEST(Handshake, SynIsTimed) {
    Solo solo;
    solo.open();
    static_cast<void>(solo.out());
    solo.now = solo.now + milliseconds(30);
    solo.segment(syn_ack(solo));
    EXPECT_EQ(solo.tcb.srtt_us, 30'000u);
    EXPECT_EQ(solo.tcb.rttvar_us, 15'000u);
    EXPECT_EQ(solo.tcb.rto_us, 230'000u);
    static_cast<void>(solo.out());
}

// Checks RFC 9293 MUST-9, SHLD-1.
TEST(Handshake, InitialNumbersAreUnrelatedBetweenTuplesAndRiseWithin) {
    Solo solo;
    solo.open();
    const std::uint32_t first = solo.tcb.iss.raw;
    solo.now = solo.now + seconds(1);
    solo.open();
    EXPECT_EQ(solo.tcb.iss.raw - first, 250'000u);  // Checks RFC 9293 MUST-8.
    wire::FlowKey other = testing::some_flow();
    ++other.local_port;
    Tcb tcb;
    static_cast<void>(on_open(solo.env, tcb, {.key = other, .settings = {}}, solo.now));
    EXPECT_GT(tcb.iss.raw - solo.tcb.iss.raw + 1'000'000, 2'000'000u);
}

// RFC 9293 §3.10.7.3, eighth: as text in any other segment, no more than the window has room for.
TEST(Handshake, TextOfASynAckIsCutToTheWindow) {
    Solo solo;
    solo.settings.receive_buffer = 1'000;
    solo.open();
    static_cast<void>(solo.out());
    testing::In answer{.flags = "SF.", .seq = 0, .length = 4'000};
    answer.options = solo.peer_options;
    solo.segment(answer);
    EXPECT_EQ(solo.received, 1'000u);
    EXPECT_EQ(solo.state(), State::established);
    EXPECT_EQ(solo.out(), ". 1:1(0) ack 1001");
}

}  // namespace
}  // namespace mtcp::tcp
