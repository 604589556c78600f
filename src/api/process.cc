// SPDX-License-Identifier: Apache-2.0
// Start and end: of the stack, of contexts, and of what a fork inherits.
#include "api/process.h"

#include <pthread.h>

#include <chrono>
#include <cstring>
#include <new>
#include <thread>

#include "base/fork_order.h"
#include "base/log.h"

namespace mtcp::api {
namespace {

using namespace std::chrono_literals;

// How long another thread may take to leave a call that was interrupted.
constexpr int kLeaveMs = 2000;

thread_local std::string last_problem;

// The process object is never destroyed: threads of the program may outlive main().
alignas(Process) std::byte process_memory[sizeof(Process)];

// Is there `name` in what failed, and not just as a part of another name?
bool is_about(const Problem& problem, const std::string& name) {
    const std::string& text = problem.what;
    for (std::size_t at = text.find(name); at != std::string::npos; at = text.find(name, at + 1)) {
        const std::size_t end = at + name.size();
        const bool begins = at == 0 || text[at - 1] == ' ' || text[at - 1] == '\'';
        if (begins && (end == text.size() || std::strchr(" ':,", text[end]) != nullptr))
            return true;
    }
    return false;
}

// The line of the option that the interface's device cannot take (io/open_device.cc), or else of
// the port.
const std::string& place_of_device(const Problem& problem,
                                   const stack::InterfaceConfiguration& interface,
                                   const InterfacePlaces& places) {
    for (std::size_t i = 0; i < interface.options.size(); ++i) {
        const auto& [name, value] = interface.options[i];
        if (problem.what.ends_with(" has no option " + name) ||
            problem.what.ends_with(": bad value \"" + value + "\" for " + name)) {
            return places.options[i];
        }
    }
    return places.port;
}

// Names the line of the configuration that the problem of a device or of its capture comes from.
Problem with_place(Problem problem, const Configuration& configuration, const std::string& file) {
    std::string place = file;
    const auto& interfaces = configuration.stack.interfaces;
    for (std::size_t i = 0; i < interfaces.size(); ++i) {
        const stack::InterfaceConfiguration& interface = interfaces[i];
        const InterfacePlaces& places = configuration.interface_places[i];
        if (!interface.capture_file.empty() &&
            is_about(problem, "capture " + interface.capture_file)) {
            place = places.capture;
            break;
        }
        if (interfaces.size() == 1 || is_about(problem, interface.name)) {
            place = place_of_device(problem, interface, places);
            break;
        }
    }
    problem.what = place + ": " + problem.what;
    if (problem.error == 0) problem.error = EIO;
    return problem;
}

// Sleeps before the first look, too: a call that begins may not have said so yet.
bool wait_until_left(const mtcp_context& context) {
    for (int waited = 0; waited < kLeaveMs; ++waited) {
        std::this_thread::sleep_for(1ms);
        if (context.inside.load(std::memory_order_acquire) == 0) return true;
    }
    return false;
}

// In this order: who holds the process may log.
void before_fork() {
    process().mutex.lock();
    hold_log();
}
void after_fork_in_parent() {
    let_go_of_log();
    process().mutex.unlock();
}
void after_fork_in_child() {
    let_go_of_log();
    Process& p = process();
    for (mtcp_context& context : p.contexts) {
        context.state.store(ContextState::vacant);
        context.owner.store(nullptr);
        context.inside.store(0);
        static_cast<void>(context.application.release());
    }
    p.stack_for_signals.forget();
    if (p.stack != nullptr) {
        p.stack->abandon_after_fork();
        // Its destructor would talk to threads and devices that only the parent has.
        static_cast<void>(p.stack.release());
        // Nor are its devices and addresses what a stack of the child begins with. Given up as it
        // stands: whoever forks may be in the middle of an allocation.
        new (&p.configuration) Configuration{};
    }
    p.mutex.unlock();
}

[[gnu::constructor(kSecondForFork)]] void watch_for_fork() {
    static_cast<void>(pthread_atfork(before_fork, after_fork_in_parent, after_fork_in_child));
}

}  // namespace

const mtcp_context* first_context = nullptr;
constinit thread_local char thread_mark = 0;

Process& process() {
    static_assert(kContexts == kCoresMax);
    static Process* const one = [] {
        auto* const made = new (process_memory) Process;
        first_context = made->contexts.data();
        return made;
    }();
    return *one;
}

bool claim(mtcp_context& context) {
    const void* nobody = nullptr;
    if (context.owner.compare_exchange_strong(nobody, this_thread())) return true;
    std::atomic_ref<std::uint64_t>(context.counters->wrong_thread)
        .fetch_add(1, std::memory_order_relaxed);
    return false;
}

int report(const Problem& problem) {
    last_problem = problem.text();
    log(LogLevel::error, "%s", last_problem.c_str());
    errno = problem.error == 0 ? EINVAL : problem.error;
    return -1;
}

void forget_problem() { last_problem.clear(); }

int open_stack(const ConfigurationText& source) {
    forget_problem();
    Process& p = process();
    const std::scoped_lock lock(p.mutex);
    if (p.stack != nullptr) {
        return report({source.name, "the stack is open", "call mtcp_destroy() first", EALREADY});
    }
    auto parsed = parse_configuration(source, p.configuration, this_host());
    if (!parsed) return report(parsed.error());
    set_log_level(parsed->log);
    for (const std::string& warning : parsed->warnings)
        log(LogLevel::warning, "%s", warning.c_str());
    auto opened = stack::Stack::open(parsed->stack);
    if (!opened) return report(with_place(opened.error(), *parsed, source.name));
    p.configuration = std::move(*parsed);
    p.stack = std::move(*opened);
    p.stack_for_signals.publish(p.stack.get());
    return 0;
}

void stop_context(mtcp_context& context) {
    ContextState was = ContextState::alive;
    if (!context.state.compare_exchange_strong(was, ContextState::stopping)) {
        if (was != ContextState::ended ||
            !context.state.compare_exchange_strong(was, ContextState::stopping)) {
            return;
        }
    }
    Process& p = process();
    stack::Stack& stack = *p.stack;
    const auto core = static_cast<std::size_t>(context.cpu);
    const void* const owner = context.owner.load();
    if (owner != nullptr && owner != this_thread()) {
        stack.interrupt(core);
        if (!wait_until_left(context)) {
            log(LogLevel::error, "context %d is still in use by its thread and stays open",
                context.cpu);
            context.state.store(ContextState::ended);
            return;
        }
    }
    stack.stop_core(core);  // lets connections that were closed end in order, for a while
    const std::scoped_lock lock(p.mutex);
    context.application.reset();
    context.owner.store(nullptr);
    context.state.store(ContextState::vacant);
    p.context_stopped.notify_all();
}

}  // namespace mtcp::api

extern "C" const char* mtcp_last_problem(void) { return mtcp::api::last_problem.c_str(); }
