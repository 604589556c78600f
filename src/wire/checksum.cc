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

std::uint64_t add_four_words(std::uint64_t sum, const std::byte* at) {
#ifdef __x86_64__
    // Each carry goes into the next addition; compilers take it out into a register instead.
    asm("addq (%1), %0\n\tadcq 8(%1), %0\n\tadcq 16(%1), %0\n\tadcq 24(%1), %0\n\tadcq $0, %0"
        : "+&r"(sum)
        : "r"(at), "m"(*reinterpret_cast<const std::byte(*)[32]>(at))
        : "cc");
    return sum;
#else
    for (std::size_t i = 0; i < 32; i += 8)
        sum = checksum_add_word(sum, load_word(at + i));
    return sum;
#endif
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
    for (; left >= 32; left -= 32, at += 32)
        sum = add_four_words(sum, at);
    for (; left >= 8; left -= 8, at += 8)
        sum = checksum_add_word(sum, load_word(at));
    if (left != 0) sum = checksum_add_word(sum, load_tail(at, left));
    return checksum_of_word(sum);
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
