// SPDX-License-Identifier: Apache-2.0
// Writing packets that lie, and reading those of the victim, which may not.
#include "fuzz/victim/packet.h"

#include <algorithm>

#include "fuzz/victim/finding.h"
#include "wire/big_endian.h"
#include "wire/checksum.h"
#include "wire/ipv4.h"

namespace mtcp::victim {
namespace {

void put_checksum(std::byte* at, Checksum kind, std::uint16_t right) {
    switch (kind) {
        case Checksum::right: wire::store_be16(at, right); break;
        case Checksum::wrong:
            wire::store_be16(at, static_cast<std::uint16_t>(right == 0x5a5a ? 0x5a5b : right ^ 1));
            break;
        case Checksum::zero: wire::store_be16(at, 0); break;
        case Checksum::ones: wire::store_be16(at, 0xffff); break;
    }
}

std::uint16_t tcp_sum(const wire::IpAddress& source, const wire::IpAddress& destination,
                      std::span<const std::byte> segment) {
    const std::uint32_t pseudo = wire::pseudo_header_sum(
        source, destination, wire::kProtocolTcp, static_cast<std::uint32_t>(segment.size()));
    return wire::finish(wire::checksum_add(pseudo, segment));
}

}  // namespace

Bytes ip_packet(const IpFields& fields, std::span<const std::byte> payload) {
    Bytes packet(wire::kIpv4HeaderMin);
    packet.insert(packet.end(), fields.options.begin(), fields.options.end());
    const auto words = static_cast<std::uint8_t>(packet.size() / 4);
    packet.insert(packet.end(), payload.begin(), payload.end());
    std::byte* p = packet.data();
    p[0] = static_cast<std::byte>(fields.version.value_or(4) << 4 |
                                  fields.header_words.value_or(words));
    p[1] = static_cast<std::byte>(fields.tos);
    wire::store_be16(p + 2,
                     fields.total_length.value_or(static_cast<std::uint16_t>(packet.size())));
    wire::store_be16(p + 4, fields.identification);
    wire::store_be16(p + 6, fields.fragment);
    p[8] = static_cast<std::byte>(fields.ttl);
    p[9] = static_cast<std::byte>(fields.protocol);
    wire::store_be32(p + 12, fields.source.v4_bits());
    wire::store_be32(p + 16, fields.destination.v4_bits());
    const std::size_t header = std::min<std::size_t>(std::size_t{words} * 4, packet.size());
    put_checksum(p + 10, fields.checksum, wire::finish(wire::checksum_add(0, {p, header})));
    return packet;
}

Bytes tcp_bytes(const TcpFields& fields) {
    Bytes segment(wire::kTcpHeaderMin);
    segment.insert(segment.end(), fields.options.begin(), fields.options.end());
    segment.resize((segment.size() + 3) / 4 * 4);
    const auto words = static_cast<std::uint8_t>(segment.size() / 4);
    segment.insert(segment.end(), fields.payload.begin(), fields.payload.end());
    std::byte* p = segment.data();
    wire::store_be16(p, fields.source_port);
    wire::store_be16(p + 2, fields.destination_port);
    wire::store_be32(p + 4, fields.seq);
    wire::store_be32(p + 8, fields.ack);
    p[12] = static_cast<std::byte>(fields.header_words.value_or(words) << 4);
    p[13] = static_cast<std::byte>(fields.flags);
    wire::store_be16(p + 14, fields.window);
    wire::store_be16(p + 18, fields.urgent);
    put_checksum(p + 16, fields.checksum,
                 tcp_sum(fields.ip.source, fields.ip.destination, segment));
    return segment;
}

Bytes tcp_packet(const TcpFields& fields) { return ip_packet(fields.ip, tcp_bytes(fields)); }

void fix_checksums(std::span<std::byte> packet) {
    if (packet.size() < wire::kIpv4HeaderMin) return;
    const std::size_t header = static_cast<std::size_t>(packet[0] & std::byte{0xf}) * 4;
    if (header < wire::kIpv4HeaderMin || header > packet.size()) return;
    wire::store_be16(packet.data() + 10, 0);
    wire::store_be16(packet.data() + 10, wire::finish(wire::checksum_add(0, packet.first(header))));
    const std::size_t total =
        std::min<std::size_t>(wire::load_be16(packet.data() + 2), packet.size());
    if (total < header) return;
    const std::span<std::byte> body = packet.subspan(header, total - header);
    const std::uint8_t protocol = std::to_integer<std::uint8_t>(packet[9]);
    if (protocol == wire::kProtocolTcp && body.size() >= wire::kTcpHeaderMin) {
        wire::store_be16(body.data() + 16, 0);
        const auto source = wire::IpAddress::v4(wire::load_be32(packet.data() + 12));
        const auto destination = wire::IpAddress::v4(wire::load_be32(packet.data() + 16));
        wire::store_be16(body.data() + 16, tcp_sum(source, destination, body));
    } else if (protocol == wire::kProtocolIcmp && body.size() >= 4) {
        wire::store_be16(body.data() + 2, 0);
        wire::store_be16(body.data() + 2, wire::finish(wire::checksum_add(0, body)));
    }
}

std::optional<Heard> read_tcp(std::span<const std::byte> packet) {
    const auto ip = wire::parse_ipv4(packet);
    if (!ip) {
        finding("the victim sent a malformed IP packet");
        return std::nullopt;
    }
    if (ip->total_length != packet.size()) finding("the victim's IP total length lies");
    if (ip->protocol != wire::kProtocolTcp || ip->is_fragment()) return std::nullopt;
    const std::span<const std::byte> bytes = packet.subspan(ip->header_length);
    if (!wire::tcp_checksum_valid(ip->source, ip->destination, bytes)) {
        finding("the victim sent a TCP segment with a wrong checksum");
    }
    auto segment = wire::parse_segment(bytes);
    if (!segment) {
        finding("the victim sent a malformed TCP segment");
        return std::nullopt;
    }
    Heard heard;
    heard.segment = *segment;
    heard.payload.assign(segment->payload.begin(), segment->payload.end());
    heard.segment.payload = heard.payload;
    heard.key = {.local = ip->source,
                 .remote = ip->destination,
                 .local_port = segment->source_port,
                 .remote_port = segment->destination_port};
    heard.identification = ip->identification;
    heard.fragment = ip->fragment;
    heard.ttl = ip->ttl;
    return heard;
}

}  // namespace mtcp::victim
