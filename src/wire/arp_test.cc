// SPDX-License-Identifier: Apache-2.0
#include "wire/arp.h"

#include <gtest/gtest.h>

#include <array>

#include "wire/big_endian.h"

namespace mtcp::wire {
namespace {

constexpr MacOctets kSender{2, 0, 0, 0, 0, 2};

std::array<std::byte, kArpPacket> reply() {
    std::array<std::byte, kArpPacket> bytes{};
    emit_arp({ArpOperation::reply,
              kSender,
              IpAddress::v4(0x0a000002),
              {2, 0, 0, 0, 0, 1},
              IpAddress::v4(0x0a000001)},
             bytes.data());
    return bytes;
}

TEST(Arp, WhatIsEmittedIsParsedBack) {
    const auto packet = parse_arp(reply());
    ASSERT_TRUE(packet);
    EXPECT_EQ(packet->operation, ArpOperation::reply);
    EXPECT_EQ(packet->sender_mac, kSender);
    EXPECT_EQ(packet->sender, IpAddress::v4(0x0a000002));
    EXPECT_EQ(packet->target_mac, (MacOctets{2, 0, 0, 0, 0, 1}));
    EXPECT_EQ(packet->target, IpAddress::v4(0x0a000001));
}

TEST(Arp, EveryTruncationIsRefused) {
    const auto bytes = reply();
    for (std::size_t length = 0; length < bytes.size(); ++length) {
        EXPECT_FALSE(parse_arp(std::span(bytes).first(length))) << length;
    }
}

TEST(Arp, OnlyIpv4OverEthernetRequestsAndRepliesPass) {
    const std::array<std::size_t, 8> guarded{0, 1, 2, 3, 4, 5, 6, 7};
    for (const std::size_t at : guarded) {
        auto bytes = reply();
        bytes[at] ^= std::byte{0x10};
        EXPECT_FALSE(parse_arp(bytes)) << at;
    }
}

TEST(Arp, SendersThatCannotBeStationsAreRefused) {
    for (const MacOctets mac : {kMacBroadcast, MacOctets{}, MacOctets{0x01, 0, 0x5e, 0, 0, 1}}) {
        auto bytes = reply();
        for (std::size_t i = 0; i < 6; ++i)
            bytes[8 + i] = std::byte{mac[i]};
        EXPECT_FALSE(parse_arp(bytes));
    }
}

}  // namespace
}  // namespace mtcp::wire
