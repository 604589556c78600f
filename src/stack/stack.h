// SPDX-License-Identifier: Apache-2.0
// A whole stack: the devices, the cores on them, and whoever drives the cores. What api/ sees.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>

#include "base/counters.h"
#include "base/problem.h"
#include "base/result.h"
#include "socket/channel.h"
#include "stack/configuration.h"

namespace mtcp::stack {

// Why a core is taken from its application.
enum class Ending : std::uint8_t {
    by_call,     // the program goes on: the connections that it closed end in order, for a while
    of_program,  // those still open, too; but nobody waits for peers that have all there is
};

class Stack {
  public:
    // Opens the devices (as many queues as cores) and prepares the cores; no thread runs yet.
    [[nodiscard]] static Result<std::unique_ptr<Stack>, Problem> open(const StackConfiguration&);
    ~Stack();  // stops what still runs

    [[nodiscard]] const StackConfiguration& configuration() const;
    // What cores that start from now on have room for.
    void resize(std::uint32_t max_concurrency, const socket::ChunkStore::Sizes& chunks);
    // Reserves the core's memory and starts driving it for an application (in the calling thread
    // for Drive::run_inline). Errors: no such core, core in use, memory refused.
    [[nodiscard]] Result<socket::CoreView, Problem> start_core(std::size_t core);
    // Takes the core from the application: open connections are reset, TIME-WAIT is forgotten, the
    // stack thread ends.
    void stop_core(std::size_t core, Ending ending = Ending::by_call);
    // Wakes the core's application out of Driver::wait with Wake::interrupted. Async-signal-safe.
    void interrupt(std::size_t core);
    // On the thread of the core's application, from a signal handler: CoreDriver::sleeps().
    [[nodiscard]] bool sleeps(std::size_t core) const;
    // Wrong-thread calls and the like are counted here by the API.
    [[nodiscard]] Counters& counters(std::size_t core);
    // In the child of a fork: drops everything without touching what the parent owns.
    void abandon_after_fork();

  private:
    struct Implementation;
    explicit Stack(std::unique_ptr<Implementation>);
    std::unique_ptr<Implementation> implementation_;
};

}  // namespace mtcp::stack
