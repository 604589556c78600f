// SPDX-License-Identifier: Apache-2.0
// Round-trip time and the retransmission time-out made of it (RFC 6298).
#pragma once

#include <cstdint>

#include "base/time.h"
#include "tcp/settings.h"
#include "tcp/tcb.h"

namespace mtcp::tcp {

// RFC 6298 §2.2, §2.3. Takes one measurement and recomputes tcb.rto_us.
void take_rtt_sample(Tcb& tcb, std::uint32_t rtt_us, const Configuration& configuration,
                     Instant now);

// RFC 8985 §6.2 step 1: the minimum is of recent round trips, so that a path may become longer. One
// that no measurement came down to for 275 to 412 seconds (Linux: 300) is forgotten for the next;
// of time a TCB has no more than two bits of spans of 137 seconds. After a longer silence it may
// take as long again.
inline void note_rtt_minimum(Tcb& tcb, std::uint32_t rtt_us, Instant now) {
    constexpr unsigned kSpanBits = 37;  // 2^37 ns
    const auto age = static_cast<std::uint8_t>(static_cast<std::uint64_t>(now.ns) >> kSpanBits) & 3;
    const bool aged = ((age - tcb.repair.rtt_min_age) & 3) == 3;
    if (rtt_us > tcb.rtt_min_us && tcb.rtt_min_us != 0 && !aged) return;
    tcb.rtt_min_us = rtt_us;
    tcb.repair.rtt_min_age = static_cast<std::uint8_t>(age) & 3;
}

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
