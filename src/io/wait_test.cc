// SPDX-License-Identifier: Apache-2.0
// Sleeping on several queues and descriptors at once.
#include "io/wait.h"

#include <gtest/gtest.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <chrono>
#include <csignal>
#include <thread>

#include "io/link/link.h"

namespace mtcp::io {
namespace {

constexpr Instant kNow{1'000'000};

class WaitUntil : public ::testing::Test {
  protected:
    WaitUntil()
        : first_(std::move(make_link({})).value()), second_(std::move(make_link({})).value()) {}

    void send_on(LinkPair& link) {
        std::array<Frame, 1> frame;
        ASSERT_EQ(link.a->queue(0).allocate(frame), 1u);
        frame[0].length = 60;
        ASSERT_EQ(link.a->queue(0).transmit(frame, kNow), 1u);
    }
    static std::int64_t milliseconds_of(const auto& action) {
        const auto start = std::chrono::steady_clock::now();
        action();
        return std::chrono::duration_cast<std::chrono::milliseconds>(
                   std::chrono::steady_clock::now() - start)
            .count();
    }

    LinkPair first_;
    LinkPair second_;
    std::array<Queue*, 2> queues_{&first_.b->queue(0), &second_.b->queue(0)};
};

TEST_F(WaitUntil, ReturnsAtOnceWhenAnyQueueHasFrames) {
    send_on(second_);
    EXPECT_EQ(wait_until(queues_, {}, kNow, kNever), Woken::by_work);
}

TEST_F(WaitUntil, SleepsUntilItsDeadline) {
    Woken woken{};
    const std::int64_t slept =
        milliseconds_of([&] { woken = wait_until(queues_, {}, kNow, kNow + milliseconds(30)); });
    EXPECT_EQ(woken, Woken::by_deadline);
    EXPECT_GE(slept, 29);
}

TEST_F(WaitUntil, DoesNotSleepPastADeadlineThatHasGone) {
    EXPECT_EQ(wait_until(queues_, {}, kNow, kNow - seconds(5)), Woken::by_deadline);
}

TEST_F(WaitUntil, WakesOnAForeignDescriptorAndLeavesItReadable) {
    const int descriptor = ::eventfd(1, EFD_NONBLOCK | EFD_CLOEXEC);
    ASSERT_GE(descriptor, 0);
    const std::array<int, 1> descriptors{descriptor};
    EXPECT_EQ(wait_until(queues_, descriptors, kNow, kNever), Woken::by_work);
    std::uint64_t value = 0;
    EXPECT_EQ(::read(descriptor, &value, sizeof value), 8);
    ::close(descriptor);
}

TEST_F(WaitUntil, WakesOnTheSecondQueue) {
    std::thread sender([&] {
        std::this_thread::sleep_for(std::chrono::milliseconds(20));
        send_on(second_);
    });
    EXPECT_EQ(wait_until(queues_, {}, kNow, kNow + seconds(20)), Woken::by_work);
    sender.join();
}

// A queue whose only news is a frame that becomes due.
class DelayedQueue final : public Queue {
  public:
    std::size_t receive(std::span<Frame>, Instant) override { return 0; }
    std::size_t allocate(std::span<Frame>) override { return 0; }
    std::size_t transmit(std::span<Frame>, Instant) override { return 0; }
    void release(std::span<Frame>) override {}
    [[nodiscard]] const Capabilities& capabilities() const override { return capabilities_; }
    bool prepare_wait() override { return true; }
    void finish_wait() override { ++finished; }
    [[nodiscard]] int wait_descriptor() const override { return -1; }
    [[nodiscard]] Instant next_deadline() const override { return kNow + milliseconds(10); }
    int finished = 0;

  private:
    Capabilities capabilities_;
};

TEST_F(WaitUntil, HonoursTheDeadlineOfAQueueWithoutADescriptor) {
    DelayedQueue delayed;
    const std::array<Queue*, 1> queues{&delayed};
    EXPECT_EQ(wait_until(queues, {}, kNow, kNow + seconds(20)), Woken::by_deadline);
    EXPECT_EQ(delayed.finished, 1);
}

TEST_F(WaitUntil, TellsThatASignalInterruptedIt) {
    struct sigaction action = {};
    action.sa_handler = [](int) {};
    struct sigaction before = {};
    ASSERT_EQ(::sigaction(SIGUSR1, &action, &before), 0);
    const pthread_t waiter = ::pthread_self();
    std::atomic<bool> interrupted{false};
    // One that came before the waiter slept would be in vain.
    std::thread signaller([&] {
        while (!interrupted) {
            std::this_thread::sleep_for(std::chrono::milliseconds(20));
            ::pthread_kill(waiter, SIGUSR1);
        }
    });
    EXPECT_EQ(wait_until(queues_, {}, kNow, kNow + seconds(20)), Woken::by_signal);
    interrupted = true;
    signaller.join();
    ::sigaction(SIGUSR1, &before, nullptr);
}

}  // namespace
}  // namespace mtcp::io
