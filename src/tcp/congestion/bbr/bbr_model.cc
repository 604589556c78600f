// SPDX-License-Identifier: Apache-2.0
// draft-ietf-ccwg-bbr §5.5: the model of the path, from one ACK to the next.
#include <algorithm>

#include "tcp/clock.h"
#include "tcp/congestion/bbr/bbr.h"

namespace mtcp::tcp::congestion::bbr {
namespace {

constexpr std::uint8_t kAggregationRounds = 5;  // each of two halves of the filter
constexpr std::uint32_t kAggregationReset = 1u << 30;

// Has the count of delivered bytes, modulo 2^32, reached `mark`?
bool has_reached(std::uint32_t delivered, std::uint32_t mark) {
    return static_cast<std::int32_t>(delivered - mark) >= 0;
}

std::uint32_t kept(std::uint32_t value) {
    return static_cast<std::uint32_t>(std::uint64_t{value} * kBeta / kUnit);
}

// §5.5.10.3: loss while not probing: down by a third a round, but not below what was just
// delivered.
void adapt_lower_bounds(Step& s) {
    Bbr& b = s.b;
    if (is_probing_bandwidth(b) || !b.loss_in_round) return;
    if (b.bw_lo == kNoRate) b.bw_lo = max_bw(b);
    if (b.inflight_lo == kNoWindow) b.inflight_lo = s.tcb.cwnd;
    b.bw_lo = std::max({b.bw_latest, b.bw_lo / kUnit * kBeta, std::uint64_t{1}});
    b.inflight_lo = std::max(b.inflight_latest, kept(b.inflight_lo));
}

}  // namespace

void update_round(Step& s) {
    Bbr& b = s.b;
    const RateSample& rate = s.ack.rate;
    b.round_start = false;
    b.loss_round_start = false;
    // A mark says what a loss says (RFC 3168 §5): marks of classic ECN are as rare as losses.
    const bool congested = s.ack.lost_since > 0 || s.ack.ecn_echo == AckContext::EcnEcho::yes;
    if (congested && !b.loss_in_round) {
        // A whole round trip of losses is looked at, from the first of them.
        b.loss_round_end = s.ack.total_delivered;
        b.loss_in_round = true;
    }
    if (s.ack.lost > 0 && b.loss_events_in_round < UINT8_MAX) ++b.loss_events_in_round;
    if (s.bw == 0) return;
    if (has_reached(rate.prior_delivered, b.round_end)) {
        b.round_end = s.ack.total_delivered;
        b.round_start = true;
        if (b.rounds_since_probe < UINT8_MAX) ++b.rounds_since_probe;
    }
    b.bw_latest = std::max(b.bw_latest, s.bw);
    b.inflight_latest = std::max(b.inflight_latest, rate.delivered);
    if (has_reached(rate.prior_delivered, b.loss_round_end)) {
        b.loss_round_end = s.ack.total_delivered;
        b.loss_round_start = true;
    }
}

void update_congestion_signals(Step& s) {
    Bbr& b = s.b;
    if (s.bw == 0) return;
    // A sample that the application limited can only prove more, never less.
    if (!s.app_limited || s.bw >= max_bw(b)) b.max_bw[1] = std::max(b.max_bw[1], s.bw);
    if (!b.loss_round_start) return;
    adapt_lower_bounds(s);
    b.loss_in_round = false;
}

void advance_latest_signals(Step& s) {
    Bbr& b = s.b;
    if (b.loss_round_start) {
        b.bw_latest = s.bw;
        b.inflight_latest = s.ack.rate.delivered;
        b.loss_events_in_round = 0;
    }
}

// §5.5.9: how much more than expected is acknowledged at once.
void update_ack_aggregation(Step& s) {
    Bbr& b = s.b;
    if (s.bw == 0 || s.ack.delivered() == 0) return;
    if (b.round_start) {
        const std::uint8_t length = b.full_bw_reached ? kAggregationRounds : 1;
        if (++b.extra_acked_rounds >= length) {
            b.extra_acked_rounds = 0;
            b.extra_acked_index ^= 1;
            b.extra_acked[b.extra_acked_index] = 0;
        }
    }
    const std::uint32_t epoch_us = to_us(s.now) - b.ack_epoch_start_us;
    std::uint64_t expected = bandwidth(b) * epoch_us / 1'000'000;
    if (b.ack_epoch_acked <= expected || b.ack_epoch_acked >= kAggregationReset) {
        b.ack_epoch_acked = 0;
        b.ack_epoch_start_us = to_us(s.now);
        expected = 0;
    }
    b.ack_epoch_acked += s.ack.delivered();
    const std::uint32_t extra =
        std::min(b.ack_epoch_acked - static_cast<std::uint32_t>(expected), s.tcb.cwnd);
    std::uint32_t& most = b.extra_acked[b.extra_acked_index];
    most = std::max(most, extra);
}

void reset_congestion_signals(Bbr& b) {
    b.loss_in_round = false;
    b.bw_latest = 0;
    b.inflight_latest = 0;
}

void reset_lower_bounds(Bbr& b) {
    b.bw_lo = kNoRate;
    b.inflight_lo = kNoWindow;
}

void reset_full_bw(Bbr& b) {
    b.full_bw = 0;
    b.full_bw_count = 0;
    b.full_bw_now = false;
}

}  // namespace mtcp::tcp::congestion::bbr
