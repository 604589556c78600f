// SPDX-License-Identifier: Apache-2.0
// The single-producer ring: order, bounds, bursts, and two threads at once.
#include "base/spsc_ring.h"

#include <gtest/gtest.h>

#include <array>
#include <numeric>
#include <thread>
#include <vector>

namespace mtcp {
namespace {

TEST(SpscRing, RoundsItsCapacityUpToAPowerOfTwo) {
    EXPECT_EQ(SpscRing<int>(0).capacity(), 2u);
    EXPECT_EQ(SpscRing<int>(2).capacity(), 2u);
    EXPECT_EQ(SpscRing<int>(5).capacity(), 8u);
}

TEST(SpscRing, RefusesTheEntryThatDoesNotFit) {
    SpscRing<int> ring(2);
    EXPECT_TRUE(ring.push(1));
    EXPECT_TRUE(ring.push(2));
    EXPECT_FALSE(ring.push(3));
    EXPECT_EQ(ring.room(), 0u);
    int value = 0;
    EXPECT_TRUE(ring.pop(value));
    EXPECT_EQ(value, 1);
    EXPECT_TRUE(ring.push(3));
    EXPECT_TRUE(ring.pop(value));
    EXPECT_TRUE(ring.pop(value));
    EXPECT_EQ(value, 3);
    EXPECT_FALSE(ring.pop(value));
    EXPECT_TRUE(ring.empty());
}

TEST(SpscRing, PeekLeavesTheEntry) {
    SpscRing<int> ring(4);
    EXPECT_EQ(ring.peek(), nullptr);
    EXPECT_TRUE(ring.push(7));
    ASSERT_NE(ring.peek(), nullptr);
    EXPECT_EQ(*ring.peek(), 7);
    EXPECT_EQ(ring.size(), 1u);
}

TEST(SpscRing, BurstsTakeWhatFitsAndKeepOrderAcrossTheWrap) {
    SpscRing<int> ring(8);
    std::array<int, 8> out{};
    // Moves the indices so that the next burst wraps.
    const std::array<int, 5> first{1, 2, 3, 4, 5};
    EXPECT_EQ(ring.push_burst(first), 5u);
    EXPECT_EQ(ring.pop_burst(std::span(out).first(4)), 4u);
    const std::array<int, 9> more{6, 7, 8, 9, 10, 11, 12, 13, 14};
    EXPECT_EQ(ring.push_burst(more), 7u) << "8 slots, one taken";
    EXPECT_EQ(ring.push_burst(more), 0u);
    EXPECT_EQ(ring.pop_burst(out), 8u);
    std::array<int, 8> expected{};
    std::iota(expected.begin(), expected.end(), 5);
    EXPECT_EQ(out, expected);
    EXPECT_EQ(ring.pop_burst(out), 0u);
}

TEST(SpscRing, ShowsItsFrontInPiecesThatEndAtTheWrap) {
    SpscRing<int> ring(4);
    EXPECT_TRUE(ring.front(3).empty());
    const std::array<int, 4> values{1, 2, 3, 4};
    EXPECT_EQ(ring.push_burst(values), 4u);
    ASSERT_EQ(ring.front(3).size(), 3u);
    EXPECT_EQ(ring.front(3)[2], 3);
    ring.drop_front(3);
    EXPECT_TRUE(ring.push(5));
    EXPECT_TRUE(ring.push(6));
    ASSERT_EQ(ring.front(3).size(), 1u) << "the others lie at the beginning";
    EXPECT_EQ(ring.front(3)[0], 4);
    ring.drop_front(1);
    ASSERT_EQ(ring.front(3).size(), 2u);
    EXPECT_EQ(ring.front(3)[1], 6);
    EXPECT_EQ(ring.size(), 2u);
    ring.drop_front(2);
    EXPECT_TRUE(ring.empty());
}

TEST(SpscRing, GrownItHoldsWhatItHeldInOrder) {
    SpscRing<int> ring(4);
    int value = 0;
    for (int i = 0; i < 3; ++i) {
        ASSERT_TRUE(ring.push(-1));
        ASSERT_TRUE(ring.pop(value));
    }
    for (int i = 0; i < 4; ++i)
        ASSERT_TRUE(ring.push(i));
    ASSERT_TRUE(ring.grow(3));  // as large already
    EXPECT_EQ(ring.capacity(), 4u);
    ASSERT_TRUE(ring.grow(9));
    EXPECT_EQ(ring.capacity(), 16u);
    for (int i = 4; i < 16; ++i)
        ASSERT_TRUE(ring.push(i));
    EXPECT_FALSE(ring.push(16));
    for (int i = 0; i < 16; ++i) {
        ASSERT_TRUE(ring.pop(value));
        EXPECT_EQ(value, i);
    }
    EXPECT_TRUE(ring.empty());
}

TEST(SpscRing, EmptyBurstsDoNothing) {
    SpscRing<int> ring(2);
    EXPECT_EQ(ring.push_burst({}), 0u);
    EXPECT_TRUE(ring.push(1));
    EXPECT_EQ(ring.pop_burst({}), 0u);
    EXPECT_EQ(ring.size(), 1u);
}

TEST(SpscRing, TwoThreadsPassEveryEntryOnceInOrder) {
    constexpr std::uint32_t kEntries = 200'000;
    SpscRing<std::uint32_t> ring(64);
    std::thread producer([&] {
        std::array<std::uint32_t, 17> burst{};
        for (std::uint32_t next = 0; next < kEntries;) {
            std::size_t wanted = 0;
            while (wanted < burst.size() && next + wanted < kEntries) {
                burst[wanted] = next + static_cast<std::uint32_t>(wanted);
                ++wanted;
            }
            const std::size_t pushed = ring.push_burst(std::span(burst).first(wanted));
            next += static_cast<std::uint32_t>(pushed);
            if (pushed == 0) std::this_thread::yield();
        }
    });
    std::array<std::uint32_t, 23> burst{};
    std::uint32_t expected = 0;
    bool in_order = true;
    while (expected < kEntries) {
        const std::size_t popped = ring.pop_burst(burst);
        for (std::size_t i = 0; i < popped; ++i)
            in_order &= burst[i] == expected++;
        if (popped == 0) std::this_thread::yield();
    }
    producer.join();
    EXPECT_TRUE(in_order);
    EXPECT_TRUE(ring.empty());
}

}  // namespace
}  // namespace mtcp
