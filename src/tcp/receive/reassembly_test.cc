// SPDX-License-Identifier: Apache-2.0
// Reassembly against a map of bytes.
#include "tcp/receive/reassembly.h"

#include <gtest/gtest.h>

#include <vector>

#include "base/random.h"

namespace mtcp::tcp {
namespace {

using wire::SequenceNumber;

TEST(Reassembly, KeepsRangesSortedAndMergesThem) {
    Reassembly r;
    reset(r);
    const SequenceNumber nxt{100};
    Reaction a;
    EXPECT_EQ(insert(r, nxt, {120}, {130}, a), SequenceNumber{130});
    Reaction b;
    EXPECT_EQ(insert(r, nxt, {140}, {150}, b), SequenceNumber{150});
    Reaction c;
    EXPECT_EQ(insert(r, nxt, {130}, {140}, c), SequenceNumber{140});
    ASSERT_EQ(r.count, 1);
    EXPECT_EQ(r.range[0], (SequenceRange{{120}, {150}}));
    EXPECT_EQ(c.placement_count, 1);
    EXPECT_EQ(c.placements[0].stream_offset, 30u);
}

TEST(Reassembly, TakesNoMoreThanItCanPlace) {
    Reassembly r;
    reset(r);
    for (std::uint32_t i = 0; i < 8; ++i) {
        Reaction reaction;
        static_cast<void>(insert(r, {0}, {10 + i * 20}, {20 + i * 20}, reaction));
    }
    Reaction reaction;
    const SequenceNumber taken = insert(r, {0}, {5}, {165}, reaction);
    EXPECT_EQ(reaction.placement_count, kPlacementsMax);
    EXPECT_EQ(taken,
              SequenceNumber{80});  // four gaps: 5-10, 20-30, 40-50, 60-70, then 70-80 is known
    EXPECT_EQ(r.range[0], (SequenceRange{{5}, {80}}));
    EXPECT_EQ(r.count, 5);
}

// Every byte is placed exactly once, at its offset, whatever the order, across the wrap of numbers.
TEST(Reassembly, AgreesWithAMapOfBytes) {
    for (std::uint64_t seed = 1; seed <= 300; ++seed) {
        Random random(seed);
        Reassembly r;
        reset(r);
        const SequenceNumber base{0xffff'fc00};
        constexpr std::uint32_t kSpan = 2000;
        std::vector<bool> have(kSpan, false);
        const std::uint32_t longest = 1 + random.below(120);
        for (int step = 0; step < 400; ++step) {
            const std::uint32_t begin = random.below(kSpan - 1);
            std::uint32_t end = begin + 1 + random.below(longest);
            if (end > kSpan) end = kSpan;
            Reaction reaction;
            const SequenceNumber taken = insert(r, base, base + begin, base + end, reaction);
            for (std::size_t i = 0; i < reaction.placement_count; ++i) {
                const Placement& p = reaction.placements[i];
                ASSERT_EQ(p.stream_offset, begin + p.payload_offset);
                for (std::uint32_t k = 0; k < p.length; ++k) {
                    ASSERT_FALSE(have[p.stream_offset + k]) << "placed twice, seed " << seed;
                    have[p.stream_offset + k] = true;
                }
            }
            for (std::uint32_t k = begin; k < taken - base; ++k)
                ASSERT_TRUE(have[k]);
            std::uint32_t expected = 0;
            for (const bool byte : have)
                expected += byte ? 1u : 0u;
            ASSERT_EQ(bytes(r), expected);
            for (std::size_t i = 1; i < r.count; ++i) {
                ASSERT_LT(r.range[i - 1].end.raw - base.raw, r.range[i].begin.raw - base.raw);
            }
        }
    }
}

TEST(Reassembly, FrontIsTakenWhenReached) {
    Reassembly r;
    reset(r);
    Reaction reaction;
    static_cast<void>(insert(r, {0}, {10}, {20}, reaction));
    EXPECT_EQ(take_front(r, {5}), SequenceNumber{5});
    EXPECT_EQ(take_front(r, {10}), SequenceNumber{20});
    EXPECT_EQ(r.count, 0);
}

TEST(Reassembly, RemembersTheFourMostRecentRanges) {
    Reassembly r;
    reset(r);
    for (std::uint32_t i = 0; i < 6; ++i) {
        Reaction reaction;
        static_cast<void>(insert(r, {0}, {100 + i * 100}, {110 + i * 100}, reaction));
    }
    EXPECT_EQ(r.recent_count, 4);
    EXPECT_EQ(r.recent[0], SequenceNumber{600});
    EXPECT_EQ(r.recent[3], SequenceNumber{300});
}

}  // namespace
}  // namespace mtcp::tcp
