// SPDX-License-Identifier: Apache-2.0
// From a frame on an Ethernet to the protocol it carries.
#include "net/network.h"
#include "wire/big_endian.h"
#include "wire/ethernet.h"

namespace mtcp::net {

Verdict Network::ethernet_input(Arrival& arrival) {
    const std::optional<wire::EthernetHeader> header = wire::parse_ethernet(arrival.packet);
    if (!header) return dropped(Drop::ethernet_short);
    if (wire::is_group(header->destination)) {
        arrival.cast = LinkCast::group;
    } else if (header->destination != interfaces_[arrival.interface].mac) {
        return dropped(Drop::ethernet_not_ours);
    }
    arrival.packet = arrival.packet.subspan(wire::kEthernetHeader);
    std::uint16_t type = header->type;
    // IEEE 802.1Q: VLAN 0 is none. Such a tag says nothing but a priority.
    if (type == wire::kEtherTypeVlan && arrival.packet.size() >= wire::kVlanTag &&
        (wire::load_be16(arrival.packet.data()) & wire::kVlanMask) == 0) {
        type = wire::load_be16(arrival.packet.data() + 2);
        arrival.packet = arrival.packet.subspan(wire::kVlanTag);
    }
    switch (type) {
        case wire::kEtherTypeIpv4: return ipv4_input(arrival);
        case wire::kEtherTypeArp: return arp_input(arrival);
        case wire::kEtherTypeVlan:
        case wire::kEtherTypeServiceVlan: return dropped(Drop::ethernet_vlan);
        default: return dropped(Drop::ethernet_unknown_type);
    }
}

}  // namespace mtcp::net
