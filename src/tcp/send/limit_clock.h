// SPDX-License-Identifier: Apache-2.0
// How long a connection had something to send, and how much of that the peer's window held it back
// (RFC 4898: tcpEStatsPerf...SndLim; TCP_INFO's busy_time and rwnd_limited).
#pragma once

#include "tcp/tcb.h"

namespace mtcp::tcp {

// After every event: has what limits the connection changed?
void look_at_limit(Tcb& tcb, Instant now);
inline void note_limit(Tcb& tcb, Instant now) {
    const bool idle = tcb.snd.end <= tcb.snd.una;
    if (idle && tcb.limit == SendLimit::idle) return;
    // All is sent and some of it not acknowledged: the time the path takes.
    if (!idle && tcb.limit == SendLimit::busy && tcb.snd.nxt >= tcb.snd.end) return;
    look_at_limit(tcb, now);
}
// Milliseconds so far, those of the present limit included.
[[nodiscard]] std::uint32_t limited_ms(const Tcb& tcb, SendLimit limit, Instant now);

}  // namespace mtcp::tcp
