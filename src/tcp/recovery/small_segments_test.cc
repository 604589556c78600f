// SPDX-License-Identifier: Apache-2.0
// Where the RFCs count segments, small ones count as much as full ones.
#include <gtest/gtest.h>

#include "tcp/recovery/rtt_estimator.h"
#include "tcp/testing/solo.h"

namespace mtcp::tcp {
namespace {

using testing::Solo;

constexpr Duration kRtt = milliseconds(20);

// Each of 100 bytes.
void put_in_flight(Solo& solo, int segments) {
    solo.settings.no_delay = 1;
    solo.connect();
    solo.tcb.srtt_us = 0;
    solo.tcb.rtt_min_us = static_cast<std::uint32_t>(kRtt.microseconds());
    take_rtt_sample(solo.tcb, solo.tcb.rtt_min_us, solo.env.configuration, solo.now);
    for (int i = 0; i < segments; ++i) {
        solo.send(100);
        static_cast<void>(solo.out());
    }
}

TEST(SmallSegments, ThreeThatWereReportedAreEnough) {  // RFC 8985 §6.2 step 4
    Solo solo;
    put_in_flight(solo, 6);
    solo.now = solo.now + kRtt;
    solo.segment({.sack = {{101, 201}}});
    solo.segment({.sack = {{101, 301}}});
    EXPECT_EQ(solo.tcb.phase, Phase::disorder);
    solo.segment({.sack = {{101, 401}}});
    EXPECT_EQ(solo.tcb.phase, Phase::fast_recovery);
    EXPECT_EQ(solo.out().substr(0, 4), ". 1:");
    solo.segment({.ack = 601});
    EXPECT_EQ(solo.tcb.phase, Phase::open);
}

TEST(SmallSegments, TwoAreNotASingleOneThatMayWaitForItsAck) {  // RFC 8985 §7.2
    for (const int segments : {1, 2}) {
        Solo solo;
        put_in_flight(solo, segments);
        const std::string soon = solo.advance(kRtt * 2 + milliseconds(4));
        EXPECT_EQ(soon.empty(), segments == 1) << soon;
        solo.segment({.ack = 1 + 100 * static_cast<std::uint32_t>(segments)});
    }
}

}  // namespace
}  // namespace mtcp::tcp
