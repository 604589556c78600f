// SPDX-License-Identifier: Apache-2.0
// What the judge of pace lets pass, and what not.
#include "sim/pace.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <string>

namespace mtcp::sim {
namespace {

constexpr std::uint32_t kMss = 1000;

struct PaceTest : testing::Test {
    // Sends [begin, end) at `ms`; what is said of it, "" for nothing.
    std::string send(std::uint32_t begin, std::uint32_t end, std::int64_t ms) {
        const char* const what = pace.on_sent({.begin = begin,
                                               .end = end,
                                               .acked = acked,
                                               .highest = highest,
                                               .mss = kMss,
                                               .sack = true,
                                               .at = Instant{} + milliseconds(ms)},
                                              Pace::Timer::judged);
        highest = std::max(highest, end);
        return what == nullptr ? "" : what;
    }
    Pace pace;
    std::uint32_t acked = 0;
    std::uint32_t highest = 0;
};

TEST_F(PaceTest, FirstWindowAndTwoSegmentsForEachThatArrivedPass) {
    EXPECT_EQ(send(0, 14 * kMss, 0), "");
    EXPECT_NE(send(14 * kMss, 15 * kMss, 0), "");
    pace.on_arrival(kMss);
    pace.on_heard();
    EXPECT_EQ(send(15 * kMss, 16 * kMss, 1), "");
    EXPECT_NE(send(16 * kMss, 17 * kMss, 1), "");
}

TEST_F(PaceTest, WhatIsSentAgainIsNotCounted) {
    EXPECT_EQ(send(0, 14 * kMss, 0), "");
    EXPECT_EQ(send(5 * kMss, 6 * kMss, 1), "");
}

TEST_F(PaceTest, TimeoutsDouble) {
    EXPECT_EQ(send(0, kMss, 0), "");
    EXPECT_EQ(send(0, kMss, 200), "");  // a probe
    EXPECT_EQ(send(0, kMss, 400), "");
    EXPECT_EQ(send(0, kMss, 800), "");
    EXPECT_NE(send(0, kMss, 1400), "");  // 600 after 400
}

TEST_F(PaceTest, AnAnswerBeginsAnew) {
    EXPECT_EQ(send(0, kMss, 0), "");
    EXPECT_EQ(send(0, kMss, 200), "");
    EXPECT_EQ(send(0, kMss, 400), "");
    pace.on_heard();
    EXPECT_EQ(send(0, kMss, 410), "");
    EXPECT_EQ(send(0, kMss, 610), "");
    EXPECT_NE(send(0, kMss, 700), "");  // sooner than any time-out
}

TEST_F(PaceTest, OneSegmentATimeout) {
    EXPECT_EQ(send(0, 4 * kMss, 0), "");
    EXPECT_EQ(send(0, kMss, 200), "");
    EXPECT_EQ(send(kMss, 2 * kMss, 200), "");  // a repair of more
    EXPECT_EQ(send(0, kMss, 400), "");
    EXPECT_EQ(send(kMss, 2 * kMss, 400), "");
    EXPECT_NE(send(0, kMss, 800), "");
}

TEST_F(PaceTest, SynsDouble) {
    for (const std::int64_t ms : {1000, 3000, 7000})
        EXPECT_EQ(pace.on_syn_again(Instant{} + milliseconds(ms)), nullptr);
    EXPECT_NE(pace.on_syn_again(Instant{} + milliseconds(11'000)), nullptr);
}

}  // namespace
}  // namespace mtcp::sim
