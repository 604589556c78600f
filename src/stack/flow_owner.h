// SPDX-License-Identifier: Apache-2.0
// Which core a flow belongs to: the same pure function on every core, whatever queue the device
// chose. A symmetric Toeplitz hash (Woo and Park: the key 0x6d5a repeated gives both directions of
// a flow the same hash), so that a device that takes a key can be given ours and mostly agrees.
#pragma once

#include <array>
#include <cstdint>
#include <cstring>

#include "base/siphash.h"
#include "wire/ip_address.h"

namespace mtcp::stack {

// Toeplitz hash with the key 6d 5a 6d 5a ... over (remote, local, remote port, local port). Because
// the key repeats every 16 bits, the window for bit i depends on i mod 16 only, so the input may be
// folded to 16 bits by XOR first: the hash costs one pass.
[[nodiscard]] inline std::uint32_t symmetric_toeplitz(const wire::FlowKey& key) {
    std::uint16_t folded = 0;
    const auto fold = [&folded](const wire::IpAddress& address) {
        const std::size_t first = address.is_v4() ? 12 : 0;
        for (std::size_t i = first; i < 16; i += 2) {
            folded = static_cast<std::uint16_t>(
                folded ^ (std::uint16_t{address.octet[i]} << 8 | address.octet[i + 1]));
        }
    };
    fold(key.remote);
    fold(key.local);
    folded = static_cast<std::uint16_t>(folded ^ key.remote_port ^ key.local_port);
    std::uint32_t hash = 0;
    for (int bit = 0; bit < 16; ++bit) {
        if ((folded & (0x8000u >> bit)) == 0) continue;
        constexpr std::uint64_t kKey = 0x6d5a6d5a6d5a6d5a;
        hash ^= static_cast<std::uint32_t>(kKey << bit >> 32);
    }
    return hash;
}

// The core that owns a flow among `cores`: hash, then an indirection table of 128 entries filled in
// turn, as devices do.
[[nodiscard]] inline std::size_t owner_of(const wire::FlowKey& key, std::size_t cores) {
    return cores == 1 ? 0 : (symmetric_toeplitz(key) & 127u) % cores;
}

// Names a flow in FlowExceptions. Not secret: it tells a few thousand flows of ours apart.
[[nodiscard]] inline std::uint64_t exception_hash(const wire::FlowKey& key) {
    return siphash({0x6d746370, 0x666c6f77},
                   {reinterpret_cast<const std::byte*>(&key), sizeof key});
}

}  // namespace mtcp::stack
