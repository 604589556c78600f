// SPDX-License-Identifier: Apache-2.0
#include "wire/flow_siphash.h"

#include <gtest/gtest.h>

#include <set>

namespace mtcp::wire {
namespace {

constexpr SecretKey kKey{0x0706050403020100u, 0x0f0e0d0c0b0a0908u};

FlowKey flow() {
    return {.local = IpAddress::v4(0x0a000001),
            .remote = IpAddress::v4(0x0a000002),
            .local_port = 1024,
            .remote_port = 80};
}

TEST(FlowSiphash, EveryPartOfTheTupleAndOfTheKeyCounts) {
    std::set<std::uint64_t> seen{flow_siphash(kKey, flow())};
    FlowKey other = flow();
    other.local = IpAddress::v4(0x0a000003);
    seen.insert(flow_siphash(kKey, other));
    other = flow();
    other.remote = IpAddress::v4(0x0a000003);
    seen.insert(flow_siphash(kKey, other));
    other = flow();
    ++other.local_port;
    seen.insert(flow_siphash(kKey, other));
    other = flow();
    ++other.remote_port;
    seen.insert(flow_siphash(kKey, other));
    other = flow();
    std::swap(other.local, other.remote);
    seen.insert(flow_siphash(kKey, other));
    seen.insert(flow_siphash({kKey.k0 + 1, kKey.k1}, flow()));
    seen.insert(flow_siphash({kKey.k0, kKey.k1 + 1}, flow()));
    EXPECT_EQ(seen.size(), 8u);
}

TEST(FlowSiphash, Ipv6TuplesAreHashedWhole) {
    FlowKey one = flow();
    one.local.octet = {0x20, 1, 0xd, 0xb8};
    FlowKey two = one;
    two.local.octet[7] = 1;
    EXPECT_NE(flow_siphash(kKey, one), flow_siphash(kKey, two));
    EXPECT_EQ(flow_siphash(kKey, one), flow_siphash(kKey, FlowKey(one)));
}

}  // namespace
}  // namespace mtcp::wire
