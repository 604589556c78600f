// SPDX-License-Identifier: Apache-2.0
// RFC 1071: one's complement sums, eight bytes at a time. The sum does not care about byte order as
// long as all words are taken alike, so words are added as they lie in memory and swapped at the
// end.
#include "wire/checksum.h"

#include <cstring>

namespace mtcp::wire {
namespace {

// Folding keeps the value modulo 0xffff.
std::uint32_t fold_to_32(std::uint64_t sum) {
    sum = (sum & 0xffff'ffff) + (sum >> 32);
    sum = (sum & 0xffff'ffff) + (sum >> 32);
    return static_cast<std::uint32_t>(sum);
}

std::uint64_t load_word(const std::byte* at) {
    std::uint64_t word;
    std::memcpy(&word, at, sizeof word);
    return word;
}

// Sum of fewer than eight bytes: as if zero bytes followed.
std::uint64_t load_tail(const std::byte* at, std::size_t count) {
    std::uint64_t word = 0;
    std::memcpy(&word, at, count);
    return word;
}

// Two accumulators of 32-bit halves cannot overflow below 2^32 words and keep the loop free of
// carries.
struct Accumulator {
    std::uint64_t low = 0;
    std::uint64_t high = 0;

    void add(std::uint64_t word) {
        low += word & 0xffff'ffff;
        high += word >> 32;
    }
    [[nodiscard]] std::uint32_t total(std::uint32_t sum) const {
        return fold_to_32(std::uint64_t{fold_to_32(low)} + fold_to_32(high) + sum);
    }
};

}  // namespace

std::uint32_t checksum_add(std::uint32_t sum, std::span<const std::byte> bytes) {
    const std::byte* at = bytes.data();
    std::size_t left = bytes.size();
    Accumulator a;
    Accumulator b;
    for (; left >= 32; left -= 32, at += 32) {
        a.add(load_word(at));
        b.add(load_word(at + 8));
        a.add(load_word(at + 16));
        b.add(load_word(at + 24));
    }
    for (; left >= 8; left -= 8, at += 8)
        a.add(load_word(at));
    if (left != 0) b.add(load_tail(at, left));
    return a.total(b.total(sum));
}

std::uint32_t checksum_add_copy(std::uint32_t sum, std::span<const std::byte> bytes,
                                std::byte* to) {
    const std::byte* at = bytes.data();
    std::size_t left = bytes.size();
    Accumulator a;
    for (; left >= 8; left -= 8, at += 8, to += 8) {
        const std::uint64_t word = load_word(at);
        std::memcpy(to, &word, sizeof word);
        a.add(word);
    }
    if (left != 0) {
        const std::uint64_t word = load_tail(at, left);
        std::memcpy(to, &word, left);
        a.add(word);
    }
    return a.total(sum);
}

std::uint32_t checksum_add_at_odd(std::uint32_t sum, std::uint32_t piece) {
    // RFC 1071 §2 (B): swapping the bytes of all words swaps the bytes of the sum.
    std::uint32_t folded = (piece & 0xffff) + (piece >> 16);
    folded = (folded & 0xffff) + (folded >> 16);
    return fold_to_32(std::uint64_t{sum} + swap_bytes(static_cast<std::uint16_t>(folded)));
}

bool tcp_checksum_valid(const IpAddress& source, const IpAddress& destination,
                        std::span<const std::byte> segment) {
    const auto length = static_cast<std::uint32_t>(segment.size());
    return sum_is_valid(
        checksum_add(pseudo_header_sum(source, destination, kProtocolTcp, length), segment));
}

}  // namespace mtcp::wire
