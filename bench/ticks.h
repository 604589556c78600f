// SPDX-License-Identifier: Apache-2.0
// The time-stamp counter: what the benchmark measures with. Elsewhere than on x86-64, nanoseconds.
#pragma once

#include <cstdint>
#include <ctime>

#if defined(__x86_64__)
#include <x86intrin.h>
#endif

namespace bench {

[[nodiscard]] inline std::uint64_t monotonic_ns() {
    timespec t;
    ::clock_gettime(CLOCK_MONOTONIC, &t);
    return static_cast<std::uint64_t>(t.tv_sec) * 1'000'000'000 +
           static_cast<std::uint64_t>(t.tv_nsec);
}

[[nodiscard]] inline std::uint64_t ticks() {
#if defined(__x86_64__)
    return __rdtsc();
#else
    return monotonic_ns();
#endif
}

// Of the calling thread: what it would have taken alone on its CPU, more or less.
[[nodiscard]] inline std::uint64_t thread_cpu_ns() {
    timespec t;
    ::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return static_cast<std::uint64_t>(t.tv_sec) * 1'000'000'000 +
           static_cast<std::uint64_t>(t.tv_nsec);
}

// Ticks in a second, measured against CLOCK_MONOTONIC for some 20 ms.
[[nodiscard]] inline double ticks_per_second() {
    const std::uint64_t ns = monotonic_ns();
    const std::uint64_t begin = ticks();
    std::uint64_t now = ns;
    while (now - ns < 20'000'000)
        now = monotonic_ns();
    return static_cast<double>(ticks() - begin) * 1e9 / static_cast<double>(now - ns);
}

}  // namespace bench
