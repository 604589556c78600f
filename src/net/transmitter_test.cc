// SPDX-License-Identifier: Apache-2.0
#include "net/transmitter.h"

#include <gtest/gtest.h>

#include "net/testing/fake_queue.h"

namespace mtcp::net {
namespace {

class TransmitterTest : public ::testing::Test {
  protected:
    TransmitterTest() : queue_({}, 400), transmitter_(counters_) { transmitter_.attach(queue_); }
    bool send_one(std::uint32_t length = 60) {
        io::Frame frame;
        if (!transmitter_.allocate(frame)) return false;
        frame.length = length;
        transmitter_.send(frame, Instant{});
        return true;
    }
    Counters counters_;
    testing::FakeQueue queue_;
    Transmitter transmitter_;
};

TEST_F(TransmitterTest, FramesWaitForTheFlushAndLeaveInOrder) {
    for (std::uint32_t i = 0; i < 5; ++i)
        ASSERT_TRUE(send_one(60 + i));
    EXPECT_TRUE(queue_.sent.empty());
    EXPECT_EQ(transmitter_.flush(Instant{}), 0u);
    ASSERT_EQ(queue_.sent.size(), 5u);
    for (std::uint32_t i = 0; i < 5; ++i)
        EXPECT_EQ(queue_.sent[i].size(), 60 + i);
    EXPECT_EQ(counters_.frames_out, 5u);
    EXPECT_EQ(counters_.bytes_out, 60u + 61 + 62 + 63 + 64);
}

TEST_F(TransmitterTest, AFullBurstLeavesAtOnce) {
    for (std::size_t i = 0; i < io::kBurst; ++i)
        ASSERT_TRUE(send_one());
    EXPECT_EQ(queue_.sent.size(), io::kBurst);
}

TEST_F(TransmitterTest, WhatAFullRingRefusesWaitsInOrder) {
    queue_.ring_room = 2;
    for (std::uint32_t i = 0; i < 5; ++i)
        ASSERT_TRUE(send_one(60 + i));
    EXPECT_EQ(transmitter_.flush(Instant{}), 3u);
    queue_.ring_room = 10;
    EXPECT_EQ(transmitter_.flush(Instant{}), 0u);
    ASSERT_EQ(queue_.sent.size(), 5u);
    EXPECT_EQ(queue_.sent[4].size(), 64u);
    EXPECT_EQ(counters_.frames_out, 5u);
}

TEST_F(TransmitterTest, ARingThatStaysFullCostsTheNewestFramesAndNoBuffer) {
    queue_.ring_room = 0;
    for (std::size_t i = 0; i < Transmitter::kBatch + 10; ++i)
        ASSERT_TRUE(send_one());
    EXPECT_EQ(counters_.drops(Drop::io_transmit_full), 10u);
    transmitter_.release_all();
    EXPECT_EQ(queue_.free_frames(), 400u);
}

TEST_F(TransmitterTest, WithoutFramesAllocateFailsAndDropsNothing) {
    queue_.leave_free(0);
    io::Frame frame;
    EXPECT_FALSE(transmitter_.allocate(frame));
    EXPECT_EQ(counters_.drops(Drop::no_transmit_frame), 0u);
}

TEST_F(TransmitterTest, AFrameGivenBackIsEmptyWhenItComesAgain) {
    io::Frame frame;
    ASSERT_TRUE(transmitter_.allocate(frame));
    const std::byte* data = frame.data;
    frame.length = 99;
    frame.checksum = io::Checksum::partial;
    frame.segment_size = 1460;
    transmitter_.give_back(frame);
    io::Frame again;
    ASSERT_TRUE(transmitter_.allocate(again));
    EXPECT_EQ(again.data, data);
    EXPECT_EQ(again.length, 0u);
    EXPECT_EQ(again.checksum, io::Checksum::in_frame);
    EXPECT_EQ(again.segment_size, 0u);
    EXPECT_EQ(again.capacity, frame.capacity);
}

}  // namespace
}  // namespace mtcp::net
