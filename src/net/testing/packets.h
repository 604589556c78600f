// SPDX-License-Identifier: Apache-2.0
// Frames as a peer on the link would send them, for unit tests.
#pragma once

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <numeric>
#include <span>
#include <vector>

#include "net/testing/fake_queue.h"
#include "wire/arp.h"
#include "wire/big_endian.h"
#include "wire/checksum.h"
#include "wire/ethernet.h"
#include "wire/icmp.h"
#include "wire/ip_address.h"
#include "wire/ipv4.h"
#include "wire/segment.h"

namespace mtcp::net::testing {

inline constexpr wire::MacOctets kOurMac{0x02, 0, 0, 0, 0, 1};
inline constexpr wire::MacOctets kPeerMac{0x02, 0, 0, 0, 0, 2};
inline constexpr wire::MacOctets kOtherMac{0x02, 0, 0, 0, 0, 3};

inline constexpr wire::IpAddress ip(unsigned a, unsigned b, unsigned c, unsigned d) {
    return wire::IpAddress::v4(a << 24 | b << 16 | c << 8 | d);
}
inline constexpr wire::IpAddress kOurIp = ip(10, 0, 0, 1);
inline constexpr wire::IpAddress kPeerIp = ip(10, 0, 0, 2);
inline constexpr wire::IpAddress kFarIp = ip(192, 0, 2, 7);

inline Bytes operator+(Bytes a, std::span<const std::byte> b) {
    a.insert(a.end(), b.begin(), b.end());
    return a;
}
inline Bytes pattern(std::size_t length, unsigned start = 1) {
    Bytes bytes(length);
    for (std::size_t i = 0; i < length; ++i)
        bytes[i] = static_cast<std::byte>(start + i * 7);
    return bytes;
}

inline Bytes ethernet(std::span<const std::byte> payload, std::uint16_t type = wire::kEtherTypeIpv4,
                      wire::MacOctets to = kOurMac, wire::MacOctets from = kPeerMac) {
    Bytes frame(wire::kEthernetHeader);
    wire::emit_ethernet({to, from, type}, frame.data());
    return frame + payload;
}

inline Bytes arp(const wire::ArpPacket& packet, wire::MacOctets to = wire::kMacBroadcast) {
    Bytes bytes(wire::kArpPacket);
    wire::emit_arp(packet, bytes.data());
    return ethernet(bytes, wire::kEtherTypeArp, to, packet.sender_mac);
}
inline Bytes arp_request(wire::IpAddress sender, wire::MacOctets sender_mac,
                         wire::IpAddress target) {
    return arp({wire::ArpOperation::request, sender_mac, sender, {}, target});
}
inline Bytes arp_reply(wire::IpAddress sender, wire::MacOctets sender_mac) {
    return arp({wire::ArpOperation::reply, sender_mac, sender, kOurMac, kOurIp}, kOurMac);
}

struct IpFields {
    wire::IpAddress source = kPeerIp;
    wire::IpAddress destination = kOurIp;
    std::uint8_t protocol = wire::kProtocolTcp;
    std::uint16_t identification = 1;
    std::uint16_t fragment = 0;
    std::uint8_t tos = 0;
    Bytes options{};
};
inline Bytes ipv4(const IpFields& fields, std::span<const std::byte> payload) {
    wire::Ipv4Header header;
    header.header_length = static_cast<std::uint8_t>(20 + fields.options.size());
    header.total_length = static_cast<std::uint16_t>(header.header_length + payload.size());
    header.tos = fields.tos;
    header.identification = fields.identification;
    header.fragment = fields.fragment;
    header.protocol = fields.protocol;
    header.source = fields.source;
    header.destination = fields.destination;
    Bytes packet(20);
    wire::emit_ipv4(header, packet.data());
    packet = packet + fields.options;
    packet[0] = static_cast<std::byte>(0x40 | header.header_length / 4);
    wire::store_be16(packet.data() + 10, 0);
    wire::store_be16(packet.data() + 10, wire::finish(wire::checksum_add(0, packet)));
    return packet + payload;
}

inline Bytes icmp(std::uint8_t type, std::uint8_t code, std::uint32_t rest,
                  std::span<const std::byte> payload) {
    Bytes message = Bytes(wire::kIcmpHeader) + payload;
    wire::emit_icmp_header(type, code, rest, message);
    return message;
}

// A bare TCP header and payload with a right checksum.
inline Bytes tcp(wire::IpAddress source, wire::IpAddress destination, std::uint16_t source_port,
                 std::uint16_t destination_port, std::uint32_t seq,
                 std::span<const std::byte> payload = {}) {
    Bytes segment(20);
    wire::store_be16(segment.data(), source_port);
    wire::store_be16(segment.data() + 2, destination_port);
    wire::store_be32(segment.data() + 4, seq);
    segment[12] = std::byte{0x50};
    segment[13] = std::byte{0x10};
    segment = segment + payload;
    const std::uint32_t sum = wire::pseudo_header_sum(source, destination, wire::kProtocolTcp,
                                                      static_cast<std::uint32_t>(segment.size()));
    wire::store_be16(segment.data() + 16, wire::finish(wire::checksum_add(sum, segment)));
    return segment;
}
inline Bytes tcp_frame(std::span<const std::byte> payload = {}) {
    return ethernet(ipv4({}, tcp(kPeerIp, kOurIp, 1000, 80, 7, payload)));
}

}  // namespace mtcp::net::testing
