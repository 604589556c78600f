// SPDX-License-Identifier: Apache-2.0
// mtcp_register_signal: ^C ends the waits of every context, a second one ends the contexts.
#include <atomic>
#include <cerrno>
#include <csignal>
#include <ctime>

#include "api/process.h"
#include "mtcp_api.h"

namespace mtcp::api {
namespace {

constexpr std::int64_t kSecondInterrupt_ns = 1'000'000'000;

std::atomic<mtcp_sighandler_t> interrupt_handler{nullptr};
std::atomic<std::int64_t> last_interrupt_ns{0};

// Takes no lock and allocates nothing.
void on_interrupt(int signal_number) {
    const int saved = errno;
    timespec time{};
    clock_gettime(CLOCK_MONOTONIC, &time);
    const std::int64_t now_ns = std::int64_t{time.tv_sec} * 1'000'000'000 + time.tv_nsec;
    const std::int64_t last_ns = last_interrupt_ns.exchange(now_ns);
    const bool second = last_ns != 0 && now_ns - last_ns >= kSecondInterrupt_ns;
    // The program's handler first: a thread that the interrupt wakes must find what it has set.
    const mtcp_sighandler_t handler = interrupt_handler.load();
    if (handler != nullptr && handler != SIG_IGN) handler(signal_number);
    Process& p = process();
    // A handler that came in between and called exit() would wait for us to come out of it.
    sigset_t all;
    sigset_t before;
    sigfillset(&all);
    pthread_sigmask(SIG_BLOCK, &all, &before);
    p.stack_for_signals.follow([&p, second](stack::Stack& stack) {
        for (mtcp_context& context : p.contexts) {
            ContextState state = ContextState::alive;
            if (context.state.load() != state) continue;
            if (second) context.state.compare_exchange_strong(state, ContextState::ended);
            stack.interrupt(static_cast<std::size_t>(context.cpu));
        }
    });
    pthread_sigmask(SIG_SETMASK, &before, nullptr);
    errno = saved;
}

bool is_function(mtcp_sighandler_t handler) { return handler != SIG_DFL && handler != SIG_IGN; }

}  // namespace
}  // namespace mtcp::api

extern "C" mtcp_sighandler_t mtcp_register_signal(int signum, mtcp_sighandler_t handler) {
    using namespace mtcp::api;
    if (signum != SIGINT || !is_function(handler)) {
        const mtcp_sighandler_t previous = std::signal(signum, handler);
        return signum == SIGINT && previous == on_interrupt ? interrupt_handler.exchange(nullptr)
                                                            : previous;
    }
    static_cast<void>(process());  // made here: a signal handler could not
    const mtcp_sighandler_t previous = interrupt_handler.exchange(handler);
    struct sigaction action {};
    struct sigaction before {};
    action.sa_handler = on_interrupt;
    sigemptyset(&action.sa_mask);
    if (sigaction(SIGINT, &action, &before) != 0) return SIG_ERR;
    return before.sa_handler == on_interrupt ? previous : before.sa_handler;
}
