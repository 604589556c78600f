// SPDX-License-Identifier: Apache-2.0
#include "net/configuration.h"

#include <gtest/gtest.h>

#include <cerrno>
#include <functional>

#include "net/testing/host.h"

namespace mtcp::net {
namespace {

using testing::ip;

TEST(NetworkConfiguration, AGoodOnePasses) { EXPECT_TRUE(verify(testing::one_ethernet()).ok()); }

TEST(NetworkConfiguration, MistakesAreToldWithAMend) {
    struct Row {
        const char* name;
        std::function<void(NetworkConfiguration&)> spoil;
        const char* why;
    };
    const Row rows[] = {
        {"no interface", [](auto& c) { c = {}; }, "0 interfaces"},
        {"MTU", [](auto& c) { c.interfaces[0].mtu = 67; }, "MTU 67"},
        {"group MAC", [](auto& c) { c.interfaces[0].mac.octet[0] = 1; }, "no station's"},
        {"no MAC", [](auto& c) { c.interfaces[0].mac = {}; }, "no station's"},
        {"loopback on Ethernet", [](auto& c) { c.interfaces[0].kind = InterfaceKind::loopback; },
         "no Ethernet"},
        {"prefix length", [](auto& c) { c.interfaces[0].addresses[0].length = 33; }, "length"},
        {"multicast", [](auto& c) { c.interfaces[0].addresses[0].address = ip(224, 0, 0, 1); },
         "no host"},
        {"network address", [](auto& c) { c.interfaces[0].addresses[0].address = ip(10, 0, 0, 0); },
         "network's"},
        {"broadcast address",
         [](auto& c) { c.interfaces[0].addresses[0].address = ip(10, 0, 0, 255); }, "broadcast"},
        {"twice",
         [](auto& c) { c.interfaces[0].addresses.push_back(c.interfaces[0].addresses[0]); },
         "twice"},
        {"route's interface", [](auto& c) { c.routes[0].interface = 7; }, "does not exist"},
        {"far gateway", [](auto& c) { c.routes[0].gateway = ip(172, 16, 0, 1); },
         "not on a network of eth0"},
        {"gateway is us", [](auto& c) { c.routes[0].gateway = ip(10, 0, 0, 1); }, "this host"},
        {"static entry for us",
         [](auto& c) {
             c.neighbours = {NeighbourConfiguration{ip(10, 0, 0, 1), c.interfaces[0].mac, 0}};
         },
         "not the address of another host"},
        {"no neighbours", [](auto& c) { c.limits.neighbours = 0; }, "neighbours"},
    };
    for (const Row& row : rows) {
        NetworkConfiguration configuration = testing::one_ethernet();
        row.spoil(configuration);
        const auto verified = verify(configuration);
        ASSERT_FALSE(verified.ok()) << row.name;
        EXPECT_NE(verified.error().text().find(row.why), std::string::npos)
            << row.name << ": " << verified.error().text();
        EXPECT_FALSE(verified.error().mend.empty()) << row.name;
        EXPECT_EQ(verified.error().error, EINVAL) << row.name;
    }
}

TEST(NetworkConfiguration, Ipv6IsRefusedAsNotYetSupported) {
    NetworkConfiguration configuration = testing::one_ethernet();
    configuration.interfaces[0].addresses[0].address.octet = {0x20, 0x01, 0x0d, 0xb8};
    EXPECT_EQ(verify(configuration).error().error, EAFNOSUPPORT);
}

TEST(NetworkConfiguration, AGatewayMayBeReachedByARouteOfItsOwn) {
    NetworkConfiguration configuration = testing::one_ethernet();
    configuration.interfaces[0].addresses = {Prefix{ip(203, 0, 113, 5), 32}};
    EXPECT_FALSE(verify(configuration).ok());
    configuration.routes.push_back(RouteConfiguration{Prefix{testing::kGatewayIp, 32}, {}, 0});
    EXPECT_TRUE(verify(configuration).ok());
}

TEST(NetworkConfiguration, RefusedMemoryIsAProblemNotACrash) {
    set_allocation_hook([](std::size_t) { return false; });
    Counters counters;
    Random random(1);
    const auto made = Network::create(testing::one_ethernet(), counters, random);
    set_allocation_hook(nullptr);
    ASSERT_FALSE(made.ok());
    EXPECT_EQ(made.error().error, ENOMEM);
}

}  // namespace
}  // namespace mtcp::net
