// SPDX-License-Identifier: Apache-2.0
#include "wire/ipv4.h"

#include <gtest/gtest.h>

#include <array>
#include <initializer_list>
#include <vector>

#include "wire/big_endian.h"
#include "wire/checksum.h"

namespace mtcp::wire {
namespace {

std::vector<std::byte> packet(std::size_t payload = 8) {
    Ipv4Header header;
    header.total_length = static_cast<std::uint16_t>(20 + payload);
    header.tos = 0xb9;
    header.identification = 0x1234;
    header.fragment = kIpv4DontFragment;
    header.ttl = 61;
    header.protocol = 6;
    header.source = IpAddress::v4(0x0a000002);
    header.destination = IpAddress::v4(0x0a000001);
    std::vector<std::byte> bytes(20 + payload);
    emit_ipv4(header, bytes.data());
    return bytes;
}

void repair_checksum(std::vector<std::byte>& bytes, std::size_t header_length = 20) {
    store_be16(bytes.data() + 10, 0);
    store_be16(bytes.data() + 10, finish(checksum_add(0, std::span(bytes).first(header_length))));
}

TEST(Ipv4, WhatIsEmittedIsParsedBack) {
    const auto header = parse_ipv4(packet());
    ASSERT_TRUE(header.ok());
    EXPECT_EQ(header->header_length, 20);
    EXPECT_EQ(header->total_length, 28);
    EXPECT_EQ(header->tos, 0xb9);
    EXPECT_EQ(header->identification, 0x1234);
    EXPECT_FALSE(header->is_fragment());
    EXPECT_EQ(header->ttl, 61);
    EXPECT_EQ(header->protocol, 6);
    EXPECT_EQ(header->source, IpAddress::v4(0x0a000002));
    EXPECT_EQ(header->destination, IpAddress::v4(0x0a000001));
}

TEST(Ipv4, EmitsTheExampleHeaderOfTheChecksumTutorials) {
    // 4500 0073 0000 4000 4011 b861 c0a8 0001 c0a8 00c7
    Ipv4Header header;
    header.total_length = 0x73;
    header.fragment = 0x4000;
    header.ttl = 0x40;
    header.protocol = 0x11;
    header.source = IpAddress::v4(0xc0a80001);
    header.destination = IpAddress::v4(0xc0a800c7);
    std::array<std::byte, 20> out{};
    emit_ipv4(header, out.data());
    EXPECT_EQ(load_be16(out.data() + 10), 0xb861);
}

TEST(Ipv4, PaddingBehindTheTotalLengthIsAllowed) {
    auto bytes = packet();
    bytes.resize(60);
    ASSERT_TRUE(parse_ipv4(bytes).ok());
    EXPECT_EQ(parse_ipv4(bytes)->total_length, 28);
}

TEST(Ipv4, EveryTruncationIsShort) {
    const auto bytes = packet();
    for (std::size_t length = 0; length < bytes.size(); ++length) {
        const auto header = parse_ipv4(std::span(bytes).first(length));
        ASSERT_FALSE(header.ok()) << length;
        EXPECT_EQ(header.error(), Drop::ip_short) << length;
    }
}

TEST(Ipv4, EverySingleBitErrorInTheHeaderIsFound) {
    for (std::size_t bit = 0; bit < 160; ++bit) {
        auto bytes = packet();
        bytes[bit / 8] ^= std::byte{1} << (bit % 8);
        EXPECT_FALSE(parse_ipv4(bytes).ok()) << bit;
    }
}

TEST(Ipv4, OtherVersionsAreRefused) {
    auto bytes = packet();
    bytes[0] = std::byte{0x65};
    repair_checksum(bytes);
    EXPECT_EQ(parse_ipv4(bytes).error(), Drop::ip_bad_version);
}

TEST(Ipv4, HeaderLengthMustLieBetween20AndTheTotalLength) {
    auto bytes = packet();
    bytes[0] = std::byte{0x44};
    repair_checksum(bytes);
    EXPECT_EQ(parse_ipv4(bytes).error(), Drop::ip_bad_header_length);
    bytes[0] = std::byte{0x4f};
    EXPECT_EQ(parse_ipv4(bytes).error(), Drop::ip_bad_header_length);
    bytes = packet();
    store_be16(bytes.data() + 2, 19);
    repair_checksum(bytes);
    EXPECT_EQ(parse_ipv4(bytes).error(), Drop::ip_bad_header_length);
}

std::vector<std::byte> options(std::initializer_list<int> values) {
    std::vector<std::byte> bytes;
    for (const int value : values)
        bytes.push_back(static_cast<std::byte>(value));
    return bytes;
}

TEST(Ipv4Options, AreScanned) {
    struct Row {
        const char* name;
        std::vector<std::byte> bytes;
        OptionScan expected;
    };
    const Row rows[] = {
        {"none", {}, OptionScan::harmless},
        {"no operations and end", options({1, 1, 0, 131}), OptionScan::harmless},
        {"router alert", options({148, 4, 0, 0}), OptionScan::harmless},
        {"record route", options({7, 7, 4, 0, 0, 0, 0, 0}), OptionScan::harmless},
        {"loose source route", options({131, 7, 4, 1, 2, 3, 4, 0}), OptionScan::source_route},
        {"strict source route", options({1, 137, 3, 4}), OptionScan::source_route},
        {"length zero", options({68, 0, 0, 0}), OptionScan::malformed},
        {"length one", options({68, 1, 0, 0}), OptionScan::malformed},
        {"length beyond the header", options({68, 5, 0, 0}), OptionScan::malformed},
        {"no room for the length", options({1, 1, 1, 68}), OptionScan::malformed},
    };
    for (const Row& row : rows)
        EXPECT_EQ(scan_options(row.bytes), row.expected) << row.name;
}

}  // namespace
}  // namespace mtcp::wire
