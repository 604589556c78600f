// SPDX-License-Identifier: Apache-2.0
// From a TCP segment to a packet on its way to the next hop.
#include "net/network.h"
#include "wire/big_endian.h"
#include "wire/checksum.h"
#include "wire/ethernet.h"
#include "wire/ipv4.h"
#include "wire/segment.h"

namespace mtcp::net {
namespace {

constexpr std::size_t kChecksumField = 16;  // RFC 9293 §3.1

// A device that cuts a train counts the identification on.
std::uint32_t packets_in(const TcpPacket& packet, const io::Frame& frame) {
    if (frame.segment_size == 0) return 1;
    const std::size_t bytes = packet.length - packet.header.length;
    return static_cast<std::uint32_t>((bytes + frame.segment_size - 1) / frame.segment_size);
}

// Completes the checksum, or leaves it to a device that can.
void fill_checksum(const TcpPacket& packet, const io::Capabilities& device, io::Frame& frame,
                   std::uint16_t tcp_offset) {
    std::byte* tcp = frame.data + tcp_offset;
    const std::uint64_t pseudo_header = wire::pseudo_header_sum_v4(
        packet.source, packet.destination, wire::kProtocolTcp, packet.length);
    if (device.transmit_checksum) {
        frame.checksum = io::Checksum::partial;
        frame.checksum_start = tcp_offset;
        wire::store_be16(tcp + kChecksumField, wire::fold(wire::checksum_of_word(pseudo_header)));
        return;
    }
    frame.checksum = io::Checksum::in_frame;
    // Between two ends of ours in one memory nothing verifies it (see Capabilities).
    if (device.cannot_corrupt) return;
    std::uint64_t sum = pseudo_header + packet.header.sum;
    const std::size_t header = packet.header.length;
    if (packet.length > header)
        sum = wire::checksum_add(sum, {tcp + header, packet.length - header});
    wire::store_be16(tcp + kChecksumField, wire::finish(wire::checksum_of_word(sum)));
}

}  // namespace

void Network::output(Path& path, const TcpPacket& packet, io::Frame& frame, Instant now) {
    Transmitter& transmitter = transmitters_[path.interface];
    const std::uint32_t total = static_cast<std::uint32_t>(wire::kIpv4HeaderMin) + packet.length;
    const std::uint16_t tcp_offset = path.header_room;
    const bool fits = tcp_offset + packet.length <= frame.capacity &&
                      total <= (frame.segment_size > 0 ? wire::kIpv4PacketMax : path.mtu);
    if (!fits) return drop_frame(path.interface, frame, Drop::io_oversize);

    // RFC 9293 MUST-2.
    fill_checksum(packet, transmitter.capabilities(), frame, tcp_offset);
    frame.length = tcp_offset + packet.length;
    frame.header_length = static_cast<std::uint16_t>(tcp_offset + packet.header.length);

    wire::Ipv4Header header;
    header.tos = packet.tos;
    header.total_length = static_cast<std::uint16_t>(total);
    if (packet.may_be_cut) {
        header.identification = identifications_.take(
            packet.source, packet.destination, wire::kProtocolTcp, packets_in(packet, frame));
    } else {
        header.identification = 0;  // RFC 6864 §4.1: without meaning in a packet that stays whole
        header.fragment = wire::kIpv4DontFragment;  // RFC 1191 §3
    }
    header.ttl = packet.ttl;
    header.protocol = wire::kProtocolTcp;
    header.source = packet.source;
    header.destination = packet.destination;
    wire::emit_ipv4(header, frame.data + tcp_offset - wire::kIpv4HeaderMin);
    if (tcp_offset == wire::kIpv4HeaderMin) return transmitter.send(frame, now);  // no link header
    if (const Neighbour* next = neighbours_.known(path.next_hop, now)) [[likely]] {
        wire::emit_ethernet(next->link, frame.data);
        return transmitter.send(frame, now);
    }
    send_packet(path, packet.destination, frame, now);
}

// The record of the next hop was given to another: find it again.
bool Network::refresh(Path& path, const wire::IpAddress& destination) {
    const RouteConfiguration* found = routes_.find(destination);
    if (found == nullptr || found->interface != path.interface) return false;
    path.next_hop = neighbours_.obtain(
        path.interface, found->gateway.is_unspecified() ? destination : found->gateway);
    return path.next_hop.index != kNoNeighbour;
}

// `frame` holds a complete IP packet behind the room for the Ethernet header.
void Network::send_packet(Path& path, const wire::IpAddress& destination, io::Frame& frame,
                          Instant now) {
    if (interfaces_[path.interface].layer == io::Layer::ip) {
        return transmitters_[path.interface].send(frame, now);
    }
    if (!neighbours_.is_current(path.next_hop) && !refresh(path, destination)) {
        return drop_frame(path.interface, frame, Drop::neighbour_table_full);
    }
    Neighbour& neighbour = neighbours_[path.next_hop.index];
    switch (neighbours_.use(path.next_hop.index, now)) {
        case Neighbours::Use::transmit: return send_to(neighbour, frame, now);
        case Neighbours::Use::transmit_and_ask:
            send_to(neighbour, frame, now);
            return ask_by_unicast(neighbour, now);
        case Neighbours::Use::park: return park(neighbour, frame);
        case Neighbours::Use::park_and_ask:
            park(neighbour, frame);
            return ask_by_broadcast(neighbour, now);
        case Neighbours::Use::refuse:
            return drop_frame(path.interface, frame, Drop::neighbour_table_full);
    }
}

void Network::drop_frame(std::uint8_t interface, const io::Frame& frame, Drop reason) {
    transmitters_[interface].give_back(frame);
    counters_->drop(reason);
}

}  // namespace mtcp::net
