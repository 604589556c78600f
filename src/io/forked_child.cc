// SPDX-License-Identifier: Apache-2.0
// pthread_atfork, and a table that needs no lock.
#include "io/forked_child.h"

#include <pthread.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cstddef>
#include <mutex>

namespace mtcp::io {
namespace {

constexpr std::size_t kGuardedMax = 1024;
// Holds descriptor + 1; 0: free. Atomic, because the child of a fork may not take a lock.
std::array<std::atomic<int>, kGuardedMax> guarded{};

void close_all_in_child() {
    for (std::atomic<int>& slot : guarded) {
        const int held = slot.exchange(0);
        if (held != 0) ::close(held - 1);
    }
}

}  // namespace

void close_in_forked_child(int descriptor) {
    static std::once_flag once;
    std::call_once(once, [] { ::pthread_atfork(nullptr, nullptr, close_all_in_child); });
    for (std::atomic<int>& slot : guarded) {
        int expected = 0;
        if (slot.compare_exchange_strong(expected, descriptor + 1)) return;
    }
}

void forget_descriptor(int descriptor) {
    for (std::atomic<int>& slot : guarded) {
        int expected = descriptor + 1;
        if (slot.compare_exchange_strong(expected, 0)) return;
    }
}

}  // namespace mtcp::io
