// SPDX-License-Identifier: Apache-2.0
// draft-ietf-ccwg-bbr §5.2, §5.6: what an ACK does, and the two knobs.
#include "tcp/congestion/bbr/bbr.h"

#include <algorithm>

#include "tcp/clock.h"
#include "tcp/congestion/controller.h"
#include "tcp/congestion/new_reno.h"
#include "tcp/send/pacer.h"

namespace mtcp::tcp::congestion::bbr {
namespace {

// 4 ln 2 = 2.77: the smallest gain that lets the rate double each round.
constexpr std::uint32_t kStartupPacing = 710;
constexpr std::uint32_t kDrainPacing = 128;  // 0.5
constexpr std::uint32_t kDownPacing = 230;   // 0.9
constexpr std::uint32_t kUpPacing = 320;     // 1.25
constexpr std::uint32_t kCwndGain = 2 * kUnit;
constexpr std::uint32_t kUpCwndGain = kCwndGain + kUnit / 4;
constexpr std::uint32_t kMarginPercent = 1;  // paced a little below the estimate, to drain
constexpr std::uint64_t kAggregationMaxUs = 100'000;

std::uint32_t pacing_gain(BbrState state) {
    switch (state) {
        case BbrState::startup: return kStartupPacing;
        case BbrState::drain: return kDrainPacing;
        case BbrState::probe_down: return kDownPacing;
        case BbrState::probe_up: return kUpPacing;
        case BbrState::probe_cruise:
        case BbrState::probe_refill:
        case BbrState::probe_rtt: break;
    }
    return kUnit;
}

std::uint32_t cwnd_gain(BbrState state) {
    if (state == BbrState::probe_rtt) return kUnit;
    return state == BbrState::probe_up ? kUpCwndGain : kCwndGain;
}

std::uint64_t with_gain(std::uint64_t bw, std::uint32_t gain) {
    const std::uint64_t rate = bw * gain / kUnit * (100 - kMarginPercent) / 100;
    return std::max<std::uint64_t>(rate, 1);
}

void set_pacing_rate(Bbr& b, std::uint32_t gain) {
    const std::uint64_t rate = with_gain(bandwidth(b), gain);
    // Before the pipe was full once, the estimate only knows what we have sent so far.
    if (b.full_bw_reached || rate > b.pacing_rate) b.pacing_rate = rate;
}

std::uint32_t probe_rtt_window(const Bbr& b, const Tcb& tcb) {
    return std::max(kMinWindowSegments * tcb.mss, bdp(b, tcb, bandwidth(b), kUnit / 2));
}

// Data that arrives in clumps of ACKs needs a window that lasts between them.
std::uint32_t aggregation_window(const Bbr& b) {
    const std::uint64_t most = bandwidth(b) * kAggregationMaxUs / 1'000'000;
    return static_cast<std::uint32_t>(
        std::min<std::uint64_t>(std::max(b.extra_acked[0], b.extra_acked[1]), most));
}

void bound_by_model(Bbr& b, Tcb& tcb) {
    std::uint32_t cap = kNoWindow;
    switch (b.state) {
        case BbrState::probe_down:
        case BbrState::probe_refill:
        case BbrState::probe_up: cap = b.inflight_hi; break;
        case BbrState::probe_rtt:
        case BbrState::probe_cruise: cap = inflight_with_headroom(b, tcb); break;
        case BbrState::startup:
        case BbrState::drain: break;
    }
    cap = std::min(cap, b.inflight_lo);
    tcb.cwnd = std::min(tcb.cwnd, std::max(cap, kMinWindowSegments * tcb.mss));
}

void set_cwnd(const Step& s) {
    Bbr& b = s.b;
    Tcb& tcb = s.tcb;
    const std::uint32_t delivered = s.ack.delivered();
    if (delivered > 0) {
        std::uint32_t target = bdp(b, tcb, bandwidth(b), cwnd_gain(b.state));
        target = std::max(target + aggregation_window(b), inflight(b, tcb, 0, 0));
        if (b.full_bw_reached) {
            tcb.cwnd = std::min(tcb.cwnd + delivered, target);
        } else if (tcb.cwnd < target || tcb.cwnd < 2 * b.initial_window) {
            tcb.cwnd += delivered;
        }
        tcb.cwnd = std::clamp(tcb.cwnd, kMinWindowSegments * tcb.mss, kWindowMax);
    }
    if (b.state == BbrState::probe_rtt) {
        tcb.cwnd = std::min(tcb.cwnd, probe_rtt_window(b, tcb));
    }
    bound_by_model(b, tcb);
}

// The cwnd to come back to after recovery or PROBE_RTT.
void save_cwnd(Bbr& b, const Tcb& tcb) {
    const bool good = !b.repairing && b.state != BbrState::probe_rtt;
    b.prior_cwnd = good ? tcb.cwnd : std::max(b.prior_cwnd, tcb.cwnd);
}

void note_loss(Bbr& b, const Tcb& tcb) {
    save_cwnd(b, tcb);
    if (!b.repairing) {
        b.undo_bw_lo = b.bw_lo;
        b.undo_inflight_lo = b.inflight_lo;
        b.undo_inflight_hi = b.inflight_hi;
    }
    b.repairing = true;
}

}  // namespace

void begin(Bbr& b, Tcb& tcb, std::uint32_t delivered, Instant now) {
    b = {};
    b.initial_window = tcb.cwnd;
    b.bw_lo = kNoRate;
    b.inflight_lo = kNoWindow;
    b.inflight_hi = kNoWindow;
    b.round_end = delivered;
    b.loss_round_end = delivered;
    b.min_rtt_us = tcb.rtt_min_us != 0 ? tcb.rtt_min_us : kNoRtt;
    b.probe_rtt_min_us = b.min_rtt_us;
    b.min_rtt_at_ms = to_ms(now);
    b.probe_rtt_min_at_ms = to_ms(now);
    b.ack_epoch_start_us = to_us(now);
    b.cycle_start_us = to_us(now);
    b.probe_up_every = kNoWindow;
    b.random = tcb.iss.raw | 1;
    b.state = BbrState::startup;
    tcb.ssthresh = kSsthreshInitial;
    const std::uint64_t rtt_us = tcb.srtt_us != 0 ? tcb.srtt_us : 1'000;
    b.pacing_rate = with_gain(std::uint64_t{tcb.cwnd} * 1'000'000 / rtt_us, kStartupPacing);
}

void on_ack(Bbr& b, Tcb& tcb, const AckContext& ack, Instant now) {
    const RateSample& rate = ack.rate;
    Step s{.b = b, .tcb = tcb, .ack = ack, .now = now, .bw = 0, .app_limited = false};
    if (rate.delivered > 0 && rate.interval_us > 0) {
        s.bw =
            (std::uint64_t{rate.delivered} * 1'000'000 + rate.interval_us - 1) / rate.interval_us;
    }
    // What is sent in PROBE_RTT is kept low on purpose.
    s.app_limited = rate.limit == RateSample::Limit::application || b.state == BbrState::probe_rtt;
    update_round(s);
    update_congestion_signals(s);
    update_ack_aggregation(s);
    check_startup(s);
    check_drain(s);
    update_probe_bw(s);
    update_min_rtt(s);
    set_pacing_rate(b, pacing_gain(b.state));
    set_cwnd(s);
    advance_latest_signals(s);
}

void on_loss(Bbr& b, const Tcb& tcb) { note_loss(b, tcb); }

void on_timeout(Bbr& b, const Tcb& tcb) {
    note_loss(b, tcb);
    if (!is_probing_bandwidth(b) && b.inflight_lo == kNoWindow) b.inflight_lo = b.prior_cwnd;
}

void on_recovered(Bbr& b, Tcb& tcb) {
    if (!b.repairing) return;
    b.repairing = false;
    tcb.cwnd = std::max(tcb.cwnd, b.prior_cwnd);
    bound_by_model(b, tcb);
}

void on_undo(Bbr& b) {
    b.repairing = false;  // there was nothing to repair
    b.loss_in_round = false;
    b.bw_lo = std::max(b.bw_lo, b.undo_bw_lo);
    b.inflight_lo = std::max(b.inflight_lo, b.undo_inflight_lo);
    b.inflight_hi = std::max(b.inflight_hi, b.undo_inflight_hi);
}

void on_idle_restart(Bbr& b, Tcb& tcb, Instant now) {
    b.idle_restart = true;
    b.ack_epoch_start_us = to_us(now);
    b.ack_epoch_acked = 0;
    if (b.state == BbrState::probe_rtt) {
        check_probe_rtt_done(b, tcb, now);
    } else if (b.state != BbrState::startup && b.state != BbrState::drain) {
        set_pacing_rate(b, kUnit);
    }
}

// --- what the files share ---

std::uint64_t max_bw(const Bbr& b) { return std::max(b.max_bw[0], b.max_bw[1]); }

std::uint64_t bandwidth(const Bbr& b) { return std::min(max_bw(b), b.bw_lo); }

std::uint32_t bdp(const Bbr& b, const Tcb& tcb, std::uint64_t bw, std::uint32_t gain) {
    if (b.min_rtt_us == kNoRtt) return std::max<std::uint32_t>(b.initial_window, tcb.mss);
    // bytes/s * us: within 2^64 for 500 Gbit/s and 5 minutes.
    const std::uint64_t bytes = bw * b.min_rtt_us / 1'000'000 * gain / kUnit;
    return static_cast<std::uint32_t>(std::min<std::uint64_t>(bytes + 1, kWindowMax));
}

std::uint32_t inflight(const Bbr& b, const Tcb& tcb, std::uint64_t bw, std::uint32_t gain) {
    std::uint32_t bytes = bw == 0 ? 0 : bdp(b, tcb, bw, gain);
    bytes = std::max(bytes, 3 * pacing_quantum(b.pacing_rate, tcb.mss));
    bytes = std::max(bytes, kMinWindowSegments * tcb.mss);
    return b.state == BbrState::probe_up ? bytes + 2u * tcb.mss : bytes;
}

std::uint32_t inflight_with_headroom(const Bbr& b, const Tcb& tcb) {
    if (b.inflight_hi == kNoWindow) return kNoWindow;
    const std::uint64_t room = std::uint64_t{b.inflight_hi} * kHeadroom / kUnit;
    const std::uint32_t headroom =
        std::max<std::uint32_t>(static_cast<std::uint32_t>(room), tcb.mss);
    const std::uint32_t rest = b.inflight_hi > headroom ? b.inflight_hi - headroom : 0;
    return std::max(rest, kMinWindowSegments * tcb.mss);
}

bool is_probing_bandwidth(const Bbr& b) {
    return b.state == BbrState::startup || b.state == BbrState::probe_refill ||
           b.state == BbrState::probe_up;
}

// More than 2 % is lost. Of a window below 50 segments one is always more than that, and each
// segment that chance takes while probing would make the bound smaller, whatever the path can
// carry: one counts only if more was in flight than probing fills the path with, so that a queue
// may have overflowed.
bool is_too_high(const Step& s) {
    const RateSample& rate = s.ack.rate;
    if (rate.lost == 0 || rate.tx_in_flight == 0) return false;
    if (rate.lost <= s.tcb.mss && rate.tx_in_flight <= bdp(s.b, s.tcb, max_bw(s.b), kUpPacing)) {
        return false;
    }
    return std::uint64_t{rate.lost} * kUnit > std::uint64_t{rate.tx_in_flight} * kLossThreshold;
}

}  // namespace mtcp::tcp::congestion::bbr
