// SPDX-License-Identifier: Apache-2.0
// Nagle, TCP_CORK, MSG_MORE, silly windows, probes, large segments, PSH and URG on the way out.
#include <gtest/gtest.h>

#include <cerrno>

#include "tcp/path/path_search.h"
#include "tcp/testing/solo.h"

namespace mtcp::tcp {
namespace {

using testing::Solo;

// Checks RFC 9293 SHLD-7, SHLD-27, MAY-16.
TEST(Nagle, HoldsTheSecondSmallSegmentUntilTheFirstIsAcknowledged) {
    Solo solo;
    solo.connect();
    solo.send(10);
    EXPECT_EQ(solo.out(), "P. 1:11(10) ack 1");
    solo.send(10);
    solo.send(10);
    EXPECT_EQ(solo.out(), "");
    solo.segment({.ack = 11});
    EXPECT_EQ(solo.out(), "P. 11:31(20) ack 1");
}

TEST(Nagle, LetsTheTailOfALongWriteGo) {  // Checks RFC 9293 MUST-61, SHLD-28.
    Solo solo;
    solo.connect();
    solo.send(1500);
    EXPECT_EQ(solo.out(), ". 1:1001(1000) ack 1 | P. 1001:1501(500) ack 1");
}

TEST(Nagle, NoDelaySwitchesItOff) {  // Checks RFC 9293 MUST-17.
    Solo solo;
    solo.settings.no_delay = 1;
    solo.connect();
    solo.send(10);
    EXPECT_EQ(solo.out(), "P. 1:11(10) ack 1");
    solo.send(10);
    EXPECT_EQ(solo.out(), "P. 11:21(10) ack 1");
}

TEST(Nagle, SettingNoDelayReleasesWhatIsHeld) {
    Solo solo;
    solo.connect();
    solo.send(10);
    static_cast<void>(solo.out());
    solo.send(10);
    EXPECT_EQ(solo.out(), "");
    solo.settings.no_delay = 1;
    solo.apply_settings();
    EXPECT_EQ(solo.out(), "P. 11:21(10) ack 1");
}

TEST(EndOfRecord, CutsSegmentsAndIsPushed) {
    Solo solo;
    solo.connect();
    solo.send(1200);
    mark_record(solo.env, solo.tcb, 1200);
    solo.send(300);
    EXPECT_EQ(solo.out(), ". 1:1001(1000) ack 1 | P. 1001:1201(200) ack 1");
    solo.segment({.ack = 1201});
    EXPECT_EQ(solo.env.marks.used(), 0u);
    EXPECT_EQ(solo.out(), "P. 1201:1501(300) ack 1");
}

TEST(EndOfRecord, HoldsWhenTheLastIsProbedFor) {
    Solo solo;
    solo.settings.no_delay = 1;
    solo.connect();
    for (std::uint32_t records = 1; records <= 3; ++records) {
        solo.send(100);
        mark_record(solo.env, solo.tcb, 100 * records);
        static_cast<void>(solo.out());
    }
    EXPECT_EQ(solo.advance(milliseconds(150)), "+3 P. 201:301(100) ack 1");
}

TEST(EndOfRecord, IsForgottenWithoutMemoryOrWhenItIsPast) {
    Solo solo(0);
    solo.connect();
    solo.send(100);
    mark_record(solo.env, solo.tcb, 100);
    EXPECT_FALSE(solo.tcb.flags.records);
    Solo late;
    late.connect();
    late.send(100);
    static_cast<void>(late.out());
    late.segment({.ack = 101});
    mark_record(late.env, late.tcb, 0);
    mark_record(late.env, late.tcb, UINT32_MAX);
    EXPECT_FALSE(late.tcb.flags.records);
}

TEST(EndOfRecord, MoreThanThereIsRoomForAreJoined) {
    Solo solo;
    solo.connect();
    solo.send(100 * 40);
    for (std::uint32_t i = 1; i <= 40; ++i)
        mark_record(solo.env, solo.tcb, 100 * i);
    const std::string marked = solo.out();
    EXPECT_NE(marked.find("P. 3001:3101(100) ack 1"), std::string::npos) << marked;
    solo.segment({.ack = 3101});
    EXPECT_EQ(solo.out(), "P. 3101:4001(900) ack 1");
}

TEST(Nagle, FinReleasesWhatIsHeld) {
    Solo solo;
    solo.connect();
    solo.send(10);
    static_cast<void>(solo.out());
    solo.send(10);
    solo.shutdown();
    EXPECT_EQ(solo.out(), "FP. 11:21(10) ack 1");
}

TEST(Cork, HoldsAPartialSegmentButNotWholeOnes) {
    Solo solo;
    solo.settings.cork = 1;
    solo.connect();
    solo.send(500);
    EXPECT_EQ(solo.out(), "");
    solo.send(700);
    EXPECT_EQ(solo.out(), ". 1:1001(1000) ack 1");
    solo.segment({.ack = 1001});
    EXPECT_EQ(solo.out(), "");
    solo.settings.cork = 0;
    solo.apply_settings();
    EXPECT_EQ(solo.out(), "P. 1001:1201(200) ack 1");
}

TEST(Cork, IsBoundedBy200Milliseconds) {  // Checks RFC 9293 MUST-60.
    Solo solo;
    solo.settings.cork = 1;
    solo.connect();
    solo.send(500);
    EXPECT_EQ(solo.advance(milliseconds(250)), "+200 P. 1:501(500) ack 1");
}

TEST(Cork, IsBoundedAlsoWhileSegmentsComeOutOfOrder) {  // Checks RFC 9293 MUST-60.
    Solo solo;
    solo.settings.cork = 1;
    solo.connect();
    solo.send(100);
    EXPECT_EQ(solo.out(), "");
    EXPECT_EQ(solo.advance(milliseconds(150)), "");
    solo.segment({.seq = 5001, .length = 1000});
    EXPECT_EQ(solo.out(), ". 1:1(0) ack 1 sack 5001:6001");
    EXPECT_EQ(solo.advance(milliseconds(60)), "+50 P. 1:101(100) ack 1");
}

TEST(Cork, MoreFollowsHoldsUntilTheNextSend) {
    Solo solo;
    solo.connect();
    solo.send(100, SendHint::more_follows);
    EXPECT_EQ(solo.out(), "");
    solo.send(100);
    EXPECT_EQ(solo.out(), "P. 1:201(200) ack 1");
}

TEST(Cork, MoreFollowsIsClearedByAnEmptySend) {
    Solo solo;
    solo.connect();
    solo.send(100, SendHint::more_follows);
    solo.send(0);
    EXPECT_EQ(solo.out(), "P. 1:101(100) ack 1");
}

TEST(Cork, MoreFollowsHoldsUntilTheNextAckAndIsNotPushed) {
    Solo solo;
    solo.settings.no_delay = 1;
    solo.connect();
    solo.send(1000, SendHint::more_follows);
    EXPECT_EQ(solo.out(), ". 1:1001(1000) ack 1");
    solo.send(50, SendHint::more_follows);
    EXPECT_EQ(solo.out(), "");
    solo.segment({.ack = 1001});
    EXPECT_EQ(solo.out(), ". 1001:1051(50) ack 1");
    solo.send(7, SendHint::more_follows);
    EXPECT_EQ(solo.out(), "");
}

TEST(Cork, SettingNoDelayFlushesWhatIsCorked) {  // tcp(7)
    Solo solo;
    solo.settings.cork = 1;
    solo.connect();
    solo.send(80);
    EXPECT_EQ(solo.out(), "");
    solo.settings.no_delay = 1;
    solo.apply_settings();
    EXPECT_EQ(solo.out(), "");  // as by another option, at whose setting it is on
    solo.apply_settings(HeldBytes::leave);
    EXPECT_EQ(solo.out(), "P. 1:81(80) ack 1");
}

TEST(SillyWindow, ASmallWindowIsNotFilledUntilTheOverrideTimer) {  // Checks RFC 9293 MUST-38.
    Solo solo;
    solo.connect();
    solo.send(5000);
    EXPECT_EQ(solo.out(),
              ". 1:1001(1000) ack 1 | . 1001:2001(1000) ack 1 | . 2001:3001(1000) ack 1"
              " | . 3001:4001(1000) ack 1 | P. 4001:5001(1000) ack 1");
    solo.send(2000);
    solo.segment({.ack = 5001, .window = 300});
    EXPECT_EQ(solo.out(), "");
    EXPECT_EQ(solo.advance(milliseconds(300)), "+201 . 5001:5301(300) ack 1");
    solo.segment({.ack = 5301, .window = 20'000});
    EXPECT_EQ(solo.out(), ". 5301:6301(1000) ack 1 | P. 6301:7001(700) ack 1");
}

TEST(SillyWindow, TheOverrideIsForOneSegment) {  // Checks RFC 9293 MUST-38.
    Solo solo;
    solo.connect();
    solo.send(20'000);
    static_cast<void>(solo.out());
    solo.segment({.ack = 10'001, .window = 100});
    EXPECT_EQ(solo.out(), "");
    EXPECT_EQ(solo.advance(milliseconds(250)), "+201 . 10001:10101(100) ack 1");
    solo.segment({.ack = 10'101, .window = 100});
    EXPECT_EQ(solo.out(), "");
    EXPECT_EQ(solo.advance(milliseconds(250)), "+207 . 10101:10201(100) ack 1");
}

TEST(SillyWindow, HalfOfTheLargestWindowIsWorthSending) {
    Solo solo;
    solo.peer_window = 800;
    solo.connect();
    solo.send(5000);
    EXPECT_EQ(solo.out(), ". 1:801(800) ack 1");
}

TEST(ZeroWindow, IsProbedAtGrowingIntervalsForAsLongAsThePeerAnswers) {
    // Checks RFC 9293 MUST-35, MUST-36, MUST-37, SHLD-29, SHLD-30.
    Solo solo;
    solo.env.configuration.retries_2 = 3;
    solo.peer_window = 1000;
    solo.connect();
    solo.send(2000);
    EXPECT_EQ(solo.out(), ". 1:1001(1000) ack 1");
    solo.segment({.ack = 1001, .window = 0});
    EXPECT_EQ(solo.out(), "");
    std::int64_t waited_ms = 0;
    for (int probe = 0; probe < 12; ++probe) {
        const Instant begin = solo.now;
        solo.now = deadline(solo.tcb);
        solo.last = on_deadline(solo.env, solo.tcb, solo.now);
        EXPECT_EQ(solo.out(), ". 1000:1000(0) ack 1");
        const std::int64_t waited = (solo.now - begin).milliseconds();
        EXPECT_GE(waited, waited_ms);
        EXPECT_LE(waited, 120'000);
        waited_ms = waited;
        solo.segment({.ack = 1001, .window = 0});
        EXPECT_EQ(solo.out(), "");
    }
    EXPECT_EQ(waited_ms, 120'000);
    EXPECT_EQ(solo.state(), State::established);
    solo.segment({.ack = 1001, .window = 5000});
    EXPECT_EQ(solo.out(), "P. 1001:2001(1000) ack 1");
}

TEST(ZeroWindow, SilentPeerIsGivenUp) {
    Solo solo;
    solo.env.configuration.retries_2 = 3;
    solo.connect();
    solo.segment({.window = 0});
    solo.send(100);
    EXPECT_EQ(solo.advance(seconds(60)),
              "+201 . 0:0(0) ack 1 | +602 . 0:0(0) ack 1 | +1403 . 0:0(0) ack 1");
    EXPECT_EQ(solo.state(), State::closed);
}

TEST(ZeroWindow, LastsNoLongerThanTheUserTimeout) {  // Checks RFC 9293 MUST-21.
    Solo solo;
    solo.settings.user_timeout_ms = 5'000;
    solo.connect();
    solo.segment({.window = 0});
    solo.send(1000);
    EXPECT_EQ(solo.advance(milliseconds(4'990)),
              "+201 . 0:0(0) ack 1 | +602 . 0:0(0) ack 1 | +1403 . 0:0(0) ack 1 | "
              "+3004 . 0:0(0) ack 1");
    EXPECT_EQ(solo.state(), State::established);
    EXPECT_EQ(solo.advance(milliseconds(20)), "");
    EXPECT_EQ(solo.state(), State::closed);
    EXPECT_EQ(solo.error, ETIMEDOUT);
}

TEST(ZeroWindow, LastsNoLongerWhileSegmentsComeOutOfOrder) {  // Checks RFC 9293 MUST-21.
    Solo solo;
    solo.settings.user_timeout_ms = 500;
    solo.connect();
    solo.segment({.window = 0});
    solo.send(1000);
    for (std::uint32_t i = 1; i <= 3; ++i) {
        static_cast<void>(solo.advance(milliseconds(150)));
        solo.segment({.seq = 1 + 2000 * i, .length = 1000, .window = 0});
        static_cast<void>(solo.out());
    }
    EXPECT_EQ(solo.state(), State::established);
    EXPECT_EQ(solo.advance(milliseconds(60)), "");
    EXPECT_EQ(solo.error, ETIMEDOUT);
}

TEST(ZeroWindow, FinAloneIsHeldAndProbedToo) {
    Solo solo;
    solo.connect();
    solo.segment({.window = 0});
    solo.shutdown();
    EXPECT_EQ(solo.out(), "");
    EXPECT_EQ(solo.advance(milliseconds(210)), "+201 . 0:0(0) ack 1");
    solo.segment({.window = 1});
    EXPECT_EQ(solo.out(), "F. 1:1(0) ack 1");
}

TEST(ZeroWindow, OrphanIsNotKeptForEver) {
    Solo solo;
    solo.connect();
    solo.segment({.window = 0});
    solo.send(100);
    solo.close();
    for (int i = 0; i < 20 && solo.state() != State::closed; ++i) {
        solo.now = deadline(solo.tcb);
        static_cast<void>(on_deadline(solo.env, solo.tcb, solo.now));
        if (solo.out() == ". 0:0(0) ack 1") solo.segment({.window = 0});
    }
    EXPECT_EQ(solo.state(), State::closed);
}

TEST(ZeroWindow, OrphanIsNotKeptForEverBehindAShrunkWindow) {
    Solo solo;
    solo.connect();
    solo.send(2000);
    static_cast<void>(solo.out());
    solo.segment({.window = 0});
    solo.close();
    EXPECT_EQ(solo.out(), "");
    for (int i = 0; i < 20 && solo.state() != State::closed; ++i) {
        solo.now = deadline(solo.tcb);
        static_cast<void>(on_deadline(solo.env, solo.tcb, solo.now));
        if (!solo.out().empty()) solo.segment({.window = 0});
    }
    EXPECT_EQ(solo.state(), State::closed);
    EXPECT_EQ(solo.counters.retransmission_timeouts, solo.env.configuration.orphan_retries);
}

// Checks RFC 9293 SHLD-15, SHLD-16, SHLD-17.
TEST(ZeroWindow, ShrunkWindowStopsNewDataButNotRepair) {  // Checks RFC 9293 MUST-34.
    Solo solo;
    solo.env.configuration.retries_2 = 2;
    solo.connect();
    solo.send(3000);
    static_cast<void>(solo.out());
    solo.send(1000);
    static_cast<void>(solo.out());
    solo.segment({.ack = 1001, .window = 500});
    EXPECT_EQ(solo.out(), "");
    EXPECT_EQ(solo.advance(milliseconds(100)), "");  // nor does a tail loss probe leave
    for (int i = 0; i < 6; ++i) {
        solo.now = deadline(solo.tcb);
        static_cast<void>(on_deadline(solo.env, solo.tcb, solo.now));
        EXPECT_EQ(solo.out(), i == 0 ? ". 1001:1501(500) ack 1" : ". 1001:2001(1000) ack 1");
        solo.segment({.ack = 1001, .window = 0});
        EXPECT_EQ(solo.out(), "");
    }
    EXPECT_EQ(solo.state(), State::established);
}

TEST(ZeroWindow, AcksAndResetsStayWithinAShrunkOne) {  // Checks RFC 9293 MUST-34.
    Solo solo;
    solo.connect();
    solo.send(3000);
    static_cast<void>(solo.out());
    solo.segment({.ack = 1001, .window = 500});
    solo.segment({.seq = 1, .length = 2000, .ack = 1001, .window = 500});
    EXPECT_EQ(solo.out(), ". 1501:1501(0) ack 2001");
    solo.segment({.seq = 2001, .length = 2000, .ack = 1001, .window = 0});
    EXPECT_EQ(solo.out(), ". 1001:1001(0) ack 4001");
    solo.segment({.seq = 4001, .length = 2000, .ack = 1001, .window = 2000});
    EXPECT_EQ(solo.out(), ". 3001:3001(0) ack 6001");
    solo.segment({.seq = 6001, .ack = 1001, .window = 0});
    solo.abort();
    EXPECT_EQ(solo.out(), "R. 1001:1001(0) ack 6001");
}

TEST(LargeSegments, AreWholeMultiplesUpToTheBudget) {
    Solo solo;
    solo.connect();
    solo.send(7500);
    EXPECT_EQ(solo.out(4096), "P. 1:4001(4000) ack 1 | P. 4001:7501(3500) ack 1");
    EXPECT_EQ(solo.sent.at(0).segment_size, 1000);
    EXPECT_EQ(solo.sent.at(1).segment_size, 1000);
}

TEST(LargeSegments, NeverExceedTheWindow) {
    Solo solo;
    solo.peer_window = 5500;
    solo.connect();
    solo.send(7500);
    EXPECT_EQ(solo.out(65'536),
              "P. 1:2001(2000) ack 1 | P. 2001:4001(2000) ack 1 | . 4001:5001(1000) ack 1");
}

TEST(LargeSegments, OneFullSegmentIsNotMarked) {
    Solo solo;
    solo.connect();
    solo.send(1000);
    EXPECT_EQ(solo.out(65'536), "P. 1:1001(1000) ack 1");
    EXPECT_EQ(solo.sent.at(0).segment_size, 0);
}

TEST(SendWindow, InitialWindowIsTenSegments) {  // RFC 6928
    Solo solo;
    solo.connect();
    solo.send(50'000);
    static_cast<void>(solo.out());
    EXPECT_EQ(solo.sent.size(), 10u);
}

TEST(SendWindow, HoldsAtLeastOneSegmentAlsoWhenThatGrows) {  // as the path may
    Solo solo;
    solo.peer_options.mss = 1460;
    solo.path_mtu = 140;
    solo.connect();
    EXPECT_EQ(solo.tcb.cwnd, 1000u);
    use_path_mtu(solo.tcb, nullptr, 1500);
    solo.send(5000);
    EXPECT_EQ(solo.out(), ". 1:1461(1460) ack 1");
}

TEST(SendWindow, HoldsAtLeastOneSegmentAlsoWhenThatGrowsInRecovery) {
    Solo solo;
    solo.peer_options.mss = 1460;
    solo.path_mtu = 140;
    solo.connect();
    solo.send(1000);
    static_cast<void>(solo.out());
    solo.segment({.sack = {{101, 501}}});
    EXPECT_EQ(solo.tcb.ssthresh, 500u);
    use_path_mtu(solo.tcb, nullptr, 1500);
    static_cast<void>(solo.out());
    solo.segment({.ack = 1001});
    EXPECT_EQ(solo.tcb.phase, Phase::open);
    solo.send(5000);
    EXPECT_EQ(solo.out(), ". 1001:2461(1460) ack 1 | . 2461:3921(1460) ack 1");
}

TEST(SendWindow, IsScaled) {  // Checks RFC 9293 MUST-1, REC-1.
    Solo solo;
    solo.peer_options.window_shift = 7;
    solo.connect();
    EXPECT_EQ(solo.tcb.snd.wnd, 65'535u);  // of the SYN-ACK: not scaled
    solo.segment({.window = 1000});
    EXPECT_EQ(solo.tcb.snd.wnd, 128'000u);
}

TEST(SendWindow, OldSegmentsDoNotChangeIt) {
    Solo solo;
    solo.connect();
    solo.segment({.length = 10, .window = 2000});
    solo.segment({.seq = 11, .window = 4000});
    solo.segment({.seq = 1, .length = 11, .window = 9});  // partly new, but older
    EXPECT_EQ(solo.tcb.snd.wnd, 4000u);
    solo.consume(11);
    static_cast<void>(solo.out());
}

TEST(Urgent, PointerNamesTheOctetAfter) {  // Checks RFC 9293 MUST-62, MUST-30, MUST-31.
    Solo solo;
    solo.connect();
    solo.send(2500, SendHint::urgent);
    EXPECT_EQ(solo.out(),
              "U. 1:1001(1000) ack 1 | U. 1001:2001(1000) ack 1 | PU. 2001:2501(500) ack 1");
    EXPECT_EQ(solo.sent.at(0).urgent, 2500);
    EXPECT_EQ(solo.sent.at(2).urgent, 500);
    solo.send(10);
    solo.segment({.ack = 2501});
    EXPECT_EQ(solo.out(), "P. 2501:2511(10) ack 1");
}

// A field that cannot reach the mark would name a byte that was sent long ago, and is none.
TEST(Urgent, PointerThatIsTooFarNamesNothingSent) {
    Solo solo;
    solo.peer_options.window_shift = 7;
    solo.connect();
    solo.segment({.window = 2000});
    solo.tcb.cwnd = 200'000;
    solo.send(150'000, SendHint::urgent);
    static_cast<void>(solo.out());
    for (const wire::OutgoingSegment& segment : solo.sent) {
        const wire::SequenceNumber sent = segment.seq + segment.data_length;
        if (segment.flags.has(wire::Flags::urg)) {
            EXPECT_LE(sent, segment.seq + segment.urgent);
        }
    }
    EXPECT_TRUE(solo.sent.front().flags.has(wire::Flags::urg));
    solo.tcb.pending.retransmit = true;
    EXPECT_EQ(solo.out(), ". 1:1001(1000) ack 1");
}

// Whoever cuts a train copies the pointer, which would name another byte in each piece.
TEST(Urgent, LeavesInNoTrain) {
    Solo solo;
    solo.connect();
    solo.tcb.cwnd = 50'000;
    solo.send(2500, SendHint::urgent);
    solo.send(4000);
    static_cast<void>(solo.out(60'000));
    ASSERT_EQ(solo.sent.size(), 7u);
    EXPECT_EQ(solo.sent.at(1).urgent, 1500);
    EXPECT_EQ(solo.sent.at(6).segment_size, 0);
    solo.segment({.ack = 6501});
    solo.send(4000);
    static_cast<void>(solo.out(60'000));
    EXPECT_GT(solo.sent.at(0).segment_size, 0);  // the mark is acknowledged: trains again
}

// The request that marks it came to an empty box: one before it had taken the byte along.
TEST(Urgent, MarkMayComeAfterItsByte) {
    Solo solo;
    solo.connect();
    solo.send(100);
    solo.send(0, SendHint::urgent);
    static_cast<void>(solo.out());
    EXPECT_EQ(solo.sent.at(0).urgent, 100);
}

TEST(IdleRestart, ShrinksTheWindowAfterAnRto) {  // RFC 5681 §4.1
    Solo solo;
    solo.connect();
    solo.tcb.cwnd = 50'000;
    solo.send(10);
    static_cast<void>(solo.out());
    solo.segment({.ack = 11});
    solo.now = solo.now + seconds(5);
    solo.send(60'000);
    static_cast<void>(solo.out());
    EXPECT_EQ(solo.sent.size(), 10u);
}

TEST(IdleRestart, AWindowThatOpensLateIsNotAnsweredByABurst) {  // RFC 5681 §4.1
    Solo solo;
    solo.connect();
    solo.tcb.cwnd = 50'000;
    solo.send(10);
    static_cast<void>(solo.out());
    solo.segment({.ack = 11, .window = 0});
    solo.send(60'000);
    static_cast<void>(solo.advance(milliseconds(100)));
    EXPECT_EQ(solo.tcb.cwnd, 50'000u);
    static_cast<void>(solo.advance(seconds(5)));  // probes
    solo.segment({.ack = 11});
    static_cast<void>(solo.out());
    EXPECT_EQ(solo.sent.size(), 10u);
}

}  // namespace
}  // namespace mtcp::tcp
