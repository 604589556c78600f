// SPDX-License-Identifier: Apache-2.0
// The earliest of a connection's timers, and the length of the most important one.
#include "tcp/timers.h"

#include "tcp/connection.h"
#include "tcp/recovery/rtt_estimator.h"

namespace mtcp::tcp {

std::uint32_t earliest_of_many_ms(const Tcb& tcb) {
    const std::uint32_t base_ms = to_ms(tcb.last_event);
    std::int32_t nearest = INT32_MAX;
    for (unsigned left = tcb.armed; left != 0; left &= left - 1) {
        const auto timer = static_cast<std::uint8_t>(left & (0u - left));
        const auto ahead = static_cast<std::int32_t>(expiry_ms(tcb, timer) - base_ms);
        if (ahead < nearest) nearest = ahead;
    }
    return base_ms + static_cast<std::uint32_t>(nearest);
}

Instant deadline(const Tcb& tcb) {
    if (tcb.armed == 0) return kNever;
    // Counted from a whole millisecond not long ago, so that the wrapping values become an Instant
    // again.
    const auto ahead = static_cast<std::int32_t>(earliest_ms(tcb) - to_ms(tcb.last_event));
    const Instant base{tcb.last_event.ns - tcb.last_event.ns % 1'000'000};
    return base + milliseconds(ahead);
}

Duration within_user_timeout(const Tcb& tcb, Duration wait, Instant now) {
    if (!tcb.flags.user_timeout) return wait;
    const std::uint32_t waited_ms = to_ms(now) - tcb.progress_ms;
    const std::uint32_t limit_ms = tcb.settings.user_timeout_ms;
    const Duration left = milliseconds(waited_ms < limit_ms ? limit_ms - waited_ms : 1);
    return left < wait ? left : wait;
}

void arm_repair(Tcb& tcb, WaitsFor what, Duration wait, Instant now) {
    const Duration allowed = within_user_timeout(tcb, wait, now);
    tcb.waits_for = allowed < wait ? WaitsFor::timeout : what;
    disarm(tcb, Timer::persist);
    arm(tcb, Timer::retransmit, now + allowed);
}

void arm_retransmission(Tcb& tcb, Duration rto_max, Instant now) {
    arm_repair(tcb, WaitsFor::timeout, backed_off_rto(tcb, rto_max), now);
}

}  // namespace mtcp::tcp
