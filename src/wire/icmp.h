// SPDX-License-Identifier: Apache-2.0
// ICMP messages (RFC 792, RFC 1191 for the MTU).
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "base/drop.h"
#include "base/result.h"
#include "wire/ip_address.h"
#include "wire/sequence_number.h"

namespace mtcp::wire {

inline constexpr std::size_t kIcmpHeader = 8;

inline constexpr std::uint8_t kIcmpEchoReply = 0;
inline constexpr std::uint8_t kIcmpUnreachable = 3;
inline constexpr std::uint8_t kIcmpEchoRequest = 8;
inline constexpr std::uint8_t kIcmpTimeExceeded = 11;
inline constexpr std::uint8_t kIcmpParameterProblem = 12;

// Codes of kIcmpUnreachable.
inline constexpr std::uint8_t kIcmpHostUnreachable = 1;
inline constexpr std::uint8_t kIcmpProtocolUnreachable = 2;
inline constexpr std::uint8_t kIcmpPortUnreachable = 3;
inline constexpr std::uint8_t kIcmpFragmentationNeeded = 4;
// Code of kIcmpTimeExceeded.
inline constexpr std::uint8_t kIcmpReassemblyTimeExceeded = 1;

struct IcmpMessage {
    std::uint8_t type = 0;
    std::uint8_t code = 0;
    std::uint32_t rest = 0;              // the second word of the header
    std::span<const std::byte> payload;  // after the 8 bytes of header
};

// Verifies the checksum. Errors: icmp_malformed, icmp_bad_checksum.
[[nodiscard]] Result<IcmpMessage, Drop> parse_icmp(std::span<const std::byte> bytes);

// What an error message quotes of a TCP segment that its sender had sent.
struct QuotedSegment {
    IpAddress source;
    IpAddress destination;
    std::uint16_t source_port = 0;
    std::uint16_t destination_port = 0;
    SequenceNumber seq;
    std::uint16_t total_length = 0;  // of the quoted IP packet
};

// `payload` of an error message: an IP header and at least 8 bytes. Its checksum is not verified:
// routers have changed it. Errors: icmp_malformed, icmp_ignored (not TCP, or not its beginning).
[[nodiscard]] Result<QuotedSegment, Drop> parse_quoted_segment(std::span<const std::byte> payload);

// RFC 1191 §7: the next lower plateau, for routers that do not tell their MTU.
[[nodiscard]] std::uint16_t plateau_below(std::uint16_t total_length);

// Writes header and checksum of a message whose payload already stands behind the 8 bytes.
void emit_icmp_header(std::uint8_t type, std::uint8_t code, std::uint32_t rest,
                      std::span<std::byte> message);

}  // namespace mtcp::wire
