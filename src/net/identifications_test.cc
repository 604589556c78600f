// SPDX-License-Identifier: Apache-2.0
// Identifications come again late, and tell a stranger nothing.
#include "net/identifications.h"

#include <gtest/gtest.h>

#include <bitset>
#include <vector>

namespace mtcp::net {
namespace {

constexpr wire::IpAddress kOurs = wire::IpAddress::v4(0x0a000001);
constexpr std::uint8_t kTcp = 6;
constexpr std::uint8_t kIcmp = 1;

wire::IpAddress host(std::uint32_t number) { return wire::IpAddress::v4(0x0a000100 + number); }

using Seen = std::bitset<0x10000>;

TEST(Identifications, OfOneHostAreAllUsedBeforeOneComesAgain) {
    Random random(1);
    Identifications identifications({}, random);
    Seen seen;
    const std::uint16_t first = identifications.take(kOurs, host(1), kIcmp);
    seen.set(first);
    for (std::uint32_t i = 1; i < 0x10000; ++i)
        seen.set(identifications.take(kOurs, host(1), kIcmp));
    EXPECT_TRUE(seen.all());
    EXPECT_EQ(identifications.take(kOurs, host(1), kIcmp), first);
}

TEST(Identifications, BeginAnywhereForEachHostProtocolAndStart) {
    Random random(1);
    Identifications identifications({}, random);
    Identifications another({}, random);
    std::vector<std::uint16_t> firsts;
    for (std::uint32_t i = 0; i < 200; ++i) {
        firsts.push_back(identifications.take(kOurs, host(i), kTcp));
        firsts.push_back(identifications.take(kOurs, host(i), kIcmp));
        firsts.push_back(another.take(kOurs, host(i), kIcmp));
    }
    int near = 0;
    for (std::size_t i = 1; i < firsts.size(); ++i)
        near += static_cast<std::uint16_t>(firsts[i] - firsts[i - 1] + 64) < 128 ? 1 : 0;
    EXPECT_LT(near, 10) << "600 times 128 of 65,536 is one";
}

// What an idle scan lives on: packets to one host seen in the numbers of another's.
TEST(Identifications, ToOneHostCountNothingSentToAnother) {
    Random random(1);
    Identifications identifications({}, random);
    int moved = 0;
    for (std::uint32_t i = 1; i <= 500; ++i) {
        const std::uint16_t before = identifications.take(kOurs, host(0), kTcp);
        static_cast<void>(identifications.take(kOurs, host(i), kTcp));
        const std::uint16_t after = identifications.take(kOurs, host(0), kTcp);
        moved += after != static_cast<std::uint16_t>(before + 1) ? 1 : 0;
    }
    EXPECT_LT(moved, 5) << "a counter is shared by one host in 2,048";
}

TEST(Identifications, OfOneHostDifferFromCoreToCore) {
    Seen seen;
    for (std::uint32_t core = 0; core < 3; ++core) {
        Random random(core);
        Identifications identifications({.number = core, .of = 3}, random);
        for (std::uint32_t i = 0; i < 0x10000 / 4; ++i) {
            const std::uint16_t taken = identifications.take(kOurs, host(1), kIcmp);
            ASSERT_FALSE(seen.test(taken)) << "core " << core << ", number " << i;
            seen.set(taken);
        }
    }
}

TEST(Identifications, OfATrainFollowEachOtherAndStayInTheCoresPart) {
    Random random(1);
    Identifications identifications({.number = 1, .of = 2}, random);
    Seen seen;
    for (std::uint32_t train = 0; train < 700; ++train) {
        const std::uint32_t first = identifications.take(kOurs, host(1), kTcp, 45);
        ASSERT_GE(first, 0x8000u);
        ASSERT_LE(first + 45, 0x10000u);
        for (std::uint32_t i = first; i < first + 45; ++i) {
            ASSERT_FALSE(seen.test(i)) << "train " << train;
            seen.set(i);
        }
    }
}

}  // namespace
}  // namespace mtcp::net
