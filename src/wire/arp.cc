// SPDX-License-Identifier: Apache-2.0
// ARP packets from and to bytes.
#include "wire/arp.h"

#include <cstring>

#include "wire/big_endian.h"

namespace mtcp::wire {
namespace {

constexpr std::uint16_t kHardwareEthernet = 1;
constexpr MacOctets kMacZero{};

}  // namespace

std::optional<ArpPacket> parse_arp(std::span<const std::byte> bytes) {
    if (bytes.size() < kArpPacket) return std::nullopt;
    const std::byte* at = bytes.data();
    const std::uint16_t operation = load_be16(at + 6);
    const bool is_ipv4_over_ethernet =
        load_be16(at) == kHardwareEthernet && load_be16(at + 2) == kEtherTypeIpv4 &&
        std::to_integer<int>(at[4]) == 6 && std::to_integer<int>(at[5]) == 4;
    if (!is_ipv4_over_ethernet || (operation != 1 && operation != 2)) return std::nullopt;

    ArpPacket packet;
    packet.operation = static_cast<ArpOperation>(operation);
    std::memcpy(packet.sender_mac.data(), at + 8, 6);
    packet.sender = IpAddress::v4(load_be32(at + 14));
    std::memcpy(packet.target_mac.data(), at + 18, 6);
    packet.target = IpAddress::v4(load_be32(at + 24));
    if (is_group(packet.sender_mac) || packet.sender_mac == kMacZero) return std::nullopt;
    return packet;
}

void emit_arp(const ArpPacket& packet, std::byte* out) {
    store_be16(out, kHardwareEthernet);
    store_be16(out + 2, kEtherTypeIpv4);
    out[4] = std::byte{6};
    out[5] = std::byte{4};
    store_be16(out + 6, static_cast<std::uint16_t>(packet.operation));
    std::memcpy(out + 8, packet.sender_mac.data(), 6);
    store_be32(out + 14, packet.sender.v4_bits());
    std::memcpy(out + 18, packet.target_mac.data(), 6);
    store_be32(out + 24, packet.target.v4_bits());
}

}  // namespace mtcp::wire
