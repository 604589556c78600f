// SPDX-License-Identifier: Apache-2.0
// ICMP messages from and to bytes.
#include "wire/icmp.h"

#include <array>

#include "wire/big_endian.h"
#include "wire/checksum.h"
#include "wire/ipv4.h"

namespace mtcp::wire {

Result<IcmpMessage, Drop> parse_icmp(std::span<const std::byte> bytes) {
    if (bytes.size() < kIcmpHeader) return failure(Drop::icmp_malformed);
    if (!sum_is_valid(checksum_add(0, bytes))) return failure(Drop::icmp_bad_checksum);
    IcmpMessage message;
    message.type = std::to_integer<std::uint8_t>(bytes[0]);
    message.code = std::to_integer<std::uint8_t>(bytes[1]);
    message.rest = load_be32(bytes.data() + 4);
    message.payload = bytes.subspan(kIcmpHeader);
    return message;
}

Result<QuotedSegment, Drop> parse_quoted_segment(std::span<const std::byte> payload) {
    constexpr std::size_t kQuotedTcpMin = 8;  // ports and sequence number, RFC 792
    if (payload.size() < kIpv4HeaderMin) return failure(Drop::icmp_malformed);
    const std::byte* at = payload.data();
    const unsigned first = std::to_integer<unsigned>(at[0]);
    const std::size_t header_length = std::size_t{first & 15u} * 4;
    if (first >> 4 != 4 || header_length < kIpv4HeaderMin ||
        payload.size() < header_length + kQuotedTcpMin) {
        return failure(Drop::icmp_malformed);
    }
    const bool is_first_fragment = (load_be16(at + 6) & kIpv4OffsetMask) == 0;
    if (std::to_integer<std::uint8_t>(at[9]) != kProtocolTcp || !is_first_fragment) {
        return failure(Drop::icmp_ignored);
    }
    QuotedSegment quoted;
    quoted.total_length = load_be16(at + 2);
    quoted.source = IpAddress::v4(load_be32(at + 12));
    quoted.destination = IpAddress::v4(load_be32(at + 16));
    const std::byte* tcp = at + header_length;
    quoted.source_port = load_be16(tcp);
    quoted.destination_port = load_be16(tcp + 2);
    quoted.seq = SequenceNumber{load_be32(tcp + 4)};
    return quoted;
}

std::uint16_t plateau_below(std::uint16_t total_length) {
    constexpr std::array<std::uint16_t, 10> kPlateaus{32000, 17914, 8166, 4352, 2002,
                                                      1492,  1006,  508,  296,  68};
    for (const std::uint16_t plateau : kPlateaus) {
        if (plateau < total_length) return plateau;
    }
    return kPlateaus.back();
}

void emit_icmp_header(std::uint8_t type, std::uint8_t code, std::uint32_t rest,
                      std::span<std::byte> message) {
    message[0] = std::byte{type};
    message[1] = std::byte{code};
    store_be16(message.data() + 2, 0);
    store_be32(message.data() + 4, rest);
    store_be16(message.data() + 2, finish(checksum_add(0, message)));
}

}  // namespace mtcp::wire
