// SPDX-License-Identifier: Apache-2.0
// The unit of sharing between cores, and prefetching by it.
#pragma once

#include <cstddef>

namespace mtcp {

inline constexpr std::size_t kCacheLine = 64;

// The empty statement is an effect in the compiler's eyes: without one gcc takes a function of
// nothing but prefetches for a function of nothing, and leaves its calls out.
inline void prefetch(const void* address) {
    __builtin_prefetch(address, 0, 3);
    asm volatile("");
}
// The first `bytes` of a region, at most three lines: beyond, the machine sees the pattern itself.
inline void prefetch_lines(const void* address, std::size_t bytes) {
    const char* const at = static_cast<const char*>(address);
    prefetch(at);
    if (bytes > kCacheLine) prefetch(at + kCacheLine);
    if (bytes > 2 * kCacheLine) prefetch(at + 2 * kCacheLine);
}
inline void prefetch_for_write(const void* address) {
#ifdef __x86_64__
    // Compilers without -mprfchw ask for a copy to read, and the write then goes to the other core
    // once more. A processor that does not know the instruction takes it for none.
    asm volatile("prefetchw %0" : : "m"(*static_cast<const char*>(address)));
#else
    __builtin_prefetch(address, 1, 3);
    asm volatile("");
#endif
}

// All lines of a region that is about to be written: they come at the same time.
inline void prefetch_lines_for_write(const void* address, std::size_t bytes) {
    const char* const first = static_cast<const char*>(address);
#pragma GCC unroll 8
    for (std::size_t at = 0; at < bytes; at += kCacheLine)
        prefetch_for_write(first + at);
}
template <typename Record>
void prefetch_record(const Record& record) {
    static_assert(alignof(Record) >= kCacheLine);
    prefetch_lines_for_write(&record, sizeof(Record));
}

}  // namespace mtcp
