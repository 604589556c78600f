// SPDX-License-Identifier: Apache-2.0
// Sleeping on a word of memory (futex(2)), within one process.
#pragma once

#include <linux/futex.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <climits>
#include <cstdint>

#include "base/time.h"

namespace mtcp::stack {

using FutexWord = std::atomic<std::uint32_t>;
static_assert(sizeof(FutexWord) == 4);

// Sleeps while `word` holds `expected`, for `at_most`. False: woken by a signal.
inline bool futex_wait(FutexWord& word, std::uint32_t expected, Duration at_most) {
    const timespec timeout{.tv_sec = at_most.ns / 1'000'000'000,
                           .tv_nsec = at_most.ns % 1'000'000'000};
    const long result = ::syscall(SYS_futex, &word, FUTEX_WAIT_PRIVATE, expected,
                                  at_most.ns == INT64_MAX ? nullptr : &timeout, nullptr, 0);
    return !(result < 0 && errno == EINTR);
}

inline void futex_wake(FutexWord& word) {
    ::syscall(SYS_futex, &word, FUTEX_WAKE_PRIVATE, INT_MAX, nullptr, nullptr, 0);
}

}  // namespace mtcp::stack
