// SPDX-License-Identifier: Apache-2.0
// RFC 9438 §4, in the shape that Linux gave it: every so often it is computed how many bytes must
// be acknowledged for one more segment of window, and ACKs count towards that.
#include "tcp/congestion/cubic.h"

#include <algorithm>

#include "tcp/clock.h"
#include "tcp/congestion/hystart.h"
#include "tcp/congestion/new_reno.h"

namespace mtcp::tcp::congestion::cubic {
namespace {

// RFC 9438 §4.6: beta_cubic = 0.7, of 1024.
constexpr std::uint32_t kBeta = 717;
// C = 0.4 segments/s^3 = 1 / 2.5e9 segments/ms^3, split so that nothing overflows.
constexpr std::uint64_t kInverseC = 2'500;
constexpr std::uint64_t kInverseCRest = 1'000'000;
constexpr std::uint32_t kTimeMaxMs = 1u << 19;  // W_cubic is astronomical long before
// The curve is looked at no more often than this while cwnd stays.
constexpr std::uint32_t kUpdateMs = 31;
// Without a W_max to return to: 5 % a round trip, as Linux.
constexpr std::uint32_t kBlindSegments = 20;

// RFC 9438 §4.2: C * t^3, bytes.
std::uint64_t climb(std::uint32_t t_ms, std::uint32_t mss) {
    const std::uint64_t t = std::min(t_ms, kTimeMaxMs);
    return t * t * t / kInverseC * mss / kInverseCRest;
}

void begin_epoch(Cubic& c, const Tcb& tcb, std::uint32_t now_ms) {
    c.in_epoch = true;
    c.epoch_start_ms = now_ms;
    c.w_est = tcb.cwnd;
    c.w_est_acked = 0;
    if (c.w_max <= tcb.cwnd) {
        c.k_ms = 0;
        c.origin = tcb.cwnd;
    } else {
        const std::uint64_t below = c.w_max - tcb.cwnd;
        c.k_ms = cube_root(below * (kInverseC * kInverseCRest) / tcb.mss);
        c.origin = c.w_max;
    }
}

// RFC 9438 §4.3: what Reno would have by now, with alpha = 3 (1 - beta) / (1 + beta) = 8 / 15 of a
// segment a window, and a whole one once it has regained what it had.
void follow_reno(Cubic& c, const Tcb& tcb) {
    for (;;) {
        const bool regained = c.cwnd_prior != 0 && c.w_est >= c.cwnd_prior;
        const std::uint32_t step = regained ? tcb.cwnd : tcb.cwnd / 8 * 15;
        if (c.w_est_acked <= step || c.w_est >= kWindowMax) return;
        c.w_est_acked -= step;
        c.w_est += tcb.mss;
    }
}

// Bytes to be acknowledged for one segment, to reach `target` within a window.
std::uint32_t pace_towards(std::uint64_t target, const Tcb& tcb) {
    const std::uint64_t bytes = std::uint64_t{tcb.cwnd} * tcb.mss / (target - tcb.cwnd);
    return static_cast<std::uint32_t>(std::min<std::uint64_t>(bytes, kWindowMax));
}

void update(Cubic& c, Tcb& tcb, std::uint32_t acked, std::uint32_t now_ms) {
    c.w_est_acked += acked;
    if (c.in_epoch && c.updated_cwnd == tcb.cwnd && now_ms - c.updated_ms <= kUpdateMs) return;
    c.updated_cwnd = tcb.cwnd;
    c.updated_ms = now_ms;
    if (!c.in_epoch) {
        begin_epoch(c, tcb, now_ms);
        c.w_est_acked = acked;
    }
    const std::uint32_t t_ms = now_ms - c.epoch_start_ms + tcb.srtt_us / 1000;
    const std::uint64_t target = w_cubic(c, t_ms, tcb.mss);
    const std::uint64_t never = std::uint64_t{100} * tcb.cwnd;
    c.grow_every = target > tcb.cwnd
                       ? pace_towards(target, tcb)
                       : static_cast<std::uint32_t>(std::min<std::uint64_t>(never, kWindowMax));
    if (c.w_max == 0) c.grow_every = std::min(c.grow_every, kBlindSegments * tcb.mss);
    follow_reno(c, tcb);
    if (c.w_est > tcb.cwnd) c.grow_every = std::min(c.grow_every, pace_towards(c.w_est, tcb));
    // RFC 9438 §4.4, §4.5: the target is at most 1.5 cwnd.
    c.grow_every = std::max(c.grow_every, 2u * tcb.mss);
}

void avoid(Cubic& c, Tcb& tcb, std::uint32_t acked, std::uint32_t now_ms) {
    update(c, tcb, acked, now_ms);
    if (tcb.acked_in_avoidance >= c.grow_every) {  // the goal has come nearer
        tcb.acked_in_avoidance = 0;
        tcb.cwnd += tcb.mss;
    }
    tcb.acked_in_avoidance += acked;
    const std::uint32_t segments = tcb.acked_in_avoidance / c.grow_every;
    tcb.acked_in_avoidance -= segments * c.grow_every;
    tcb.cwnd = std::min(tcb.cwnd + segments * tcb.mss, kWindowMax);
}

}  // namespace

std::uint32_t cube_root(std::uint64_t x) {
    std::uint64_t root = 0;
    for (int shift = 63; shift >= 0; shift -= 3) {  // a bit of the root for three of x
        root *= 2;
        const std::uint64_t more = 3 * root * (root + 1) + 1;
        if ((x >> shift) >= more) {
            x -= more << shift;
            ++root;
        }
    }
    return static_cast<std::uint32_t>(root);
}

std::uint32_t w_cubic(const Cubic& c, std::uint32_t t_ms, std::uint32_t mss) {
    if (t_ms < c.k_ms) {
        const std::uint64_t down = climb(c.k_ms - t_ms, mss);
        return down < c.origin ? static_cast<std::uint32_t>(c.origin - down) : 0;
    }
    const std::uint64_t up = c.origin + climb(t_ms - c.k_ms, mss);
    return static_cast<std::uint32_t>(std::min<std::uint64_t>(up, kWindowMax));
}

void begin(Cubic& c, const Tcb& tcb, Instant now) {
    c = {};
    c.used_ms = to_ms(now);
    hystart::begin(c.hystart, tcb, now);
}

void grow(Cubic& c, Tcb& tcb, const AckContext& ack, Configuration::HyStart variant, Instant now) {
    const std::uint32_t now_ms = to_ms(now);
    // RFC 9438 §5.8: time in which the application, not the window, was the limit does not count.
    const std::uint32_t unused_ms = now_ms - c.used_ms;
    if (c.in_epoch && unused_ms > tcb.rto_us / 1000) c.epoch_start_ms += unused_ms;
    c.used_ms = now_ms;
    std::uint32_t acked = ack.acked - ack.reported;
    if (tcb.cwnd < tcb.ssthresh) {
        acked = hystart::on_ack(c.hystart, tcb, ack, variant, now);
        if (tcb.cwnd < tcb.ssthresh) acked -= new_reno::slow_start(tcb, acked);
        if (acked == 0) return;
    }
    avoid(c, tcb, acked, now_ms);
}

void reduce(Cubic& c, Tcb& tcb) {
    c.before = c;
    c.cwnd_prior = tcb.cwnd;
    // RFC 9438 §4.7, fast convergence: who lost before it had regained its window makes room.
    c.w_max = tcb.cwnd < c.w_max
                  ? static_cast<std::uint32_t>(std::uint64_t{tcb.cwnd} * (1024 + kBeta) / 2048)
                  : tcb.cwnd;
    c.in_epoch = false;
    const std::uint32_t segments =
        static_cast<std::uint32_t>(std::uint64_t{tcb.cwnd / tcb.mss} * kBeta / 1024);
    tcb.ssthresh = std::max(segments, 2u) * tcb.mss;
}

void forget(Cubic& c, const Tcb& tcb, Instant now) {
    c.w_max = 0;
    c.in_epoch = false;
    hystart::begin(c.hystart, tcb, now);
}

void undo(Cubic& c) {
    static_cast<CubicCurve&>(c) = c.before;
    c.updated_cwnd = 0;  // the pace is that of the reduced window
}

}  // namespace mtcp::tcp::congestion::cubic
