// SPDX-License-Identifier: Apache-2.0
// Start and end: of the stack, of contexts, and of what a fork inherits.
#include "api/process.h"

#include <pthread.h>

#include <algorithm>
#include <chrono>
#include <cstdlib>
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
// How long exit() waits for who begins or ends a context at that moment: longer than that takes.
constexpr int kExitMs = 5000;

thread_local std::string last_problem;

// The thread that ends the program, once it has come to us.
std::atomic<const void*> thread_at_exit{nullptr};

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

// Looks each millisecond. False: `done` has not come true.
template <typename Done>
bool comes_true(int within_ms, Done&& done) {
    for (int waited = 0; waited < within_ms; ++waited) {
        if (done()) return true;
        std::this_thread::sleep_for(1ms);
    }
    return done();
}

// Sleeps before the first look, too: a call that begins may not have said so yet.
bool wait_until_left(const mtcp_context& context) {
    std::this_thread::sleep_for(1ms);
    return comes_true(kLeaveMs,
                      [&] { return context.inside.load(std::memory_order_acquire) == 0; });
}

bool is_any_stopping(const Process& p) {
    return std::any_of(p.contexts.begin(), p.contexts.end(), [](const mtcp_context& context) {
        return context.state.load() == ContextState::stopping;
    });
}

// Below us, a handler of a signal that has called exit(), lies a call that never goes on, and not
// where it sleeps: it has left things half done.
bool is_cut_short(const mtcp_context& context) {
    const ContextState state = context.state.load();
    const bool is_there = state == ContextState::alive || state == ContextState::ended;
    return is_there && context.owner.load() == this_thread() && context.inside.load() != 0 &&
           !process().stack->sleeps(static_cast<std::size_t>(context.cpu));
}

// exit() without mtcp_destroy(): what was written is delivered and what is open is closed, as the
// kernel would see to it. Registered late, so the objects that the program made before it opened
// the stack are still there; those it made later are gone, and have seen the stack to the last.
//
// exit() may come at any moment, even from a signal handler in the middle of a call of ours: then
// this thread holds what it would wait for, so nothing waits here without an end.
void end_at_exit() {
    Process& p = process();
    // In the child of a fork there is no stack, unless it has opened one of its own.
    if (!comes_true(kExitMs, [&p] { return p.mutex.try_lock(); })) return;
    const bool is_open = p.stack != nullptr;
    p.mutex.unlock();
    if (!is_open || !comes_true(kExitMs, [&p] { return !is_any_stopping(p); })) return;
    // It may hold what the contexts share, as a capture: none can be ended.
    if (std::any_of(p.contexts.begin(), p.contexts.end(), is_cut_short)) return;
    thread_at_exit.store(this_thread());
    end_stack(stack::Ending::of_program);
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
    thread_at_exit.store(nullptr);
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

// While one thread is in exit(), the others' calls are interrupted, again and again, as they would
// be stuck in the kernel's: a program that met an error might end meanwhile with another status.
int error_of_ended() {
    const void* const exits = thread_at_exit.load();
    if (exits == nullptr || exits == this_thread()) return EPERM;
    std::this_thread::sleep_for(1ms);
    return EINTR;
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
    if (!p.ends_at_exit) p.ends_at_exit = std::atexit(end_at_exit) == 0;
    return 0;
}

void stop_context(mtcp_context& context, stack::Ending ending) {
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
    stack.stop_core(core, ending);  // connections that were closed end in order, for a while
    const std::scoped_lock lock(p.mutex);
    context.application.reset();
    context.owner.store(nullptr);
    context.state.store(ContextState::vacant);
    p.context_stopped.notify_all();
}

void end_stack(stack::Ending ending) {
    Process& p = process();
    for (mtcp_context& context : p.contexts)
        stop_context(context, ending);
    std::unique_lock lock(p.mutex);
    // Others may be on their way out in mtcp_destroy_context().
    p.context_stopped.wait(lock, [&p] { return !is_any_stopping(p); });
    for (const mtcp_context& context : p.contexts) {
        // Its thread still runs in the stack's memory; the end of the process cleans up.
        if (context.state.load() != ContextState::vacant) return;
    }
    p.stack_for_signals.withdraw();
    p.stack.reset();
    p.configuration = Configuration{};
}

}  // namespace mtcp::api

extern "C" const char* mtcp_last_problem(void) { return mtcp::api::last_problem.c_str(); }
