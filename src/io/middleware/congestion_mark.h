// SPDX-License-Identifier: Apache-2.0
// What a router does to a packet instead of losing it: congestion experienced (RFC 3168 §5).
#pragma once

#include <cstddef>
#include <span>

#include "io/packet_io.h"

namespace mtcp::io {

// Marks an IPv4 or IPv6 packet whose sender can answer (ECT); false, and nothing changed, for any
// other frame.
bool mark_congestion(std::span<std::byte> frame, Layer layer);

}  // namespace mtcp::io
