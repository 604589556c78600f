// SPDX-License-Identifier: Apache-2.0
// Addresses of hosts and ends of flows. One type for both families: an IPv4 address is held in its
// IPv4-mapped form (RFC 4291 §2.5.5.2), so that nothing above net/ asks which family it is.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <type_traits>

namespace mtcp::wire {

struct IpAddress {
    std::array<std::uint8_t, 16> octet{};

    // `host_order`: 0x0a000001 is 10.0.0.1.
    [[nodiscard]] static constexpr IpAddress v4(std::uint32_t host_order) {
        if (!std::is_constant_evaluated() && __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__) {
            IpAddress quick;
            const std::uint64_t words[2] = {
                0, std::uint64_t{__builtin_bswap32(host_order)} << 32 | 0xffff'0000u};
            std::memcpy(quick.octet.data(), words, sizeof words);
            return quick;
        }
        IpAddress a;
        a.octet[10] = a.octet[11] = 0xff;
        a.octet[12] = static_cast<std::uint8_t>(host_order >> 24);
        a.octet[13] = static_cast<std::uint8_t>(host_order >> 16);
        a.octet[14] = static_cast<std::uint8_t>(host_order >> 8);
        a.octet[15] = static_cast<std::uint8_t>(host_order);
        return a;
    }
    [[nodiscard]] constexpr bool is_v4() const {
        if (!std::is_constant_evaluated()) {
            std::uint64_t front;
            std::uint32_t marker;
            std::memcpy(&front, octet.data(), sizeof front);
            std::memcpy(&marker, octet.data() + 8, sizeof marker);
            constexpr bool kLittle = __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__;
            return front == 0 && marker == (kLittle ? 0xffff'0000u : 0x0000'ffffu);
        }
        for (std::size_t i = 0; i < 10; ++i) {
            if (octet[i] != 0) return false;
        }
        return octet[10] == 0xff && octet[11] == 0xff;
    }
    // The last four octets in host order; meaningful when is_v4().
    [[nodiscard]] constexpr std::uint32_t v4_bits() const {
        if (!std::is_constant_evaluated() && __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__) {
            std::uint32_t raw;
            std::memcpy(&raw, octet.data() + 12, sizeof raw);
            return __builtin_bswap32(raw);
        }
        return std::uint32_t{octet[12]} << 24 | std::uint32_t{octet[13]} << 16 |
               std::uint32_t{octet[14]} << 8 | std::uint32_t{octet[15]};
    }
    // The same as they lie in memory, as a running checksum wants them.
    [[nodiscard]] std::uint32_t v4_raw() const {
        std::uint32_t raw;
        std::memcpy(&raw, octet.data() + 12, sizeof raw);
        return raw;
    }
    // :: or 0.0.0.0, "any".
    [[nodiscard]] constexpr bool is_unspecified() const {
        return *this == IpAddress{} || *this == v4(0);
    }
    // A loop over octets where a constant is asked for; two words else.
    friend constexpr bool operator==(const IpAddress& a, const IpAddress& b) {
        if (!std::is_constant_evaluated()) {
            std::uint64_t x[2];
            std::uint64_t y[2];
            std::memcpy(x, a.octet.data(), sizeof x);
            std::memcpy(y, b.octet.data(), sizeof y);
            return ((x[0] ^ y[0]) | (x[1] ^ y[1])) == 0;
        }
        for (std::size_t i = 0; i < a.octet.size(); ++i) {
            if (a.octet[i] != b.octet[i]) return false;
        }
        return true;
    }
};

struct Endpoint {
    IpAddress address;
    std::uint16_t port = 0;  // host order
    friend constexpr bool operator==(const Endpoint&, const Endpoint&) = default;
};

// The 4-tuple of a flow as this host sees it: 36 bytes, no padding, so it can be hashed as bytes.
struct FlowKey {
    IpAddress local;
    IpAddress remote;
    std::uint16_t local_port = 0;
    std::uint16_t remote_port = 0;

    // Its bytes as words, each read by itself: of an array of them compilers make a detour through
    // vectors and the stack.
    [[nodiscard]] std::uint64_t address_word(std::size_t i) const {
        std::uint64_t word;
        std::memcpy(&word, reinterpret_cast<const std::byte*>(this) + sizeof word * i, sizeof word);
        return word;
    }
    [[nodiscard]] std::uint32_t ports_word() const {
        std::uint32_t word;
        std::memcpy(&word, reinterpret_cast<const std::byte*>(this) + 32, sizeof word);
        return word;
    }
    // Each segment asks it, and nearly always all of it: without a jump for each part.
    friend bool operator==(const FlowKey& a, const FlowKey& b) {
        return ((a.address_word(0) ^ b.address_word(0)) | (a.address_word(1) ^ b.address_word(1)) |
                (a.address_word(2) ^ b.address_word(2)) | (a.address_word(3) ^ b.address_word(3)) |
                (a.ports_word() ^ b.ports_word())) == 0;
    }
};
static_assert(sizeof(FlowKey) == 36);

}  // namespace mtcp::wire
