// SPDX-License-Identifier: Apache-2.0
// What signal handlers follow, which may take no lock, to something that ends one day.
#pragma once

#include <sched.h>

#include <atomic>
#include <cstdint>

namespace mtcp {

template <typename T>
class SignalPointer {
  public:
    void publish(T* target) { target_.store(target); }
    // Afterwards nobody follows it any more. Not from within follow().
    void withdraw() {
        target_.store(nullptr);
        while (followers_.load() != 0)
            ::sched_yield();
    }
    // In the child of a fork, which has none of the threads that were inside.
    void forget() {
        target_.store(nullptr);
        followers_.store(0);
    }
    // Async-signal-safe as far as `use` is, which is called if there is a target.
    template <typename Use>
    void follow(Use&& use) {
        followers_.fetch_add(1);
        if (T* const target = target_.load(); target != nullptr) use(*target);
        followers_.fetch_sub(1);
    }

  private:
    std::atomic<T*> target_{nullptr};
    std::atomic<std::uint32_t> followers_{0};
};

}  // namespace mtcp
