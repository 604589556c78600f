// SPDX-License-Identifier: Apache-2.0
// ARP questions, answers and announcements on their way out.
#include "net/network.h"
#include "wire/arp.h"
#include "wire/ethernet.h"

namespace mtcp::net {
namespace {

constexpr Duration kAnnounceInterval = seconds(2);  // RFC 5227 §1.1

}  // namespace

void Network::send_arp(std::uint8_t interface, const wire::MacOctets& to,
                       const wire::ArpPacket& packet, Instant now) {
    io::Frame frame;
    if (!allocate(interface, frame)) return counters_->drop(Drop::no_transmit_frame);
    wire::emit_ethernet({to, interfaces_[interface].mac, wire::kEtherTypeArp}, frame.data);
    wire::emit_arp(packet, frame.data + wire::kEthernetHeader);
    frame.length = wire::kEthernetHeader + wire::kArpPacket;
    ++counters_->arp_out;
    transmitters_[interface].send(frame, now);
}

void Network::ask_by_broadcast(const Neighbour& neighbour, Instant now) {
    send_arp(neighbour.interface, wire::kMacBroadcast,
             wire::ArpPacket{wire::ArpOperation::request,
                             interfaces_[neighbour.interface].mac,
                             addresses_.source_for(neighbour.address, neighbour.interface),
                             {},
                             neighbour.address},
             now);
}

void Network::ask_by_unicast(const Neighbour& neighbour, Instant now) {
    send_arp(neighbour.interface, neighbour.link.destination,
             wire::ArpPacket{wire::ArpOperation::request,
                             interfaces_[neighbour.interface].mac,
                             addresses_.source_for(neighbour.address, neighbour.interface),
                             {},
                             neighbour.address},
             now);
}

// RFC 5227 §2.3: a request that asks for the address it comes from.
void Network::send_announcement(std::uint8_t interface, const wire::IpAddress& own, Instant now) {
    send_arp(interface, wire::kMacBroadcast,
             wire::ArpPacket{wire::ArpOperation::request, interfaces_[interface].mac, own, {}, own},
             now);
}

void Network::send_announcements(Instant now) {
    for (const OwnAddress& own : addresses_.all()) {
        if (interfaces_[own.interface].layer != io::Layer::ethernet) continue;
        send_announcement(own.interface, own.prefix.address, now);
    }
    --announcements_left_;
    announce_at_ = announcements_left_ == 0 ? kNever : now + kAnnounceInterval;
}

}  // namespace mtcp::net
