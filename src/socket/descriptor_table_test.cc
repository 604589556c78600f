// SPDX-License-Identifier: Apache-2.0
// The order in which ids are given out.
#include "socket/descriptor_table.h"

#include <gtest/gtest.h>

namespace mtcp::socket {
namespace {

TEST(DescriptorTable, GivesDenseIdsThenTheOneFreedFirst) {
    DescriptorTable table;
    ASSERT_TRUE(table.reserve(4));
    for (std::uint32_t id = 0; id < 3; ++id)
        EXPECT_EQ(table.take(DescriptorKind::stream), id);
    table.retire(1);
    table.recycle(1);
    table.retire(0);
    table.recycle(0);
    EXPECT_EQ(table.take(DescriptorKind::stream), 3u);  // never used ones come first
    EXPECT_EQ(table.take(DescriptorKind::stream), 1u);
    EXPECT_EQ(table.take(DescriptorKind::stream), 0u);
    EXPECT_EQ(table.take(DescriptorKind::stream), kNoIndex);
    EXPECT_TRUE(table.exhausted());
}

TEST(DescriptorTable, ARetiredIdIsUnknownAndNotReusedBeforeItIsRecycled) {
    DescriptorTable table;
    ASSERT_TRUE(table.reserve(1));
    ASSERT_EQ(table.take(DescriptorKind::pipe_read), 0u);
    table.retire(0);
    EXPECT_EQ(table.find(0), nullptr);
    EXPECT_EQ(table.take(DescriptorKind::stream), kNoIndex);
    table.recycle(0);
    EXPECT_EQ(table.take(DescriptorKind::stream), 0u);
    EXPECT_EQ(table.find(0)->kind, DescriptorKind::stream);
}

TEST(DescriptorTable, AReusedIdKeepsNothing) {
    DescriptorTable table;
    ASSERT_TRUE(table.reserve(1));
    Descriptor& d = table.at(table.take(DescriptorKind::stream));
    d.shut_write = 1;
    d.connection = 7;
    table.details(d).linger_s = 3;
    table.retire(0);
    table.recycle(0);
    ASSERT_EQ(table.take(DescriptorKind::stream), 0u);
    EXPECT_EQ(d.shut_write, 0);
    EXPECT_EQ(d.connection, kNoIndex);
    EXPECT_EQ(table.details(d).linger_s, -1);
}

TEST(DescriptorTable, IdsOutsideTheTableAreUnknown) {
    DescriptorTable table;
    ASSERT_TRUE(table.reserve(2));
    EXPECT_EQ(table.find(-1), nullptr);
    EXPECT_EQ(table.find(0), nullptr);
    EXPECT_EQ(table.find(2), nullptr);
    EXPECT_EQ(table.find(1 << 30), nullptr);
}

}  // namespace
}  // namespace mtcp::socket
