// SPDX-License-Identifier: Apache-2.0
// What a process has once: the stack, its configuration, and one context a core.
#pragma once

#include <array>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <string>

#include "api/configuration_file.h"
#include "api/context.h"
#include "base/signal_pointer.h"
#include "stack/stack.h"

namespace mtcp::api {

struct Process {
    std::mutex mutex;  // of everything but the contexts' atomic fields
    std::condition_variable context_stopped;
    std::unique_ptr<stack::Stack> stack;
    Configuration configuration;  // before mtcp_init(): what mtcp_setconf() set
    std::array<mtcp_context, kCoresMax> contexts;
    SignalPointer<stack::Stack> stack_for_signals;
    bool ends_at_exit = false;  // exit() calls us
};

[[nodiscard]] Process& process();

// Keeps the text for mtcp_last_problem(), logs it, sets errno; answers -1.
int report(const Problem& problem);
void forget_problem();

// Opens the stack as the text says. Locks the process.
[[nodiscard]] int open_stack(const ConfigurationText& source);
// Ends a context, whoever calls. Does nothing when it has been ended already.
void stop_context(mtcp_context& context, stack::Ending ending);
// Ends all contexts, then closes the stack, unless a thread stays in a call.
void end_stack(stack::Ending ending);

}  // namespace mtcp::api
