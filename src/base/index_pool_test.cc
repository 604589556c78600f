// SPDX-License-Identifier: Apache-2.0
// The index pool: reuse order, exhaustion, refused memory.
#include "base/index_pool.h"

#include <gtest/gtest.h>

#include <set>

namespace mtcp {
namespace {

struct Record {
    std::uint64_t a;
    std::uint64_t b;
};

TEST(IndexPool, HandsOutDistinctRecordsUntilItIsExhausted) {
    IndexPool<Record> pool;
    ASSERT_TRUE(pool.reserve(5));
    std::set<std::uint32_t> seen;
    for (int i = 0; i < 5; ++i) {
        const std::uint32_t index = pool.take();
        ASSERT_LT(index, 5u);
        pool[index] = {index, ~std::uint64_t{index}};
        seen.insert(index);
    }
    EXPECT_EQ(seen.size(), 5u);
    EXPECT_EQ(pool.take(), kNoIndex);
    EXPECT_EQ(pool.available(), 0u);
    for (const std::uint32_t index : seen) {
        EXPECT_EQ(pool[index].a, index);
        EXPECT_EQ(pool[index].b, ~std::uint64_t{index});
    }
}

TEST(IndexPool, GivesBackTheWarmestRecordFirst) {
    IndexPool<Record> pool;
    ASSERT_TRUE(pool.reserve(4));
    const std::uint32_t a = pool.take();
    const std::uint32_t b = pool.take();
    pool.give_back(a);
    pool.give_back(b);
    EXPECT_EQ(pool.used(), 0u);
    EXPECT_EQ(pool.take(), b);
    EXPECT_EQ(pool.take(), a);
    EXPECT_EQ(pool.touched(), 2u) << "fresh records are touched only when no freed one is left";
}

TEST(IndexPool, ServesAgainAfterExhaustion) {
    IndexPool<Record> pool;
    ASSERT_TRUE(pool.reserve(1));
    const std::uint32_t only = pool.take();
    EXPECT_EQ(pool.take(), kNoIndex);
    pool.give_back(only);
    EXPECT_EQ(pool.take(), only);
}

TEST(IndexPool, ReportsRefusedMemory) {
    set_allocation_hook([](std::size_t) { return false; });
    IndexPool<Record> pool;
    EXPECT_FALSE(pool.reserve(10));
    set_allocation_hook(nullptr);
    EXPECT_EQ(pool.take(), kNoIndex);
}

TEST(IndexPool, OfCapacityZeroIsExhausted) {
    IndexPool<Record> pool;
    ASSERT_TRUE(pool.reserve(0));
    EXPECT_EQ(pool.take(), kNoIndex);
}

}  // namespace
}  // namespace mtcp
