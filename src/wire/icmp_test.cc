// SPDX-License-Identifier: Apache-2.0
#include "wire/icmp.h"

#include <gtest/gtest.h>

#include <vector>

#include "wire/big_endian.h"
#include "wire/checksum.h"
#include "wire/ipv4.h"

namespace mtcp::wire {
namespace {

std::vector<std::byte> quoted_segment(std::uint8_t protocol = kProtocolTcp,
                                      std::uint16_t fragment = 0) {
    Ipv4Header header;
    header.total_length = 1500;
    header.protocol = protocol;
    header.fragment = fragment;
    header.source = IpAddress::v4(0x0a000001);
    header.destination = IpAddress::v4(0xc0000207);
    std::vector<std::byte> bytes(28);
    emit_ipv4(header, bytes.data());
    store_be16(bytes.data() + 20, 80);
    store_be16(bytes.data() + 22, 1000);
    store_be32(bytes.data() + 24, 0xdeadbeef);
    return bytes;
}

TEST(Icmp, WhatIsEmittedIsParsedBack) {
    std::vector<std::byte> bytes(13, std::byte{0x5a});
    emit_icmp_header(kIcmpEchoRequest, 0, 0x00010002, bytes);
    const auto message = parse_icmp(bytes);
    ASSERT_TRUE(message.ok());
    EXPECT_EQ(message->type, kIcmpEchoRequest);
    EXPECT_EQ(message->rest, 0x00010002u);
    EXPECT_EQ(message->payload.size(), 5u);
}

TEST(Icmp, TruncatedOrAlteredMessagesAreRefused) {
    std::vector<std::byte> bytes(13, std::byte{0x5a});
    emit_icmp_header(kIcmpEchoRequest, 0, 7, bytes);
    for (std::size_t length = 0; length < 8; ++length) {
        EXPECT_EQ(parse_icmp(std::span(bytes).first(length)).error(), Drop::icmp_malformed);
    }
    for (std::size_t bit = 0; bit < bytes.size() * 8; ++bit) {
        auto altered = bytes;
        altered[bit / 8] ^= std::byte{1} << (bit % 8);
        ASSERT_FALSE(parse_icmp(altered).ok()) << bit;
        EXPECT_EQ(parse_icmp(altered).error(), Drop::icmp_bad_checksum);
    }
}

TEST(Icmp, QuotedSegmentIsRead) {
    const auto quoted = parse_quoted_segment(quoted_segment());
    ASSERT_TRUE(quoted.ok());
    EXPECT_EQ(quoted->source, IpAddress::v4(0x0a000001));
    EXPECT_EQ(quoted->destination, IpAddress::v4(0xc0000207));
    EXPECT_EQ(quoted->source_port, 80);
    EXPECT_EQ(quoted->destination_port, 1000);
    EXPECT_EQ(quoted->seq.raw, 0xdeadbeefu);
    EXPECT_EQ(quoted->total_length, 1500);
}

TEST(Icmp, QuotesTooShortAreRefused) {
    const auto bytes = quoted_segment();
    for (std::size_t length = 0; length < bytes.size(); ++length) {
        EXPECT_EQ(parse_quoted_segment(std::span(bytes).first(length)).error(),
                  Drop::icmp_malformed);
    }
    auto long_header = bytes;
    long_header[0] = std::byte{0x46};  // 24 bytes of header leave 4 of the segment
    EXPECT_EQ(parse_quoted_segment(long_header).error(), Drop::icmp_malformed);
}

TEST(Icmp, QuotesThatAreNotTheBeginningOfASegmentAreIgnored) {
    EXPECT_EQ(parse_quoted_segment(quoted_segment(kProtocolUdp)).error(), Drop::icmp_ignored);
    EXPECT_EQ(parse_quoted_segment(quoted_segment(kProtocolTcp, 1)).error(), Drop::icmp_ignored);
    EXPECT_TRUE(parse_quoted_segment(quoted_segment(kProtocolTcp, kIpv4MoreFragments)).ok());
}

TEST(Icmp, PlateausDescend) {
    EXPECT_EQ(plateau_below(65535), 32000);
    EXPECT_EQ(plateau_below(1500), 1492);
    EXPECT_EQ(plateau_below(1492), 1006);
    EXPECT_EQ(plateau_below(68), 68);
    EXPECT_EQ(plateau_below(0), 68);
}

}  // namespace
}  // namespace mtcp::wire
