// SPDX-License-Identifier: Apache-2.0
// Inline, with a safety net: the application's calls run turns, and a second thread of the same CPU
// (the assistant) takes over when no turn was made for about a millisecond, so that ACKs, window
// updates and retransmissions never wait for a busy application. Whoever runs turns holds the
// token. An application that wants it back asks, and sleeps until it has it; nobody spins.
#include <linux/membarrier.h>
#include <sys/eventfd.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "stack/driver_inline.h"
#include "stack/futex.h"

namespace mtcp::stack {
namespace {

// How long a core may stand still before the assistant looks after it, and how often it looks.
constexpr Duration kPatience = milliseconds(1);
// Where the kernel has no membarrier: bounds how late the assistant hears of what the application
// wrote at the moment of the hand-over.
constexpr Duration kBlindSleepMax = milliseconds(1);

constexpr std::uint32_t kFree = 0;
constexpr std::uint32_t kApplication = 1;
constexpr std::uint32_t kAssistant = 2;

class AssistedDriver final : public InlineDriver {
  public:
    AssistedDriver(Core& core, Doorbell& doorbell) : InlineDriver(core, doorbell) {
        barrier_works_ =
            ::syscall(SYS_membarrier, MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED, 0, 0) == 0;
    }
    ~AssistedDriver() override {
        stop();
        if (events_fd_ >= 0) ::close(events_fd_);
    }
    [[nodiscard]] bool start(int cpu) {
        running_ = start_stack_thread(thread_, cpu, &AssistedDriver::thread_main, this);
        return running_;
    }

    void run_stack() override {
        take_token();
        InlineDriver::run_stack();
        turned();
        give_token();
    }
    Wake wait(Instant deadline) override {
        take_token();
        const Wake wake = InlineDriver::wait(deadline);
        turned();
        give_token();
        return wake;
    }
    void kick() override {
        InlineDriver::kick();
        // The assistant may sleep; an application that holds the token comes to a turn by itself.
        if (token_.load(std::memory_order_relaxed) == kAssistant) doorbell_.ring();
    }
    int event_descriptor() override {
        if (has_event_descriptor()) return InlineDriver::event_descriptor();
        take_token();
        const int descriptor = InlineDriver::event_descriptor();
        events_fd_ = ::eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
        watch(events_fd_);
        give_token();
        return events_fd_ < 0 ? -1 : descriptor;
    }
    void stop() override {
        if (!running_) return;
        stopping_.store(1, std::memory_order_seq_cst);
        futex_wake(stopping_);
        parked_.store(0, std::memory_order_seq_cst);
        futex_wake(parked_);
        doorbell_.ring_always();
        ::pthread_join(thread_, nullptr);
        running_ = false;
    }
    void abandon() override { running_ = false; }

  private:
    static void* thread_main(void* self) {
        static_cast<AssistedDriver*>(self)->watch_over();
        return nullptr;
    }

    // --- the application ---

    void take_token() {
        std::uint32_t expected = kFree;
        if (!token_.compare_exchange_strong(expected, kApplication, std::memory_order_acquire)) {
            ask_for_token();
        }
    }
    void ask_for_token() {
        wanted_.store(1, std::memory_order_seq_cst);
        doorbell_.ring();
        std::uint32_t expected = kFree;
        while (!token_.compare_exchange_strong(expected, kApplication, std::memory_order_seq_cst)) {
            static_cast<void>(futex_wait(token_, kAssistant, milliseconds(10)));
            expected = kFree;
        }
        wanted_.store(0, std::memory_order_relaxed);
        ++core_.counters().switches;
        if (events_fd_ >= 0) {  // what it announced is fetched now
            std::uint64_t count;
            static_cast<void>(!::read(events_fd_, &count, sizeof count));
        }
    }
    void give_token() { token_.store(kFree, std::memory_order_release); }
    void turned() {
        turns_.store(turns_.load(std::memory_order_relaxed) + 1, std::memory_order_relaxed);
    }
    // While the application sleeps in here, holding the token, the assistant need not look.
    void before_sleep() override { asleep_inside_.store(1, std::memory_order_seq_cst); }
    void after_sleep() override {
        asleep_inside_.store(0, std::memory_order_seq_cst);
        if (parked_.load(std::memory_order_seq_cst) != 0 && parked_.exchange(0) != 0) {
            futex_wake(parked_);
        }
    }

