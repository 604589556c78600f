// SPDX-License-Identifier: Apache-2.0
// The scoreboard against a map of bytes.
#include "tcp/recovery/scoreboard.h"

#include <gtest/gtest.h>

#include <vector>

#include "base/random.h"

namespace mtcp::tcp {
namespace {

using wire::SequenceNumber;

TEST(Scoreboard, LossNeedsThreeRangesOrMoreThanTwoSegmentsAbove) {  // RFC 6675 §4, IsLost
    Recovery s;
    reset(s, {0});
    static_cast<void>(add(s, {{1000}, {1100}}));
    static_cast<void>(add(s, {{2000}, {2100}}));
    update_lost(s, {0}, 1000);
    EXPECT_EQ(s.lost_below, SequenceNumber{0});
    static_cast<void>(add(s, {{3000}, {3100}}));
    update_lost(s, {0}, 1000);
    EXPECT_EQ(s.lost_below, SequenceNumber{1000});
    static_cast<void>(add(s, {{3000}, {5001}}));
    update_lost(s, {0}, 1000);
    EXPECT_EQ(s.lost_below, SequenceNumber{3000});
}

TEST(Scoreboard, FullTableForgetsNewRangesButStillMerges) {
    Recovery s;
    reset(s, {0});
    for (std::uint32_t i = 0; i < kScoreboardRangesMax; ++i) {
        EXPECT_EQ(add(s, {{10 + i * 20}, {20 + i * 20}}), 10u);
    }
    EXPECT_EQ(add(s, {{9000}, {9010}}), 0u);
    EXPECT_EQ(add(s, {{20}, {30}}), 10u);
    EXPECT_EQ(s.count, kScoreboardRangesMax - 1);
}

TEST(Scoreboard, AgreesWithAMapOfBytes) {
    for (std::uint64_t seed = 1; seed <= 300; ++seed) {
        Random random(seed);
        const SequenceNumber base{0xffff'fe00};
        constexpr std::uint32_t kSpan = 1200;
        Recovery s;
        reset(s, base);
        std::vector<bool> sacked(kSpan, false);
        std::uint32_t una = 0;
        for (int step = 0; step < 200; ++step) {
            if (random.below(8) == 0 && una + 60 < kSpan) {
                una += random.below(60);
                advance(s, base + una);
                for (std::uint32_t k = 0; k < una; ++k)
                    sacked[k] = false;
            } else {
                const std::uint32_t begin = una + random.below(kSpan - una - 1);
                std::uint32_t end = begin + 1 + random.below(60);
                if (end > kSpan) end = kSpan;
                const bool had_room = s.count < kScoreboardRangesMax;
                const std::uint32_t fresh = add(s, {base + begin, base + end});
                std::uint32_t expected = 0;
                for (std::uint32_t k = begin; k < end; ++k)
                    expected += sacked[k] ? 0u : 1u;
                if (!had_room && fresh == 0) continue;  // forgotten
                ASSERT_EQ(fresh, expected) << "seed " << seed;
                for (std::uint32_t k = begin; k < end; ++k)
                    sacked[k] = true;
            }
            std::uint32_t total = 0;
            for (const bool byte : sacked)
                total += byte ? 1u : 0u;
            ASSERT_EQ(s.sacked_bytes, total);
            const std::uint32_t a = random.below(kSpan);
            const std::uint32_t b = a + random.below(kSpan - a);
            std::uint32_t between = 0;
            for (std::uint32_t k = a; k < b; ++k)
                between += sacked[k] ? 1u : 0u;
            ASSERT_EQ(sacked_within(s, base + a, base + b), between);
            std::uint32_t first = a;
            while (first < b && sacked[first])
                ++first;
            std::uint32_t last = first;
            while (last < b && !sacked[last])
                ++last;
            const SequenceRange hole = next_unsacked(s, base + a, base + b);
            ASSERT_EQ(hole.length(), last - first);
            if (last > first) {
                ASSERT_EQ(hole.begin, base + first);
            }
        }
    }
}

}  // namespace
}  // namespace mtcp::tcp
