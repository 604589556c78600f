// SPDX-License-Identifier: Apache-2.0
// ARP as RFC 826 wants it received, with RFC 5227's probes and conflicts, and with the doubts that
// a protocol without any authentication asks for.
#include "base/log.h"
#include "net/network.h"
#include "wire/address_text.h"
#include "wire/arp.h"

namespace mtcp::net {
namespace {

constexpr Duration kDefendInterval = seconds(10);  // RFC 5227 §1.1

}  // namespace

// Is this the address of another station on that link: may it have a record?
bool Network::is_neighbour(const wire::IpAddress& address, std::uint8_t interface) const {
    if (!addresses_.is_valid_source(address.v4_bits(), InterfaceKind::network)) return false;
    const RouteConfiguration* route = routes_.find(address);
    return route != nullptr && route->interface == interface && route->gateway.is_unspecified();
}

Verdict Network::arp_input(const Arrival& arrival) {
    ++counters_->arp_in;
    const std::optional<wire::ArpPacket> packet = wire::parse_arp(arrival.packet);
    if (!packet) return dropped(Drop::arp_malformed);
    const std::uint8_t interface = arrival.interface;
    if (packet->sender_mac == interfaces_[interface].mac) return dropped(Drop::arp_reflected);
    if (OwnAddress* own = addresses_.find_on_interface(packet->sender, interface); own != nullptr) {
        on_address_conflict(*own, *packet, arrival.now);
        return dropped(Drop::arp_conflict);
    }
    const bool is_request = packet->operation == wire::ArpOperation::request;
    const bool is_for_us = addresses_.find_on_interface(packet->target, interface) != nullptr;
    if (is_request && is_for_us) {
        // A probe (sender 0.0.0.0) for an address of ours is answered like any question: this is
        // what defends the address (RFC 5227 §2.1.1).
        send_arp(interface, packet->sender_mac,
                 wire::ArpPacket{wire::ArpOperation::reply, interfaces_[interface].mac,
                                 packet->target, packet->sender_mac, packet->sender},
                 arrival.now);
    }
    if (!is_neighbour(packet->sender, interface)) {
        return is_request && is_for_us ? Verdict::consumed : dropped(Drop::arp_not_ours);
    }
    NeighbourUpdate update{packet->sender, packet->sender_mac, interface, Evidence::claim};
    if (is_for_us) update.evidence = is_request ? Evidence::request : Evidence::answer;
    return on_arp_evidence(update, arrival.now);
}

Verdict Network::on_arp_evidence(const NeighbourUpdate& update, Instant now) {
    const bool passed_on = other_cores_ && updates_.push(update);
    switch (learn(update, now)) {
        case Neighbours::Learned::contradicted:
        case Neighbours::Learned::contradicted_and_ask: return dropped(Drop::arp_spoofed);
        case Neighbours::Learned::unknown:
            if (passed_on) return Verdict::consumed;
            return dropped(update.evidence == Evidence::answer ? Drop::arp_unsolicited
                                                               : Drop::arp_not_ours);
        case Neighbours::Learned::nothing:
        case Neighbours::Learned::resolved:
        case Neighbours::Learned::too_many: return Verdict::consumed;  // the question was answered
    }
    return Verdict::consumed;
}

Neighbours::Learned Network::learn(const NeighbourUpdate& update, Instant now) {
    std::uint16_t index = kNoNeighbour;
    const Neighbours::Learned learned = neighbours_.learn(update, now, index);
    if (learned == Neighbours::Learned::resolved) send_parked(neighbours_[index], now);
    if (learned == Neighbours::Learned::contradicted_and_ask) {
        ask_by_unicast(neighbours_[index], now);
    }
    return learned;
}

// RFC 5227 §2.4 (b): defend the address once, and not again for a while, so that two defenders do
// not flood the link. Connections stay: to give the address up is a decision for people.
void Network::on_address_conflict(OwnAddress& own, const wire::ArpPacket& packet, Instant now) {
    if (own.has_defended && now - own.defended < kDefendInterval) return;
    own.has_defended = true;
    own.defended = now;
    log(LogLevel::warning, "%s: address conflict: %s is claimed by %s",
        interfaces_[own.interface].name.c_str(), wire::format_address(packet.sender).c_str(),
        wire::format_mac(packet.sender_mac).c_str());
    send_announcement(own.interface, packet.sender, now);
}

}  // namespace mtcp::net
