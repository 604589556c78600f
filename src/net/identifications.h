// SPDX-License-Identifier: Apache-2.0
// Identifications of IPv4 packets that may be cut, here or on the way: they tell the pieces of one
// packet from those of the next.
//
// RFC 6864 §4.3: none comes again for the same source, destination and protocol while a packet may
// live. Drawn at random one would after some 300 packets, so these count. Where a count begins and
// which hosts share a counter is a secret (RFC 7739 §5.3): what reaches one host does not tell him
// how much goes to another.
#pragma once

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>

#include "base/random.h"
#include "base/siphash.h"
#include "net/configuration.h"
#include "wire/ip_address.h"

namespace mtcp::net {

class Identifications {
  public:
    // Cores do not know what others send to the same host, so each counts in a part of its own.
    Identifications(const CoreNumber& core, Random& random)
        : key_{random.next(), random.next()},
          part_(kAll / std::bit_ceil(core.of)),
          first_(core.number * part_) {}

    // The first of `count` in a row, one for each packet that a device makes of a train.
    [[nodiscard]] std::uint16_t take(const wire::IpAddress& source,
                                     const wire::IpAddress& destination, std::uint8_t protocol,
                                     std::uint32_t count = 1) {
        SipHash keyed(key_);
        keyed.absorb(std::uint64_t{source.v4_bits()} << 32 | destination.v4_bits());
        const std::uint64_t hash = keyed.finish(protocol, 9);
        std::uint16_t& used = used_[hash % kCounters];
        std::uint32_t at = (static_cast<std::uint32_t>(hash >> 32) + used) & (part_ - 1);
        std::uint32_t taken = count;
        if (at + count > part_) {  // no row goes on in another core's part
            taken += part_ - at;
            at = 0;
        }
        used = static_cast<std::uint16_t>(used + taken);
        return static_cast<std::uint16_t>(first_ + at);
    }

  private:
    static constexpr std::uint32_t kAll = 1u << 16;
    // Hosts that share one use up its numbers together, no more.
    static constexpr std::size_t kCounters = 2048;

    SecretKey key_;
    std::uint32_t part_;  // a power of two
    std::uint32_t first_;
    std::array<std::uint16_t, kCounters> used_{};
};

}  // namespace mtcp::net
