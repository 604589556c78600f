// SPDX-License-Identifier: Apache-2.0
// RFC 1071: one's complement sums, eight bytes at a time. The sum does not care about byte order as
// long as all words are taken alike, so words are added as they lie in memory and swapped at the
// end; nor does it care how wide the words are, as long as what carries out at the top comes in
// again at the bottom (RFC 1071 §2 (C), deferred carries).
#include "wire/checksum.h"

#include <cstring>

#ifdef __x86_64__
#include <immintrin.h>
#endif

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

#ifdef __x86_64__
// Below this many bytes the ends of the vector loop cost more than it saves.
constexpr std::size_t kVectorLeast = 256;

// Lanes of 64 bits take words of 32, so that no carry is lost before 2^32 of them. `count` bytes, a
// multiple of 64.
__attribute__((target("avx2"))) std::uint64_t sum_by_vectors(const std::byte* at,
                                                             std::size_t count) {
    const __m256i low = _mm256_set1_epi64x(0xffff'ffff);
    __m256i even = _mm256_setzero_si256();
    __m256i odd = _mm256_setzero_si256();
    for (const std::byte* const end = at + count; at != end; at += 64) {
        const __m256i a = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(at));
        const __m256i b = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(at + 32));
        even = _mm256_add_epi64(even, _mm256_and_si256(a, low));
        odd = _mm256_add_epi64(odd, _mm256_srli_epi64(a, 32));
        even = _mm256_add_epi64(even, _mm256_and_si256(b, low));
        odd = _mm256_add_epi64(odd, _mm256_srli_epi64(b, 32));
    }
    const __m256i both = _mm256_add_epi64(even, odd);
    const __m128i half =
        _mm_add_epi64(_mm256_castsi256_si128(both), _mm256_extracti128_si256(both, 1));
    return static_cast<std::uint64_t>(_mm_cvtsi128_si64(half)) +
           static_cast<std::uint64_t>(_mm_extract_epi64(half, 1));
}

const bool has_vectors = __builtin_cpu_supports("avx2") != 0;
#endif

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
#ifdef __x86_64__
    if (left >= kVectorLeast && has_vectors) {
        const std::size_t whole = left & ~std::size_t{63};
        sum = checksum_add_word(sum, sum_by_vectors(at, whole));
        at += whole;
        left -= whole;
    }
#endif
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
