// SPDX-License-Identifier: Apache-2.0
// SipHash-2-4 (Aumasson and Bernstein): a keyed hash that a stranger cannot predict. Behind initial
// sequence numbers (RFC 6528), SYN cookies, port selection (RFC 6056) and the flow table.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>

#include "base/random.h"

namespace mtcp {

[[nodiscard]] inline std::uint64_t siphash(const SecretKey& key, std::span<const std::byte> bytes) {
    std::uint64_t v0 = key.k0 ^ 0x736f6d6570736575u;
    std::uint64_t v1 = key.k1 ^ 0x646f72616e646f6du;
    std::uint64_t v2 = key.k0 ^ 0x6c7967656e657261u;
    std::uint64_t v3 = key.k1 ^ 0x7465646279746573u;
    const auto rotate = [](std::uint64_t x, int k) { return (x << k) | (x >> (64 - k)); };
    const auto round = [&] {
        v0 += v1;
        v1 = rotate(v1, 13);
        v1 ^= v0;
        v0 = rotate(v0, 32);
        v2 += v3;
        v3 = rotate(v3, 16);
        v3 ^= v2;
        v0 += v3;
        v3 = rotate(v3, 21);
        v3 ^= v0;
        v2 += v1;
        v1 = rotate(v1, 17);
        v1 ^= v2;
        v2 = rotate(v2, 32);
    };
    std::size_t at = 0;
    for (; at + 8 <= bytes.size(); at += 8) {
        std::uint64_t word;
        std::memcpy(&word, bytes.data() + at, 8);
        v3 ^= word;
        round();
        round();
        v0 ^= word;
    }
    std::uint64_t last = static_cast<std::uint64_t>(bytes.size()) << 56;
    for (std::size_t i = 0; at + i < bytes.size(); ++i) {
        last |= static_cast<std::uint64_t>(bytes[at + i]) << (8 * i);
    }
    v3 ^= last;
    round();
    round();
    v0 ^= last;
    v2 ^= 0xff;
    round();
    round();
    round();
    round();
    return v0 ^ v1 ^ v2 ^ v3;
}

}  // namespace mtcp
