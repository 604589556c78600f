// SPDX-License-Identifier: Apache-2.0
// All orders in which a connection can end.
#include <gtest/gtest.h>

#include <cerrno>

#include "tcp/testing/solo.h"

namespace mtcp::tcp {
namespace {

using testing::In;
using testing::Solo;

TEST(Closing, WeCloseFirst) {
    Solo solo;
    solo.connect();
    solo.close();
    EXPECT_EQ(solo.state(), State::fin_wait_1);
    EXPECT_EQ(solo.last.work, Work::control);
    EXPECT_EQ(solo.out(), "F. 1:1(0) ack 1");
    solo.segment({.ack = 2});
    EXPECT_EQ(solo.state(), State::fin_wait_2);
    EXPECT_TRUE(solo.take_events() & Events::send_closed);
    solo.segment({.flags = "F.", .ack = 2});
    EXPECT_EQ(solo.state(), State::time_wait);
    EXPECT_TRUE(solo.take_events() & Events::time_wait);
    EXPECT_EQ(solo.out(), ". 2:2(0) ack 2");
    EXPECT_EQ(deadline(solo.tcb), kNever);
}

TEST(Closing, FinThatAcknowledgesOursGoesStraightToTimeWait) {
    Solo solo;
    solo.connect();
    solo.close();
    static_cast<void>(solo.out());
    solo.segment({.flags = "F.", .ack = 2});
    EXPECT_EQ(solo.state(), State::time_wait);
    EXPECT_TRUE(solo.events & Events::send_closed);
    EXPECT_TRUE(solo.events & Events::peer_closed);
    EXPECT_EQ(solo.out(), ". 2:2(0) ack 2");
}

TEST(Closing, SimultaneousClose) {
    Solo solo;
    solo.connect();
    solo.close();
    EXPECT_EQ(solo.out(), "F. 1:1(0) ack 1");
    solo.segment({.flags = "F.", .ack = 1});
    EXPECT_EQ(solo.state(), State::closing);
    EXPECT_EQ(solo.out(), ". 2:2(0) ack 2");
    solo.segment({.seq = 2, .ack = 2});
    EXPECT_EQ(solo.state(), State::time_wait);
    EXPECT_TRUE(solo.events & Events::time_wait);
    EXPECT_EQ(solo.out(), "");
}

TEST(Closing, AFinThatComesAgainIsAnsweredThoughItEndsTheConnection) {
    Solo solo;
    solo.connect();
    solo.close();
    static_cast<void>(solo.out());
    solo.segment({.flags = "F.", .ack = 1});
    EXPECT_EQ(solo.out(), ". 2:2(0) ack 2");  // and is lost
    solo.segment({.flags = "F.", .ack = 2});
    EXPECT_EQ(solo.state(), State::time_wait);
    EXPECT_EQ(solo.out(), ". 2:2(0) ack 2");
}

TEST(Closing, WhatLiesBeyondAGapIsGivenBackAtOnce) {
    Solo solo;
    solo.connect();
    solo.segment({.seq = 1001, .length = 1000});
    static_cast<void>(solo.out());
    EXPECT_EQ(solo.env.reassemblies.used(), 1u);
    solo.close();
    EXPECT_EQ(solo.env.reassemblies.used(), 0u);
    EXPECT_EQ(solo.out(), "F. 1:1(0) ack 1");
    solo.segment({.seq = 1, .length = 1000, .ack = 2});
    EXPECT_EQ(solo.state(), State::closed);
    EXPECT_EQ(solo.out(), "R 2:2(0)");
}

TEST(Closing, PeerClosesFirst) {
    Solo solo;
    solo.connect();
    solo.segment({.flags = "F."});
    EXPECT_EQ(solo.state(), State::close_wait);
    EXPECT_TRUE(solo.take_events() & Events::peer_closed);
    EXPECT_EQ(solo.out(), ". 1:1(0) ack 2");
    solo.close();
    EXPECT_EQ(solo.state(), State::last_ack);
    EXPECT_EQ(solo.out(), "F. 1:1(0) ack 2");
    solo.segment({.seq = 2, .ack = 2});
    EXPECT_EQ(solo.state(), State::closed);
    EXPECT_EQ(solo.take_events(), Events::closed | Events::send_closed);
    EXPECT_EQ(solo.error, 0);
}

TEST(Closing, OurFinCarriesTheAckOfTheirs) {
    Solo solo;
    solo.connect();
    solo.segment({.flags = "F."});
    solo.close();
    EXPECT_EQ(solo.out(), "F. 1:1(0) ack 2");
}

TEST(Closing, FinRidesOnTheLastDataAndItsAck) {
    Solo solo;
    solo.connect();
    solo.segment({.flags = "P.", .length = 64});
    solo.consume(64);
    solo.send(64);
    solo.close();
    EXPECT_EQ(solo.out(), "FP. 1:65(64) ack 65");
}

TEST(Closing, HalfCloseGoesOnReceiving) {
    Solo solo;
    solo.connect();
    solo.shutdown();
    EXPECT_EQ(solo.out(), "F. 1:1(0) ack 1");
    solo.segment({.ack = 2});
    EXPECT_EQ(solo.state(), State::fin_wait_2);
    EXPECT_EQ(deadline(solo.tcb), kNever);  // an application that reads may take its time
    solo.segment({.flags = "P.", .length = 100, .ack = 2});
    EXPECT_EQ(solo.received, 100u);
    solo.consume(100);
    solo.segment({.flags = "F.", .seq = 101, .ack = 2});
    EXPECT_EQ(solo.state(), State::time_wait);
    EXPECT_EQ(solo.out(), ". 2:2(0) ack 102");
}

TEST(Closing, HalfCloseByThePeerGoesOnSending) {
    Solo solo;
    solo.connect();
    solo.segment({.flags = "F."});
    static_cast<void>(solo.out());
    solo.send(3000);
    EXPECT_EQ(solo.out(),
              ". 1:1001(1000) ack 2 | . 1001:2001(1000) ack 2 | P. 2001:3001(1000) ack 2");
    solo.segment({.seq = 2, .ack = 3001});
    EXPECT_EQ(solo.acked, 3000u);
    EXPECT_EQ(solo.state(), State::close_wait);
}

TEST(Closing, LostFinIsSentAgain) {
    Solo solo;
    solo.connect();
    solo.send(10);
    solo.close();
    EXPECT_EQ(solo.out(), "FP. 1:11(10) ack 1");
    EXPECT_EQ(solo.advance(milliseconds(250)), "+201 FP. 1:11(10) ack 1");
    solo.segment({.ack = 12});
    EXPECT_EQ(solo.state(), State::fin_wait_2);
    EXPECT_EQ(solo.acked, 10u);
}

TEST(Closing, PeersFinAgainIsAcknowledgedAgain) {
    Solo solo;
    solo.connect();
    solo.segment({.flags = "F."});
    EXPECT_EQ(solo.out(), ". 1:1(0) ack 2");
    solo.segment({.flags = "F."});
    EXPECT_EQ(solo.out(), ". 1:1(0) ack 2");
    EXPECT_EQ(solo.last_drop, Drop::tcp_duplicate);
}

TEST(Closing, UnreadDataTurnsCloseIntoAReset) {  // Checks RFC 9293 SHLD-3, MAY-1.
    Solo solo;
    solo.connect();
    solo.segment({.length = 10});
    solo.close();
    EXPECT_EQ(solo.state(), State::closed);
    EXPECT_TRUE(solo.events & Events::closed);
    EXPECT_EQ(solo.out(), "R. 1:1(0) ack 11");
}

TEST(Closing, UnreadDataDoesSoAlsoWhenBothHaveClosed) {  // Checks RFC 9293 SHLD-3.
    Solo solo;
    solo.connect();
    solo.segment({.flags = "F.", .length = 100});
    solo.shutdown();
    EXPECT_EQ(solo.out(), "F. 1:1(0) ack 102");
    EXPECT_EQ(solo.state(), State::last_ack);
    solo.close();
    EXPECT_EQ(solo.out(), "R. 2:2(0) ack 102");
    EXPECT_EQ(solo.state(), State::closed);
}

TEST(Closing, DataAfterCloseIsAnsweredWithAReset) {
    Solo solo;
    solo.connect();
    solo.close();
    EXPECT_EQ(solo.out(), "F. 1:1(0) ack 1");
    solo.segment({.length = 10, .ack = 2});
    EXPECT_EQ(solo.last_drop, Drop::tcp_after_close);
    EXPECT_EQ(solo.out(), "R 2:2(0)");
    EXPECT_EQ(solo.state(), State::closed);
}

TEST(Closing, ThatResetHasThePeersNumberWhenOurFinWasLost) {
    Solo solo;
    solo.connect();
    solo.close();
    EXPECT_EQ(solo.out(), "F. 1:1(0) ack 1");
    solo.segment({.length = 10, .ack = 1});
    EXPECT_EQ(solo.out(), "R 1:1(0)");
}

TEST(Closing, AbortSendsAReset) {
    Solo solo;
    solo.connect();
    solo.send(10);
    static_cast<void>(solo.out());
    solo.abort();
    EXPECT_EQ(solo.last.work, Work::control);
    EXPECT_TRUE(solo.events & Events::closed);
    EXPECT_FALSE(solo.events & Events::error);
    EXPECT_EQ(solo.out(), "R. 11:11(0) ack 1");
}

// RFC 9293 §3.10.5: LAST-ACK needs no reset, but for what was not sent the peer would wait for
// ever.
TEST(Closing, AbortSendsAResetWhenTheFinStillWaitsForAWindow) {
    Solo solo;
    solo.connect();
    solo.segment({.flags = "F.", .window = 0});
    solo.send(10);
    solo.shutdown();
    EXPECT_EQ(solo.out(), ". 1:1(0) ack 2");
    EXPECT_EQ(solo.state(), State::last_ack);
    solo.abort();
    EXPECT_EQ(solo.out(), "R. 1:1(0) ack 2");
}

TEST(Closing, AbortSendsAResetForUnreadDataInLastAck) {  // Checks RFC 9293 SHLD-3.
    Solo solo;
    solo.connect();
    solo.segment({.flags = "F.", .length = 100});
    solo.shutdown();
    EXPECT_EQ(solo.out(), "F. 1:1(0) ack 102");
    solo.abort();
    EXPECT_EQ(solo.out(), "R. 2:2(0) ack 102");
}

TEST(Closing, AbortInLastAckSaysNothing) {
    Solo solo;
    solo.connect();
    solo.segment({.flags = "F."});
    solo.shutdown();
    EXPECT_EQ(solo.out(), "F. 1:1(0) ack 2");
    solo.abort();
    EXPECT_EQ(solo.out(), "");
    EXPECT_EQ(solo.state(), State::closed);
}

TEST(Closing, OrphanInFinWait2IsDroppedAfterItsTime) {
    Solo solo;
    solo.connect();
    solo.close();
    static_cast<void>(solo.out());
    solo.segment({.ack = 2});
    EXPECT_EQ(solo.advance(seconds(59)), "");
    EXPECT_EQ(solo.state(), State::fin_wait_2);
    EXPECT_EQ(solo.advance(seconds(1)), "");
    EXPECT_EQ(solo.state(), State::closed);
}

TEST(Closing, OrphanIsSentAgainAsOftenAsConfigured) {
    for (const std::uint8_t limit : {std::uint8_t{8}, std::uint8_t{12}}) {
        Solo solo;
        if (limit != 8) solo.env.configuration.orphan_retries = limit;
        solo.connect();
        solo.segment({.flags = "F."});
        static_cast<void>(solo.out());
        solo.close();
        EXPECT_EQ(solo.out(), "F. 1:1(0) ack 2");
        while (solo.state() != State::closed) {
            solo.now = deadline(solo.tcb);
            static_cast<void>(on_deadline(solo.env, solo.tcb, solo.now));
            static_cast<void>(solo.out());
        }
        EXPECT_EQ(solo.counters.retransmission_timeouts, limit);
        EXPECT_EQ(solo.counters.connections_timed_out, 1u);
    }
}

TEST(Closing, CloseAfterShutdownBoundsFinWait2) {
    Solo solo;
    solo.connect();
    solo.shutdown();
    static_cast<void>(solo.out());
    solo.segment({.ack = 2});
    solo.close();
    EXPECT_EQ(deadline(solo.tcb), solo.now + seconds(60));
}

TEST(Closing, EarlyFinWaitsForTheGapToFill) {
    Solo solo;
    solo.connect();
    solo.segment({.flags = "F.", .seq = 11, .length = 5});
    EXPECT_EQ(solo.state(), State::established);
    EXPECT_EQ(solo.out(), ". 1:1(0) ack 1 sack 11:16");
    solo.segment({.seq = 1, .length = 10});
    EXPECT_EQ(solo.received, 15u);
    EXPECT_EQ(solo.state(), State::close_wait);
    EXPECT_EQ(solo.out(), ". 1:1(0) ack 17");
    solo.consume(15);
}

TEST(Closing, DataBeyondTheFinIsNotTaken) {
    Solo solo;
    solo.connect();
    solo.segment({.flags = "F.", .length = 5});
    solo.segment({.seq = 7, .length = 5});
    EXPECT_EQ(solo.received, 5u);
    EXPECT_EQ(solo.last_drop, Drop::tcp_outside_window);
    static_cast<void>(solo.out());
}

// --- resets, RFC 5961 ---

TEST(Reset, ExactNumberResetsTheConnection) {
    Solo solo;
    solo.connect();
    solo.segment({.flags = "R"});
    EXPECT_EQ(solo.error, ECONNRESET);
    EXPECT_EQ(solo.take_events(), Events::closed | Events::error);
    EXPECT_EQ(solo.out(), "");
}

TEST(Reset, BehindThePeersFinIsABrokenPipe) {  // as Linux: all that it sent has arrived
    Solo solo;
    solo.connect();
    solo.segment({.flags = "F."});
    ASSERT_EQ(solo.state(), State::close_wait);
    solo.segment({.flags = "R", .seq = 2});
    EXPECT_EQ(solo.error, EPIPE);
    EXPECT_EQ(solo.take_events(), Events::peer_closed | Events::closed | Events::error);
}

TEST(Reset, MayCarryData) {  // Checks RFC 9293 SHLD-2.
    Solo solo;
    solo.connect();
    solo.segment({.flags = "R.", .length = 30});
    EXPECT_EQ(solo.error, ECONNRESET);
}

TEST(Reset, ElsewhereInTheWindowIsChallenged) {
    Solo solo;
    solo.connect();
    solo.segment({.flags = "R", .seq = 100});
    EXPECT_EQ(solo.state(), State::established);
    EXPECT_EQ(solo.out(), ". 1:1(0) ack 1");
    EXPECT_EQ(solo.counters.challenge_acks, 1u);
}

TEST(Reset, OutsideTheWindowIsIgnored) {
    Solo solo;
    solo.connect();
    solo.segment({.flags = "R", .seq = 1 + solo.tcb.rcv.wnd});  // RCV.NXT + RCV.WND
    solo.segment({.flags = "R", .seq = 70'000});
    solo.segment({.flags = "R", .seq = 0});
    EXPECT_EQ(solo.state(), State::established);
    EXPECT_EQ(solo.out(), "");
    EXPECT_EQ(solo.last_drop, Drop::tcp_outside_window);
}

TEST(Reset, IsProcessedWithAZeroWindow) {  // Checks RFC 9293 MUST-66.
    Solo solo;
    solo.settings.receive_buffer = 1000;
    solo.connect();
    solo.segment({.length = 1000});
    EXPECT_EQ(solo.out(), ". 1:1(0) ack 1001");
    EXPECT_EQ(receive_window(solo.tcb), 0u);
    solo.segment({.flags = "R", .seq = 1001});
    EXPECT_EQ(solo.error, ECONNRESET);
}

TEST(Reset, SynOnALiveConnectionIsChallengedWhereverItIs) {
    Solo solo;
    solo.connect();
    for (const std::uint32_t seq : {0u, 1u, 100u, 1'000'000u}) {
        solo.now = solo.now + seconds(1);
        solo.segment({.flags = "S", .seq = seq});
        EXPECT_EQ(solo.out(), ". 1:1(0) ack 1") << seq;
    }
    EXPECT_EQ(solo.state(), State::established);
}

TEST(Reset, ChallengesAreRareAndPerConnection) {  // RFC 5961 §7
    Solo solo;
    solo.connect();
    int answered = 0;
    for (int i = 0; i < 100; ++i) {
        solo.segment({.flags = "S", .seq = 500});
        answered += solo.out().empty() ? 0 : 1;
        solo.now = solo.now + milliseconds(10);
    }
    EXPECT_EQ(answered, 2);
}

TEST(Reset, AckOfTheFutureIsChallenged) {  // Checks RFC 9293 MAY-12.
    Solo solo;
    solo.connect();
    const std::uint32_t cwnd = solo.tcb.cwnd;
    solo.segment({.length = 10, .ack = 1'000});
    EXPECT_EQ(solo.last_drop, Drop::tcp_bad_ack);
    EXPECT_EQ(solo.received, 0u);
    EXPECT_EQ(solo.tcb.cwnd, cwnd);
    EXPECT_EQ(solo.out(), ". 1:1(0) ack 1");
}

TEST(Reset, AckOfLongAgoIsChallengedButAnOldOneStillBringsData) {
    Solo solo;
    solo.connect();
    solo.segment({.length = 10, .ack = 0xffff'0000 - 5'000});
    EXPECT_EQ(solo.last_drop, Drop::tcp_bad_ack);
    static_cast<void>(solo.out());
    solo.send(1000);
    static_cast<void>(solo.out());
    solo.segment({.ack = 1001});
    solo.segment({.length = 10, .ack = 1});
    EXPECT_EQ(solo.received, 10u);
    solo.consume(10);
    static_cast<void>(solo.out());
}

TEST(Reset, NothingIsAcknowledgedBeforeTheFirstByte) {
    Solo solo;
    solo.connect();
    for (const std::uint32_t ack : {0u, 0u - 5'000}) {
        solo.now = solo.now + seconds(1);  // RFC 5961 §7
        solo.segment({.length = 10, .ack = ack});
        EXPECT_EQ(solo.received, 0u);
        EXPECT_EQ(solo.last_drop, Drop::tcp_bad_ack);
        EXPECT_EQ(solo.out(), ". 1:1(0) ack 1");
    }
}

TEST(Reset, SegmentWithoutAckIsDropped) {
    Solo solo;
    solo.connect();
    solo.segment({.flags = "P", .length = 10});
    EXPECT_EQ(solo.last_drop, Drop::tcp_bad_flags);
    EXPECT_EQ(solo.received, 0u);
}

}  // namespace
}  // namespace mtcp::tcp
