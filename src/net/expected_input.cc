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

std::uint64_t load64(const std::byte* from) {
    std::uint64_t word;
    std::memcpy(&word, from, sizeof word);
    return word;
}

// RFC 1071 over the 20 bytes of a header without options.
bool header_checksum_is_right(const std::byte* ip) {
    std::uint32_t last;
    std::memcpy(&last, ip + 16, sizeof last);
    std::uint64_t sum = wire::checksum_add_word(load64(ip), load64(ip + 8));
    sum = wire::checksum_add_word(sum, last);
    return wire::sum_is_valid(wire::checksum_of_word(sum));
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
        const bool ours = wire::load_be64(frame.data) >> 16 == link.mac_bits &&
                          wire::load_be16(frame.data + 12) == wire::kEtherTypeIpv4;
        if (!ours) return false;
        ip += wire::kEthernetHeader;
        room -= wire::kEthernetHeader;
    }
    if (room < wire::kIpv4HeaderMin) return false;
    // Version, header length, TOS, total length, identification, flags and offset; then TTL,
    // protocol, checksum and source.
    const std::uint64_t front = wire::load_be64(ip);
    const std::uint64_t middle = wire::load_be64(ip + 8);
    const std::uint32_t destination = wire::load_be32(ip + 16);
    const auto source = static_cast<std::uint32_t>(middle);
    const std::size_t total = front >> 32 & 0xffff;
    constexpr std::uint64_t kPlain = 0xff00'0000'0000'bfff;  // all of the fragment's field but DF
    const bool plain = (front & kPlain) == 0x4500'0000'0000'0000 &&  // version 4, no options
                       (middle >> 48 & 0xff) == wire::kProtocolTcp &&
                       total >= wire::kIpv4HeaderMin && total <= room;
    static_assert((0xffff & ~kPlain) == wire::kIpv4DontFragment);
    if (!plain || !header_checksum_is_right(ip)) return false;
    KnownPair& known = known_pair(source, destination);
    const KnownPair pair{.source = source,
                         .destination = destination,
                         .link = static_cast<std::uint32_t>(interface) + 1};
    if (known != pair) [[unlikely]] {
        if (!may_come(source, destination, link.kind)) return false;
        known = pair;
    }
    tcp.key.local = wire::IpAddress::v4(destination);
    tcp.key.remote = wire::IpAddress::v4(source);
    tcp.bytes = {ip + wire::kIpv4HeaderMin, total - wire::kIpv4HeaderMin};
    tcp.follows_addresses = true;
    tcp.checksum = frame.checksum;
    tcp.partial_checksums = link.partial_checksums;
    tcp.ecn = static_cast<std::uint8_t>(front >> 48 & 3);
    tcp.interface = static_cast<std::uint8_t>(interface);
    tcp.segment_size = frame.segment_size;
    return true;
}

}  // namespace mtcp::net
