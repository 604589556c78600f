// SPDX-License-Identifier: Apache-2.0
#include "base/far_copy.h"

#include <cstdint>
#include <cstring>

#include "base/cache_line.h"

#ifdef __x86_64__
#include <immintrin.h>
#endif

namespace mtcp {

#ifdef __x86_64__
__attribute__((target("avx512bw"))) void far_copy_wide(std::byte* to, const std::byte* from,
                                                       std::size_t bytes) {
    for (; bytes >= kCacheLine; bytes -= kCacheLine, from += kCacheLine, to += kCacheLine)
        _mm512_stream_si512(reinterpret_cast<__m512i*>(to), _mm512_loadu_si512(from));
    if (bytes == 0) return;
    const __mmask64 left = (std::uint64_t{1} << bytes) - 1;
    _mm512_stream_si512(reinterpret_cast<__m512i*>(to), _mm512_maskz_loadu_epi8(left, from));
}

namespace {

void write_line(std::byte* to, const std::byte* from) {
    const auto* const in = reinterpret_cast<const __m128i*>(from);
    auto* const out = reinterpret_cast<__m128i*>(to);
    const __m128i a = _mm_loadu_si128(in);
    const __m128i b = _mm_loadu_si128(in + 1);
    const __m128i c = _mm_loadu_si128(in + 2);
    const __m128i d = _mm_loadu_si128(in + 3);
    _mm_stream_si128(out, a);
    _mm_stream_si128(out + 1, b);
    _mm_stream_si128(out + 2, c);
    _mm_stream_si128(out + 3, d);
}

const bool has_wide = __builtin_cpu_supports("avx512bw") != 0;

}  // namespace

void far_copy_narrow(std::byte* to, const std::byte* from, std::size_t bytes) {
    for (; bytes >= kCacheLine; bytes -= kCacheLine, from += kCacheLine, to += kCacheLine)
        write_line(to, from);
    if (bytes == 0) return;
    alignas(kCacheLine) std::byte last[kCacheLine] = {};
    std::memcpy(last, from, bytes);
    write_line(to, last);
}

void far_copy(std::byte* to, const std::byte* from, std::size_t bytes, std::size_t room) {
    const bool starts_a_line = reinterpret_cast<std::uintptr_t>(to) % kCacheLine == 0;
    const std::size_t whole = (bytes + kCacheLine - 1) / kCacheLine * kCacheLine;
    if (!starts_a_line || whole > room) [[unlikely]] {
        std::memcpy(to, from, bytes);
        return;
    }
    has_wide ? far_copy_wide(to, from, bytes) : far_copy_narrow(to, from, bytes);
}

void end_far_copies() { _mm_sfence(); }
#else
void far_copy(std::byte* to, const std::byte* from, std::size_t bytes, std::size_t) {
    std::memcpy(to, from, bytes);
}

void end_far_copies() {}
#endif

}  // namespace mtcp
