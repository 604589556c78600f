// SPDX-License-Identifier: Apache-2.0
#include "net/inbound.h"

#include <gtest/gtest.h>

#include "net/testing/packets.h"

namespace mtcp::net {
namespace {

using namespace testing;  // NOLINT: packet builders

class InboundTest : public ::testing::Test {
  protected:
    InboundTest() : bytes_(testing::tcp(kPeerIp, kOurIp, 1000, 80, 7, pattern(33))) {}
    bool verify() {
        inbound_.key.remote = kPeerIp;
        inbound_.key.local = kOurIp;
        inbound_.bytes = bytes_;
        return verify_checksum(inbound_, counters_);
    }
    void leave_pseudo_header_sum() {
        wire::store_be16(bytes_.data() + 16,
                         wire::fold(wire::pseudo_header_sum(
                             kPeerIp, kOurIp, 6, static_cast<std::uint32_t>(bytes_.size()))));
    }
    Bytes bytes_;
    Inbound inbound_;
    Counters counters_;
};

TEST_F(InboundTest, ValidChecksumPassesAndEveryBitErrorFails) {  // Checks RFC 9293 MUST-3.
    EXPECT_TRUE(verify());
    const Bytes good = bytes_;
    for (std::size_t bit = 0; bit < good.size() * 8; ++bit) {
        bytes_ = good;
        bytes_[bit / 8] ^= std::byte{1} << (bit % 8);
        EXPECT_FALSE(verify()) << bit;
    }
    EXPECT_EQ(counters_.drops(Drop::tcp_bad_checksum), good.size() * 8);
}

TEST_F(InboundTest, WhatTheDeviceVerifiedIsNotReadAgain) {
    bytes_[30] ^= std::byte{1};
    inbound_.checksum = io::Checksum::verified;
    EXPECT_TRUE(verify());
}

TEST_F(InboundTest, PseudoHeaderSumPassesOnlyWhereItIsAllowed) {
    leave_pseudo_header_sum();
    EXPECT_FALSE(verify());
    inbound_.partial_checksums = PartialChecksums::accepted;
    EXPECT_TRUE(verify());
    inbound_.partial_checksums = PartialChecksums::rejected;
    inbound_.checksum = io::Checksum::partial;
    EXPECT_TRUE(verify());
    EXPECT_EQ(counters_.checksum_partial, 2u);
}

TEST_F(InboundTest, WhereItIsAllowedAWrongChecksumStillFails) {
    inbound_.checksum = io::Checksum::partial;
    EXPECT_TRUE(verify());
    bytes_[30] ^= std::byte{1};
    EXPECT_FALSE(verify());
    EXPECT_EQ(counters_.checksum_partial, 0u);
}

TEST_F(InboundTest, TooShortIsLeftToTheParser) {
    bytes_.resize(19);
    EXPECT_TRUE(verify());
}

}  // namespace
}  // namespace mtcp::net
