// SPDX-License-Identifier: Apache-2.0
// The minimum RTT over time (the rest: recovery_test.cc).
#include "tcp/recovery/rtt_estimator.h"

#include <gtest/gtest.h>

#include "tcp/testing/solo.h"

namespace mtcp::tcp {
namespace {

using testing::Solo;

class MinimumRtt : public ::testing::Test {
  protected:
    // A request of `segments` every ten seconds, for `span`; its answer takes `rtt`.
    void converse(Duration span, Duration rtt, std::uint32_t segments = 1) {
        const Instant end = solo.now + span;
        while (solo.now < end) {
            solo.send(segments * 1000);
            static_cast<void>(solo.out());
            solo.now = solo.now + rtt;
            sent_ += segments * 1000;
            solo.segment({.ack = sent_ + 1});
            solo.now = solo.now + seconds(10);
        }
    }
    Solo solo;

  private:
    std::uint32_t sent_ = 0;
};

// RFC 8985 §6.2 step 1: the minimum is of recent round trips; as in Linux, of some 300 seconds.
TEST_F(MinimumRtt, IsForgottenOnAPathThatBecameLonger) {
    solo.connect();
    solo.tcb.rtt_min_us = 0;
    converse(seconds(30), milliseconds(20));
    EXPECT_EQ(solo.tcb.rtt_min_us, 20'000u);
    converse(seconds(200), milliseconds(100));
    EXPECT_EQ(solo.tcb.rtt_min_us, 20'000u);
    converse(seconds(250), milliseconds(100));
    EXPECT_EQ(solo.tcb.rtt_min_us, 100'000u);
}

TEST_F(MinimumRtt, IsForgottenWhereEachSegmentIsLogged) {
    solo.connect();
    solo.tcb.rtt_min_us = 0;
    converse(seconds(30), milliseconds(20), 5);
    EXPECT_EQ(solo.tcb.rtt_min_us, 20'000u);
    converse(seconds(450), milliseconds(100), 5);
    EXPECT_EQ(solo.tcb.rtt_min_us, 100'000u);
}

TEST_F(MinimumRtt, StaysWhileItIsMeasuredNowAndThen) {
    solo.connect();
    solo.tcb.rtt_min_us = 0;
    for (int i = 0; i < 10; ++i) {
        converse(seconds(10), milliseconds(20));
        EXPECT_EQ(solo.tcb.rtt_min_us, 20'000u);
        converse(seconds(180), milliseconds(100));
        EXPECT_EQ(solo.tcb.rtt_min_us, 20'000u);
    }
}

}  // namespace
}  // namespace mtcp::tcp
