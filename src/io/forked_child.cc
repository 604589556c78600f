// SPDX-License-Identifier: Apache-2.0
// pthread_atfork, and a table that needs no lock.
#include "io/forked_child.h"

#include <pthread.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cstddef>

#include "base/fork_order.h"

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

[[gnu::constructor(kThirdForFork)]] void watch_for_fork() {
    static_cast<void>(::pthread_atfork(nullptr, nullptr, close_all_in_child));
}

}  // namespace

void close_in_forked_child(int descriptor) {
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
