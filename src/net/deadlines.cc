// SPDX-License-Identifier: Apache-2.0
// What waits for an address resolution, and what happens when time is over: questions repeated,
// waiting frames given up, datagrams that were never completed.
#include "net/network.h"
#include "wire/big_endian.h"
#include "wire/checksum.h"
#include "wire/ethernet.h"
#include "wire/ipv4.h"

namespace mtcp::net {
namespace {

// The flow of a frame that we made; nothing when it is not TCP.
bool read_flow(const io::Frame& frame, PathErrorNotice& notice) {
    const std::byte* ip = frame.data + wire::kEthernetHeader;
    if (std::to_integer<std::uint8_t>(ip[9]) != wire::kProtocolTcp) return false;
    const std::byte* tcp = ip + wire::kIpv4HeaderMin;
    notice.key = wire::FlowKey{wire::IpAddress::v4(wire::load_be32(ip + 12)),
                               wire::IpAddress::v4(wire::load_be32(ip + 16)), wire::load_be16(tcp),
                               wire::load_be16(tcp + 2)};
    notice.seq = wire::SequenceNumber{wire::load_be32(tcp + 4)};
    notice.kind = PathError::no_neighbour;
    notice.mtu = 0;
    return true;
}

}  // namespace

void Network::park(Neighbour& neighbour, const io::Frame& frame) {
    // RFC 1122 §2.3.2.2: at least the latest packet should be kept, so the oldest makes room.
    if (neighbour.parked.count >= limits_.parked_per_neighbour) {
        drop_frame(neighbour.interface, parked_.pop(neighbour.parked), Drop::neighbour_queue_full);
    }
    if (!parked_.push(neighbour.parked, frame)) {
        drop_frame(neighbour.interface, frame, Drop::neighbour_queue_full);
    }
}

void Network::send_parked(Neighbour& neighbour, Instant now) {
    while (neighbour.parked.count > 0) {
        io::Frame frame = parked_.pop(neighbour.parked);
        send_to(neighbour, frame, now);
    }
}

void Network::fail_parked(Neighbour& neighbour) {
    while (neighbour.parked.count > 0) {
        const io::Frame frame = parked_.pop(neighbour.parked);
        PathErrorNotice notice;
        // When the queue is full, the connection learns it from its next segment.
        if (read_flow(frame, notice)) failures_.push(notice);
        drop_frame(neighbour.interface, frame, Drop::neighbour_failed);
    }
}

void Network::on_neighbour_timers(Instant now) {
    std::uint16_t index = kNoNeighbour;
    for (;;) {
        switch (neighbours_.expired(now, index)) {
            case Neighbours::Due::nothing: return;
            case Neighbours::Due::ask_broadcast: ask_by_broadcast(neighbours_[index], now); break;
            case Neighbours::Due::ask_unicast: ask_by_unicast(neighbours_[index], now); break;
            case Neighbours::Due::failed: fail_parked(neighbours_[index]); break;
        }
    }
}

void Network::on_reassembly_timers(Instant now) {
    TimedOut late;
    while (reassembly_.expired(now, late)) {
        // RFC 1122 §3.2.2: never an error about an error.
        if (late.key.protocol == wire::kProtocolIcmp &&
            std::to_integer<std::uint8_t>(late.payload[0]) != wire::kIcmpEchoRequest) {
            continue;
        }
        Packet packet;
        packet.header.source = late.key.source;
        packet.header.destination = late.key.destination;
        packet.header_bytes = late.header;
        packet.payload = late.payload;
        send_icmp_error(packet, wire::kIcmpTimeExceeded, wire::kIcmpReassemblyTimeExceeded, now);
    }
}

}  // namespace mtcp::net
