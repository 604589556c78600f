// SPDX-License-Identifier: Apache-2.0
// Checksums and cut segments, checked against packets worked out by hand.
#include "io/middleware/software_offload.h"

#include <gtest/gtest.h>

#include <array>
#include <cstring>
#include <initializer_list>
#include <vector>

namespace mtcp::io {
namespace {

using Bytes = std::vector<std::byte>;

Bytes bytes_of(std::initializer_list<int> values) {
    Bytes bytes;
    for (const int value : values)
        bytes.push_back(static_cast<std::byte>(value));
    return bytes;
}
std::uint32_t word_at(const Bytes& bytes, std::size_t at) {
    return std::to_integer<std::uint32_t>(bytes[at]) << 8 |
           std::to_integer<std::uint32_t>(bytes[at + 1]);
}
std::uint32_t one_complement_sum(const Bytes& bytes, std::size_t from, std::size_t to,
                                 std::uint32_t start) {
    std::uint32_t total = start;
    for (std::size_t i = from; i + 1 < to; i += 2)
        total += word_at(bytes, i);
    if ((to - from) % 2 != 0) total += std::to_integer<std::uint32_t>(bytes[to - 1]) << 8;
    while (total > 0xffff)
        total = (total & 0xffff) + (total >> 16);
    return total;
}

// 10.0.0.1:1000 > 10.0.0.2:2000, sequence 0xfffffff0, flags FIN PSH ACK CWR, `payload` bytes.
Bytes tcp4(std::size_t payload) {
    Bytes packet =
        bytes_of({0x45, 0, 0,  0, 0x12, 0x34, 0x40, 0,    64,   6,    0,    0,    10,   0,
                  0,    1, 10, 0, 0,    2,    0x03, 0xe8, 0x07, 0xd0, 0xff, 0xff, 0xff, 0xf0,
                  0,    0, 0,  1, 0x50, 0x99, 0x10, 0,    0,    0,    0,    0});
    const std::size_t total = packet.size() + payload;
    packet[2] = static_cast<std::byte>(total >> 8);
    packet[3] = static_cast<std::byte>(total);
    for (std::size_t i = 0; i < payload; ++i)
        packet.push_back(static_cast<std::byte>(i));
    return packet;
}
Bytes tcp6(std::size_t payload) {
    Bytes packet = bytes_of({0x60, 0, 0, 0, 0, 0, 6, 64});
    packet[4] = static_cast<std::byte>((20 + payload) >> 8);
    packet[5] = static_cast<std::byte>(20 + payload);
    for (int i = 0; i < 32; ++i)
        packet.push_back(static_cast<std::byte>(i * 7));
    const Bytes v4 = tcp4(payload);
    packet.insert(packet.end(), v4.begin() + 20, v4.end());
    return packet;
}
// RFC 1071: the sum over pseudo-header and segment, checksum included, is all ones.
bool tcp_checksum_holds(const Bytes& packet, std::size_t ip, std::size_t length) {
    const bool v4 = (std::to_integer<int>(packet[ip]) >> 4) == 4;
    const std::size_t tcp = ip + (v4 ? 20 : 40);
    const std::uint32_t pseudo = one_complement_sum(
        packet, ip + (v4 ? 12 : 8), tcp, 6 + static_cast<std::uint32_t>(ip + length - tcp));
    return one_complement_sum(packet, tcp, ip + length, pseudo) == 0xffff;
}

TEST(SoftwareOffload, CompletesTcpChecksumsOfBothIpVersionsAndOddLengths) {
    for (Bytes packet : {tcp4(0), tcp4(5), tcp4(1000), tcp6(0), tcp6(7)}) {
        ASSERT_TRUE(complete_checksum(packet, Layer::ip));
        EXPECT_TRUE(tcp_checksum_holds(packet, 0, packet.size()));
    }
}

TEST(SoftwareOffload, LeavesEthernetPaddingOutOfTheChecksum) {
    Bytes frame = bytes_of({2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 0x81, 0, 0, 5, 8, 0});
    const Bytes packet = tcp4(3);
    frame.insert(frame.end(), packet.begin(), packet.end());
    frame.resize(frame.size() + 9, std::byte{0xaa});
    ASSERT_TRUE(complete_checksum(frame, Layer::ethernet)) << "behind a VLAN tag";
    EXPECT_TRUE(tcp_checksum_holds(frame, 18, packet.size()));
}

TEST(SoftwareOffload, KnowsTheUdpChecksumOfAPacketWorkedOutByHand) {
    // 10.0.0.1:1 > 10.0.0.2:2, no payload: 0a00+0001+0a00+0002+0011+0008+0001+0002+0008 = 1427.
    Bytes packet = bytes_of({0x45, 0, 0,  28, 0, 0, 0, 0, 64, 17, 0, 0, 10, 0,
                             0,    1, 10, 0,  0, 2, 0, 1, 0,  2,  0, 8, 0,  0});
    ASSERT_TRUE(complete_checksum(packet, Layer::ip));
    EXPECT_EQ(word_at(packet, 26), 0xffffu ^ 0x1427u);
}

TEST(SoftwareOffload, LeavesAloneWhatItDoesNotKnow) {
    Bytes fragment = tcp4(10);
    fragment[6] = std::byte{0x20};
    Bytes short_packet = tcp4(10);
    short_packet.resize(30);
    Bytes icmp = tcp4(10);
    icmp[9] = std::byte{1};
    Bytes bad_offset = tcp4(10);
    bad_offset[32] = std::byte{0xf0};
    Bytes arp(42);
    arp[12] = std::byte{8};
    arp[13] = std::byte{6};
    for (Bytes* packet : {&fragment, &short_packet, &icmp, &bad_offset}) {
        const Bytes before = *packet;
        EXPECT_FALSE(complete_checksum(*packet, Layer::ip));
        EXPECT_EQ(*packet, before);
    }
    EXPECT_FALSE(complete_checksum(arp, Layer::ethernet));
    EXPECT_FALSE(complete_checksum({}, Layer::ethernet));
}

TEST(SoftwareOffload, FinishesWhatThePseudoHeaderSumBegan) {
    Bytes packet = tcp4(33);
    const std::uint32_t pseudo = one_complement_sum(packet, 12, 20, 6 + 20 + 33);
    packet[36] = static_cast<std::byte>(pseudo >> 8);
    packet[37] = static_cast<std::byte>(pseudo);
    ASSERT_TRUE(finish_partial_checksum(packet, 20, 16));
    EXPECT_TRUE(tcp_checksum_holds(packet, 0, packet.size()));
    EXPECT_FALSE(finish_partial_checksum(packet, packet.size() - 5, 16));
}

TEST(SoftwareOffload, CutsALargeSegmentIntoCompleteOnes) {
    for (const bool v4 : {true, false}) {
        Bytes packet = v4 ? tcp4(250) : tcp6(250);
        const std::size_t headers = packet.size() - 250;
        const std::size_t tcp = headers - 20;
        const Frame whole{.data = packet.data(),
                          .length = static_cast<std::uint32_t>(packet.size()),
                          .segment_size = 100};
        Bytes payload;
        std::uint32_t sequence = 0xfffffff0;
        for (std::size_t i = 0; i < 3; ++i) {
            Bytes out(200);
            const std::size_t length = cut_segment(whole, Layer::ip, i, out);
            ASSERT_EQ(length, headers + (i < 2 ? 100 : 50));
            out.resize(length);
            EXPECT_TRUE(tcp_checksum_holds(out, 0, length));
            if (v4) {
                EXPECT_EQ(one_complement_sum(out, 0, 20, 0), 0xffffu) << "IP header checksum";
                EXPECT_EQ(word_at(out, 4), 0x1234u + i) << "identification";
            }
            EXPECT_EQ(word_at(out, tcp + 4) << 16 | word_at(out, tcp + 6), sequence);
            sequence += 100;
            const int flags = std::to_integer<int>(out[tcp + 13]);
            EXPECT_EQ((flags & 0x09) != 0, i == 2) << "FIN and PSH on the last";
            EXPECT_EQ((flags & 0x80) != 0, i == 0) << "CWR on the first";
            payload.insert(payload.end(), out.begin() + static_cast<std::ptrdiff_t>(headers),
                           out.end());
        }
        EXPECT_EQ(payload, Bytes(packet.end() - 250, packet.end()));
        Bytes out(200);
        EXPECT_EQ(cut_segment(whole, Layer::ip, 3, out), 0u);
        Bytes small(100);
        EXPECT_EQ(cut_segment(whole, Layer::ip, 0, small), 0u);
    }
}

}  // namespace
}  // namespace mtcp::io
