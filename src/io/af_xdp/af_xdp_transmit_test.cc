// SPDX-License-Identifier: Apache-2.0
// A transmit ring that the kernel does not empty: when it goes on, and what becomes of its frames.
#include <gtest/gtest.h>
#include <net/if.h>

#include <cstring>
#include <memory>
#include <utility>
#include <vector>

#include "io/af_xdp/testing/af_xdp_fixture.h"

namespace mtcp::io {
namespace {

using namespace xdp_testing;  // NOLINT(google-build-using-namespace)

using AfXdpTransmitTest = AfXdpTest;

constexpr unsigned kTypeTest = 0x88b6;
constexpr std::uint32_t kRing = 64;

// A copying queue whose ring of 64 is smaller than the number of its frames.
std::unique_ptr<AfXdpQueue> open_queue(std::uint32_t index) {
    AfXdpQueue::Parts parts;
    parts.name = "here0";
    parts.layout = {.receive_buffers = 64, .transmit_frames = 256};
    parts.capabilities.frame_size = 1514;
    parts.area = std::make_unique<Region>(Region::map(parts.layout.size(), Pages::normal));
    auto socket = XskSocket::open({parts.area->data(), parts.layout.size(), 2048},
                                  {kRing, kRing, kRing, kRing});
    EXPECT_TRUE(socket.ok());
    const int interface = static_cast<int>(::if_nametoindex(VethWorld::kHere));
    EXPECT_TRUE(socket->bind(interface, index, XDP_COPY | XDP_USE_NEED_WAKEUP).ok());
    parts.socket = std::move(*socket);
    return AfXdpQueue::make(std::move(parts));
}

// How many of `count` frames of 60 bytes the queue took.
std::size_t transmit(Queue& queue, const VethWorld& world, std::size_t count, Instant now) {
    std::vector<Frame> frames(count);
    EXPECT_EQ(queue.allocate(frames), count);
    const Bytes header = ethernet(world.mac_there(), world.mac_here(), kTypeTest);
    for (Frame& frame : frames) {
        std::memset(frame.data, 0, 60);
        std::memcpy(frame.data, header.data(), header.size());
        frame.length = 60;
    }
    const std::size_t taken = queue.transmit(frames, now);
    queue.release(std::span(frames).subspan(taken));
    return taken;
}

std::size_t arrived(const PeerSocket& peer, std::size_t most) {
    std::size_t count = 0;
    while (count < most && peer.receive(kTypeTest).size() == 60)
        ++count;
    return count;
}

// The kernel takes nothing from a queue beyond the transmit queues, and calls that a success, as
// kernels before 2025 did when the completion ring was full.
TEST_F(AfXdpTransmitTest, ASuccessThatSentNothingIsTriedAgain) {
    in_child([] {
        const VethWorld world({.queues = 2});
        ASSERT_EQ(VethWorld::run_here("ethtool -L here0 rx 2 tx 1"), 0);
        const auto queue = open_queue(1);
        ASSERT_NE(queue, nullptr);
        const PeerSocket peer(world);
        const Instant now = clock_now();
        EXPECT_EQ(transmit(*queue, world, 1, now), 1U);
        EXPECT_GT(queue->next_deadline(), now);
        EXPECT_LE(queue->next_deadline(), now + milliseconds(1));
        ASSERT_EQ(VethWorld::run_here("ethtool -L here0 rx 2 tx 2"), 0);
        Frame none;
        EXPECT_EQ(queue->receive({&none, 1}, clock_now()), 0U);
        EXPECT_EQ(queue->next_deadline(), kNever);
        EXPECT_EQ(arrived(peer, 1), 1U);
    });
}

TEST_F(AfXdpTransmitTest, AFullRingIsEmptiedByTheNextTransmit) {
    in_child([] {
        const VethWorld world({.queues = 2});
        ASSERT_EQ(VethWorld::run_here("ethtool -L here0 rx 2 tx 1"), 0);
        const auto queue = open_queue(1);
        ASSERT_NE(queue, nullptr);
        const PeerSocket peer(world);
        EXPECT_EQ(transmit(*queue, world, kRing, clock_now()), kRing);
        EXPECT_EQ(transmit(*queue, world, 1, clock_now()), 0U);
        ASSERT_EQ(VethWorld::run_here("ethtool -L here0 rx 2 tx 2"), 0);
        EXPECT_EQ(transmit(*queue, world, 1, clock_now()), 1U);
        Frame none;
        EXPECT_EQ(queue->receive({&none, 1}, clock_now()), 0U);
        EXPECT_EQ(arrived(peer, kRing + 1), kRing + 1);
        EXPECT_EQ(queue->next_deadline(), kNever);
    });
}

// A queue of here0, which has just gone down.
struct Outage {
    Outage() {
        if (queue != nullptr) queue->set_counters(&counters);
    }
    [[nodiscard]] bool begins() {
        const bool is_down = VethWorld::run_here("ip link set here0 down") == 0;
        start = clock_now();
        return queue != nullptr && is_down;
    }
    [[nodiscard]] std::uint64_t refused() const { return counters.drops(Drop::io_device_refused); }

    VethWorld world;
    Counters counters;
    std::unique_ptr<AfXdpQueue> queue = open_queue(0);
    PeerSocket peer{world};
    Instant start;
};

TEST_F(AfXdpTransmitTest, FramesOfALongOutageDoNotLeaveWhenItEnds) {
    in_child([] {
        Outage outage;
        ASSERT_TRUE(outage.begins());
        Frame none;
        EXPECT_EQ(transmit(*outage.queue, outage.world, 3, outage.start), 3U);
        EXPECT_EQ(transmit(*outage.queue, outage.world, 2, outage.start + milliseconds(900)), 2U);
        EXPECT_EQ(outage.refused(), 0U);
        EXPECT_EQ(outage.queue->receive({&none, 1}, outage.start + milliseconds(1100)), 0U);
        EXPECT_EQ(outage.refused(), 5U) << "those in the ring";
        EXPECT_EQ(transmit(*outage.queue, outage.world, 100, outage.start + seconds(2)), 100U);
        EXPECT_EQ(outage.refused(), 105U);

        ASSERT_EQ(VethWorld::run_here("ip link set here0 up"), 0);
        EXPECT_EQ(transmit(*outage.queue, outage.world, 1, outage.start + seconds(3600)), 1U);
        EXPECT_EQ(outage.queue->next_deadline(), kNever);
        EXPECT_EQ(arrived(outage.peer, 2), 1U);
        EXPECT_EQ(outage.refused(), 105U);
        std::vector<Frame> all(257);
        EXPECT_EQ(outage.queue->allocate(all), 256U) << "none is lost, none is there twice";
    });
}

// Nobody looked at the queue meanwhile.
TEST_F(AfXdpTransmitTest, NorDoTheyWhereNobodyCalledDuringIt) {
    in_child([] {
        Outage outage;
        ASSERT_TRUE(outage.begins());
        EXPECT_EQ(transmit(*outage.queue, outage.world, 3, outage.start), 3U);
        ASSERT_EQ(VethWorld::run_here("ip link set here0 up"), 0);
        EXPECT_EQ(transmit(*outage.queue, outage.world, 1, outage.start + seconds(3600)), 1U);
        EXPECT_EQ(arrived(outage.peer, 2), 1U);
        EXPECT_EQ(outage.refused(), 3U);
    });
}

}  // namespace
}  // namespace mtcp::io
