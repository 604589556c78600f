// SPDX-License-Identifier: Apache-2.0
// Packets as an attacker writes them: every field can lie, checksums are right unless told
// otherwise.
#pragma once

#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <optional>
#include <span>
#include <vector>

#include "wire/ip_address.h"
#include "wire/segment.h"

namespace mtcp::victim {

using Bytes = std::vector<std::byte>;

inline Bytes bytes_of(std::initializer_list<unsigned> octets) {
    Bytes bytes;
    for (const unsigned octet : octets)
        bytes.push_back(static_cast<std::byte>(octet));
    return bytes;
}

enum class Checksum : std::uint8_t { right, wrong, zero, ones };

// An IPv4 packet with whatever payload; what is not set is what an honest host would write.
struct IpFields {
    wire::IpAddress source;
    wire::IpAddress destination;
    std::uint8_t protocol = 6;
    std::uint16_t identification = 0;
    std::uint16_t fragment = 0x4000;  // flags and offset as in the header: DF
    std::uint8_t ttl = 64;
    std::uint8_t tos = 0;
    Bytes options{};  // multiple of 4
    std::optional<std::uint8_t> version{};
    std::optional<std::uint8_t> header_words{};
    std::optional<std::uint16_t> total_length{};
    Checksum checksum = Checksum::right;
};
[[nodiscard]] Bytes ip_packet(const IpFields& fields, std::span<const std::byte> payload);

struct TcpFields {
    IpFields ip;
    std::uint16_t source_port = 0;
    std::uint16_t destination_port = 0;
    std::uint32_t seq = 0;
    std::uint32_t ack = 0;
    std::uint8_t flags = 0;
    std::uint16_t window = 65535;
    std::uint16_t urgent = 0;
    Bytes options{};  // padded with zeros to a multiple of 4
    Bytes payload{};
    std::optional<std::uint8_t> header_words{};
    Checksum checksum = Checksum::right;
};
// The TCP header and payload alone, and the whole packet.
[[nodiscard]] Bytes tcp_bytes(const TcpFields& fields);
[[nodiscard]] Bytes tcp_packet(const TcpFields& fields);

// Puts right checksums into a packet whose bytes were changed, as far as its lengths allow.
void fix_checksums(std::span<std::byte> packet);

// A segment the victim sent, copied out of its frame.
struct Heard {
    wire::FlowKey key;  // local: the victim
    wire::Segment segment;
    Bytes payload;
    std::uint16_t identification = 0;
    std::uint16_t fragment = 0;
    std::uint8_t ttl = 0;

    [[nodiscard]] bool has(std::uint8_t all_of) const { return segment.flags.all(all_of); }
    [[nodiscard]] bool is(std::uint8_t exactly) const { return segment.flags.bits == exactly; }
    // One past its last sequence number.
    [[nodiscard]] std::uint32_t end() const { return segment.seq.raw + segment.length(); }
};
// Nothing for what is not TCP. A packet that an honest host would not write is a finding.
[[nodiscard]] std::optional<Heard> read_tcp(std::span<const std::byte> packet);

}  // namespace mtcp::victim
