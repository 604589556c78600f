// SPDX-License-Identifier: Apache-2.0
// The log: levels, sink, rate limit.
#include "base/log.h"

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <ctime>
#include <string>
#include <thread>
#include <vector>

namespace mtcp {
namespace {

struct Line {
    LogLevel level;
    std::string text;
};

void collect(LogLevel level, const char* text, void* context) {
    static_cast<std::vector<Line>*>(context)->push_back({level, text});
}

// Waits for the next whole second: the limit counts by the wall clock's seconds.
void next_second() {
    const std::time_t start = std::time(nullptr);
    while (std::time(nullptr) == start) {
        const timespec pause{0, 5'000'000};
        ::nanosleep(&pause, nullptr);
    }
}

class Log : public ::testing::Test {
  protected:
    void SetUp() override {
        set_log_sink(collect, &lines_);
        next_second();
    }
    void TearDown() override {
        set_log_sink(nullptr, nullptr);
        set_log_level(LogLevel::warning);
    }
    std::vector<Line> lines_;
};

TEST_F(Log, PassesOnlyTheLevelsAskedFor) {
    set_log_level(LogLevel::warning);
    log(LogLevel::info, "quiet");
    log(LogLevel::warning, "number %d", 7);
    log(LogLevel::error, "loud");
    ASSERT_EQ(lines_.size(), 2u);
    EXPECT_EQ(lines_[0].text, "number 7");
    EXPECT_EQ(lines_[0].level, LogLevel::warning);
    EXPECT_EQ(lines_[1].level, LogLevel::error);
}

TEST_F(Log, LimitsTheLinesPerSecondAndTellsHowManyItSwallowed) {
    for (int i = 0; i < kLogLinesPerSecond + 20; ++i)
        log(LogLevel::error, "storm %d", i);
    ASSERT_EQ(lines_.size(), static_cast<std::size_t>(kLogLinesPerSecond));
    next_second();
    log(LogLevel::error, "calm");
    ASSERT_EQ(lines_.size(), static_cast<std::size_t>(kLogLinesPerSecond) + 1);
    EXPECT_EQ(lines_.back().text, "[20 lines suppressed] calm");
    log(LogLevel::error, "calm again");
    EXPECT_EQ(lines_.back().text, "calm again");
}

TEST_F(Log, CutsALineThatIsTooLong) {
    const std::string text(5'000, 'x');
    log(LogLevel::error, "%s", text.c_str());
    ASSERT_EQ(lines_.size(), 1u);
    EXPECT_LT(lines_[0].text.size(), text.size());
    EXPECT_GT(lines_[0].text.size(), 500u);
}

void take_a_while(LogLevel, const char*, void*) {
    const timespec pause{0, 20'000};
    ::nanosleep(&pause, nullptr);
}

TEST(LogAndFork, AChildCanLogWhateverOtherThreadsOfTheParentDid) {
    set_log_sink(take_a_while, nullptr);
    std::atomic<bool> over{false};
    std::thread other([&] {
        while (!over.load())
            log(LogLevel::error, "a line");
    });
    int good = 0;
    for (int i = 0; i < 30; ++i) {
        hold_log();
        const pid_t child = ::fork();
        let_go_of_log();
        if (child == 0) {
            ::alarm(5);
            log(LogLevel::error, "of the child");
            ::_exit(0);
        }
        int status = -1;
        EXPECT_EQ(::waitpid(child, &status, 0), child);
        good += status == 0 ? 1 : 0;
    }
    over.store(true);
    other.join();
    set_log_sink(nullptr, nullptr);
    EXPECT_EQ(good, 30);
}

}  // namespace
}  // namespace mtcp
