// SPDX-License-Identifier: Apache-2.0
// Leaving slow start before the queue of the bottleneck overflows.
#pragma once

#include <cstdint>

#include "base/time.h"
#include "tcp/ack_context.h"
#include "tcp/congestion/record.h"
#include "tcp/settings.h"
#include "tcp/tcb.h"

namespace mtcp::tcp::congestion::hystart {

void begin(HyStart& h, const Tcb& tcb, Instant now);
// An ACK in slow start, before it lets the window grow; may set tcb.ssthresh to end slow start.
// Returns by how many bytes at most the ACK of `acked` bytes may let the window grow.
[[nodiscard]] std::uint32_t on_ack(HyStart& h, Tcb& tcb, const AckContext& ack,
                                   Configuration::HyStart variant, Instant now);

}  // namespace mtcp::tcp::congestion::hystart
