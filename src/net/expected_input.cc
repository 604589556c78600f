// SPDX-License-Identifier: Apache-2.0
// The packet that nearly all are: a whole TCP segment in a plain IPv4 packet from one host to us,
// checked in one go. Whatever else it may be, even what is to be dropped, goes the long way through
// ethernet_input() and ipv4_input(), which decide the same by their own means; so this changes
// nothing but speed.
#include <cstring>

#include "net/network.h"
#include "wire/big_endian.h"
#include "wire/checksum.h"
#include "wire/ethernet.h"
#include "wire/ipv4.h"

namespace mtcp::net {
namespace {

template <typename Word>
Word load(const std::byte* from) {
    Word word;
    std::memcpy(&word, from, sizeof word);
    return word;
}

// RFC 1071 over the 20 bytes of a header without options.
bool header_checksum_is_right(const std::byte* ip) {
    std::uint64_t sum = std::uint64_t{load<std::uint32_t>(ip)} + load<std::uint32_t>(ip + 4) +
                        load<std::uint32_t>(ip + 8) + load<std::uint32_t>(ip + 12) +
                        load<std::uint32_t>(ip + 16);
    sum = (sum & 0xffff'ffff) + (sum >> 32);
    sum = (sum & 0xffff) + (sum >> 16);
    sum = (sum & 0xffff) + (sum >> 16);
    return (sum & 0xffff) + (sum >> 16) == 0xffff;
}

template <typename Octet>
std::uint64_t load_mac(const Octet* from) {
    std::uint32_t front;
    std::uint16_t rest;
    std::memcpy(&front, from, sizeof front);
    std::memcpy(&rest, from + sizeof front, sizeof rest);
    return std::uint64_t{front} << 16 | rest;
}

}  // namespace

// May a packet with these addresses come from such a link?
bool Network::may_come(std::uint32_t source, std::uint32_t destination, InterfaceKind link) const {
    return addresses_.kind_v4(destination) == AddressKind::own &&
           addresses_.is_valid_source(source, link) &&
           !(AddressTable::is_loopback(destination) && link == InterfaceKind::network);
}

bool Network::expected_input(std::size_t interface, const io::Frame& frame, Inbound& tcp) {
    const Interface& link = interfaces_[interface];
    const std::byte* ip = frame.data;
    std::size_t room = frame.length;
    if (link.layer == io::Layer::ethernet) {
        if (room < wire::kEthernetHeader) return false;
        const bool ours = load_mac(frame.data) == load_mac(link.mac.data()) &&
                          wire::load_be16(frame.data + 12) == wire::kEtherTypeIpv4;
        if (!ours) return false;
        ip += wire::kEthernetHeader;
        room -= wire::kEthernetHeader;
    }
    if (room < wire::kIpv4HeaderMin) return false;
    const std::size_t total = wire::load_be16(ip + 2);
    const std::uint32_t source = wire::load_be32(ip + 12);
    const std::uint32_t destination = wire::load_be32(ip + 16);
    const bool plain = ip[0] == std::byte{0x45} &&  // version 4, no options
                       (wire::load_be16(ip + 6) & ~unsigned{wire::kIpv4DontFragment}) == 0 &&
                       ip[9] == std::byte{wire::kProtocolTcp} && total >= wire::kIpv4HeaderMin &&
                       total <= room;
    if (!plain || !header_checksum_is_right(ip)) return false;
    KnownPair& known = known_pair(source, destination);
    const KnownPair pair{.source = source,
                         .destination = destination,
                         .link = static_cast<std::uint32_t>(interface) + 1};
    if (known != pair) [[unlikely]] {
        if (!may_come(source, destination, link.kind)) return false;
        known = pair;
    }
    tcp.source = wire::IpAddress::v4(source);
    tcp.destination = wire::IpAddress::v4(destination);
    tcp.bytes = {ip + wire::kIpv4HeaderMin, total - wire::kIpv4HeaderMin};
    tcp.follows_addresses = true;
    tcp.checksum = frame.checksum;
    tcp.partial_checksums = link.partial_checksums;
    tcp.ecn = std::to_integer<std::uint8_t>(ip[1]) & 3;
    tcp.interface = static_cast<std::uint8_t>(interface);
    tcp.segment_size = frame.segment_size;
    return true;
}

}  // namespace mtcp::net
