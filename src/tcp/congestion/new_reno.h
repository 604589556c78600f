// SPDX-License-Identifier: Apache-2.0
// Slow start and congestion avoidance of RFC 5681, with the byte counting of RFC 3465. Needs no
// memory of its own: what the other algorithms do when they have none.
#pragma once

#include <cstdint>

#include "tcp/ack_context.h"
#include "tcp/tcb.h"

namespace mtcp::tcp::congestion {

inline constexpr std::uint32_t kWindowMax = 0x3fff'ffff;  // RFC 7323 §2.3: 1 GiB

// A window that was not used has not been tested: it must not grow (RFC 7661 §4.3 says why).
[[nodiscard]] bool was_used(Tcb& tcb, const AckContext& ack);

namespace new_reno {

// RFC 5681 §3.1, equation (4).
[[nodiscard]] std::uint32_t half_of(const Tcb& tcb, std::uint32_t flight);
// Lets cwnd grow up to ssthresh; returns how many of the `delivered` bytes were used up.
// Precondition: cwnd < ssthresh.
[[nodiscard]] std::uint32_t slow_start(Tcb& tcb, std::uint32_t delivered);
// New data was acknowledged outside of fast recovery.
void grow(Tcb& tcb, const AckContext& ack);

}  // namespace new_reno
}  // namespace mtcp::tcp::congestion
