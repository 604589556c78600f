// SPDX-License-Identifier: Apache-2.0
// Integers in network byte order, at any alignment (RFC 9293 MUST-64). No bounds checks: the caller
// has made sure that the bytes are there.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>

namespace mtcp::wire {

[[nodiscard]] constexpr std::uint16_t swap_bytes(std::uint16_t x) { return __builtin_bswap16(x); }
[[nodiscard]] constexpr std::uint32_t swap_bytes(std::uint32_t x) { return __builtin_bswap32(x); }

[[nodiscard]] constexpr std::uint64_t swap_bytes(std::uint64_t x) { return __builtin_bswap64(x); }

[[nodiscard]] inline std::uint16_t load_be16(const std::byte* from) {
    std::uint16_t raw;
    std::memcpy(&raw, from, sizeof raw);
    if constexpr (__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__) raw = swap_bytes(raw);
    return raw;
}
[[nodiscard]] inline std::uint32_t load_be32(const std::byte* from) {
    std::uint32_t raw;
    std::memcpy(&raw, from, sizeof raw);
    if constexpr (__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__) raw = swap_bytes(raw);
    return raw;
}
[[nodiscard]] inline std::uint64_t load_be64(const std::byte* from) {
    std::uint64_t raw;
    std::memcpy(&raw, from, sizeof raw);
    if constexpr (__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__) raw = swap_bytes(raw);
    return raw;
}
inline void store_be16(std::byte* to, std::uint16_t value) {
    if constexpr (__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__) value = swap_bytes(value);
    std::memcpy(to, &value, sizeof value);
}
// These return the word as it now lies in memory, as a running checksum wants it.
inline std::uint32_t store_be32(std::byte* to, std::uint32_t value) {
    if constexpr (__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__) value = swap_bytes(value);
    std::memcpy(to, &value, sizeof value);
    return value;
}
inline std::uint64_t store_be64(std::byte* to, std::uint64_t value) {
    if constexpr (__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__) value = swap_bytes(value);
    std::memcpy(to, &value, sizeof value);
    return value;
}

}  // namespace mtcp::wire
