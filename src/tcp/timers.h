// SPDX-License-Identifier: Apache-2.0
// The timers of one connection. Arming and disarming are stores; deadline() finds the earliest when
// the caller asks, which is once a turn.
#pragma once

#include "tcp/clock.h"
#include "tcp/tcb.h"

namespace mtcp::tcp {

[[nodiscard]] inline bool is_armed(const Tcb& tcb, std::uint8_t timers) {
    return (tcb.armed & timers) != 0;
}
inline void disarm(Tcb& tcb, std::uint8_t timers) {
    tcb.armed = static_cast<std::uint8_t>(tcb.armed & ~timers);
}

// When the timer of one Timer bit fires. Precondition: armed.
template <typename AnyTcb>
[[nodiscard]] auto& expiry_ms(AnyTcb& tcb, std::uint8_t timer) {
    switch (timer) {
        case Timer::delayed_ack: return tcb.delayed_ack_at_ms;
        case Timer::keepalive: return tcb.keepalive_at_ms;
        case Timer::fin_wait_2: return tcb.fin_wait_2_at_ms;
        case Timer::cork: return tcb.cork_at_ms;
        case Timer::pacing: return tcb.pacing_at_ms;
        default: return tcb.retransmit_at_ms;  // retransmit, persist
    }
}

inline void arm(Tcb& tcb, std::uint8_t timer, Instant at) {
    expiry_ms(tcb, timer) = to_ms_rounded_up(at);
    tcb.armed = static_cast<std::uint8_t>(tcb.armed | timer);
}

[[nodiscard]] inline bool is_due(const Tcb& tcb, std::uint8_t timer, Instant now) {
    return is_armed(tcb, timer) && has_come(expiry_ms(tcb, timer), to_ms(now));
}

// RFC 9293 §3.8.3: a connection is given up on time, not at the next time-out after it.
[[nodiscard]] Duration within_user_timeout(const Tcb& tcb, Duration wait, Instant now);
// The timer of a connection with data in flight.
void arm_repair(Tcb& tcb, WaitsFor what, Duration wait, Instant now);
// RFC 6298 with backoff.
void arm_retransmission(Tcb& tcb, Duration rto_max, Instant now);

}  // namespace mtcp::tcp
