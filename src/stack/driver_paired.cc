// SPDX-License-Identifier: Apache-2.0
// The paper's pair of threads. Both are meant for one CPU, so they take turns instead of racing:
// after a turn that posted events the stack thread parks and the application answers the whole
// batch; when it waits again (or kParkMax has passed: ACKs and retransmissions must not wait for a
// busy application) the stack goes on.
#include <pthread.h>
#include <sched.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstring>
#include <string>

#include "stack/drivers.h"
#include "stack/futex.h"

namespace mtcp::stack {
namespace {

constexpr Duration kParkMax = microseconds(500);
constexpr int kIdleTurns = 20;
// A poll (a wait without time) makes the stack run at most this often.
constexpr Duration kPollInterval = microseconds(20);

using Word = FutexWord;

class PairedDriver final : public CoreDriver {
  public:
    PairedDriver(Core& core, Doorbell& doorbell) : core_(core), doorbell_(doorbell) {}
    ~PairedDriver() override {
        stop();
        if (event_descriptor_.load() >= 0) ::close(event_descriptor_.load());
    }

    [[nodiscard]] bool start(int cpu) {
        running_ = start_stack_thread(thread_, cpu, &PairedDriver::thread_main, this);
        return running_;
    }

    void run_stack() override {
        const std::uint32_t wanted = turn_wanted_.fetch_add(1, std::memory_order_seq_cst) + 1;
        give_the_turn_back();
        doorbell_.ring();
        while (true) {
            const std::uint32_t done = turn_done_.load(std::memory_order_acquire);
            if (static_cast<std::int32_t>(done - wanted) >= 0 || stopping_.load()) return;
            futex_wait(turn_done_, done, milliseconds(10));
        }
    }
    void kick() override { doorbell_.ring(); }
    [[nodiscard]] Instant now() override { return monotonic_now(); }

    Wake wait(Instant deadline) override {
        while (true) {
            if (interrupted_.exchange(0) != 0) return Wake::interrupted;
            const std::uint32_t seen = event_count_.load(std::memory_order_acquire);
            if (!core_.channel().events.empty()) return Wake::events;
            const Instant t = monotonic_now();
            if (t >= deadline) return poll(t);
            application_waits_.store(1, std::memory_order_seq_cst);
            bool undisturbed = true;
            if (core_.channel().events.empty() && interrupted_.load() == 0) {
                give_the_turn_back();
                doorbell_.ring();
                undisturbed = futex_wait(event_count_, seen, deadline - t);
            }
            application_waits_.store(0, std::memory_order_relaxed);
            if (!undisturbed) {
                interrupted_.store(0);  // the signal's handler may have called interrupt()
                return Wake::interrupted;
            }
        }
    }

    int event_descriptor() override {
        if (event_descriptor_.load() < 0) {
            const int descriptor = ::eventfd(1, EFD_NONBLOCK | EFD_CLOEXEC);
            event_descriptor_.store(descriptor);
        }
        return event_descriptor_.load();
    }

    void stop() override {
        if (!running_) return;
        stopping_.store(true);
        give_the_turn_back();
        doorbell_.ring_always();
        ::pthread_join(thread_, nullptr);
        running_ = false;
        turn_done_.store(turn_wanted_.load());
        futex_wake(turn_done_);
    }
    void abandon() override { running_ = false; }
    [[nodiscard]] bool sleeps() const override { return application_waits_.load() != 0; }
    void interrupt() override {
        interrupted_.store(1);
        event_count_.fetch_add(1);
        const int saved = errno;
        futex_wake(event_count_);
        errno = saved;
    }

  private:
    static void* thread_main(void* self) {
        static_cast<PairedDriver*>(self)->run();
        return nullptr;
    }

