// SPDX-License-Identifier: Apache-2.0
// Round-trip time and the retransmission time-out made of it (RFC 6298).
#pragma once

#include <cstdint>

#include "base/time.h"
#include "tcp/settings.h"
#include "tcp/tcb.h"

namespace mtcp::tcp {

// RFC 6298 §2.2, §2.3. Takes one measurement and recomputes tcb.rto_us.
void take_rtt_sample(Tcb& tcb, std::uint32_t rtt_us, const Configuration& configuration);

// RFC 6298 §5.5: the time-out doubled tcb.backoff times, at most `rto_max`.
[[nodiscard]] Duration backed_off_rto(const Tcb& tcb, Duration rto_max);

// Begins to time the segment whose acknowledgment is `end`, unless one is being timed.
inline void start_timing(Tcb& tcb, wire::SequenceNumber end, std::uint32_t now_us) {
    if (tcb.flags.timing) return;
    tcb.flags.timing = true;
    tcb.timed_seq = end;
    tcb.timed_us = now_us;
}

}  // namespace mtcp::tcp
