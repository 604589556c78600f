// SPDX-License-Identifier: Apache-2.0
// The window that the peer offers: its largest, and one that is taken back.
#include <gtest/gtest.h>

#include "tcp/testing/solo.h"

namespace mtcp::tcp {
namespace {

using testing::Solo;

// RFC 5961 §5.2: an ACK is acceptable down to SND.UNA - MAX.SND.WND, the largest there ever was.
TEST(SendWindow, ItsLargestTellsHowOldAnAckMayBe) {
    Solo solo;
    solo.peer_window = 2000;
    solo.connect();
    solo.segment({.window = 60'000});
    solo.tcb.cwnd = 100'000;
    solo.send(40'000);
    static_cast<void>(solo.out());
    solo.segment({.ack = 40'001, .window = 2000});
    EXPECT_EQ(solo.tcb.max_wnd, 60'000u);
    solo.segment({.length = 10, .ack = 1, .window = 2000});
    EXPECT_EQ(solo.received, 10u);  // what it acknowledges is old, its text is not
    EXPECT_EQ(solo.last_drop, Drop::count_);
}

// RFC 9293 SHLD-16: not beyond the right edge, also when it has moved to the left.
TEST(SendWindow, WhatIsLostBeyondAWindowTakenBackWaits) {
    Solo solo;
    solo.connect();
    solo.tcb.cwnd = 20'000;
    solo.send(10'000);
    static_cast<void>(solo.out());
    solo.now = solo.now + milliseconds(20);
    // 1 and 5001 to 8001 are lost; only 3000 bytes may be sent now.
    solo.segment({.window = 3000, .sack = {{8001, 10'001}, {1001, 5001}}});
    EXPECT_EQ(solo.tcb.phase, Phase::fast_recovery);
    EXPECT_EQ(solo.out(), ". 1:1001(1000) ack 1");
    solo.segment({.ack = 5001, .window = 1000, .sack = {{8001, 10'001}}});
    EXPECT_EQ(solo.out(), ". 5001:6001(1000) ack 1");
    solo.segment({.ack = 6001, .window = 20'000, .sack = {{8001, 10'001}}});
    EXPECT_EQ(solo.out(), ". 6001:7001(1000) ack 1 | . 7001:8001(1000) ack 1");
}

}  // namespace
}  // namespace mtcp::tcp
