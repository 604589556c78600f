// SPDX-License-Identifier: Apache-2.0
// Header and checksums of a packet that leaves.
#include "tests/conformance/departing_packet.h"

#include "wire/checksum.h"
#include "wire/icmp.h"
#include "wire/ipv4.h"
#include "wire/segment.h"

namespace mtcp::conformance {

const char* find_fault(std::span<const std::byte> packet) {
    const auto header = wire::parse_ipv4(packet);
    if (!header) return "the IPv4 header is wrong";
    if (header->total_length != packet.size()) return "the IPv4 total length is wrong";
    const std::span<const std::byte> content = packet.subspan(header->header_length);
    if (header->protocol == wire::kProtocolIcmp) {
        return wire::parse_icmp(content) ? nullptr : "the ICMP checksum is wrong";
    }
    if (header->protocol != wire::kProtocolTcp) return "neither TCP nor ICMP";
    if (content.size() < wire::kTcpHeaderMin) return "the TCP header is cut off";
    if (!wire::tcp_checksum_valid(header->source, header->destination, content)) {
        return "the TCP checksum is wrong";
    }
    return nullptr;
}

}  // namespace mtcp::conformance
