// SPDX-License-Identifier: Apache-2.0
// From an IPv4 packet to the transport it carries (RFC 791, RFC 1122 §3.2).
#include "net/network.h"
#include "wire/checksum.h"
#include "wire/ipv4.h"

namespace mtcp::net {
namespace {

constexpr std::uint8_t kEcnMask = 3;

}  // namespace

Verdict Network::ipv4_input(Arrival& arrival) {
    const Result<wire::Ipv4Header, Drop> header = wire::parse_ipv4(arrival.packet);
    if (!header) return dropped(header.error());
    // What lies behind the total length is padding of the link.
    Packet packet{*header, arrival.packet.first(header->header_length),
                  arrival.packet.subspan(header->header_length, std::size_t{header->total_length} -
                                                                    header->header_length)};
    if (header->header_length > wire::kIpv4HeaderMin &&
        wire::scan_options(packet.header_bytes.subspan(wire::kIpv4HeaderMin)) !=
            wire::OptionScan::harmless) {
        return dropped(Drop::ip_bad_option);
    }
    const Interface& interface = interfaces_[arrival.interface];
    if (!addresses_.is_valid_source(header->source.v4_bits(), interface.kind)) {
        return dropped(Drop::ip_bad_source);
    }
    const std::uint32_t to = header->destination.v4_bits();
    const bool leaked = AddressTable::is_loopback(to) && interface.kind == InterfaceKind::network;
    if (leaked) return dropped(Drop::ip_not_ours);
    const AddressKind destination = addresses_.kind_v4(to);
    if (destination != AddressKind::own) return ipv4_not_for_own_address(*header, destination);
    // RFC 1122 §3.3.6: such a packet is a mistake or an attack on every station of the link at
    // once.
    if (arrival.cast == LinkCast::group) return dropped(Drop::ip_group_frame);

    if (header->is_fragment()) return fragment_input(arrival, packet);
    const Inbound inbound{{.local = header->destination, .remote = header->source},
                          packet.payload,
                          arrival.frame.checksum,
                          interface.partial_checksums,
                          static_cast<std::uint8_t>(header->tos & kEcnMask),
                          arrival.interface,
                          arrival.frame.segment_size};
    return transport_input(arrival, packet, inbound);
}

Verdict Network::ipv4_not_for_own_address(const wire::Ipv4Header& header, AddressKind destination) {
    if (destination != AddressKind::broadcast) return dropped(Drop::ip_not_ours);
    switch (header.protocol) {
        case wire::kProtocolTcp: return dropped(Drop::tcp_bad_address);  // RFC 9293 MUST-57
        case wire::kProtocolIcmp: return dropped(Drop::icmp_ignored);    // RFC 1122 §3.2.2.6
        default: return dropped(Drop::ip_not_ours);
    }
}

Verdict Network::fragment_input(Arrival& arrival, Packet& packet) {
    ++counters_->fragments_in;
    const wire::Ipv4Header& header = packet.header;
    const bool more = (header.fragment & wire::kIpv4MoreFragments) != 0;
    const Fragment fragment{
        FragmentKey{header.source, header.destination, header.identification, header.protocol},
        header.offset(),
        more ? MoreFragments::yes : MoreFragments::no,
        static_cast<std::uint8_t>(header.tos & kEcnMask),
        arrival.interface,
        packet.header_bytes,
        packet.payload};
    Reassembly::Datagram datagram;
    switch (reassembly_.add(fragment, arrival.now, datagram)) {
        case Reassembly::Added::held: return Verdict::consumed;
        case Reassembly::Added::dropped: return Verdict::dropped;
        case Reassembly::Added::complete: break;
    }
    packet.header_bytes = datagram.header;
    packet.payload = datagram.payload;
    // No device has seen the datagram whole: its checksum is for us to verify.
    const Inbound inbound{{.local = header.destination, .remote = header.source},
                          datagram.payload,
                          io::Checksum::in_frame,
                          PartialChecksums::rejected,
                          datagram.ecn,
                          arrival.interface,
                          0};
    return transport_input(arrival, packet, inbound);
}

Verdict Network::transport_input(Arrival& arrival, const Packet& packet, const Inbound& inbound) {
    switch (packet.header.protocol) {
        case wire::kProtocolTcp: arrival.tcp = inbound; return Verdict::tcp;
        case wire::kProtocolIcmp: return icmp_input(packet, arrival.now, arrival.notice);
        case wire::kProtocolUdp:
            // There is no UDP here, yet "port" and not "protocol" is what its users understand.
            send_icmp_error(packet, wire::kIcmpUnreachable, wire::kIcmpPortUnreachable,
                            arrival.now);
            return dropped(Drop::ip_unknown_protocol);
        default:
            send_icmp_error(packet, wire::kIcmpUnreachable, wire::kIcmpProtocolUnreachable,
                            arrival.now);
            return dropped(Drop::ip_unknown_protocol);
    }
}

}  // namespace mtcp::net
