// SPDX-License-Identifier: Apache-2.0
// BBR's model, ACK by ACK.
#include "tcp/congestion/bbr/bbr.h"

#include <gtest/gtest.h>

#include "tcp/congestion/controller.h"
#include "tcp/testing/solo.h"

namespace mtcp::tcp::congestion::bbr {
namespace {

constexpr std::uint32_t kMss = 1000;
constexpr std::uint32_t kRttUs = 20'000;

// A flow that cruises at 1 MB/s, as its last probe found, though it came to less since.
struct Cruising {
    Tcb tcb{};
    Bbr b{};
    Instant now{seconds(100).ns};
    std::uint32_t total = 0;
    Cruising() {
        tcb.mss = kMss;
        tcb.cwnd = 40 * kMss;
        tcb.srtt_us = kRttUs;
        tcb.rtt_min_us = kRttUs;
        begin(b, tcb, total, now);
        b.state = BbrState::probe_cruise;
        b.full_bw_reached = true;
        b.max_bw = {1'000'000, 700'000};
        b.probe_wait_us = 3'000'000;
    }
    // A round trip on: what was sent in the last one is delivered at that rate.
    void round(std::uint64_t rate) {
        now = now + microseconds(kRttUs);
        AckContext ack;
        ack.acked = static_cast<std::uint32_t>(rate * kRttUs / 1'000'000);
        ack.rate.prior_delivered = total;
        total += ack.acked;
        ack.total_delivered = total;
        ack.rtt_us = kRttUs;
        ack.in_flight_before = 2 * kMss;
        ack.in_flight = 2 * kMss;
        ack.rate.delivered = ack.acked;
        ack.rate.interval_us = kRttUs;
        ack.rate.tx_in_flight = ack.acked;
        on_ack(b, tcb, ack, now);
    }
};

// draft-ietf-ccwg-bbr §5.3.4: what left in PROBE_RTT says no more of the path when it is over.
TEST(Bbr, ForgetsNoBandwidthForAProbeOfTheRoundTrip) {
    Cruising flow;
    flow.now = flow.now + seconds(6);
    flow.b.cycle_start_us = static_cast<std::uint32_t>(flow.now.ns / 1'000);
    flow.b.probe_rtt_min_us = kRttUs - 1;
    flow.b.min_rtt_us = kRttUs - 1;
    flow.round(100'000);
    ASSERT_EQ(flow.b.state, BbrState::probe_rtt);
    for (int i = 0; i < 15 && flow.b.state == BbrState::probe_rtt; ++i)
        flow.round(100'000);
    ASSERT_EQ(flow.b.state, BbrState::probe_cruise);
    flow.round(100'000);
    flow.round(100'000);
    EXPECT_EQ(max_bw(flow.b), 1'000'000u);
}

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

}  // namespace
}  // namespace mtcp::tcp::congestion::bbr
