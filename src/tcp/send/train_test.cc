// SPDX-License-Identifier: Apache-2.0
// How long a train of full segments is, and how long the peer's window holds data back.
#include <gtest/gtest.h>

#include "tcp/send/train.h"
#include "tcp/testing/solo.h"

namespace mtcp::tcp {
namespace {

using testing::Solo;

constexpr std::uint32_t kDevice = 65'000;

TEST(Train, IsTwoSegmentsOnASlowPath) {
    Solo solo;
    solo.connect();
    solo.tcb.srtt_us = solo.tcb.rtt_min_us = 100'000;
    EXPECT_EQ(longest_train(solo.env, solo.tcb, kDevice), 2u * solo.tcb.mss);
}

TEST(Train, IsHalfTheWindowOnAShortPath) {
    Solo solo;
    solo.connect();
    solo.tcb.srtt_us = solo.tcb.rtt_min_us = 50;
    EXPECT_EQ(longest_train(solo.env, solo.tcb, kDevice), solo.tcb.cwnd / 2);
}

TEST(Train, FollowsTheRate) {
    Solo solo;
    solo.connect();
    solo.tcb.cwnd = solo.tcb.max_wnd = 4'000'000;
    solo.tcb.ssthresh = 1'000'000;
    solo.tcb.srtt_us = solo.tcb.rtt_min_us = 100'000;
    // 40 MB/s, 1.2 times that, for one millisecond.
    EXPECT_EQ(longest_train(solo.env, solo.tcb, kDevice), 48'000u);
    EXPECT_EQ(longest_train(solo.env, solo.tcb, 20'000), 20'000u);
}

TEST(Train, IsHalfOfThePeersWindow) {
    Solo solo;
    solo.connect();
    solo.tcb.srtt_us = solo.tcb.rtt_min_us = 50;
    solo.tcb.cwnd = 100'000;
    solo.tcb.max_wnd = 20'000;
    EXPECT_EQ(longest_train(solo.env, solo.tcb, kDevice), 10'000u);
}

// A SYN alone is not work.
TEST(LimitClock, TheHandshakeIsNotBusy) {
    Solo solo;
    solo.open();
    static_cast<void>(solo.out());
    solo.now = solo.now + milliseconds(80);
    testing::In syn_ack{.flags = "S.", .seq = 0, .ack = 1};
    syn_ack.options = solo.peer_options;
    solo.segment(syn_ack);
    EXPECT_EQ(status(solo.env, solo.tcb, solo.now).busy_ms, 0u);
    solo.send(1000);
    solo.now = solo.now + milliseconds(20);
    EXPECT_EQ(status(solo.env, solo.tcb, solo.now).busy_ms, 20u);
}

TEST(LimitClock, CountsWhatThePeersWindowHoldsBack) {
    Solo solo;
    solo.peer_window = 0;
    solo.connect();
    EXPECT_EQ(status(solo.env, solo.tcb, solo.now).busy_ms, 0u);
    solo.send(1000);
    solo.now = solo.now + milliseconds(100);
    EXPECT_EQ(status(solo.env, solo.tcb, solo.now).window_limited_ms, 100u);
    solo.segment({.window = 2000});
    EXPECT_EQ(solo.out(), "P. 1:1001(1000) ack 1");
    solo.now = solo.now + milliseconds(30);
    solo.segment({.ack = 1001});
    solo.now = solo.now + milliseconds(500);
    EXPECT_EQ(status(solo.env, solo.tcb, solo.now).window_limited_ms, 100u);
    EXPECT_EQ(status(solo.env, solo.tcb, solo.now).busy_ms, 130u);
}

}  // namespace
}  // namespace mtcp::tcp
