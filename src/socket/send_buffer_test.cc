// SPDX-License-Identifier: Apache-2.0
// How much a write takes, and when a writer is woken, by numbers.
#include "socket/send_buffer.h"

#include <gtest/gtest.h>

namespace mtcp::socket {
namespace {

constexpr std::uint32_t kMss = 1000;
constexpr std::uint32_t kPiece = 16 * kMss;

// A stream whose counters begin near the end of their range.
struct Buffer {
    Stream s;
    explicit Buffer(std::uint32_t limit) {
        s.reset(limit);
        s.send_mss = kMss;
        s.written = UINT32_MAX - 5;
        s.acknowledged.store(s.written);
        s.sent.store(s.written);
    }
    void count_pieces() { s.piece_segments.store(kPiece / kMss); }
    void write(std::uint32_t bytes) { s.written += bytes; }
    void send(std::uint32_t bytes) { s.sent.store(s.sent.load() + bytes); }
    void acknowledge(std::uint32_t bytes) { s.acknowledged.store(s.acknowledged.load() + bytes); }
};

TEST(SendBuffer, CountsBytesByItself) {
    Buffer b(30'000);
    EXPECT_EQ(write_room(b.s), 30'000u);
    b.write(20'001);
    EXPECT_EQ(write_room(b.s), 9'999u);
    EXPECT_FALSE(has_write_room(b.s));
    b.acknowledge(1);
    EXPECT_TRUE(has_write_room(b.s));  // a third
    b.write(10'000);
    EXPECT_EQ(write_room(b.s), 0u);
}

TEST(SendBuffer, BeginsAPieceWhileWhatIsHeldCostsLess) {
    Buffer b(2 * (kPiece + kPieceOverhead) + 1);
    b.count_pieces();
    for (int i = 0; i < 3; ++i) {
        ASSERT_EQ(write_room(b.s), kPiece) << i;
        b.write(kPiece);
        b.send(kPiece);
    }
    EXPECT_EQ(write_room(b.s), 0u);
    b.acknowledge(kPiece);
    EXPECT_EQ(write_room(b.s), kPiece);
    Buffer smaller(2 * (kPiece + kPieceOverhead));
    smaller.count_pieces();
    smaller.write(2 * kPiece);
    EXPECT_EQ(write_room(smaller.s), 0u);
}

TEST(SendBuffer, FillsThePieceThatWasBegun) {
    Buffer b(1);
    b.count_pieces();
    b.write(100);
    EXPECT_EQ(write_room(b.s), kPiece - 100);
    b.write(kPiece - 100);
    EXPECT_EQ(write_room(b.s), 0u);
    b.send(10 * kMss);  // the rest is a piece in hand again
    EXPECT_EQ(write_room(b.s), 10 * kMss);
}

TEST(SendBuffer, WakesWhenAThirdIsFree) {
    Buffer b(60'000);
    b.count_pieces();
    b.write(3 * kPiece);
    b.send(3 * kPiece);
    EXPECT_FALSE(has_write_room(b.s));
    // Two thirds are 40'000; a piece that is partly acknowledged costs as much as another.
    b.acknowledge(3 * kPiece - (40'000 - 3 * kPieceOverhead) - 1);
    EXPECT_FALSE(has_write_room(b.s));
    b.acknowledge(1);
    EXPECT_TRUE(has_write_room(b.s));
}

TEST(SendBuffer, LowWaterBoundsWhatWaits) {
    Buffer b(1'000'000);
    set_low_water(b.s, 4'000);
    EXPECT_EQ(write_room(b.s), kMss);  // a segment, until the stack has said how long pieces are
    b.count_pieces();
    b.write(kPiece);
    EXPECT_EQ(write_room(b.s), 0u);
    EXPECT_FALSE(has_write_room(b.s));
    b.send(kPiece - 2'000);
    EXPECT_FALSE(has_write_room(b.s));  // half of it
    b.send(1);
    EXPECT_TRUE(has_write_room(b.s));
    b.send(1'999);
    EXPECT_EQ(write_room(b.s), kPiece);
    set_low_water(b.s, UINT32_MAX);
    EXPECT_EQ(b.s.low_water.load(), 0u);
}

// The stack's word of what has left may be missing when an option has just been set.
TEST(SendBuffer, NoMoreWaitsThanIsHeld) {
    Buffer b(100'000);
    b.write(50'000);
    b.acknowledge(49'000);
    b.count_pieces();
    EXPECT_EQ(written_queue(b.s).unsent, 1'000u);
}

}  // namespace
}  // namespace mtcp::socket
