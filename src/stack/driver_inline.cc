// SPDX-License-Identifier: Apache-2.0
// The inline driver, and what all drivers share: clock, doorbell, threads, sleeping.
#include <pthread.h>
#include <sched.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstring>
#include <ctime>
#include <new>

#include "io/wait.h"
#include "stack/driver_inline.h"

namespace mtcp::stack {

Instant monotonic_now() {
    timespec t;
    ::clock_gettime(CLOCK_MONOTONIC, &t);
    return {std::int64_t{t.tv_sec} * 1'000'000'000 + t.tv_nsec};
}

// --- Doorbell
// ---------------------------------------------------------------------------------------

bool Doorbell::open() {
    descriptor_ = ::eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    return descriptor_ >= 0;
}

Doorbell::~Doorbell() {
    if (descriptor_ >= 0) ::close(descriptor_);
}

void Doorbell::ring() {
    // Pairs with announce(): either the sleeper sees what was posted before this, or this sees it
    // asleep.
    std::atomic_thread_fence(std::memory_order_seq_cst);
    if (asleep_.load(std::memory_order_relaxed) != 0 && asleep_.exchange(0) != 0) ring_always();
}

void Doorbell::ring_always() {
    const int saved = errno;
    const std::uint64_t one = 1;
    static_cast<void>(!::write(descriptor_, &one, sizeof one));
    errno = saved;
}

void Doorbell::announce() {
    asleep_.store(1, std::memory_order_relaxed);
    std::atomic_thread_fence(std::memory_order_seq_cst);
}

void Doorbell::withdraw() {
    asleep_.store(0, std::memory_order_relaxed);
    std::uint64_t count;
    static_cast<void>(!::read(descriptor_, &count, sizeof count));
}

Slept sleep_on(Core& core, Doorbell& doorbell, Instant now, Instant deadline,
               std::atomic<bool>* asleep) {
    doorbell.announce();
    Slept slept = Slept::woken;
    if (!core.has_requests() && !core.has_handoffs()) {
        ++core.counters().sleeps;
        const int descriptors[] = {doorbell.descriptor()};
        if (io::wait_until(core.queues(), descriptors, now, deadline, asleep) ==
            io::Woken::by_signal) {
            slept = Slept::by_signal;
        }
    }
    doorbell.withdraw();
    return slept;
}

bool start_stack_thread(pthread_t& thread, int cpu, void* (*main)(void*), void* self) {
    sigset_t all;
    sigset_t before;
    ::sigfillset(&all);
    ::pthread_sigmask(SIG_SETMASK, &all, &before);  // the stack thread takes no signals
    const int error = ::pthread_create(&thread, nullptr, main, self);
    ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
    errno = error;
    if (error != 0) return false;
    static_cast<void>(::pthread_setname_np(thread, "mtcp-stack"));
    if (cpu >= 0) {
        cpu_set_t set;
        CPU_ZERO(&set);
        CPU_SET(static_cast<unsigned>(cpu), &set);
        static_cast<void>(::pthread_setaffinity_np(thread, sizeof set, &set));
    }
    return true;
}

// --- InlineDriver
// -----------------------------------------------------------------------------------

namespace {

// Empty turns before sleeping in the kernel: a few microseconds, the price of one sleep and
// wake-up.
constexpr int kIdleTurns = 20;

}  // namespace

InlineDriver::~InlineDriver() {
    if (epoll_ >= 0) ::close(epoll_);
    if (timer_ >= 0) ::close(timer_);
}

socket::Driver::Wake InlineDriver::wait(Instant deadline) {
    int idle = 0;
    while (true) {
        if (interrupted_.exchange(false)) return unfinished(Wake::interrupted);
        const Instant t = monotonic_now();
        const TurnResult result = turn(t);
        last_run_ = t;
        if (!core_.channel().events.empty()) return unfinished(Wake::events);
        if (t >= deadline) {
            if (epoll_ >= 0) arm_descriptor(result.next_deadline);
            return Wake::deadline;
        }
        const Instant until = earlier(deadline, result.next_deadline);
        if (result.did_work || until <= t) {
            idle = 0;
            continue;
        }
        if (++idle <= kIdleTurns) continue;
        idle = 0;
        before_sleep();
        const Slept slept = sleep_on(core_, doorbell_, t, until, &sleeps_);
        after_sleep();
        if (slept == Slept::by_signal) {
            interrupted_.store(false);  // its handler may have called interrupt(): told once
            return unfinished(Wake::interrupted);
        }
    }
}

// Nothing was armed that would make the descriptor readable: it is so until the next look.
socket::Driver::Wake InlineDriver::unfinished(Wake wake) {
    if (epoll_ >= 0) doorbell_.ring_always();
    return wake;
}

int InlineDriver::event_descriptor() {
    if (epoll_ >= 0) return epoll_;
    epoll_ = ::epoll_create1(EPOLL_CLOEXEC);
    timer_ = ::timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
    if (epoll_ < 0 || timer_ < 0) return -1;
    watch(timer_);
    watch(doorbell_.descriptor());
    for (io::Queue* queue : core_.queues())
        watch(queue->wait_descriptor());
    doorbell_.ring_always();  // readable until the first look
    return epoll_;
}

void InlineDriver::watch(int descriptor) {
    epoll_event event{};
    event.events = EPOLLIN;
    if (descriptor >= 0) static_cast<void>(::epoll_ctl(epoll_, EPOLL_CTL_ADD, descriptor, &event));
}

TurnResult InlineDriver::turn(Instant t) {
    if (armed_) {
        for (io::Queue* queue : core_.queues())
            queue->finish_wait();
        doorbell_.withdraw();
        armed_ = false;
    }
    return core_.turn(t);
}
// Nothing to report now: the descriptor becomes readable when a turn is worth making.
void InlineDriver::arm_descriptor(Instant next) {
    armed_ = true;
    doorbell_.withdraw();
    doorbell_.announce();
    bool ready = core_.has_requests() || core_.has_handoffs();
    for (io::Queue* queue : core_.queues()) {
        ready |= !queue->prepare_wait();
        next = earlier(next, queue->next_deadline());
    }
    if (ready) doorbell_.ring_always();
    itimerspec when{};
    if (next != kNever) {
        const std::int64_t ns = next.ns > 1 ? next.ns : 1;
        when.it_value = {.tv_sec = ns / 1'000'000'000, .tv_nsec = ns % 1'000'000'000};
    }
    static_cast<void>(::timerfd_settime(timer_, TFD_TIMER_ABSTIME, &when, nullptr));
}

Result<std::unique_ptr<CoreDriver>, Problem> make_inline_driver(Core& core, Doorbell& doorbell) {
    return std::unique_ptr<CoreDriver>(new InlineDriver(core, doorbell));
}

}  // namespace mtcp::stack
