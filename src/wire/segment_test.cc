// SPDX-License-Identifier: Apache-2.0
// Segments to bytes and back, and every malformed option list one can think of.
#include "wire/segment.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "base/random.h"
#include "wire/big_endian.h"
#include "wire/checksum.h"
#include "wire/print.h"

namespace mtcp::wire {
namespace {

std::vector<std::byte> emitted(const OutgoingSegment& segment) {
    std::vector<std::byte> bytes(kTcpHeaderMax);
    const EmittedHeader header = emit_header(segment, 1000, 2000, bytes);
    bytes.resize(header.length);
    EXPECT_EQ(fold(header.sum), fold(checksum_add(0, bytes)));
    return bytes;
}

// A header with these option bytes (padded to four with zeros).
std::vector<std::byte> with_options(const std::vector<std::uint8_t>& options) {
    std::vector<std::byte> bytes = emitted({});
    for (const std::uint8_t octet : options)
        bytes.push_back(static_cast<std::byte>(octet));
    while (bytes.size() % 4 != 0)
        bytes.push_back(std::byte{0});
    bytes[12] = static_cast<std::byte>(bytes.size() / 4 << 4);
    return bytes;
}

// In the order of emit_options(), which all other sets of options go through.
TEST(Segment, TheUsualSynLooksAsAlways) {
    OutgoingSegment out;
    out.seq = {0x01020304};
    out.ack = {0xfffefdfc};
    out.flags = {Flags::syn | Flags::ack};
    out.window = 4321;
    out.options.mss = 1460;
    out.options.window_shift = 7;
    out.options.sack_permitted = true;
    out.options.timestamps = true;
    out.options.ts_value = 0x11223344;
    out.options.ts_echo = 0x55667788;
    const std::vector<std::byte> whole = emitted(out);
    out.options.fast_open_length = 0;  // a request for a cookie, behind the others
    std::vector<std::byte> other = emitted(out);
    ASSERT_EQ(other.size(), 44u);
    other.resize(40);
    other[12] = std::byte{40 / 4 << 4};
    EXPECT_EQ(whole, other);
}

TEST(Segment, SynGoesThereAndBack) {  // Checks RFC 9293 MUST-4.
    OutgoingSegment out;
    out.seq = {0x01020304};
    out.ack = {0xfffefdfc};
    out.flags = {Flags::syn | Flags::ack};
    out.window = 4321;
    out.options.mss = 1460;
    out.options.window_shift = 7;
    out.options.sack_permitted = true;
    out.options.timestamps = true;
    out.options.ts_value = 11;
    out.options.ts_echo = 22;
    const std::vector<std::byte> bytes = emitted(out);
    EXPECT_EQ(bytes.size(), kTcpHeaderMin + options_length(out.options));
    const auto in = parse_segment(bytes);
    ASSERT_TRUE(in.ok());
    EXPECT_EQ(in->source_port, 1000);
    EXPECT_EQ(in->destination_port, 2000);
    EXPECT_EQ(in->seq, out.seq);
    EXPECT_EQ(in->ack, out.ack);
    EXPECT_EQ(in->flags, out.flags);
    EXPECT_EQ(in->window, 4321);
    EXPECT_EQ(in->options.mss, 1460);
    EXPECT_EQ(in->options.window_shift, 7);
    EXPECT_TRUE(in->options.sack_permitted);
    EXPECT_EQ(in->options.ts_value, 11u);
    EXPECT_EQ(in->options.ts_echo, 22u);
    EXPECT_EQ(in->length(), 1u);
}

TEST(Segment, RandomOptionsGoThereAndBack) {  // Checks RFC 9293 MUST-5, MUST-69.
    Random random(3);
    for (int i = 0; i < 5000; ++i) {
        OutgoingSegment out;
        Options& o = out.options;
        const bool syn = random.below(2) == 0;
        if (syn) {
            if (random.below(2) != 0) o.mss = static_cast<std::uint16_t>(1 + random.below(65'000));
            if (random.below(2) != 0) o.window_shift = static_cast<std::uint8_t>(random.below(15));
            o.sack_permitted = random.below(2) != 0;
            if (random.below(4) == 0) o.fast_open_length = random.below(2) != 0 ? 8 : 0;
            o.fast_open_experimental = o.fast_open_length != kNoFastOpen && random.below(2) != 0;
        } else {
            o.sack_count = static_cast<std::uint8_t>(random.below(5));
            for (std::uint32_t k = 0; k < o.sack_count; ++k) {
                o.sack[k] = {{static_cast<std::uint32_t>(random.next())},
                             {static_cast<std::uint32_t>(random.next())}};
            }
        }
        o.timestamps = random.below(2) != 0;
        o.ts_value = static_cast<std::uint32_t>(random.next());
        const std::vector<std::byte> bytes = emitted(out);
        ASSERT_EQ(bytes.size(), kTcpHeaderMin + options_length(o));
        ASSERT_LE(bytes.size(), kTcpHeaderMax);
        const auto in = parse_segment(bytes);
        ASSERT_TRUE(in.ok());
        EXPECT_EQ(in->options.mss, o.mss);
        EXPECT_EQ(in->options.window_shift, o.window_shift);
        EXPECT_EQ(in->options.sack_permitted, o.sack_permitted);
        EXPECT_EQ(in->options.fast_open_length, o.fast_open_length);
        EXPECT_EQ(in->options.fast_open_experimental, o.fast_open_experimental);
        EXPECT_EQ(in->options.timestamps, o.timestamps);
        const std::size_t fit = o.timestamps && o.sack_count > 3 ? 3 : o.sack_count;
        ASSERT_EQ(in->options.sack_count, fit);
        for (std::size_t k = 0; k < fit; ++k) {
            EXPECT_EQ(in->options.sack[k].begin, o.sack[k].begin);
            EXPECT_EQ(in->options.sack[k].end, o.sack[k].end);
        }
    }
}

TEST(Segment, LengthsThatLieAreRefused) {
    std::vector<std::byte> bytes = emitted({});
    EXPECT_EQ(parse_segment(std::span{bytes}.first(19)).error(), Drop::tcp_short);
    bytes[12] = std::byte{0x40};
    EXPECT_EQ(parse_segment(bytes).error(), Drop::tcp_bad_header_length);
    bytes[12] = std::byte{0x60};
    EXPECT_EQ(parse_segment(bytes).error(), Drop::tcp_bad_header_length);
    bytes[12] = std::byte{0x50};
    store_be16(bytes.data(), 0);
    EXPECT_EQ(parse_segment(bytes).error(), Drop::tcp_bad_port);
}

TEST(Segment, IllegalOptionLengthEndsTheList) {  // Checks RFC 9293 MUST-7.
    // MSS first, then the bad one, then a window scale that must not be seen.
    for (const std::vector<std::uint8_t>& bad :
         {std::vector<std::uint8_t>{99, 0}, {99, 1}, {99, 200}, {8, 0}, {5, 1}}) {
        std::vector<std::uint8_t> options{2, 4, 5, 0xb4};
        options.insert(options.end(), bad.begin(), bad.end());
        options.insert(options.end(), {3, 3, 7});
        const auto in = parse_segment(with_options(options));
        ASSERT_TRUE(in.ok());
        EXPECT_EQ(in->options.mss, 1460);
        EXPECT_EQ(in->options.window_shift, kNoWindowShift);
    }
}

TEST(Segment, KnownOptionOfWrongSizeIsSkipped) {
    const auto in = parse_segment(with_options({2, 3, 9, 8, 4, 9, 9, 4, 3, 0, 3, 3, 5}));
    ASSERT_TRUE(in.ok());
    EXPECT_EQ(in->options.mss, 0);
    EXPECT_FALSE(in->options.timestamps);
    EXPECT_FALSE(in->options.sack_permitted);
    EXPECT_EQ(in->options.window_shift, 5);
}

// Checks RFC 9293 MUST-68.
TEST(Segment, UnknownOptionsAreSkippedAtAnyAlignment) {  // Checks RFC 9293 MUST-6, MUST-64.
    const auto in = parse_segment(with_options({1, 200, 5, 1, 2, 3, 2, 4, 4, 0, 1, 1, 1, 0, 3, 3}));
    ASSERT_TRUE(in.ok());
    EXPECT_EQ(in->options.mss, 1024);
    EXPECT_EQ(in->options.window_shift, kNoWindowShift);  // after the end of the list
}

TEST(Segment, WindowShiftIsLimited) {  // RFC 7323 §2.3
    EXPECT_EQ(parse_segment(with_options({3, 3, 255}))->options.window_shift, 14);
}

TEST(Segment, SackOfOddSizeIsIgnored) {
    EXPECT_EQ(parse_segment(with_options({5, 9, 0, 0, 0, 1, 0, 0, 0}))->options.sack_count, 0);
    EXPECT_EQ(parse_segment(with_options({5, 2}))->options.sack_count, 0);
}

TEST(Segment, NoiseNeverReadsBeyondTheHeader) {
    Random random(4);
    for (int i = 0; i < 20'000; ++i) {
        std::vector<std::byte> bytes(20 + random.below(60));
        for (std::byte& b : bytes)
            b = static_cast<std::byte>(random.next());
        const auto in = parse_segment(bytes);
        if (in.ok()) {
            EXPECT_LE(in->payload.size(), bytes.size() - 20);
        }
    }
}

TEST(Print, IsOneLineInTheMannerOfTcpdump) {
    OutgoingSegment out;
    out.seq = {1001};
    out.ack = {501};
    out.flags = {Flags::psh | Flags::ack};
    out.window = 512;
    out.data_length = 64;
    out.options.timestamps = true;
    out.options.ts_value = 7;
    out.options.ts_echo = 3;
    out.options.sack_count = 2;
    out.options.sack[0] = {{1}, {2}};
    out.options.sack[1] = {{3}, {4}};
    EXPECT_EQ(print(out).view(), "P. 1001:1065(64) ack 501 win 512 <TS val 7 ecr 3,sack 1:2 3:4>");
}

}  // namespace
}  // namespace mtcp::wire
