// SPDX-License-Identifier: Apache-2.0
// An address with a prefix length ("10.0.0.1/24"): an own address with the network it stands in, or
// a set of destinations (then the host bits do not matter).
#pragma once

#include "wire/ip_address.h"

namespace mtcp::wire {

struct Prefix {
    IpAddress address;
    int length = 0;  // counts bits of the family: at most 32 for IPv4, 128 for IPv6
    friend constexpr bool operator==(const Prefix&, const Prefix&) = default;

    // The length in bits of the 16-octet form.
    [[nodiscard]] constexpr int mapped_length() const {
        return address.is_v4() ? length + 96 : length;
    }
    [[nodiscard]] constexpr bool contains(const IpAddress& other) const {
        const int bits = mapped_length();
        if (!std::is_constant_evaluated() && bits > 64 && bits <= 128) {
            std::uint64_t a[2];
            std::uint64_t b[2];
            std::memcpy(a, address.octet.data(), sizeof a);
            std::memcpy(b, other.octet.data(), sizeof b);
            std::uint64_t low = a[1] ^ b[1];
            if constexpr (__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__) low = __builtin_bswap64(low);
            return a[0] == b[0] && low >> (128 - bits) == 0;
        }
        for (int i = 0; i < 16; ++i) {
            const int left = bits - i * 8;
            if (left <= 0) return true;
            const unsigned mask = left >= 8 ? 0xffu : 0xffu & (0xff00u >> left);
            const auto at = static_cast<std::size_t>(i);
            if (((address.octet[at] ^ other.octet[at]) & mask) != 0) return false;
        }
        return true;
    }
};

}  // namespace mtcp::wire
