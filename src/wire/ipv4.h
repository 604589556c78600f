// SPDX-License-Identifier: Apache-2.0
// The IPv4 header (RFC 791).
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "base/drop.h"
#include "base/result.h"
#include "wire/big_endian.h"
#include "wire/ip_address.h"

namespace mtcp::wire {

inline constexpr std::size_t kIpv4HeaderMin = 20;
inline constexpr std::size_t kIpv4HeaderMax = 60;
inline constexpr std::uint32_t kIpv4PacketMax = 65535;
inline constexpr std::uint32_t kIpv4MtuMin = 68;  // RFC 791: every link carries this much

inline constexpr std::uint8_t kProtocolIcmp = 1;
inline constexpr std::uint8_t kProtocolUdp = 17;

inline constexpr std::uint16_t kIpv4DontFragment = 0x4000;
inline constexpr std::uint16_t kIpv4MoreFragments = 0x2000;
inline constexpr std::uint16_t kIpv4OffsetMask = 0x1fff;  // in units of 8 bytes

// A header whose lengths and checksum are right, in host order.
struct Ipv4Header {
    std::uint8_t header_length = kIpv4HeaderMin;  // bytes
    std::uint8_t tos = 0;
    std::uint16_t total_length = 0;
    std::uint16_t identification = 0;
    std::uint16_t fragment = 0;  // flags and offset, as in the header
    std::uint8_t ttl = 64;
    std::uint8_t protocol = 0;
    IpAddress source;
    IpAddress destination;

    [[nodiscard]] constexpr bool is_fragment() const {
        return (fragment & (kIpv4MoreFragments | kIpv4OffsetMask)) != 0;
    }
    [[nodiscard]] constexpr std::uint32_t offset() const {
        return std::uint32_t{static_cast<std::uint16_t>(fragment & kIpv4OffsetMask)} * 8;
    }
};

// `packet` may be longer than the total length says (padding), never shorter. Options are not
// looked at here: see scan_options(). Errors: ip_short, ip_bad_version, ip_bad_header_length,
// ip_bad_checksum.
[[nodiscard]] Result<Ipv4Header, Drop> parse_ipv4(std::span<const std::byte> packet);

// RFC 791 §3.1: walks the options (the header's bytes after the first 20).
enum class OptionScan : std::uint8_t {
    harmless,      // none, or such as may be skipped
    source_route,  // loose or strict: RFC 7126 §4.3, §4.4, to be refused
    malformed,
};
[[nodiscard]] OptionScan scan_options(std::span<const std::byte> options);

// Writes a header without options, checksum included. `out` has room for kIpv4HeaderMin bytes.
inline void emit_ipv4(const Ipv4Header& header, std::byte* out) {
    // Words in host order, so that the checksum comes out of registers (RFC 1071).
    const std::uint32_t first =
        0x4500'0000u | std::uint32_t{header.tos} << 16 | header.total_length;
    const std::uint32_t second = std::uint32_t{header.identification} << 16 | header.fragment;
    const std::uint32_t third = std::uint32_t{header.ttl} << 24 | std::uint32_t{header.protocol}
                                                                      << 16;
    const std::uint32_t source = header.source.v4_bits();
    const std::uint32_t destination = header.destination.v4_bits();
    std::uint64_t sum = std::uint64_t{first} + second + third + source + destination;
    sum = (sum & 0xffff'ffff) + (sum >> 32);
    sum = (sum & 0xffff) + (sum >> 16);
    sum = (sum & 0xffff) + (sum >> 16);
    sum = (sum & 0xffff) + (sum >> 16);
    store_be32(out, first);
    store_be32(out + 4, second);
    store_be32(out + 8, third | (static_cast<std::uint32_t>(~sum) & 0xffff));
    store_be32(out + 12, source);
    store_be32(out + 16, destination);
}

}  // namespace mtcp::wire
