// SPDX-License-Identifier: Apache-2.0
// What BBR's model is told.
#include "tcp/congestion/bbr/bbr.h"

#include <gtest/gtest.h>

#include "tcp/clock.h"
#include "tcp/congestion/controller.h"
#include "tcp/testing/solo.h"

namespace mtcp::tcp::congestion::bbr {
namespace {

constexpr std::uint32_t kRttUs = 20'000;

// draft-ietf-ccwg-bbr §5.5.10: a loss counts whether an ACK or the reordering timer found it.
TEST(Bbr, HearsOfLossesThatATimerFound) {
    testing::Solo solo;
    solo.env.configuration.tail_loss_probe = Configuration::Use::off;
    solo.settings.congestion = CongestionAlgorithm::bbr;
    solo.connect();
    solo.tcb.rtt_min_us = kRttUs;
    solo.tcb.srtt_us = kRttUs;
    solo.send(10'000);
    static_cast<void>(solo.out());
    solo.now = solo.now + microseconds(kRttUs);
    solo.segment({.ack = 10'001});
    solo.send(10'000);
    static_cast<void>(solo.out());
    static_cast<void>(solo.advance(microseconds(kRttUs)));
    solo.segment({.ack = 10'001, .sack = {{11'001, 12'001}}});
    ASSERT_EQ(solo.tcb.phase, Phase::disorder);
    static_cast<void>(solo.advance(milliseconds(10)));
    ASSERT_EQ(solo.tcb.phase, Phase::fast_recovery);
    solo.segment({.ack = 10'001, .sack = {{11'001, 13'001}}});
    const Bbr* const b = bbr_of(solo.env, solo.tcb);
    ASSERT_NE(b, nullptr);
    EXPECT_TRUE(b->loss_in_round);
    static_cast<void>(solo.out());
    solo.segment({.ack = solo.tcb.snd.nxt - solo.tcb.iss});
}

// 30 days are more than half of what the clock of milliseconds can tell apart.
TEST(Bbr, ALongIdleConnectionDoesNotStayInProbeRtt) {
    testing::Solo solo;
    solo.connect();
    Bbr b{};
    b.state = BbrState::probe_rtt;
    b.probe_rtt_waits = true;
    b.probe_rtt_since_ms = to_ms(solo.now);
    on_idle_restart(b, solo.tcb, solo.now + milliseconds(100));
    EXPECT_EQ(b.state, BbrState::probe_rtt);
    on_idle_restart(b, solo.tcb, solo.now + seconds(30 * 86'400));
    EXPECT_NE(b.state, BbrState::probe_rtt);
}

}  // namespace
}  // namespace mtcp::tcp::congestion::bbr
