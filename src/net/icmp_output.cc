// SPDX-License-Identifier: Apache-2.0
// ICMP sent: echo replies of any size, and errors about what could not be delivered here.
#include <algorithm>
#include <array>
#include <cstring>

#include "net/network.h"
#include "wire/big_endian.h"
#include "wire/checksum.h"
#include "wire/icmp.h"
#include "wire/ipv4.h"

namespace mtcp::net {
namespace {

constexpr std::uint8_t kEcnMask = 3;
constexpr std::size_t kErrorPacketMax = 576;  // RFC 1812 §4.3.2.3: quote as much as fits in this

using IcmpHead = std::array<std::byte, wire::kIcmpHeader>;

IcmpHead make_head(std::uint8_t type, std::uint8_t code, std::uint32_t rest,
                   std::span<const std::byte> payload) {
    IcmpHead head{};
    head[0] = std::byte{type};
    head[1] = std::byte{code};
    wire::store_be32(head.data() + 4, rest);
    const std::uint32_t sum = wire::checksum_add(wire::checksum_add(0, head), payload);
    wire::store_be16(head.data() + 2, wire::finish(sum));
    return head;
}

// Bytes [offset, offset + length) of head and payload taken as one.
void copy_message(const IcmpHead& head, std::span<const std::byte> payload, std::size_t offset,
                  std::span<std::byte> out) {
    std::size_t done = 0;
    if (offset < head.size()) {
        done = std::min(head.size() - offset, out.size());
        std::memcpy(out.data(), head.data() + offset, done);
    }
    if (done == out.size()) return;
    std::memcpy(out.data() + done, payload.data() + (offset + done - head.size()),
                out.size() - done);
}

}  // namespace

Verdict Network::send_echo_reply(const Packet& request, const wire::IcmpMessage& message,
                                 Instant now) {
    const IcmpToSend reply{request.header.destination,
                           request.header.source,
                           static_cast<std::uint8_t>(request.header.tos & ~kEcnMask),
                           wire::kIcmpEchoReply,
                           message.code,
                           message.rest,
                           message.payload};
    switch (send_icmp(reply, now)) {
        case Sent::sent: return Verdict::consumed;
        case Sent::no_route: return dropped(Drop::no_route);
        case Sent::no_frame: return Verdict::dropped;  // counted by send_icmp()
    }
    return Verdict::consumed;
}

// The caller has counted the packet itself, so a suppressed error is not counted again.
void Network::send_icmp_error(const Packet& about, std::uint8_t type, std::uint8_t code,
                              Instant now) {
    if (!icmp_errors_.take(now)) return;
    std::array<std::byte, kErrorPacketMax - wire::kIpv4HeaderMin - wire::kIcmpHeader> quote;
    const std::size_t header_length = about.header_bytes.size();
    const std::size_t payload_length = std::min(about.payload.size(), quote.size() - header_length);
    std::memcpy(quote.data(), about.header_bytes.data(), header_length);
    if (payload_length > 0) {
        std::memcpy(quote.data() + header_length, about.payload.data(), payload_length);
    }
    const IcmpToSend error{about.header.destination,
                           about.header.source,
                           0,
                           type,
                           code,
                           0,
                           std::span(quote).first(header_length + payload_length)};
    static_cast<void>(send_icmp(error, now));
}

Network::Sent Network::send_icmp(const IcmpToSend& message, Instant now) {
    Result<Route, RouteError> found = route(message.destination, message.source);
    if (!found || found->path.interface == kLocal) return Sent::no_route;
    Path path = found->path;
    const IcmpHead head = make_head(message.type, message.code, message.rest, message.payload);
    const std::size_t total = head.size() + message.payload.size();
    const std::size_t room = std::size_t{path.mtu} - wire::kIpv4HeaderMin;
    // Fragments begin at multiples of 8 bytes (RFC 791 §2.3).
    const std::size_t piece_max = total <= room ? total : room & ~std::size_t{7};

    wire::Ipv4Header header;
    header.tos = message.tos;
    header.protocol = wire::kProtocolIcmp;
    header.source = message.source;
    header.destination = message.destination;
    header.identification =
        identifications_.take(message.source, message.destination, wire::kProtocolIcmp);
    for (std::size_t offset = 0; offset < total; offset += piece_max) {
        const std::size_t length = std::min(piece_max, total - offset);
        io::Frame frame;
        if (!allocate(path.interface, frame)) {
            counters_->drop(Drop::no_transmit_frame);
            return Sent::no_frame;
        }
        if (frame.capacity < path.header_room + length) {
            drop_frame(path.interface, frame, Drop::io_oversize);
            return Sent::no_frame;
        }
        header.total_length = static_cast<std::uint16_t>(wire::kIpv4HeaderMin + length);
        header.fragment = static_cast<std::uint16_t>(offset / 8);
        if (offset + length < total) header.fragment |= wire::kIpv4MoreFragments;
        wire::emit_ipv4(header, frame.data + path.header_room - wire::kIpv4HeaderMin);
        copy_message(head, message.payload, offset, {frame.data + path.header_room, length});
        frame.length = static_cast<std::uint32_t>(path.header_room + length);
        send_packet(path, message.destination, frame, now);
    }
    ++counters_->icmp_out;
    return Sent::sent;
}

}  // namespace mtcp::net
