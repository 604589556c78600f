// SPDX-License-Identifier: Apache-2.0
// What the event descriptor promises to a program that sleeps in its own epoll.
#include <gtest/gtest.h>
#include <poll.h>
#include <pthread.h>

#include <atomic>
#include <chrono>
#include <csignal>
#include <memory>
#include <thread>

#include "stack/drivers.h"

namespace mtcp::stack {
namespace {

using Wake = socket::Driver::Wake;

class InlineDriverTest : public ::testing::Test {
  protected:
    void SetUp() override {
        CoreSetup setup;
        setup.configuration.max_concurrency = 16;
        setup.configuration.time_wait_max = 16;
        setup.configuration.half_open_max = 16;
        setup.configuration.chunks.count = {64, 64, 16};
        setup.configuration.huge_pages = false;
        setup.now = monotonic_now();
        auto made = Core::create(std::move(setup));
        ASSERT_TRUE(made) << made.error().text();
        core = std::move(made).value();
        ASSERT_TRUE(doorbell.open());
        driver = std::move(make_inline_driver(*core, doorbell)).value();
        descriptor = driver->event_descriptor();
        ASSERT_GE(descriptor, 0);
        ASSERT_EQ(driver->wait(driver->now()), Wake::deadline);
        ASSERT_FALSE(is_readable()) << "nothing to do";
    }
    [[nodiscard]] bool is_readable() const {
        pollfd entry{descriptor, POLLIN, 0};
        return ::poll(&entry, 1, 0) == 1;
    }
    // Sleeps in wait() until `wake`, again and again called from another thread, ends it.
    template <typename Action>
    Wake wait_until_woken(Action&& wake) {
        std::atomic<bool> over{false};
        std::thread other([&] {
            while (!over) {
                std::this_thread::sleep_for(std::chrono::milliseconds(10));
                if (!over) wake();
            }
        });
        const Wake answer = driver->wait(kNever);
        over = true;
        other.join();
        return answer;
    }

    std::unique_ptr<Core> core;
    Doorbell doorbell;
    std::unique_ptr<CoreDriver> driver;
    int descriptor = -1;
};

TEST_F(InlineDriverTest, TheDescriptorTellsOfAHandOff) {
    doorbell.ring();
    EXPECT_TRUE(is_readable());
}

// A wait that a signal ended has left nobody who listens for frames, timers and other cores.
TEST_F(InlineDriverTest, TheDescriptorAsksForATurnAfterASignal) {
    struct sigaction action {};
    struct sigaction before {};
    action.sa_handler = [](int) {};
    ::sigaction(SIGUSR1, &action, &before);
    const pthread_t self = ::pthread_self();
    EXPECT_EQ(wait_until_woken([self] { ::pthread_kill(self, SIGUSR1); }), Wake::interrupted);
    ::sigaction(SIGUSR1, &before, nullptr);
    doorbell.ring();
    EXPECT_TRUE(is_readable());
    EXPECT_EQ(driver->wait(driver->now()), Wake::deadline);
    EXPECT_FALSE(is_readable());
}

TEST_F(InlineDriverTest, TheDescriptorAsksForATurnAfterAnInterruption) {
    EXPECT_EQ(wait_until_woken([this] { driver->interrupt(); }), Wake::interrupted);
    doorbell.ring();
    EXPECT_TRUE(is_readable());
    static_cast<void>(driver->wait(driver->now()));
    EXPECT_EQ(driver->wait(driver->now()), Wake::deadline);
    EXPECT_FALSE(is_readable());
}

}  // namespace
}  // namespace mtcp::stack
