// SPDX-License-Identifier: Apache-2.0
// The Internet checksum (RFC 1071): of IPv4 headers, ICMP, and TCP with its pseudo-header.
//
// A running sum is a 32-bit word in the machine's byte order; only fold() and friends look at its
// meaning. Sums of consecutive pieces combine when every piece but the last has an even length.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>

#include "wire/big_endian.h"
#include "wire/ip_address.h"

namespace mtcp::wire {

inline constexpr std::uint8_t kProtocolTcp = 6;

// Running sums of 64 bits, for who holds the words in registers: one more word in one's complement,
// and the sum as the functions below know it.
[[nodiscard]] inline std::uint64_t checksum_add_word(std::uint64_t sum, std::uint64_t word) {
    sum += word;
    return sum + (sum < word ? 1 : 0);  // end-around carry
}
[[nodiscard]] inline std::uint32_t checksum_of_word(std::uint64_t sum) {
    // The halves added to each other; the upper one of this sum has then had the carry of the
    // lower.
    return static_cast<std::uint32_t>((sum + (sum << 32 | sum >> 32)) >> 32);
}
// Adds `bytes` to a running sum; an odd last byte counts as if a zero byte followed.
[[nodiscard]] std::uint32_t checksum_add(std::uint64_t sum, std::span<const std::byte> bytes);
// Adds a later piece's sum that began at an odd offset (its bytes sit in the other half of a word).
[[nodiscard]] std::uint32_t checksum_add_at_odd(std::uint32_t sum, std::uint32_t piece);
// What the pseudo-header adds to the addresses, where these are summed with the bytes behind them.
[[nodiscard]] inline std::uint64_t pseudo_header_rest(std::uint8_t protocol, std::uint32_t length) {
    constexpr bool kLittle = __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__;
    return kLittle ? std::uint64_t{swap_bytes(length)} + (std::uint64_t{protocol} << 24)
                   : std::uint64_t{length} + protocol;
}
// Sum of the pseudo-header (RFC 9293 §3.1). `length`: TCP header and payload, bytes. Serves IPv6
// too: an IPv4 address is summed by its four octets only.
[[nodiscard]] inline std::uint32_t pseudo_header_sum(const IpAddress& source,
                                                     const IpAddress& destination,
                                                     std::uint8_t protocol, std::uint32_t length) {
    // The mapped form of an IPv4 address is its four octets, zeros and one 0xffff, which is zero in
    // one's complement: no need to ask which family it is.
    std::uint64_t word[4];
    std::memcpy(word, source.octet.data(), 16);
    std::memcpy(word + 2, destination.octet.data(), 16);
    std::uint64_t sum = pseudo_header_rest(protocol, length);
    for (const std::uint64_t w : word)
        sum = checksum_add_word(sum, w);
    return checksum_of_word(sum);
}
// The same sum as pseudo_header_sum() of two IPv4 addresses.
[[nodiscard]] inline std::uint64_t pseudo_header_sum_v4(const IpAddress& source,
                                                        const IpAddress& destination,
                                                        std::uint8_t protocol,
                                                        std::uint32_t length) {
    return pseudo_header_rest(protocol, length) + source.v4_raw() + destination.v4_raw();
}
// The sum folded to 16 bits without complement, host order: what a device that completes the
// checksum wants to find in the field.
[[nodiscard]] inline std::uint16_t fold(std::uint32_t sum) {
    const auto folded = static_cast<std::uint16_t>((sum + (sum << 16 | sum >> 16)) >> 16);
    return __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__ ? swap_bytes(folded) : folded;
}
// The value for the checksum field, host order (store it with store_be16).
[[nodiscard]] inline std::uint16_t finish(std::uint32_t sum) {
    return static_cast<std::uint16_t>(~fold(sum));
}
// True when a sum that covered its own checksum field is right.
[[nodiscard]] inline bool sum_is_valid(std::uint32_t sum) { return fold(sum) == 0xffff; }

// RFC 9293 MUST-3. `segment`: the whole TCP segment, its checksum field included.
[[nodiscard]] bool tcp_checksum_valid(const IpAddress& source, const IpAddress& destination,
                                      std::span<const std::byte> segment);

}  // namespace mtcp::wire
