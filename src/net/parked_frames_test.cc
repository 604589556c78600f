// SPDX-License-Identifier: Apache-2.0
#include "net/parked_frames.h"

#include <gtest/gtest.h>

namespace mtcp::net {
namespace {

io::Frame numbered(std::uint64_t number) {
    io::Frame frame;
    frame.token = number;
    return frame;
}

TEST(ParkedFrames, ListsKeepTheirOrderSideBySide) {
    ParkedFrames pool(4);
    ParkedList a;
    ParkedList b;
    ASSERT_TRUE(pool.push(a, numbered(1)));
    ASSERT_TRUE(pool.push(b, numbered(2)));
    ASSERT_TRUE(pool.push(a, numbered(3)));
    ASSERT_TRUE(pool.push(a, numbered(4)));
    EXPECT_FALSE(pool.push(b, numbered(5)));
    EXPECT_EQ(a.count, 3);
    EXPECT_EQ(pool.pop(a).token, 1u);
    EXPECT_EQ(pool.pop(a).token, 3u);
    ASSERT_TRUE(pool.push(b, numbered(6)));
    EXPECT_EQ(pool.pop(b).token, 2u);
    EXPECT_EQ(pool.pop(b).token, 6u);
    EXPECT_EQ(pool.pop(a).token, 4u);
    EXPECT_EQ(a.count, 0);
}

}  // namespace
}  // namespace mtcp::net
