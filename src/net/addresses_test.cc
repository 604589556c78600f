// SPDX-License-Identifier: Apache-2.0
#include "net/addresses.h"

#include <gtest/gtest.h>

#include "net/testing/packets.h"

namespace mtcp::net {
namespace {

using testing::ip;

std::vector<InterfaceConfiguration> interfaces() {
    std::vector<InterfaceConfiguration> two(3);
    two[0].addresses = {Prefix{ip(127, 0, 0, 1), 8}};
    two[1].addresses = {Prefix{ip(10, 0, 0, 1), 24}, Prefix{ip(10, 1, 0, 1), 16}};
    two[2].addresses = {Prefix{ip(192, 0, 2, 0), 31}, Prefix{ip(192, 0, 2, 9), 32}};
    return two;
}

TEST(Addresses, KindsAreTold) {
    const AddressTable table(interfaces());
    EXPECT_EQ(table.kind(ip(10, 0, 0, 1)), AddressKind::own);
    EXPECT_EQ(table.kind(ip(192, 0, 2, 9)), AddressKind::own);
    EXPECT_EQ(table.kind(ip(10, 0, 0, 255)), AddressKind::broadcast);
    EXPECT_EQ(table.kind(ip(10, 1, 255, 255)), AddressKind::broadcast);
    EXPECT_EQ(table.kind(ip(255, 255, 255, 255)), AddressKind::broadcast);
    EXPECT_EQ(table.kind(ip(224, 0, 0, 1)), AddressKind::multicast);
    EXPECT_EQ(table.kind(ip(239, 255, 255, 255)), AddressKind::multicast);
    EXPECT_EQ(table.kind(ip(10, 0, 0, 2)), AddressKind::other);
    EXPECT_TRUE(table.is_local(ip(127, 0, 0, 2)));  // all of 127.0.0.0/8
}

TEST(Addresses, PointToPointPrefixesHaveNoBroadcast) {
    const AddressTable table(interfaces());
    EXPECT_EQ(table.kind(ip(192, 0, 2, 1)), AddressKind::other);
}

TEST(Addresses, ManyAreAllFoundAndNothingElse) {
    std::vector<InterfaceConfiguration> one(1);
    for (unsigned i = 1; i < 1000; ++i) {
        one[0].addresses.push_back(Prefix{ip(10, 0, i / 250, i % 250 + 1), 32});
    }
    const AddressTable table(one);
    for (unsigned i = 1; i < 1000; ++i)
        EXPECT_TRUE(table.is_local(ip(10, 0, i / 250, i % 250 + 1)));
    for (unsigned i = 0; i < 1000; ++i)
        EXPECT_FALSE(table.is_local(ip(10, 1, i / 250, i % 250)));
}

TEST(Addresses, AnswersForAnInterfaceOnlyWithItsOwn) {
    AddressTable table(interfaces());
    EXPECT_NE(table.find_on_interface(ip(10, 1, 0, 1), 1), nullptr);
    EXPECT_EQ(table.find_on_interface(ip(10, 1, 0, 1), 2), nullptr);
}

TEST(Addresses, SourcesThatNoHostMayHaveAreKnown) {
    const AddressTable table(interfaces());
    struct Row {
        const char* name;
        wire::IpAddress source;
        bool valid;
    };
    const Row rows[] = {
        {"neighbour", ip(10, 0, 0, 2), true},
        {"far host", ip(203, 0, 113, 1), true},
        {"unspecified", ip(0, 0, 0, 0), false},
        {"this network", ip(0, 1, 2, 3), false},
        {"loopback", ip(127, 0, 0, 5), false},
        {"multicast", ip(224, 0, 0, 1), false},
        {"class E", ip(240, 0, 0, 1), false},
        {"limited broadcast", ip(255, 255, 255, 255), false},
        {"directed broadcast", ip(10, 0, 0, 255), false},
        {"our own", ip(10, 0, 0, 1), false},
    };
    for (const Row& row : rows) {
        EXPECT_EQ(table.is_valid_source(row.source.v4_bits(), InterfaceKind::network), row.valid)
            << row.name;
    }
    EXPECT_TRUE(table.is_valid_source(ip(10, 0, 0, 1).v4_bits(), InterfaceKind::loopback));
    EXPECT_TRUE(table.is_valid_source(ip(127, 0, 0, 1).v4_bits(), InterfaceKind::loopback));
    EXPECT_FALSE(table.is_valid_source(ip(10, 0, 0, 2).v4_bits(), InterfaceKind::loopback));
}

TEST(Addresses, SourceIsTakenFromThePrefixOfTheNextHop) {  // Checks RFC 9293 MUST-44.
    const AddressTable table(interfaces());
    EXPECT_EQ(table.source_for(ip(10, 1, 7, 7), 1), ip(10, 1, 0, 1));
    EXPECT_EQ(table.source_for(ip(10, 0, 0, 7), 1), ip(10, 0, 0, 1));
    EXPECT_EQ(table.source_for(ip(172, 16, 0, 1), 1), ip(10, 0, 0, 1));
    EXPECT_EQ(table.source_for(ip(172, 16, 0, 1), 5), ip(10, 0, 0, 1));
    EXPECT_EQ(table.first(), ip(10, 0, 0, 1));
}

}  // namespace
}  // namespace mtcp::net
