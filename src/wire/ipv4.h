// SPDX-License-Identifier: Apache-2.0
// The IPv4 header (RFC 791).
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>

#include "base/drop.h"
#include "base/result.h"
#include "wire/big_endian.h"
#include "wire/checksum.h"
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
    // In words as they lie in memory, so that the checksum comes out of registers (RFC 1071) and
    // the addresses need not be turned round for it.
    const std::uint64_t front = store_be64(
        out, std::uint64_t{0x4500u | header.tos} << 48 | std::uint64_t{header.total_length} << 32 |
                 std::uint64_t{header.identification} << 16 | header.fragment);
    const std::uint32_t hops =
        store_be32(out + 8, std::uint32_t{header.ttl} << 24 | std::uint32_t{header.protocol} << 16);
    const std::uint32_t source = header.source.v4_raw();
    const std::uint32_t destination = header.destination.v4_raw();
    std::memcpy(out + 12, &source, sizeof source);
    std::memcpy(out + 16, &destination, sizeof destination);
    const std::uint64_t sum =
        (front & 0xffff'ffff) + (front >> 32) + hops + source + destination;  // of five: no carry
    store_be16(out + 10, finish(checksum_of_word(sum)));
}

}  // namespace mtcp::wire
