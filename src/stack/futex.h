// SPDX-License-Identifier: Apache-2.0
// Sleeping on a word of memory (futex(2)), within one process.
#pragma once

#include <linux/futex.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <climits>
#include <cstdint>

#include "base/time.h"

namespace mtcp::stack {

using FutexWord = std::atomic<std::uint32_t>;
static_assert(sizeof(FutexWord) == 4);

// One sleep; whoever has more time looks again and sleeps on.
inline constexpr Duration kLongestSleep = seconds(86'400);

// Sleeps while `word` holds `expected`, for `at_most`, and no longer than kLongestSleep. False:
// woken by a signal. There is always a time-out: the kernel takes up a sleep without one again
// behind a handler installed with SA_RESTART, as signal() does it, and nobody would hear of it.
inline bool futex_wait(FutexWord& word, std::uint32_t expected, Duration at_most) {
    const std::int64_t ns = std::min(at_most, kLongestSleep).ns;
    const timespec timeout{.tv_sec = ns / 1'000'000'000, .tv_nsec = ns % 1'000'000'000};
    const long result =
        ::syscall(SYS_futex, &word, FUTEX_WAIT_PRIVATE, expected, &timeout, nullptr, 0);
    return !(result < 0 && errno == EINTR);
}

inline void futex_wake(FutexWord& word) {
    ::syscall(SYS_futex, &word, FUTEX_WAKE_PRIVATE, INT_MAX, nullptr, nullptr, 0);
}

}  // namespace mtcp::stack
