// SPDX-License-Identifier: Apache-2.0
// DCTCP (RFC 8257): the window comes down by how much was marked, not by half.
#pragma once

#include <cstdint>

#include "tcp/ack_context.h"
#include "tcp/congestion/record.h"
#include "tcp/tcb.h"

namespace mtcp::tcp::congestion::dctcp {

inline constexpr std::uint32_t kAlphaOne = 1024;

void begin(Dctcp& d, const Tcb& tcb);
// §3.3: counts what the ACK says; once a window of data alpha follows.
void observe(Dctcp& d, const Tcb& tcb, const AckContext& ack);
// §3.3 step 9: the window after a mark, bytes.
[[nodiscard]] std::uint32_t after_mark(const Dctcp& d, const Tcb& tcb);

}  // namespace mtcp::tcp::congestion::dctcp
