// SPDX-License-Identifier: Apache-2.0
// Packetdrill looks at the IPv4 header checksum of what it sniffs and at no other. We look at all.
#pragma once

#include <cstddef>
#include <span>

namespace mtcp::conformance {

// Why this IP packet of ours should not be on a wire; nullptr: nothing is wrong with it.
[[nodiscard]] const char* find_fault(std::span<const std::byte> packet);

}  // namespace mtcp::conformance
