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
    table.own_details(d).linger_s = 3;
    table.retire(0);
    table.recycle(0);
    ASSERT_EQ(table.take(DescriptorKind::stream), 0u);
    EXPECT_EQ(d.shut_write, 0);
    EXPECT_EQ(d.connection, kNoIndex);
    EXPECT_EQ(table.details(d).linger_s, -1);
}

TEST(DescriptorTable, SocketsShareTheirOptionsUntilOneChangesThem) {
    DescriptorTable table;
    ASSERT_TRUE(table.reserve(4));
    const std::uint32_t before = table.details_used();
    Descriptor& a = table.at(table.take(DescriptorKind::stream));
    Descriptor& b = table.at(table.take(DescriptorKind::stream));
    EXPECT_EQ(table.details_used(), before);
    table.own_details(a).linger_s = 3;
    table.own_details(a).send_timeout_ns = 5;
    EXPECT_EQ(table.details_used(), before + 1);
    EXPECT_EQ(table.details(a).linger_s, 3);
    EXPECT_EQ(table.details(b).linger_s, -1);
    table.retire(table.id_of(a));
    EXPECT_EQ(table.details_used(), before);
}

TEST(DescriptorTable, WhatAListenerAcceptsSharesOneRecordOfOptions) {
    DescriptorTable table;
    ASSERT_TRUE(table.reserve(8));
    Descriptor& listener = table.at(table.take(DescriptorKind::stream));
    table.own_details(listener).linger_s = 3;
    table.own_details(listener).local.port = 80;
    const std::uint32_t before = table.details_used();
    Descriptor& a = table.at(table.take(DescriptorKind::stream));
    Descriptor& b = table.at(table.take(DescriptorKind::stream));
    table.inherit(listener, a);
    table.inherit(listener, b);
    EXPECT_EQ(table.details_used(), before + 1);
    EXPECT_EQ(table.details(a).linger_s, 3);
    EXPECT_EQ(table.details(b).local.port, 0);  // not handed down
    table.own_details(listener).linger_s = 9;
    EXPECT_EQ(table.details(a).linger_s, 3);
    Descriptor& c = table.at(table.take(DescriptorKind::stream));
    table.inherit(listener, c);
    EXPECT_EQ(table.details(c).linger_s, 9);
    for (const Descriptor* d : {&a, &b, &c, &listener})
        table.retire(table.id_of(*d));
    EXPECT_EQ(table.details_used(), 1u);  // that of a new socket
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
