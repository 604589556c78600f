// SPDX-License-Identifier: Apache-2.0
// draft-ietf-ccwg-bbr §5.3: the states.
#include <algorithm>

#include "tcp/clock.h"
#include "tcp/congestion/bbr/bbr.h"

namespace mtcp::tcp::congestion::bbr {
namespace {

constexpr std::uint32_t kFullBwGrowth = 320;    // 1.25: less is no growth...
constexpr std::uint8_t kFullBwRounds = 3;       // ...when it is so for three rounds
constexpr std::uint8_t kStartupLossEvents = 6;  // in one round of recovery
constexpr std::uint32_t kProbeWaitUs = 2'000'000;
constexpr std::uint32_t kProbeWaitRandomUs = 1'000'000;
constexpr std::uint32_t kProbeRoundsMax = 63;
constexpr std::uint32_t kMinRttWindowMs = 10'000;
constexpr std::uint32_t kProbeRttIntervalMs = 5'000;
constexpr std::uint32_t kProbeRttMs = 200;
constexpr std::uint8_t kProbeUpRoundsMax = 30;

// xorshift32: flows must not probe in step; reproducible for a connection.
std::uint32_t next_random(Bbr& b) {
    b.random ^= b.random << 13;
    b.random ^= b.random >> 17;
    b.random ^= b.random << 5;
    return b.random;
}

void start_round(Step& s) { s.b.round_end = s.ack.total_delivered; }

std::uint32_t target_inflight(const Step& s) {
    return std::min(inflight(s.b, s.tcb, bandwidth(s.b), kUnit), s.tcb.cwnd);
}

bool is_cwnd_limited(const Step& s) {
    return s.ack.in_flight_before + 2u * s.tcb.mss >= s.tcb.cwnd;
}

// --- PROBE_BW: where to go ---

void start_down(Bbr& b, Instant now, std::uint32_t delivered) {
    reset_congestion_signals(b);
    b.probe_up_every = kNoWindow;
    b.rounds_since_probe = static_cast<std::uint8_t>(next_random(b) & 1);
    b.probe_wait_us = kProbeWaitUs + next_random(b) % kProbeWaitRandomUs;
    b.cycle_start_us = to_us(now);
    b.acks = BbrAcks::stopping;
    b.round_end = delivered;
    b.state = BbrState::probe_down;
}

void start_cruise(Bbr& b) {
    if (b.inflight_lo != kNoWindow) b.inflight_lo = std::min(b.inflight_lo, b.inflight_hi);
    b.state = BbrState::probe_cruise;
}

void start_refill(Step& s) {
    Bbr& b = s.b;
    reset_lower_bounds(b);
    b.probe_up_rounds = 0;
    b.probe_up_acked = 0;
    b.stopped_risky = false;
    b.acks = BbrAcks::refilling;
    start_round(s);
    b.state = BbrState::probe_refill;
}

// Each round of PROBE_UP doubles what inflight_hi gains in a round.
void raise_slope(Step& s) {
    Bbr& b = s.b;
    const std::uint32_t segments = 1u << b.probe_up_rounds;
    if (b.probe_up_rounds < kProbeUpRoundsMax) ++b.probe_up_rounds;
    b.probe_up_every = std::max<std::uint32_t>(s.tcb.cwnd / segments, s.tcb.mss);
}

void start_up(Step& s) {
    Bbr& b = s.b;
    b.acks = BbrAcks::starting;
    start_round(s);
    b.cycle_start_us = to_us(s.now);
    reset_full_bw(b);
    b.full_bw = s.bw;
    b.state = BbrState::probe_up;
    raise_slope(s);
}

bool is_time_to_probe(Step& s) {
    Bbr& b = s.b;
    if (to_us(s.now) - b.cycle_start_us > b.probe_wait_us) return true;
    // As often as Reno's sawtooth would, of the same size, so that both can live.
    const std::uint32_t rounds = std::min(target_inflight(s) / s.tcb.mss, kProbeRoundsMax);
    return b.rounds_since_probe >= rounds;
}

// --- upper bound ---

void handle_too_high(Step& s) {
    Bbr& b = s.b;
    b.probe_too_high = true;
    b.probe_samples = false;  // once a probe
    if (!s.app_limited) {
        const std::uint64_t floor = std::uint64_t{target_inflight(s)} * kBeta / kUnit;
        b.inflight_hi = std::max(s.ack.rate.tx_in_flight, static_cast<std::uint32_t>(floor));
    }
    if (b.state == BbrState::probe_up) start_down(b, s.now, s.ack.total_delivered);
}

void probe_upward(Step& s) {
    Bbr& b = s.b;
    if (!is_cwnd_limited(s) || s.tcb.cwnd < b.inflight_hi) return;  // it is not the limit
    b.probe_up_acked += s.ack.delivered();
    if (b.probe_up_acked >= b.probe_up_every) {
        const std::uint32_t segments = b.probe_up_acked / b.probe_up_every;
        b.probe_up_acked -= segments * b.probe_up_every;
        b.inflight_hi += segments * s.tcb.mss;
    }
    if (b.round_start) raise_slope(s);
}

enum class Decided : std::uint8_t { no, yes };

Decided end_of_probe(Step& s) {
    Bbr& b = s.b;
    const bool in_probe_bw = b.state != BbrState::startup && b.state != BbrState::drain &&
                             b.state != BbrState::probe_rtt;
    b.probe_samples = false;
    b.acks = BbrAcks::init;
    // The best sample of this cycle is in: the one before last may be forgotten.
    if (in_probe_bw && !s.app_limited && b.max_bw[1] != 0) {
        b.max_bw[0] = b.max_bw[1];
        b.max_bw[1] = 0;
    }
    if (in_probe_bw && b.stopped_risky && !b.probe_too_high) {
        start_refill(s);  // inflight_hi was reached without harm: go on beyond it
        return Decided::yes;
    }
    return Decided::no;
}

Decided adapt_upper_bounds(Step& s) {
    Bbr& b = s.b;
    if (b.acks == BbrAcks::starting && b.round_start) b.acks = BbrAcks::feedback;
    if (b.acks == BbrAcks::stopping && b.round_start && end_of_probe(s) == Decided::yes) {
        return Decided::yes;
    }
    if (is_too_high(s)) {
        if (b.probe_samples) handle_too_high(s);
        return Decided::no;
    }
    if (b.inflight_hi == kNoWindow) return Decided::no;
    b.inflight_hi = std::max(b.inflight_hi, s.ack.rate.tx_in_flight);
    if (b.state == BbrState::probe_up) probe_upward(s);
    return Decided::no;
}

bool probing_is_done(Step& s) {
    Bbr& b = s.b;
    if (b.probe_too_high && s.ack.in_flight_before >= b.inflight_hi) {
        b.stopped_risky = true;
        return true;
    }
    if (is_cwnd_limited(s) && s.tcb.cwnd >= b.inflight_hi) {
        reset_full_bw(b);  // inflight_hi keeps the rate from growing
        b.full_bw = s.bw;
        return false;
    }
    return b.full_bw_now;
}

bool is_time_to_cruise(const Step& s) {
    const std::uint32_t in_network = s.ack.in_flight_before;
    return in_network <= inflight_with_headroom(s.b, s.tcb) &&
           in_network <= inflight(s.b, s.tcb, max_bw(s.b), kUnit);
}

void leave_probe_rtt(Bbr& b, Instant now) {
    reset_lower_bounds(b);
    if (b.full_bw_reached) {
        start_down(b, now, b.round_end);
        start_cruise(b);
    } else {
        b.state = BbrState::startup;
    }
}

}  // namespace

// §5.3.1: three rounds without growth, or a round of heavy loss.
void check_startup(Step& s) {
    Bbr& b = s.b;
    if (!b.full_bw_reached && b.loss_round_start && b.repairing &&
        b.loss_events_in_round >= kStartupLossEvents && is_too_high(s)) {
        b.full_bw_reached = true;
        b.inflight_hi = std::max(inflight(b, s.tcb, max_bw(b), kUnit), b.inflight_latest);
    }
    if (b.full_bw_now || s.app_limited || s.bw == 0) return;
    if (s.bw >= b.full_bw / kUnit * kFullBwGrowth) {
        reset_full_bw(b);
        b.full_bw = s.bw;
        return;
    }
    if (!b.round_start) return;
    if (++b.full_bw_count >= kFullBwRounds) {
        b.full_bw_now = true;
        b.full_bw_reached = true;
    }
}

void check_drain(Step& s) {
    Bbr& b = s.b;
    if (b.state == BbrState::startup && b.full_bw_reached) {
        b.state = BbrState::drain;
        s.tcb.ssthresh = inflight(b, s.tcb, max_bw(b), kUnit);  // for people to see: not used
        reset_congestion_signals(b);
    }
    if (b.state == BbrState::drain && s.ack.in_flight <= inflight(b, s.tcb, max_bw(b), kUnit)) {
        start_down(b, s.now, s.ack.total_delivered);
    }
}

void update_probe_bw(Step& s) {
    Bbr& b = s.b;
    if (!b.full_bw_reached || adapt_upper_bounds(s) == Decided::yes) return;
    switch (b.state) {
        case BbrState::probe_cruise:
            if (is_time_to_probe(s)) start_refill(s);
            break;
        case BbrState::probe_refill:
            if (b.round_start) {
                b.probe_samples = true;
                start_up(s);
            }
            break;
        case BbrState::probe_up:
            if (probing_is_done(s)) {
                b.probe_too_high = false;
                start_down(b, s.now, s.ack.total_delivered);
            }
            break;
        case BbrState::probe_down:
            if (is_time_to_probe(s)) {
                start_refill(s);
            } else if (is_time_to_cruise(s)) {
                start_cruise(b);
            }
            break;
        case BbrState::startup:
        case BbrState::drain:
        case BbrState::probe_rtt: break;
    }
}

void check_probe_rtt_done(Bbr& b, Tcb& tcb, Instant now) {
    if (!b.probe_rtt_waits || to_ms(now) - b.probe_rtt_since_ms < kProbeRttMs) return;
    b.probe_rtt_min_at_ms = to_ms(now);
    b.probe_rtt_waits = false;
    tcb.cwnd = std::max(tcb.cwnd, b.prior_cwnd);
    leave_probe_rtt(b, now);
}

// §5.3.4, §5.5.7.
void update_min_rtt(Step& s) {
    Bbr& b = s.b;
    const std::uint32_t now_ms = to_ms(s.now);
    const bool stale = now_ms - b.probe_rtt_min_at_ms > kProbeRttIntervalMs;
    if (s.ack.rtt_us != 0 && (s.ack.rtt_us < b.probe_rtt_min_us || stale)) {
        b.probe_rtt_min_us = s.ack.rtt_us;
        b.probe_rtt_min_at_ms = now_ms;
    }
    if (b.probe_rtt_min_us <= b.min_rtt_us || now_ms - b.min_rtt_at_ms > kMinRttWindowMs) {
        b.min_rtt_us = b.probe_rtt_min_us;
        b.min_rtt_at_ms = b.probe_rtt_min_at_ms;
    }
    if (stale && !b.idle_restart && b.state != BbrState::probe_rtt) {
        b.prior_cwnd = b.repairing ? std::max(b.prior_cwnd, s.tcb.cwnd) : s.tcb.cwnd;
        b.state = BbrState::probe_rtt;
        b.probe_rtt_waits = false;
        b.acks = BbrAcks::stopping;
        start_round(s);
    }
    if (b.state == BbrState::probe_rtt) {
        const std::uint32_t low =
            std::max(kMinWindowSegments * s.tcb.mss, bdp(b, s.tcb, bandwidth(b), kUnit / 2));
        if (!b.probe_rtt_waits && s.ack.in_flight <= low) {
            b.probe_rtt_waits = true;
            b.probe_rtt_since_ms = now_ms;
            b.probe_rtt_round = false;
            start_round(s);
        } else if (b.probe_rtt_waits) {
            if (b.round_start) b.probe_rtt_round = true;
            if (b.probe_rtt_round) check_probe_rtt_done(b, s.tcb, s.now);
        }
    }
    if (s.ack.delivered() > 0) b.idle_restart = false;
}

}  // namespace mtcp::tcp::congestion::bbr
