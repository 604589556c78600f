// SPDX-License-Identifier: Apache-2.0
// RFC 5681 §3.1.
#include "tcp/congestion/new_reno.h"

#include "tcp/clock.h"

namespace mtcp::tcp {
namespace {

constexpr std::uint32_t kWindowMax = 0x3fff'ffff;  // RFC 7323 §2.3: 1 GiB
// RFC 9406 §4.2, L: most segments that one ACK adds in slow start when nothing paces them.
constexpr std::uint32_t kSlowStartLimit = 8;

// A window that was not used has not been tested: it must not grow (RFC 7661 §4.3 says why). What
// counts is the most that was in flight within the last round trip, not what is left of it when its
// later ACKs come. In slow start half of the window is enough, as it doubles.
bool was_used(Tcb& tcb, const AckContext& ack) {
    const bool slow_start = tcb.cwnd < tcb.ssthresh;
    const auto is_enough = [&tcb, slow_start](std::uint32_t flight) {
        return slow_start ? 2 * flight > tcb.cwnd : flight + tcb.mss >= tcb.cwnd;
    };
    const bool now_enough = is_enough(ack.flight_before);
    // A flow of small messages never looks at the cold part of its TCB.
    if (!now_enough && ack.acked < tcb.mss) return false;
    if (ack.flight_before >= tcb.most_in_flight || tcb.snd.una > tcb.most_until) {
        tcb.most_in_flight = ack.flight_before;
        tcb.most_until = tcb.snd.nxt;
    }
    return now_enough || is_enough(tcb.most_in_flight);
}

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
    if (tcb.cwnd >= kWindowMax || !was_used(tcb, ack)) return;
    // What duplicates told of has let new data out already (RFC 3042), or was counted out of the
    // pipe.
    const std::uint32_t delivered = ack.acked - ack.reported;
    if (tcb.cwnd < tcb.ssthresh) {
        // RFC 3465 §2.2, §2.3: counting bytes makes ACK division useless; one segment an ACK after
        // a time-out.
        const std::uint32_t limit = (tcb.phase == Phase::loss ? 1 : kSlowStartLimit) * tcb.mss;
        tcb.cwnd += delivered < limit ? delivered : limit;
        return;
    }
    tcb.acked_in_avoidance += delivered;
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
