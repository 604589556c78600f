// SPDX-License-Identifier: Apache-2.0
// IPv4 headers from and to bytes.
#include "wire/ipv4.h"

#include <cstring>

#include "wire/big_endian.h"

namespace mtcp::wire {
namespace {

// RFC 1071 over a header of whole 32-bit words; short, and so worth more inline than a call of the
// general checksum. In the machine's byte order, folded, not complemented.
std::uint16_t header_sum(const std::byte* header, std::size_t length) {
    std::uint64_t sum = 0;
    for (std::size_t at = 0; at < length; at += 4) {
        std::uint32_t word;
        std::memcpy(&word, header + at, sizeof word);
        sum += word;
    }
    sum = (sum & 0xffff'ffff) + (sum >> 32);
    sum = (sum & 0xffff) + (sum >> 16 & 0xffff) + (sum >> 32);
    sum = (sum & 0xffff) + (sum >> 16);
    return static_cast<std::uint16_t>((sum & 0xffff) + (sum >> 16));
}

constexpr unsigned kOptionEnd = 0;
constexpr unsigned kOptionNoOperation = 1;
constexpr unsigned kOptionLooseSourceRoute = 131;
constexpr unsigned kOptionStrictSourceRoute = 137;

}  // namespace

Result<Ipv4Header, Drop> parse_ipv4(std::span<const std::byte> packet) {
    if (packet.empty()) return failure(Drop::ip_short);
    const std::byte* at = packet.data();
    // The version comes first: of another one, nothing else of the header is known.
    if (std::to_integer<unsigned>(at[0]) >> 4 != 4) return failure(Drop::ip_bad_version);
    if (packet.size() < kIpv4HeaderMin) return failure(Drop::ip_short);

    Ipv4Header header;
    header.header_length = static_cast<std::uint8_t>((std::to_integer<unsigned>(at[0]) & 15u) * 4);
    header.total_length = load_be16(at + 2);
    if (header.header_length < kIpv4HeaderMin || header.header_length > header.total_length) {
        return failure(Drop::ip_bad_header_length);
    }
    if (header.total_length > packet.size()) return failure(Drop::ip_short);
    if (header_sum(at, header.header_length) != 0xffff) return failure(Drop::ip_bad_checksum);
    header.tos = std::to_integer<std::uint8_t>(at[1]);
    header.identification = load_be16(at + 4);
    header.fragment = load_be16(at + 6);
    header.ttl = std::to_integer<std::uint8_t>(at[8]);
    header.protocol = std::to_integer<std::uint8_t>(at[9]);
    header.source = IpAddress::v4(load_be32(at + 12));
    header.destination = IpAddress::v4(load_be32(at + 16));
    return header;
}

// RFC 9293 MUST-50.
OptionScan scan_options(std::span<const std::byte> options) {
    std::size_t at = 0;
    while (at < options.size()) {
        const unsigned type = std::to_integer<unsigned>(options[at]);
        if (type == kOptionEnd) return OptionScan::harmless;
        if (type == kOptionNoOperation) {
            ++at;
            continue;
        }
        if (at + 1 >= options.size()) return OptionScan::malformed;
        const std::size_t length = std::to_integer<std::size_t>(options[at + 1]);
        if (length < 2 || at + length > options.size()) return OptionScan::malformed;
        if (type == kOptionLooseSourceRoute || type == kOptionStrictSourceRoute) {
            return OptionScan::source_route;
        }
        at += length;
    }
    return OptionScan::harmless;
}

}  // namespace mtcp::wire
