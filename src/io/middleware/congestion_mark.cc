// SPDX-License-Identifier: Apache-2.0
// Two bits, and the checksum that covers them.
#include "io/middleware/congestion_mark.h"

#include <cstdint>

namespace mtcp::io {
namespace {

constexpr std::size_t kEthernetHeader = 14;
constexpr std::size_t kIpv4Header = 20;
constexpr std::uint32_t kCongestionExperienced = 3;

std::uint32_t byte_at(std::span<const std::byte> bytes, std::size_t at) {
    return std::to_integer<std::uint32_t>(bytes[at]);
}

// RFC 1624 §3: HC' = ~(~HC + ~m + m'), where m is the word whose low byte is TOS.
void mark_ipv4(std::span<std::byte> packet) {
    const std::uint32_t before = byte_at(packet, 0) << 8 | byte_at(packet, 1);
    const std::uint32_t after = before | kCongestionExperienced;
    const std::uint32_t checksum = byte_at(packet, 10) << 8 | byte_at(packet, 11);
    std::uint32_t sum = (~checksum & 0xffffu) + (~before & 0xffffu) + after;
    sum = (sum & 0xffffu) + (sum >> 16);
    sum = ~((sum & 0xffffu) + (sum >> 16));
    packet[1] = static_cast<std::byte>(after);
    packet[10] = static_cast<std::byte>(sum >> 8);
    packet[11] = static_cast<std::byte>(sum);
}

}  // namespace

bool mark_congestion(std::span<std::byte> frame, Layer layer) {
    const std::size_t link = layer == Layer::ethernet ? kEthernetHeader : 0;
    if (frame.size() < link + kIpv4Header) return false;
    const std::span<std::byte> packet = frame.subspan(link);
    const std::uint32_t version = byte_at(packet, 0) >> 4;
    if (layer == Layer::ethernet) {
        const std::uint32_t type = byte_at(frame, 12) << 8 | byte_at(frame, 13);
        if (type != (version == 4 ? 0x0800u : 0x86ddu)) return false;
    }
    if (version == 4 && (byte_at(packet, 1) & 3) != 0) {
        mark_ipv4(packet);
        return true;
    }
    // The traffic class lies across two bytes; its last two bits are the upper half of the second.
    if (version == 6 && (byte_at(packet, 1) & 0x30) != 0) {
        packet[1] |= std::byte{kCongestionExperienced << 4};
        return true;
    }
    return false;
}

}  // namespace mtcp::io
