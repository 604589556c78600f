// SPDX-License-Identifier: Apache-2.0
// Acknowledging, the offered window, timestamps and PAWS, urgent marks, out-of-order data.
#include <gtest/gtest.h>

#include "tcp/testing/solo.h"

namespace mtcp::tcp {
namespace {

using testing::In;
using testing::Solo;

// Past the segments that are acknowledged one by one.
void use_up_quick_acks(Solo& solo) { solo.tcb.quick_acks = 0; }

TEST(DelayedAck, SmallSegmentWaits40Milliseconds) {  // Checks RFC 9293 SHLD-18, MUST-40.
    Solo solo;
    solo.connect();
    use_up_quick_acks(solo);
    solo.segment({.flags = "P.", .length = 64});
    EXPECT_EQ(solo.out(), "");
    EXPECT_EQ(solo.advance(milliseconds(100)), "+40 . 1:1(0) ack 65");
    solo.consume(64);
}

TEST(DelayedAck, SecondFullSegmentIsAcknowledgedAtOnce) {  // Checks RFC 9293 SHLD-19.
    Solo solo;
    solo.connect();
    use_up_quick_acks(solo);
    solo.segment({.length = 1000});
    EXPECT_EQ(solo.out(), "");
    solo.segment({.seq = 1001, .length = 1000});
    EXPECT_EQ(solo.out(), ". 1:1(0) ack 2001");
}

TEST(DelayedAck, FirstFullSegmentsAreAcknowledgedOneByOne) {
    Solo solo;
    solo.connect();
    for (std::uint32_t i = 0; i < 16; ++i) {
        solo.segment({.seq = 1 + i * 1000, .length = 1000});
        EXPECT_EQ(solo.out(), ". 1:1(0) ack " + std::to_string(1001 + i * 1000));
    }
    solo.segment({.seq = 16'001, .length = 1000});
    EXPECT_EQ(solo.out(), "");
}

TEST(DelayedAck, ABurstIsAcknowledgedOnce) {  // Checks RFC 9293 MUST-58, MUST-59.
    Solo solo;
    solo.connect();
    for (std::uint32_t i = 0; i < 8; ++i)
        solo.segment({.seq = 1 + i * 1000, .length = 1000});
    EXPECT_EQ(solo.out(), ". 1:1(0) ack 8001");
}

TEST(DelayedAck, DataCarriesIt) {
    Solo solo;
    solo.connect();
    solo.segment({.flags = "P.", .length = 64});
    solo.send(64);
    EXPECT_EQ(solo.out(), "P. 1:65(64) ack 65");
    EXPECT_EQ(solo.advance(milliseconds(100)), "");
}

TEST(DelayedAck, FirstSmallSegmentsHardlyWait) {
    Solo solo;
    solo.connect();
    for (std::uint32_t i = 0; i < 16; ++i) {
        solo.segment({.flags = "P.", .seq = 1 + i * 10, .length = 10});
        EXPECT_EQ(solo.out(), "");
        EXPECT_EQ(solo.advance(milliseconds(100)),
                  "+1 . 1:1(0) ack " + std::to_string(11 + i * 10));
    }
    solo.segment({.flags = "P.", .seq = 161, .length = 10});
    EXPECT_EQ(solo.advance(milliseconds(100)), "+40 . 1:1(0) ack 171");
}

TEST(DelayedAck, WaitsLongerOnceOneHasFoundItsRide) {
    Solo solo;
    solo.connect();
    solo.segment({.flags = "P.", .length = 64});
    solo.send(64);
    EXPECT_EQ(solo.out(), "P. 1:65(64) ack 65");
    solo.segment({.flags = "P.", .seq = 65, .length = 64, .ack = 65});
    EXPECT_EQ(solo.advance(milliseconds(100)), "+40 . 65:65(0) ack 129");
}

// And a pause behind it, longer than the RTO.
void let_an_ack_wait_in_vain(Solo& solo) {
    solo.connect();
    use_up_quick_acks(solo);
    solo.segment({.flags = "P.", .length = 64});
    EXPECT_EQ(solo.advance(seconds(2)), "+40 . 1:1(0) ack 65");
}

TEST(DelayedAck, DoesNotWaitInVainAgainAfterAPause) {
    Solo solo;
    let_an_ack_wait_in_vain(solo);
    solo.segment({.flags = "P.", .seq = 65, .length = 64});
    EXPECT_EQ(solo.out(), ". 1:1(0) ack 129");
    // Without a pause there may be a next one soon, which the ACK would serve as well.
    solo.segment({.flags = "P.", .seq = 129, .length = 64});
    EXPECT_EQ(solo.advance(seconds(2)), "+40 . 1:1(0) ack 193");
}

TEST(DelayedAck, WaitsAfterAPauseWhereTheLastOneFoundItsRide) {
    Solo solo;
    let_an_ack_wait_in_vain(solo);
    solo.segment({.flags = "P.", .seq = 65, .length = 64});
    solo.send(64);
    EXPECT_EQ(solo.out(), "P. 1:65(64) ack 129");
    solo.segment({.seq = 129, .ack = 65});
    EXPECT_EQ(solo.advance(seconds(2)), "");
    solo.segment({.flags = "P.", .seq = 129, .length = 64, .ack = 65});
    EXPECT_EQ(solo.advance(seconds(2)), "+40 . 65:65(0) ack 193");
}

TEST(DelayedAck, TheAckOfASynThatRodeSaysNothingOfThoseToCome) {
    Solo solo;
    solo.connect();
    solo.send(64);
    EXPECT_EQ(solo.out(), "P. 1:65(64) ack 1");
    solo.segment({.flags = "P.", .length = 64, .ack = 65});
    EXPECT_EQ(solo.advance(milliseconds(100)), "+1 . 65:65(0) ack 65");
}

TEST(DelayedAck, QuickAckOptionCanEndTheQuickStart) {
    Solo solo;
    solo.settings.quick_start = 0;
    solo.connect();
    solo.segment({.length = 1000});
    EXPECT_EQ(solo.advance(milliseconds(100)), "+40 . 1:1(0) ack 1001");
}

TEST(DelayedAck, QuickAckOptionAcknowledgesAtOnce) {
    Solo solo;
    solo.settings.quick_ack = 1;
    solo.connect();
    solo.segment({.flags = "P.", .length = 64});
    EXPECT_EQ(solo.out(), ". 1:1(0) ack 65");
}

TEST(DelayedAck, FilledGapIsAcknowledgedAtOnce) {
    Solo solo;
    solo.connect();
    solo.segment({.seq = 11, .length = 10});
    EXPECT_EQ(solo.out(), ". 1:1(0) ack 1 sack 11:21");
    solo.segment({.length = 5});
    EXPECT_EQ(solo.out(), ". 1:1(0) ack 6 sack 11:21");
    solo.segment({.seq = 6, .length = 5});
    EXPECT_EQ(solo.out(), ". 1:1(0) ack 21");
}

TEST(DelayedAck, DuplicateIsAcknowledgedAtOnceWithDSack) {  // RFC 2883
    Solo solo;
    solo.connect();
    solo.segment({.length = 10});
    solo.segment({.length = 10});
    EXPECT_EQ(solo.out(), ". 1:1(0) ack 11 sack 1:11");
    EXPECT_EQ(solo.received, 10u);
    EXPECT_EQ(solo.last_drop, Drop::tcp_duplicate);
}

TEST(DelayedAck, WithoutSackEveryOutOfOrderSegmentGetsItsDuplicate) {  // RFC 5681 §4.2
    Solo solo;
    solo.peer_options.sack_permitted = false;
    solo.connect();
    for (std::uint32_t i = 1; i <= 3; ++i)
        solo.segment({.seq = 1 + i * 1000, .length = 1000});
    EXPECT_EQ(solo.out(), ". 1:1(0) ack 1 | . 1:1(0) ack 1 | . 1:1(0) ack 1");
}

// In one turn, then filled: three ACKs of the new number would be a loss to the peer.
TEST(DelayedAck, DuplicatesAreNotOwedOfAHoleThatIsFilled) {
    Solo solo;
    solo.peer_options.sack_permitted = false;
    solo.connect();
    for (std::uint32_t i = 1; i <= 5; ++i)
        solo.segment({.seq = 1 + 1000 * i, .length = 1000});
    solo.segment({.seq = 1, .length = 1000});
    EXPECT_EQ(solo.out(), ". 1:1(0) ack 6001");
}

TEST(Sack, MostRecentBlockComesFirst) {  // RFC 2018 §4
    Solo solo;
    solo.connect();
    solo.segment({.seq = 101, .length = 10});
    solo.segment({.seq = 201, .length = 10});
    solo.segment({.seq = 301, .length = 10});
    solo.segment({.seq = 401, .length = 10});
    solo.segment({.seq = 501, .length = 10});
    EXPECT_EQ(solo.out(), ". 1:1(0) ack 1 sack 501:511 401:411 301:311 201:211");
    solo.segment({.seq = 111, .length = 10});
    EXPECT_EQ(solo.out(), ". 1:1(0) ack 1 sack 101:121 501:511 401:411 301:311");
}

TEST(Sack, LeavesRoomForTimestamps) {
    Solo solo;
    solo.env.configuration.timestamps = Configuration::Use::on;
    solo.peer_options.timestamps = true;
    solo.connect();
    for (std::uint32_t i = 1; i < 6; ++i)
        solo.segment({.seq = 100 * i, .length = 10});
    static_cast<void>(solo.out());
    EXPECT_EQ(solo.sent.at(0).options.sack_count, 3);
    EXPECT_EQ(wire::options_length(solo.sent.at(0).options), 40u);
}

TEST(Sack, DuplicateOfOutOfOrderDataIsReported) {
    Solo solo;
    solo.connect();
    solo.segment({.seq = 101, .length = 50});
    static_cast<void>(solo.out());
    solo.segment({.seq = 111, .length = 10});
    EXPECT_EQ(solo.out(), ". 1:1(0) ack 1 sack 111:121 101:151");
    EXPECT_EQ(solo.last.placement_count, 0);
}

TEST(Sack, FirstPartThatArrivedBeforeIsReported) {  // RFC 2883 §4.2
    Solo solo;
    solo.connect();
    solo.segment({.seq = 101, .length = 100});
    solo.segment({.seq = 301, .length = 100});
    static_cast<void>(solo.out());
    solo.segment({.seq = 51, .length = 400});  // covers both
    EXPECT_EQ(solo.out(), ". 1:1(0) ack 1 sack 101:201 51:451");
    solo.segment({.seq = 401, .length = 100});  // begins within
    EXPECT_EQ(solo.out(), ". 1:1(0) ack 1 sack 401:451 51:501");
    solo.segment({.seq = 1, .length = 60});  // fills the gap, ends within
    EXPECT_EQ(solo.out(), ". 1:1(0) ack 501 sack 51:61");
    solo.consume(500);
}

TEST(ReceiveWindow, ClosesAndOpensWithoutSillySteps) {  // Checks RFC 9293 MUST-39.
    Solo solo;
    solo.settings.receive_buffer = 4000;
    solo.connect();
    for (std::uint32_t i = 0; i < 4; ++i)
        solo.segment({.seq = 1 + i * 1000, .length = 1000});
    static_cast<void>(solo.out());
    EXPECT_EQ(solo.sent.at(0).window, 0);
    solo.consume(500);
    EXPECT_EQ(solo.out(), "");
    solo.consume(500);
    EXPECT_EQ(solo.out(), ". 1:1(0) ack 4001");
    EXPECT_EQ(solo.sent.at(0).window, 1000);
}

TEST(ReceiveWindow, RightEdgeNeverMovesLeft) {  // Checks RFC 9293 SHLD-14.
    Solo solo;
    solo.env.configuration.window_shift = 7;
    solo.settings.receive_buffer = 100'000;
    solo.connect();
    std::uint32_t edge = 0;
    std::uint32_t seq = 1;
    for (std::uint32_t i = 0; i < 50; ++i) {
        const std::uint32_t length = 1 + i * 37 % 999;
        solo.segment({.seq = seq, .length = length});
        seq += length;
        if (i == 20) solo.settings.receive_buffer = 10'000;
        if (i == 20) solo.apply_settings();
        solo.tcb.pending.ack = true;
        static_cast<void>(solo.out());
        const std::uint32_t window = std::uint32_t{solo.sent.at(0).window} << 7;
        // Once the buffer is overdrawn, rounding to the unit may show (RFC 7323 §2.4).
        EXPECT_GE(seq + window + (i >= 20 ? 127 : 0), edge);
        edge = seq + window;
    }
}

TEST(ReceiveWindow, IsNotGivenAwayBytewise) {
    Solo solo;
    solo.env.configuration.window_shift = 7;
    solo.settings.receive_buffer = 1280;
    solo.connect();
    for (std::uint32_t seq = 1; seq < 3000; ++seq) {
        solo.segment({.seq = seq, .length = 1});
        solo.tcb.pending.ack = true;
        static_cast<void>(solo.out());
    }
    EXPECT_LE(solo.received, 1280u + 128u);
}

TEST(ReceiveWindow, OpensAgainAlsoWhereItsUnitIsLargerThanTheBuffer) {
    Solo solo;
    solo.env.configuration.window_shift = 14;
    solo.settings.receive_buffer = 8192;
    solo.settings.receive_fixed = 1;
    solo.connect();
    for (std::uint32_t seq = 1; seq < 50'000; seq += 16'384) {
        solo.segment({.seq = seq, .length = 16'384});
        static_cast<void>(solo.out());
        EXPECT_EQ(bytes_unread(solo.tcb), 16'384u);  // rounded up, so that it does not shrink
        solo.consume(16'384);
        EXPECT_EQ(solo.out(), ". 1:1(0) ack " + std::to_string(seq + 16'384));
        EXPECT_EQ(solo.sent.back().window, 1u);
    }
}

TEST(ReceiveWindow, StopsGrowingWhenMemoryIsLow) {
    Solo solo;
    solo.settings.receive_buffer = 60'000;
    solo.connect();
    for (std::uint32_t i = 0; i < 30; ++i)
        solo.segment({.seq = 1 + i * 1000, .length = 1000});
    solo.env.memory = Environment::Memory::low;
    solo.consume(30'000);
    solo.tcb.pending.ack = true;
    static_cast<void>(solo.out());
    EXPECT_EQ(solo.sent.at(0).window, 30'000);
    solo.env.memory = Environment::Memory::plenty;
    solo.tcb.pending.ack = true;
    static_cast<void>(solo.out());
    EXPECT_EQ(solo.sent.at(0).window, 60'000);
}

TEST(ReceiveWindow, DataBeyondItIsCut) {
    Solo solo;
    solo.settings.receive_buffer = 1000;
    solo.connect();
    solo.segment({.flags = "F.", .length = 1500});
    EXPECT_EQ(solo.received, 1000u);
    EXPECT_EQ(solo.state(), State::established);
    EXPECT_EQ(solo.out(), ". 1:1(0) ack 1001");
    solo.segment({.seq = 1001, .length = 1});  // a probe
    EXPECT_EQ(solo.received, 1000u);
    EXPECT_EQ(solo.last_drop, Drop::tcp_outside_window);
    EXPECT_EQ(solo.out(), ". 1:1(0) ack 1001");
}

TEST(ReceiveWindow, AcksAreTakenWithAZeroWindow) {
    Solo solo;
    solo.settings.receive_buffer = 1000;
    solo.connect();
    solo.send(10);
    static_cast<void>(solo.out());
    solo.segment({.length = 1000});
    static_cast<void>(solo.out());
    solo.segment({.seq = 1001, .length = 1, .ack = 11});
    EXPECT_EQ(solo.acked, 10u);
    static_cast<void>(solo.out());
}

TEST(ReceiveWindow, AFinAloneNeedsNone) {
    Solo solo;
    solo.settings.receive_buffer = 1000;
    solo.connect();
    solo.segment({.length = 1000});
    static_cast<void>(solo.out());
    solo.segment({.flags = "F.", .seq = 1001, .length = 1});
    EXPECT_EQ(solo.state(), State::established);
    EXPECT_EQ(solo.out(), ". 1:1(0) ack 1001");
    solo.segment({.flags = "F.", .seq = 1, .length = 1000});  // the text is known, the FIN is not
    EXPECT_EQ(solo.state(), State::close_wait);
    EXPECT_EQ(solo.out(), ". 1:1(0) ack 1002 sack 1:1001");
    EXPECT_EQ(solo.sent.at(0).window, 0);
}

TEST(Acceptability, AnAckOvertakenByTextThatWaitsForItsAckIsTaken) {
    Solo solo;
    solo.connect();
    use_up_quick_acks(solo);
    solo.send(1000);
    static_cast<void>(solo.out());
    solo.segment({.flags = "P.", .length = 64});
    solo.segment({.ack = 1001});
    EXPECT_EQ(solo.last_drop, Drop::count_);
    EXPECT_EQ(solo.tcb.snd.una, solo.tcb.snd.nxt);
    EXPECT_EQ(solo.out(), "");  // no challenge
    // What has been acknowledged does not come again.
    EXPECT_EQ(solo.advance(milliseconds(40)), "+40 . 1001:1001(0) ack 65");
    solo.segment({.ack = 1001});
    EXPECT_EQ(solo.last_drop, Drop::tcp_outside_window);
    EXPECT_EQ(solo.out(), ". 1001:1001(0) ack 65");
    solo.consume(64);
}

TEST(Acceptability, WhatAKnownSegmentAcknowledgesCounts) {
    Solo solo;
    solo.connect();
    solo.send(1000);
    static_cast<void>(solo.out());
    solo.segment({.flags = "P.", .length = 64});
    static_cast<void>(solo.advance(milliseconds(40)));
    solo.segment({.flags = "P.", .length = 64, .ack = 1001});
    EXPECT_EQ(solo.last_drop, Drop::tcp_duplicate);
    EXPECT_EQ(solo.tcb.snd.una, solo.tcb.snd.nxt);
    EXPECT_EQ(solo.out(), ". 1001:1001(0) ack 65 sack 1:65");  // RFC 2883
    solo.consume(64);
}

TEST(Placement, OverlapsAreTakenOnce) {
    Solo solo;
    solo.connect();
    solo.segment({.seq = 11, .length = 10});
    ASSERT_EQ(solo.last.placement_count, 1);
    EXPECT_EQ(solo.last.placements[0].stream_offset, 10u);
    solo.segment({.seq = 1, .length = 30});
    ASSERT_EQ(solo.last.placement_count, 2);
    EXPECT_EQ(solo.last.placements[0].length, 10u);
    EXPECT_EQ(solo.last.placements[1].stream_offset, 20u);
    EXPECT_EQ(solo.last.placements[1].payload_offset, 20u);
    EXPECT_EQ(solo.last.placements[1].length, 10u);
    EXPECT_EQ(solo.last.received_bytes, 30u);
    static_cast<void>(solo.out());
}

TEST(Placement, FrontThatIsKnownIsCut) {  // TCP-Fuzz: data below RCV.NXT with a new tail
    Solo solo;
    solo.connect();
    solo.segment({.length = 10});
    solo.segment({.seq = 5, .length = 10});
    ASSERT_EQ(solo.last.placement_count, 1);
    EXPECT_EQ(solo.last.placements[0].stream_offset, 0u);
    EXPECT_EQ(solo.last.placements[0].payload_offset, 6u);
    EXPECT_EQ(solo.last.placements[0].length, 4u);
    static_cast<void>(solo.out());
}

TEST(Pools, WithoutAReassemblyRecordOutOfOrderDataIsNotTaken) {
    Solo solo(0);
    solo.connect();
    solo.segment({.seq = 11, .length = 10});
    EXPECT_EQ(solo.last_drop, Drop::tcp_out_of_order_full);
    EXPECT_EQ(solo.last.placement_count, 0);
    EXPECT_EQ(solo.out(), ". 1:1(0) ack 1");
    solo.segment({.length = 20});
    EXPECT_EQ(solo.received, 20u);
    static_cast<void>(solo.out());
}

TEST(Pools, RecordReturnsWithTheLastGap) {
    Solo solo;
    solo.connect();
    solo.segment({.seq = 11, .length = 10});
    EXPECT_EQ(solo.env.reassemblies.used(), 1u);
    solo.segment({.length = 10});
    EXPECT_EQ(solo.env.reassemblies.used(), 0u);
    static_cast<void>(solo.out());
}

TEST(Pools, TooManyRangesAreDroppedButTheStreamGoesOn) {
    Solo solo;
    solo.connect();
    for (std::uint32_t i = 1; i <= kReassemblyRangesMax; ++i) {
        solo.segment({.seq = 1 + i * 100, .length = 1});
    }
    EXPECT_EQ(solo.last_drop, Drop::count_);
    solo.segment({.seq = 50'001, .length = 1});
    EXPECT_EQ(solo.last_drop, Drop::tcp_out_of_order_full);
    solo.segment({.length = 50});
    EXPECT_EQ(solo.received, 50u);
    static_cast<void>(solo.out());
}

// --- timestamps ---

class Timestamps : public ::testing::Test {
  protected:
    void SetUp() override {
        solo.env.configuration.timestamps = Configuration::Use::on;
        solo.peer_options.timestamps = true;
        solo.peer_options.ts_value = static_cast<std::uint32_t>(solo.now.ns / 1'000'000);
        solo.open();
        static_cast<void>(solo.out());
        In in{.flags = "S.", .seq = 0};
        in.options = solo.peer_options;
        in.options.ts_echo = solo.sent.at(0).options.ts_value;
        solo.segment(in);
        static_cast<void>(solo.out());
        ASSERT_EQ(solo.state(), State::established);
    }
    Solo solo;
};

TEST_F(Timestamps, AreOnEverySegmentAndTakeTheirRoom) {
    EXPECT_EQ(effective_mss(solo.tcb), 988u);
    solo.send(10);
    static_cast<void>(solo.out());
    EXPECT_TRUE(solo.sent.at(0).options.timestamps);
    EXPECT_EQ(solo.sent.at(0).options.ts_echo, solo.peer_options.ts_value);
}

TEST_F(Timestamps, OldSegmentIsRefusedAndAnswered) {  // RFC 7323 §5.3
    solo.now = solo.now + seconds(1);
    solo.segment({.length = 10});
    static_cast<void>(solo.out());
    solo.segment({.seq = 11, .length = 10, .ts_back = 500});
    EXPECT_EQ(solo.last_drop, Drop::tcp_paws);
    EXPECT_EQ(solo.received, 10u);
    EXPECT_EQ(solo.out(), ". 1:1(0) ack 11");
}

TEST_F(Timestamps, OfAForgedAckIsNotTaken) {
    const std::uint32_t before = solo.tcb.ts_recent;
    solo.segment({.flags = "F.", .ack = 9999, .ts_back = -200'000});
    EXPECT_EQ(solo.last_drop, Drop::tcp_bad_ack);
    EXPECT_EQ(solo.tcb.ts_recent, before);
    solo.segment({.length = 10});
    EXPECT_EQ(solo.received, 10u);
}

TEST_F(Timestamps, AreInAResetToo) {  // RFC 7323 §3.2
    solo.abort();
    EXPECT_EQ(solo.out(), "R. 1:1(0) ack 1");
    EXPECT_TRUE(solo.sent.at(0).options.timestamps);
}

TEST_F(Timestamps, ResetIsExemptFromPaws) {  // RFC 7323 §5.2
    solo.now = solo.now + seconds(1);
    solo.segment({.length = 10});
    solo.segment({.flags = "R", .seq = 11, .ts_back = 500});
    EXPECT_EQ(solo.state(), State::closed);
}

TEST_F(Timestamps, After24DaysAnythingIsNew) {  // RFC 7323 §5.5
    solo.segment({.length = 10});
    solo.consume(10);
    static_cast<void>(solo.out());
    solo.now = solo.now + seconds(25ll * 24 * 3600);
    solo.segment({.seq = 11, .length = 10, .ts_back = 26ll * 24 * 3600 * 1000});
    EXPECT_EQ(solo.received, 20u);
    static_cast<void>(solo.out());
}

TEST_F(Timestamps, SegmentWithoutThemIsAccepted) {
    solo.tcb.flags.timestamps = false;  // the peer's builder leaves them out
    In in{.length = 10};
    solo.segment(in);
    solo.tcb.flags.timestamps = true;
    EXPECT_EQ(solo.received, 10u);
    static_cast<void>(solo.out());
}

TEST_F(Timestamps, EchoIsOfTheSegmentThatCoversTheLastAck) {  // RFC 7323 §4.3
    static_cast<void>(solo.advance(milliseconds(100)));
    solo.segment({.seq = 101, .length = 100});  // out of order: not echoed
    static_cast<void>(solo.out());
    EXPECT_EQ(solo.sent.at(0).options.ts_echo, solo.peer_options.ts_value);
    solo.segment({.seq = 1, .length = 100});
    static_cast<void>(solo.out());
    EXPECT_EQ(solo.sent.at(0).options.ts_echo, solo.peer_options.ts_value + 100);
}

// --- urgent ---

TEST(UrgentReceive, MarkIsReportedAndPassed) {  // Checks RFC 9293 MUST-32, MUST-33.
    Solo solo;
    solo.connect();
    solo.segment({.flags = "PU.", .length = 10, .urgent = 5});
    EXPECT_TRUE(solo.take_events() & Events::urgent);
    EXPECT_TRUE(has_urgent(solo.tcb));
    EXPECT_EQ(urgent_bytes_ahead(solo.tcb), 5u);
    solo.consume(4);
    EXPECT_EQ(urgent_bytes_ahead(solo.tcb), 1u);
    solo.consume(1);
    EXPECT_FALSE(has_urgent(solo.tcb));
    EXPECT_EQ(solo.received, 10u);
}

TEST(UrgentReceive, MarkMayBeAheadOfTheDataAndIsReportedOnce) {
    Solo solo;
    solo.connect();
    solo.segment({.flags = "U.", .urgent = 100});
    EXPECT_TRUE(solo.take_events() & Events::urgent);
    EXPECT_EQ(urgent_bytes_ahead(solo.tcb), 100u);
    solo.segment({.flags = "U.", .length = 10, .urgent = 100});
    EXPECT_FALSE(solo.take_events() & Events::urgent);
    solo.segment({.flags = "U.", .seq = 11, .length = 10, .urgent = 200});
    EXPECT_TRUE(solo.take_events() & Events::urgent);
    static_cast<void>(solo.out());
}

TEST(UrgentReceive, ZeroPointerIsIgnored) {
    Solo solo;
    solo.connect();
    solo.segment({.flags = "U.", .length = 10, .urgent = 0});
    EXPECT_FALSE(has_urgent(solo.tcb));
    EXPECT_EQ(solo.received, 10u);
}

}  // namespace
}  // namespace mtcp::tcp