    // --- the assistant ---

    void watch_over() {
        std::uint32_t seen = turns_.load(std::memory_order_relaxed);
        while (stopping_.load(std::memory_order_seq_cst) == 0) {
            if (asleep_inside_.load(std::memory_order_seq_cst) != 0) {
                park();
                continue;
            }
            static_cast<void>(futex_wait(stopping_, 0, kPatience));
            const std::uint32_t turns = turns_.load(std::memory_order_relaxed);
            const bool stood_still = turns == seen;
            seen = turns;
            std::uint32_t expected = kFree;
            if (stood_still &&
                token_.compare_exchange_strong(expected, kAssistant, std::memory_order_seq_cst)) {
                stand_in();
            }
        }
    }
    void park() {
        // after_sleep() clears asleep_inside_ before it looks at parked_: one sees the other.
        parked_.store(1, std::memory_order_seq_cst);
        if (asleep_inside_.load(std::memory_order_seq_cst) != 0 && stopping_.load() == 0) {
            static_cast<void>(futex_wait(parked_, 1, kLongestSleep));
        }
        parked_.store(0, std::memory_order_seq_cst);
    }

    void stand_in() {
        ++core_.counters().switches;
        // What the application put into the rings before it could see who holds the token must be
        // seen by the first turn; it pays for no fence of its own.
        if (barrier_works_) ::syscall(SYS_membarrier, MEMBARRIER_CMD_PRIVATE_EXPEDITED, 0, 0);
        while (!must_go()) {
            const Instant t = monotonic_now();
            const TurnResult result = turn(t);
            if (result.posted_events && events_fd_ >= 0) {
                const std::uint64_t one = 1;
                static_cast<void>(!::write(events_fd_, &one, sizeof one));
            }
            if (!result.did_work && result.next_deadline > t) sleep(t, result.next_deadline);
        }
        token_.store(kFree, std::memory_order_seq_cst);
        // Who asks counts on being woken once it sleeps on the token.
        if (wanted_.load(std::memory_order_seq_cst) != 0) futex_wake(token_);
    }
    void sleep(Instant t, Instant deadline) {
        // Who asks stores its wish before it rings: look again once announced.
        doorbell_.announce();
        if (must_go()) {
            doorbell_.withdraw();
            return;
        }
        if (!barrier_works_) deadline = earlier(deadline, t + kBlindSleepMax);
        static_cast<void>(sleep_on(core_, doorbell_, t, deadline));
    }
    [[nodiscard]] bool must_go() const {
        return wanted_.load(std::memory_order_seq_cst) != 0 ||
               stopping_.load(std::memory_order_seq_cst) != 0;
    }

    pthread_t thread_{};
    bool running_ = false;
    bool barrier_works_ = false;
    int events_fd_ = -1;  // with an event descriptor: the assistant has posted events
    FutexWord token_{kFree};
    FutexWord wanted_{0};         // the application sleeps on token_
    FutexWord stopping_{0};       // what the assistant sleeps on between two looks
    FutexWord asleep_inside_{0};  // the application sleeps in wait()
    FutexWord parked_{0};         // what the assistant sleeps on meanwhile
    FutexWord turns_{0};          // goes up with every visit of the application
};

}  // namespace

Result<std::unique_ptr<CoreDriver>, Problem> make_assisted_driver(Core& core, Doorbell& doorbell,
                                                                  int cpu) {
    auto driver = std::make_unique<AssistedDriver>(core, doorbell);
    if (!driver->start(cpu)) {
        const int error = errno;
        return failure(
            Problem{.what = "cannot start the assistant's thread",
                    .why = std::strerror(error),
                    .mend = "raise the limit of processes (ulimit -u), or set drive = inline",
                    .error = error});
    }
    return std::unique_ptr<CoreDriver>(std::move(driver));
}

}  // namespace mtcp::stack
