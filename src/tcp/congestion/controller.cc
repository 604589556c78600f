// SPDX-License-Identifier: Apache-2.0
// Who answers, and what is the same for all of them.
#include "tcp/congestion/controller.h"

#include "tcp/clock.h"
#include "tcp/congestion/new_reno.h"

namespace mtcp::tcp::congestion {

std::uint32_t initial_window(const Configuration& configuration, std::uint16_t mss) {
    // RFC 6928 §2: min(10 * MSS, max(2 * MSS, 14600)), with the configured count in place of 10.
    const std::uint32_t count = configuration.initial_window_segments;
    const std::uint32_t segments = count * mss;
    const std::uint32_t bytes = count * 1460;
    const std::uint32_t limit = bytes > 2u * mss ? bytes : 2u * mss;
    const std::uint32_t window = segments < limit ? segments : limit;
    return window > mss ? window : mss;
}

void begin(Environment& env, Tcb& tcb, Instant) {
    const bool syn_was_lost = tcb.retransmissions > 0;
    tcb.cwnd = syn_was_lost ? tcb.mss : initial_window(env.configuration, tcb.mss);
}

void on_ack(Environment&, Tcb& tcb, const AckContext& ack, Instant) {
    // In fast recovery the window is recovery's.
    if (ack.acked == 0 || ack.phase_before == Phase::fast_recovery ||
        tcb.phase == Phase::fast_recovery) {
        return;
    }
    new_reno::grow(tcb, ack);
}

void on_loss(Environment&, Tcb& tcb, std::uint32_t flight, Instant) {
    tcb.ssthresh = new_reno::half_of(tcb, flight);
    tcb.acked_in_avoidance = 0;
}

void on_recovered(Environment&, Tcb&, Instant) {}

void on_timeout(Environment&, Tcb& tcb, Timeout which, Instant) {
    if (which == Timeout::first) tcb.ssthresh = new_reno::half_of(tcb, tcb.snd.nxt - tcb.snd.una);
    tcb.cwnd = tcb.mss;
    tcb.acked_in_avoidance = 0;
}

void on_undo(Environment&, Tcb& tcb, const Window& prior, Instant) {
    if (prior.cwnd > tcb.cwnd) tcb.cwnd = prior.cwnd;
    if (prior.ssthresh > tcb.ssthresh) tcb.ssthresh = prior.ssthresh;
}

Reduced on_ecn_echo(Environment&, Tcb& tcb, const AckContext& ack, Instant) {
    // RFC 3168 §6.1.2: one reduction answers all marks, and losses, of one window of data.
    if (tcb.snd.una <= tcb.reduced_until || tcb.phase >= Phase::fast_recovery) return Reduced::no;
    tcb.reduced_until = tcb.snd.nxt;
    tcb.ssthresh = new_reno::half_of(tcb, ack.flight_before);
    tcb.acked_in_avoidance = 0;
    if (tcb.cwnd > tcb.ssthresh) tcb.cwnd = tcb.ssthresh;
    return Reduced::yes;
}

void on_idle_restart(Environment& env, Tcb& tcb, Instant now) {
    const std::uint32_t idle_ms = to_ms(now) - tcb.last_sent_ms;
    if (idle_ms <= tcb.rto_us / 1000) return;
    const std::uint32_t restart = initial_window(env.configuration, tcb.mss);
    if (restart < tcb.cwnd) tcb.cwnd = restart;
}

bool governs_recovery(const Tcb&) { return false; }

}  // namespace mtcp::tcp::congestion
