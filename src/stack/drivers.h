// SPDX-License-Identifier: Apache-2.0
// Who runs a core's turns, and how the application waits. Three drivers of the same Core::turn():
//
//   InlineDriver    the application's own calls run turns
//   AssistedDriver  the same, and a second thread takes over while the application stays outside
//   the
//                   library for longer than about a millisecond
//   PairedDriver    a stack thread beside the application thread, on the same CPU (the paper):
//                   control goes back and forth once per batch of events
//
// Other drivers of the same code: tests and the simulator.
#pragma once

#include <pthread.h>

#include <atomic>
#include <cstdint>
#include <memory>
#include <thread>

#include "base/problem.h"
#include "base/result.h"
#include "socket/channel.h"
#include "stack/core.h"

namespace mtcp::stack {

// The clock of every driver: CLOCK_MONOTONIC.
[[nodiscard]] Instant monotonic_now();

// Wakes a thread that sleeps in the kernel on a core's queues. Ringing costs a fence when nobody
// sleeps.
class Doorbell {
  public:
    Doorbell() = default;
    Doorbell(const Doorbell&) = delete;
    Doorbell& operator=(const Doorbell&) = delete;
    ~Doorbell();
    [[nodiscard]] bool open();

    // From any thread, and from a signal handler.
    void ring();
    void ring_always();
    // The sleeper: announce(), look once more for work, sleep on descriptor(), then withdraw().
    void announce();
    void withdraw();
    [[nodiscard]] int descriptor() const { return descriptor_; }

  private:
    std::atomic<std::uint32_t> asleep_{0};
    int descriptor_ = -1;
};

class CoreDriver : public socket::Driver {
  public:
    // Ends whatever thread runs the core; the caller's thread may then run turns itself.
    virtual void stop() = 0;
    // wait() returns Wake::interrupted. Async-signal-safe.
    virtual void interrupt() = 0;
    // Asked by a signal handler on the application's thread: did it find that thread asleep in
    // wait(), so that core and channel are as between two calls?
    [[nodiscard]] virtual bool sleeps() const = 0;
    // In the child of a fork: the stack thread does not exist here.
    virtual void abandon() = 0;
};

[[nodiscard]] Result<std::unique_ptr<CoreDriver>, Problem> make_inline_driver(Core& core,
                                                                              Doorbell& doorbell);
// Starts the assistant, on `cpu` when that is >= 0.
[[nodiscard]] Result<std::unique_ptr<CoreDriver>, Problem> make_assisted_driver(Core& core,
                                                                                Doorbell& doorbell,
                                                                                int cpu);
// Starts the stack thread, on `cpu` when that is >= 0.
[[nodiscard]] Result<std::unique_ptr<CoreDriver>, Problem> make_paired_driver(Core& core,
                                                                              Doorbell& doorbell,
                                                                              int cpu);

// Shared by the drivers: starts a thread that takes no signals. False: errno says why.
[[nodiscard]] bool start_stack_thread(pthread_t& thread, int cpu, void* (*main)(void*), void* self);
// Shared by the drivers: sleeps on the core's queues and the doorbell until `deadline`, unless the
// core has something to do.
enum class Slept : std::uint8_t { woken, by_signal };
Slept sleep_on(Core& core, Doorbell& doorbell, Instant now, Instant deadline,
               std::atomic<bool>* asleep = nullptr);

}  // namespace mtcp::stack
