// SPDX-License-Identifier: Apache-2.0
// Marks are for those who asked, and leave a right checksum.
#include "io/middleware/congestion_mark.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <vector>

namespace mtcp::io {
namespace {

// RFC 791 §3.1, and RFC 1071: over a right header the sum is all ones.
std::uint32_t sum_of_header(const std::vector<std::byte>& packet) {
    std::uint32_t sum = 0;
    for (std::size_t i = 0; i < 20; i += 2) {
        sum += std::to_integer<std::uint32_t>(packet[i]) << 8 |
               std::to_integer<std::uint32_t>(packet[i + 1]);
    }
    while (sum >> 16 != 0)
        sum = (sum & 0xffff) + (sum >> 16);
    return sum;
}

std::vector<std::byte> packet(std::uint8_t tos, std::uint16_t identification) {
    std::vector<std::byte> bytes(40);
    bytes[0] = std::byte{0x45};
    bytes[1] = std::byte{tos};
    bytes[3] = std::byte{40};
    bytes[4] = static_cast<std::byte>(identification >> 8);
    bytes[5] = static_cast<std::byte>(identification);
    bytes[9] = std::byte{6};
    bytes[12] = bytes[16] = std::byte{10};
    const std::uint32_t checksum = ~sum_of_header(bytes);
    bytes[10] = static_cast<std::byte>(checksum >> 8);
    bytes[11] = static_cast<std::byte>(checksum);
    return bytes;
}

TEST(CongestionMark, SetsBothBitsAndKeepsTheChecksumRight) {
    for (std::uint32_t identification = 0; identification < 0x10000; identification += 7) {
        for (const std::uint8_t tos : {std::uint8_t{1}, std::uint8_t{2}, std::uint8_t{0xbe}}) {
            auto bytes = packet(tos, static_cast<std::uint16_t>(identification));
            ASSERT_TRUE(mark_congestion(bytes, Layer::ip));
            ASSERT_EQ(sum_of_header(bytes), 0xffffu) << identification;
            EXPECT_EQ(std::to_integer<int>(bytes[1]), tos | 3);
        }
    }
}

TEST(CongestionMark, LeavesOthersAlone) {
    auto bytes = packet(0xb8, 1);
    const auto before = bytes;
    EXPECT_FALSE(mark_congestion(bytes, Layer::ip));
    EXPECT_EQ(bytes, before);
    auto arp = std::vector<std::byte>(60);
    arp[12] = std::byte{8};
    arp[13] = std::byte{6};
    EXPECT_FALSE(mark_congestion(arp, Layer::ethernet));
    EXPECT_FALSE(mark_congestion(std::span(bytes).first(19), Layer::ip));
}

TEST(CongestionMark, KnowsIpv6) {
    std::vector<std::byte> bytes(60);
    bytes[0] = std::byte{0x60};
    EXPECT_FALSE(mark_congestion(bytes, Layer::ip));
    bytes[1] = std::byte{0x20};
    EXPECT_TRUE(mark_congestion(bytes, Layer::ip));
    EXPECT_EQ(bytes[1], std::byte{0x30});
}

}  // namespace
}  // namespace mtcp::io
