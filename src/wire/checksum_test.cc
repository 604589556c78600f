// SPDX-License-Identifier: Apache-2.0
// Checksums against the definition in RFC 1071, byte pair by byte pair.
#include "wire/checksum.h"

#include <gtest/gtest.h>

#include <vector>

#include "base/random.h"
#include "wire/big_endian.h"

namespace mtcp::wire {
namespace {

std::uint16_t naive(const std::vector<std::byte>& bytes) {
    std::uint32_t sum = 0;
    for (std::size_t i = 0; i < bytes.size(); i += 2) {
        const std::uint32_t high = static_cast<std::uint8_t>(bytes[i]);
        const std::uint32_t low =
            i + 1 < bytes.size() ? static_cast<std::uint8_t>(bytes[i + 1]) : 0u;
        sum += high << 8 | low;
        sum = (sum & 0xffff) + (sum >> 16);
    }
    return static_cast<std::uint16_t>(sum);
}

std::vector<std::byte> noise(Random& random, std::size_t length) {
    std::vector<std::byte> bytes(length);
    for (std::byte& b : bytes)
        b = static_cast<std::byte>(random.next());
    return bytes;
}

TEST(Checksum, AgreesWithRfc1071ForAllLengths) {
    Random random(1);
    for (std::size_t length = 0; length < 700; ++length) {
        const std::vector<std::byte> bytes = noise(random, length);
        EXPECT_EQ(fold(checksum_add(0, bytes)) % 0xffff, naive(bytes) % 0xffff) << length;
    }
}

TEST(Checksum, OnesDoNotOverflow) {
    const std::vector<std::byte> ones(65'536, std::byte{0xff});
    EXPECT_EQ(fold(checksum_add(0xffff'ffff, ones)), 0xffff);
}

TEST(Checksum, PiecesAddUpAlsoAtOddOffsets) {
    Random random(2);
    for (int i = 0; i < 500; ++i) {
        const std::vector<std::byte> bytes = noise(random, 1 + random.below(200));
        const std::size_t cut = random.below(static_cast<std::uint32_t>(bytes.size()));
        const std::span<const std::byte> all(bytes);
        const std::uint32_t front = checksum_add(0, all.first(cut));
        const std::uint32_t back = checksum_add(0, all.subspan(cut));
        const std::uint32_t sum =
            cut % 2 == 0 ? checksum_add(front, all.subspan(cut)) : checksum_add_at_odd(front, back);
        EXPECT_EQ(fold(sum), fold(checksum_add(0, bytes)));
    }
}

TEST(Checksum, ThePseudoHeaderIsTheSameHoweverItIsSummed) {
    Random random(3);
    for (int i = 0; i < 1000; ++i) {
        const IpAddress a = IpAddress::v4(static_cast<std::uint32_t>(random.next()));
        const IpAddress b = IpAddress::v4(static_cast<std::uint32_t>(random.next()));
        const std::uint32_t length = random.below(65'536);
        std::vector<std::byte> addresses(8);
        store_be32(addresses.data(), a.v4_bits());
        store_be32(addresses.data() + 4, b.v4_bits());
        const std::uint16_t sum = fold(pseudo_header_sum(a, b, kProtocolTcp, length));
        EXPECT_EQ(fold(checksum_of_word(pseudo_header_sum_v4(a, b, kProtocolTcp, length))), sum);
        EXPECT_EQ(fold(checksum_add(pseudo_header_rest(kProtocolTcp, length), addresses)), sum);
    }
}

TEST(Checksum, KnownTcpSegmentIsValid) {
    // A SYN of 192.168.0.1:1025 to 192.168.0.2:80, its checksum computed by hand.
    std::vector<std::byte> segment(20);
    store_be16(segment.data(), 1025);
    store_be16(segment.data() + 2, 80);
    store_be32(segment.data() + 4, 1);
    segment[12] = std::byte{0x50};
    segment[13] = std::byte{0x02};
    store_be16(segment.data() + 14, 8192);
    const IpAddress a = IpAddress::v4(0xc0a80001);
    const IpAddress b = IpAddress::v4(0xc0a80002);
    // c0a8 + 0001 + c0a8 + 0002 + 0006 + 0014 + 0401 + 0050 + 0001 + 5002 + 2000 = 1f5c1 -> f5c2
    const std::uint32_t sum = checksum_add(pseudo_header_sum(a, b, kProtocolTcp, 20), segment);
    EXPECT_EQ(finish(sum), 0x0a3d);
    store_be16(segment.data() + 16, finish(sum));
    EXPECT_TRUE(tcp_checksum_valid(a, b, segment));
    segment[5] ^= std::byte{1};
    EXPECT_FALSE(tcp_checksum_valid(a, b, segment));
}

TEST(Checksum, Ipv6PseudoHeaderSumsAllOctets) {
    IpAddress a;
    a.octet[0] = 0x20;
    a.octet[15] = 1;
    IpAddress b;
    b.octet[1] = 0x33;
    // 2000 + 0001 + 0033 + 0014 + 0006 = 204e
    EXPECT_EQ(fold(pseudo_header_sum(a, b, 6, 20)), 0x204e);
}

}  // namespace
}  // namespace mtcp::wire
