// SPDX-License-Identifier: Apache-2.0
// The Ethernet II header (RFC 894).
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <optional>
#include <span>

#include "wire/big_endian.h"

namespace mtcp::wire {

using MacOctets = std::array<std::uint8_t, 6>;

inline constexpr MacOctets kMacBroadcast{0xff, 0xff, 0xff, 0xff, 0xff, 0xff};
inline constexpr std::size_t kEthernetHeader = 14;
// Without the frame check sequence; shorter frames are padded with zeros (IEEE 802.3 §4.2.3.3).
inline constexpr std::size_t kEthernetFrameMin = 60;

// Values of the type field. Below 0x0600 it is an IEEE 802.3 length.
inline constexpr std::uint16_t kEtherTypeIpv4 = 0x0800;
inline constexpr std::uint16_t kEtherTypeArp = 0x0806;
inline constexpr std::uint16_t kEtherTypeVlan = 0x8100;
inline constexpr std::uint16_t kEtherTypeServiceVlan = 0x88a8;
inline constexpr std::uint16_t kEtherTypeIpv6 = 0x86dd;

// The tag of IEEE 802.1Q behind such a type: priority and VLAN, then the type of what it tags.
inline constexpr std::size_t kVlanTag = 4;
inline constexpr std::uint16_t kVlanMask = 0x0fff;

// Multicast and broadcast addresses.
[[nodiscard]] constexpr bool is_group(const MacOctets& mac) { return (mac[0] & 1) != 0; }

struct EthernetHeader {
    MacOctets destination{};
    MacOctets source{};
    std::uint16_t type = 0;
};
static_assert(offsetof(EthernetHeader, type) == 12, "the addresses lie as on the wire");

[[nodiscard]] inline std::optional<EthernetHeader> parse_ethernet(
    std::span<const std::byte> frame) {
    if (frame.size() < kEthernetHeader) return std::nullopt;
    EthernetHeader header;
    std::memcpy(header.destination.data(), frame.data(), 6);
    std::memcpy(header.source.data(), frame.data() + 6, 6);
    header.type = load_be16(frame.data() + 12);
    return header;
}

// `out` has room for kEthernetHeader bytes.
inline void emit_ethernet(const EthernetHeader& header, std::byte* out) {
    std::memcpy(out, &header, offsetof(EthernetHeader, type));
    store_be16(out + 12, header.type);
}

}  // namespace mtcp::wire
