// SPDX-License-Identifier: Apache-2.0
#include "wire/address_text.h"

#include <gtest/gtest.h>

namespace mtcp::wire {
namespace {

TEST(AddressText, ParsesIpv4) {
    const auto address = parse_address("192.0.2.1");
    ASSERT_TRUE(address);
    EXPECT_TRUE(address->is_v4());
    EXPECT_EQ(address->v4_bits(), 0xc0000201u);
}

TEST(AddressText, ParsesIpv6AndFormatsItShort) {
    const auto address = parse_address("2001:DB8:0:0:0:0:0:1");
    ASSERT_TRUE(address);
    EXPECT_FALSE(address->is_v4());
    EXPECT_EQ(format_address(*address), "2001:db8::1");
}

TEST(AddressText, MappedIpv6IsTheIpv4Address) {
    EXPECT_EQ(parse_address("::ffff:192.0.2.1"), parse_address("192.0.2.1"));
}

TEST(AddressText, RefusesWhatIsNotExactlyAnAddress) {
    for (const char* text : {"", "1.2.3", "1.2.3.256", "1.2.3.4.5", " 1.2.3.4", "1.2.3.4 ",
                             "1.2.3.4/24", "01.2.3.04x", "::1::", "fe80::1%eth0", "host",
                             "0:0:0:0:0:0:0:0:0:0:0:0:0:0:0:0:0:0:0:0:0:0:0:0:0:0:0:0:0"}) {
        EXPECT_FALSE(parse_address(text)) << text;
    }
    EXPECT_FALSE(parse_address(std::string_view("1.2.3.4\0x", 9)));
}

TEST(AddressText, FormatsIpv4) {
    EXPECT_EQ(format_address(IpAddress::v4(0x0a000001)), "10.0.0.1");
    EXPECT_EQ(format_address(IpAddress::v4(0xffffffff)), "255.255.255.255");
}

TEST(AddressText, PrefixKeepsHostBitsAndDefaultsToTheWholeAddress) {
    EXPECT_EQ(parse_prefix("10.0.0.1/24"), (Prefix{IpAddress::v4(0x0a000001), 24}));
    EXPECT_EQ(parse_prefix("10.0.0.1"), (Prefix{IpAddress::v4(0x0a000001), 32}));
    EXPECT_EQ(parse_prefix("0.0.0.0/0"), (Prefix{IpAddress::v4(0), 0}));
    EXPECT_EQ(parse_prefix("2001:db8::/32")->length, 32);
    EXPECT_EQ(parse_prefix("2001:db8::1")->length, 128);
    EXPECT_EQ(format_prefix(*parse_prefix("10.1.2.3/8")), "10.1.2.3/8");
}

TEST(AddressText, RefusesBadPrefixLengths) {
    for (const char* text : {"10.0.0.1/", "10.0.0.1/33", "10.0.0.1/-1", "10.0.0.1/2x", "/24",
                             "10.0.0.1/24/1", "2001:db8::/129", "10.0.0.1/ 24"}) {
        EXPECT_FALSE(parse_prefix(text)) << text;
    }
}

TEST(AddressText, PrefixContainsByItsBits) {
    const Prefix prefix = *parse_prefix("10.0.16.0/20");
    EXPECT_TRUE(prefix.contains(*parse_address("10.0.31.255")));
    EXPECT_FALSE(prefix.contains(*parse_address("10.0.32.0")));
    EXPECT_TRUE(parse_prefix("0.0.0.0/0")->contains(*parse_address("255.1.2.3")));
    EXPECT_FALSE(parse_prefix("0.0.0.0/0")->contains(*parse_address("2001:db8::1")));
    EXPECT_TRUE(parse_prefix("10.0.0.1/32")->contains(*parse_address("10.0.0.1")));
    EXPECT_FALSE(parse_prefix("10.0.0.1/32")->contains(*parse_address("10.0.0.0")));
    EXPECT_TRUE(parse_prefix("2001:db8::/33")->contains(*parse_address("2001:db8:7fff::1")));
    EXPECT_FALSE(parse_prefix("2001:db8::/33")->contains(*parse_address("2001:db8:8000::1")));
}

TEST(AddressText, ParsesAndFormatsMac) {
    const auto mac = parse_mac("02:00:00:aB:cd:ef");
    ASSERT_TRUE(mac);
    EXPECT_EQ(format_mac(*mac), "02:00:00:ab:cd:ef");
    EXPECT_EQ(parse_mac("02-00-00-ab-cd-ef"), mac);
    for (const char* text :
         {"", "02:00:00:ab:cd", "02:00:00:ab:cd:ef:01", "02:00-00:ab:cd:ef", "0x:00:00:ab:cd:ef",
          "02:00:00:ab:cd:e", "+2:00:00:ab:cd:ef", "02.00.00.ab.cd.ef"}) {
        EXPECT_FALSE(parse_mac(text)) << text;
    }
}

}  // namespace
}  // namespace mtcp::wire
