// SPDX-License-Identifier: Apache-2.0
// How much may be in flight: slow start and congestion avoidance (RFC 5681, with the byte counting
// of RFC 3465 and the initial window of RFC 6928). What to send again is recovery's question.
#pragma once

#include <cstdint>

#include "base/time.h"
#include "tcp/ack_context.h"
#include "tcp/settings.h"
#include "tcp/tcb.h"

namespace mtcp::tcp {

// Slow start does not end before the first loss.
inline constexpr std::uint32_t kSsthreshInitial = 0x7fff'ffff;

[[nodiscard]] std::uint32_t initial_window(const Configuration& configuration, std::uint16_t mss);
// RFC 5681 §3.1, equation (4).
[[nodiscard]] std::uint32_t half_of_flight(const Tcb& tcb, std::uint32_t flight);
// New data was acknowledged outside of fast recovery.
void grow_window(Tcb& tcb, const AckContext& ack);
// RFC 5681 §4.1: data is about to be sent after a pause longer than an RTO.
void restart_after_idle(Tcb& tcb, const Configuration& configuration, Instant now);

}  // namespace mtcp::tcp
