// SPDX-License-Identifier: Apache-2.0
// ARP for IPv4 over Ethernet (RFC 826).
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

#include "wire/ethernet.h"
#include "wire/ip_address.h"

namespace mtcp::wire {

inline constexpr std::size_t kArpPacket = 28;

enum class ArpOperation : std::uint16_t { request = 1, reply = 2 };

struct ArpPacket {
    ArpOperation operation = ArpOperation::request;
    MacOctets sender_mac{};
    IpAddress sender;
    MacOctets target_mac{};
    IpAddress target;
};

// Nothing when it is too short, not of IPv4 over Ethernet, of another operation, or its sender's
// MAC address is none that a station can have.
[[nodiscard]] std::optional<ArpPacket> parse_arp(std::span<const std::byte> bytes);
// `out` has room for kArpPacket bytes.
void emit_arp(const ArpPacket& packet, std::byte* out);

}  // namespace mtcp::wire
