// SPDX-License-Identifier: Apache-2.0
// RFC 1071: one's complement sums, eight bytes at a time. The sum does not care about byte order as
// long as all words are taken alike, so words are added as they lie in memory and swapped at the
// end; nor does it care how wide the words are, as long as what carries out at the top comes in
// again at the bottom (RFC 1071 §2 (C), deferred carries).
#include "wire/checksum.h"

#include <cstring>

namespace mtcp::wire {
namespace {

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

}  // namespace

std::uint32_t checksum_add(std::uint64_t sum, std::span<const std::byte> bytes) {
    const std::byte* at = bytes.data();
    std::size_t left = bytes.size();
    std::uint64_t a = sum;
    if (left >= 32) {
        // Four sums, so that no addition waits for the one before.
        std::uint64_t b = 0;
        std::uint64_t c = 0;
        std::uint64_t d = 0;
        do {
            a = checksum_add_word(a, load_word(at));
            b = checksum_add_word(b, load_word(at + 8));
            c = checksum_add_word(c, load_word(at + 16));
            d = checksum_add_word(d, load_word(at + 24));
            at += 32;
            left -= 32;
        } while (left >= 32);
        a = checksum_add_word(checksum_add_word(a, b), checksum_add_word(c, d));
    }
    for (; left >= 8; left -= 8, at += 8)
        a = checksum_add_word(a, load_word(at));
    if (left != 0) a = checksum_add_word(a, load_tail(at, left));
    return checksum_of_word(a);
}

std::uint32_t checksum_add_at_odd(std::uint32_t sum, std::uint32_t piece) {
    // RFC 1071 §2 (B): swapping the bytes of all words swaps the bytes of the sum.
    std::uint32_t folded = (piece & 0xffff) + (piece >> 16);
    folded = (folded & 0xffff) + (folded >> 16);
    return checksum_of_word(std::uint64_t{sum} + swap_bytes(static_cast<std::uint16_t>(folded)));
}

bool tcp_checksum_valid(const IpAddress& source, const IpAddress& destination,
                        std::span<const std::byte> segment) {
    const auto length = static_cast<std::uint32_t>(segment.size());
    return sum_is_valid(
        checksum_add(pseudo_header_sum(source, destination, kProtocolTcp, length), segment));
}

}  // namespace mtcp::wire
