// SPDX-License-Identifier: Apache-2.0
// How long a connection had something to send, and how much of that the peer's window held it back
// (RFC 4898: tcpEStatsPerf...SndLim; TCP_INFO's busy_time and rwnd_limited).
#pragma once

#include "tcp/clock.h"
#include "tcp/tcb.h"

namespace mtcp::tcp {

// The stop watch goes on for another limit.
inline void change_limit(Tcb& tcb, SendLimit limit, Instant now) {
    if (limit == tcb.limit) return;
    const std::uint32_t now_ms = to_ms(now);
    const std::uint32_t passed = now_ms - tcb.limit_since_ms;
    if (tcb.limit == SendLimit::window) tcb.window_limited_ms += passed;
    if (tcb.limit != SendLimit::idle) tcb.busy_ms += passed;
    tcb.limit = limit;
    tcb.limit_since_ms = now_ms;
}
// With something queued and not sent: is it the peer's window that holds it back?
[[nodiscard]] SendLimit limit_of_unsent(const Tcb& tcb);
// After every event: has what limits the connection changed?
inline void note_limit(Tcb& tcb, Instant now) {
    if (tcb.snd.end <= tcb.snd.una) return change_limit(tcb, SendLimit::idle, now);
    // All is sent and some of it not acknowledged: the time the path takes.
    if (tcb.snd.nxt >= tcb.snd.end) return change_limit(tcb, SendLimit::busy, now);
    // What the peer's window takes whole it does not hold back.
    const bool fits = tcb.snd.end - tcb.snd.una <= tcb.snd.wnd;
    change_limit(tcb, fits ? SendLimit::busy : limit_of_unsent(tcb), now);
}
// Milliseconds so far, those of the present limit included.
[[nodiscard]] std::uint32_t limited_ms(const Tcb& tcb, SendLimit limit, Instant now);

}  // namespace mtcp::tcp
