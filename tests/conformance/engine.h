// SPDX-License-Identifier: Apache-2.0
// A whole stack in virtual time inside packetdrill's process.
//
// Packetdrill has two threads: the main one sends and expects packets; a call that may block runs
// on the other, which also waits for the moment of that call. Only one of them is ever inside the
// engine. Time passes when one of them sleeps, reads the clock or waits for a packet, and never
// between the moment a blocked call is satisfied and the moment its thread has read the clock: so
// the times of blocking calls are exact.
#pragma once

#include <sys/types.h>

#include <atomic>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <thread>
#include <vector>

#include "sim/findings.h"
#include "sim/host.h"
#include "sim/world.h"
#include "wire/prefix.h"

namespace mtcp::conformance {

struct Addresses {
    wire::IpAddress local = wire::IpAddress::v4(0xc0a80001);    // 192.168.0.1
    wire::IpAddress gateway = wire::IpAddress::v4(0xc0a80002);  // 192.168.0.2
    int prefix_length = 16;
};

struct Departure {
    Instant when;
    std::vector<std::byte> packet;
};

class Engine {
  public:
    // Made on packetdrill's main thread.
    explicit Engine(const Addresses& addresses);

    // One call of either thread into the stack. Made with the first of them: by then the script has
    // set the sysctls that the configuration is read from.
    class Entry {
      public:
        explicit Entry(Engine& engine) : engine_(engine), lock_(engine.mutex_) {
            engine_.start();
            engine_.follow_sysctls();
        }
        // What the call caused happens now.
        ~Entry() { engine_.settle(); }
        Entry(const Entry&) = delete;
        Entry& operator=(const Entry&) = delete;
        [[nodiscard]] socket::Application& app() { return engine_.host_->application(); }

      private:
        Engine& engine_;
        std::lock_guard<std::mutex> lock_;
    };

    void inject(std::span<const std::byte> packet);
    // The next packet; time passes until there is one. False: there will never be one.
    [[nodiscard]] bool next_departure(Departure& departure);
    void sleep(Duration span);
    // A microsecond passes whenever somebody asks, or a loop that waits for a moment would never
    // end.
    [[nodiscard]] Instant read_clock();

  private:
    // Where the thread of blocking calls is.
    enum class Caller : std::uint8_t {
        away,    // not in a call that had to wait
        asleep,  // waits for the main thread to let it look again
        awake    // looks, or returns and has not read the clock yet
    };

    void start();
    // Scripts change sysctls in the middle.
    void follow_sysctls();
    void settle();
    void pass_time_until(Instant limit);
    [[nodiscard]] Instant next_event() const;
    void let_caller_look();
    void let_caller_file_its_result();
    [[nodiscard]] bool on_main_thread() const { return std::this_thread::get_id() == main_thread_; }
    [[nodiscard]] socket::Driver::Wake wait(Instant deadline);
    [[nodiscard]] socket::Driver::Wake wait_on_main_thread(Instant deadline);
    void depart(std::span<const std::byte> packet, Instant when);

    const Addresses addresses_;
    const std::thread::id main_thread_ = std::this_thread::get_id();
    sim::Findings findings_;
    sim::World world_;
    stack::StackConfiguration configuration_;  // as the sysctls were last seen
    std::unique_ptr<sim::Host> host_;
    std::deque<Departure> departures_;

    std::mutex mutex_;
    std::condition_variable_any changed_;  // caller_
    Caller caller_ = Caller::away;
    Instant caller_deadline_ = kNever;
    std::uint64_t caller_saw_ = 0;  // steps of the world when it last looked
    std::atomic<pid_t> caller_thread_{0};
    std::atomic<bool> caller_returned_{false};  // and packetdrill may not know its result yet
};

}  // namespace mtcp::conformance