    void run() {
        int idle = 0;
        while (!stopping_.load(std::memory_order_relaxed)) {
            const std::uint32_t wanted = turn_wanted_.load(std::memory_order_acquire);
            const Instant t = monotonic_now();
            const TurnResult result = core_.turn(t);
            if (turn_done_.load(std::memory_order_relaxed) != wanted) {
                turn_done_.store(wanted, std::memory_order_release);
                futex_wake(turn_done_);
            }
            if (result.posted_events) hand_over();
            if (result.did_work || result.next_deadline <= t) {
                idle = 0;
                continue;
            }
            if (++idle <= kIdleTurns && application_waits_.load(std::memory_order_relaxed) != 0)
                continue;
            idle = 0;
            if (turn_wanted_.load(std::memory_order_seq_cst) != wanted) continue;
            sleep(wanted, t, result.next_deadline);
        }
    }

    void sleep(std::uint32_t wanted, Instant t, Instant deadline) {
        // run_stack() counts turn_wanted_ up before it rings: look again once announced.
        doorbell_.announce();
        if (turn_wanted_.load(std::memory_order_seq_cst) != wanted || stopping_.load()) {
            doorbell_.withdraw();
            return;
        }
        static_cast<void>(sleep_on(core_, doorbell_, t, deadline));
    }

    // Wakes the application for its batch and parks until it has answered.
    void hand_over() {
        parked_.store(1, std::memory_order_seq_cst);
        event_count_.fetch_add(1, std::memory_order_seq_cst);
        if (const int descriptor = event_descriptor_.load(std::memory_order_relaxed);
            descriptor >= 0) {
            const std::uint64_t one = 1;
            static_cast<void>(!::write(descriptor, &one, sizeof one));
        }
        if (application_waits_.load(std::memory_order_seq_cst) != 0) futex_wake(event_count_);
        ++core_.counters().switches;
        // Who asks for a turn counts turn_wanted_ up before it looks at parked_: one sees the
        // other.
        const bool turn_wanted = turn_wanted_.load(std::memory_order_seq_cst) !=
                                 turn_done_.load(std::memory_order_relaxed);
        if (!turn_wanted && !stopping_.load()) futex_wait(parked_, 1, kParkMax);
        parked_.store(0, std::memory_order_relaxed);
    }
    void give_the_turn_back() {
        if (parked_.load(std::memory_order_seq_cst) != 0 && parked_.exchange(0) != 0)
            futex_wake(parked_);
    }

    // wait() without time: the stack gets a chance now and then, so that a polling loop makes
    // progress.
    Wake poll(Instant t) {
        if (const int descriptor = event_descriptor_.load(std::memory_order_relaxed);
            descriptor >= 0) {
            std::uint64_t count;
            static_cast<void>(!::read(descriptor, &count, sizeof count));
        }
        if (t - last_poll_ >= kPollInterval) {
            last_poll_ = t;
            run_stack();
        }
        if (core_.channel().events.empty()) return Wake::deadline;
        if (const int descriptor = event_descriptor_.load(std::memory_order_relaxed);
            descriptor >= 0) {
            const std::uint64_t one = 1;
            static_cast<void>(!::write(descriptor, &one, sizeof one));
        }
        return Wake::events;
    }

    Core& core_;
    Doorbell& doorbell_;
    pthread_t thread_{};
    bool running_ = false;
    std::atomic<bool> stopping_{false};
    Word turn_wanted_{0};
    Word turn_done_{0};
    Word event_count_{0};  // goes up with every batch of events; what wait() sleeps on
    Word application_waits_{0};
    Word parked_{0};  // the application has the CPU
    Word interrupted_{0};
    std::atomic<int> event_descriptor_{-1};
    Instant last_poll_{INT64_MIN / 2};
};

}  // namespace

Result<std::unique_ptr<CoreDriver>, Problem> make_paired_driver(Core& core, Doorbell& doorbell,
                                                                int cpu) {
    auto driver = std::make_unique<PairedDriver>(core, doorbell);
    if (!driver->start(cpu)) {
        const int error = errno;
        return failure(
            Problem{.what = "cannot start the stack thread",
                    .why = std::strerror(error),
                    .mend = "raise the limit of processes (ulimit -u), or set drive = inline",
                    .error = error});
    }
    return std::unique_ptr<CoreDriver>(std::move(driver));
}

}  // namespace mtcp::stack
