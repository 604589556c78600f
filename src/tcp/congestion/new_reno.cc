// SPDX-License-Identifier: Apache-2.0
// RFC 5681 §3.1.
#include "tcp/congestion/new_reno.h"

#include "tcp/clock.h"

namespace mtcp::tcp {
namespace {

constexpr std::uint32_t kWindowMax = 0x3fff'ffff;  // RFC 7323 §2.3: 1 GiB

}  // namespace

std::uint32_t initial_window(const Configuration& configuration, std::uint16_t mss) {
    // RFC 6928 §2: min(10 * MSS, max(2 * MSS, 14600)), with the configured count in place of 10.
    const std::uint32_t count = configuration.initial_window_segments;
    const std::uint32_t segments = count * mss;
    const std::uint32_t bytes = count * 1460;
    const std::uint32_t limit = bytes > 2u * mss ? bytes : 2u * mss;
    const std::uint32_t window = segments < limit ? segments : limit;
    return window > mss ? window : mss;
}

std::uint32_t half_of_flight(const Tcb& tcb, std::uint32_t flight) {
    const std::uint32_t floor = 2u * tcb.mss;
    return flight / 2 > floor ? flight / 2 : floor;
}

void grow_window(Tcb& tcb, const AckContext& ack) {
    const bool slow_start = tcb.cwnd < tcb.ssthresh;
    // A window that was not used has not been tested: it must not grow (RFC 7661 §4.3 says why). In
    // slow start half of it in use is enough, as it doubles.
    const std::uint32_t used = slow_start ? 2 * ack.flight_before : ack.flight_before + tcb.mss;
    if (used < tcb.cwnd || tcb.cwnd >= kWindowMax) return;
    if (slow_start) {
        // RFC 3465 §2.2, §2.3: L = 2, and 1 after a time-out. Counting bytes makes ACK division
        // useless.
        const std::uint32_t limit = tcb.phase == Phase::loss ? tcb.mss : 2u * tcb.mss;
        tcb.cwnd += ack.acked < limit ? ack.acked : limit;
        return;
    }
    tcb.acked_in_avoidance += ack.acked;
    if (tcb.acked_in_avoidance >= tcb.cwnd) {  // RFC 3465 §2.1
        tcb.acked_in_avoidance -= tcb.cwnd;
        tcb.cwnd += tcb.mss;
    }
}

void restart_after_idle(Tcb& tcb, const Configuration& configuration, Instant now) {
    const std::uint32_t idle_ms = to_ms(now) - tcb.last_sent_ms;
    if (idle_ms <= tcb.rto_us / 1000) return;
    const std::uint32_t restart = initial_window(configuration, tcb.mss);
    if (restart < tcb.cwnd) tcb.cwnd = restart;
}

}  // namespace mtcp::tcp
