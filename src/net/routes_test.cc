// SPDX-License-Identifier: Apache-2.0
#include "net/routes.h"

#include <gtest/gtest.h>

#include "net/testing/packets.h"

namespace mtcp::net {
namespace {

using testing::ip;

NetworkConfiguration configuration() {
    NetworkConfiguration two;
    two.interfaces.resize(2);
    two.interfaces[0].addresses = {Prefix{ip(10, 0, 0, 1), 24}};
    two.interfaces[1].addresses = {Prefix{ip(10, 1, 0, 1), 16}};
    two.routes = {
        RouteConfiguration{Prefix{ip(0, 0, 0, 0), 0}, ip(10, 0, 0, 254), 0},
        RouteConfiguration{Prefix{ip(172, 16, 0, 0), 12}, ip(10, 1, 0, 254), 1},
        RouteConfiguration{Prefix{ip(172, 16, 5, 0), 24}, ip(10, 0, 0, 253), 0},
        RouteConfiguration{Prefix{ip(10, 1, 9, 9), 32}, ip(10, 0, 0, 252), 0},
    };
    return two;
}

TEST(Routes, TheLongestPrefixWins) {
    const RouteTable table(configuration());
    EXPECT_EQ(table.find(ip(8, 8, 8, 8))->gateway, ip(10, 0, 0, 254));
    EXPECT_EQ(table.find(ip(172, 31, 255, 255))->gateway, ip(10, 1, 0, 254));
    EXPECT_EQ(table.find(ip(172, 32, 0, 0))->gateway, ip(10, 0, 0, 254));
    EXPECT_EQ(table.find(ip(172, 16, 5, 77))->gateway, ip(10, 0, 0, 253));
    EXPECT_EQ(table.find(ip(10, 1, 9, 9))->gateway, ip(10, 0, 0, 252));
}

TEST(Routes, ConnectedNetworksAreOnTheLink) {
    const RouteTable table(configuration());
    const RouteConfiguration* route = table.find(ip(10, 1, 9, 8));
    ASSERT_NE(route, nullptr);
    EXPECT_EQ(route->interface, 1u);
    EXPECT_TRUE(route->gateway.is_unspecified());
}

TEST(Routes, WithoutADefaultThereMayBeNone) {
    NetworkConfiguration narrow = configuration();
    narrow.routes.clear();
    const RouteTable table(narrow);
    EXPECT_EQ(table.find(ip(8, 8, 8, 8)), nullptr);
}

TEST(Routes, FamiliesDoNotMix) {
    const RouteTable table(configuration());
    wire::IpAddress v6;
    v6.octet[0] = 0x20;
    EXPECT_EQ(table.find(v6), nullptr);
}

TEST(Routes, OfEqualPrefixesTheConfiguredAndFirstWins) {
    NetworkConfiguration twice = configuration();
    twice.routes = {RouteConfiguration{Prefix{ip(10, 0, 0, 0), 24}, ip(10, 1, 0, 7), 1},
                    RouteConfiguration{Prefix{ip(10, 0, 0, 0), 24}, ip(10, 1, 0, 8), 1}};
    const RouteTable table(twice);
    EXPECT_EQ(table.find(ip(10, 0, 0, 9))->gateway, ip(10, 1, 0, 7));
}

}  // namespace
}  // namespace mtcp::net
