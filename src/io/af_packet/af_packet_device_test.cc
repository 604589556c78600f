// SPDX-License-Identifier: Apache-2.0
// Packet sockets on both ends of a veth pair, in a network namespace of the test's own.
#include "io/af_packet/af_packet_device.h"

#include <gtest/gtest.h>
#include <poll.h>
#include <sched.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <cstring>
#include <thread>
#include <vector>

#include "io/middleware/software_offload.h"

namespace mtcp::io {
namespace {

bool run(const char* command) { return std::system(command) == 0; }

// Ethernet, IPv4, TCP and `payload` bytes, checksums zero.
std::vector<std::byte> tcp_frame(std::size_t payload) {
    std::vector<std::byte> frame(54 + payload);
    std::fill(frame.begin() + 54, frame.end(), std::byte{7});
    std::fill_n(frame.begin(), 6, std::byte{0xff});
    frame[6] = std::byte{2};
    frame[11] = std::byte{9};
    frame[12] = std::byte{8};
    frame[14] = std::byte{0x45};
    frame[16] = static_cast<std::byte>((40 + payload) >> 8);
    frame[17] = static_cast<std::byte>(40 + payload);
    frame[22] = std::byte{64};
    frame[23] = std::byte{6};
    frame[26] = frame[30] = std::byte{10};
    frame[29] = std::byte{1};
    frame[33] = std::byte{2};
    frame[35] = std::byte{1};
    frame[37] = std::byte{2};
    frame[46] = std::byte{0x50};
    frame[47] = std::byte{0x10};
    return frame;
}

// Runs `body` in a thread that has moved to a namespace with the veth pair left0, right0. The first
// of them to come up is told of its carrier a little later; until then the kernel swallows what it
// sends. The last command waits for the lock under which that is settled.
template <typename Body>
void on_veth(Body body) {
    bool could = false;
    std::thread([&] {
        could = ::unshare(CLONE_NEWNET) == 0 &&
                run("ip link add left0 type veth peer name right0 2>/dev/null && "
                    "sysctl -qw net.ipv6.conf.all.disable_ipv6=1 && "
                    "ip link set left0 up && ip link set right0 up && "
                    "for i in $(seq 500); do ip link show left0 | grep -q 'state UP' && break; "
                    "sleep 0.01; done && ip link set left0 up");
        if (could) body();
    }).join();
    if (!could) GTEST_SKIP() << "needs root, ip and veth";
}

std::unique_ptr<AfPacketDevice> open_on(
    const char* interface, PacketOffload offload = PacketOffload::checksum_and_segmentation) {
    auto device = AfPacketDevice::open({.interface = interface, .offload = offload});
    EXPECT_TRUE(device.ok()) << (device.ok() ? "" : device.error().text());
    return device.ok() ? std::move(device).value() : nullptr;
}

bool send(Queue& queue, const std::vector<std::byte>& bytes, const Frame& like) {
    std::array<Frame, 1> frame;
    if (queue.allocate(frame) != 1) return false;
    std::memcpy(frame[0].data, bytes.data(), bytes.size());
    frame[0].length = static_cast<std::uint32_t>(bytes.size());
    frame[0].checksum = like.checksum;
    frame[0].checksum_start = like.checksum_start;
    frame[0].segment_size = like.segment_size;
    frame[0].header_length = like.header_length;
    return queue.transmit(frame, {}) == 1;
}

// Waits up to a second for a frame from the station 02:…:09; others are the kernel's own chatter.
bool receive(Queue& queue, Frame& frame) {
    for (int tries = 0; tries < 20; ++tries) {
        while (queue.receive({&frame, 1}, {}) == 1) {
            if (frame.data[6] == std::byte{2} && frame.data[11] == std::byte{9}) return true;
            queue.release({&frame, 1});
        }
        pollfd polled{queue.wait_descriptor(), POLLIN, 0};
        if (queue.prepare_wait()) static_cast<void>(::poll(&polled, 1, 50));
        queue.finish_wait();
    }
    return false;
}

TEST(AfPacket, CarriesFramesAndDoesNotHearItself) {
    on_veth([] {
        auto left = open_on("left0");
        auto right = open_on("right0");
        ASSERT_TRUE(left && right);
        const auto sent = tcp_frame(200);
        ASSERT_TRUE(send(left->queue(0), sent, {}));
        Frame frame;
        ASSERT_TRUE(receive(right->queue(0), frame));
        ASSERT_EQ(frame.length, sent.size());
        EXPECT_EQ(std::memcmp(frame.data, sent.data(), sent.size()), 0);
        right->queue(0).release({&frame, 1});
        EXPECT_FALSE(receive(left->queue(0), frame));
        EXPECT_NE(left->mac(), MacAddress{});
        EXPECT_EQ(left->queue(0).capabilities().mtu, 1500u);
        EXPECT_FALSE(left->queue(0).capabilities().cannot_corrupt);
    });
}

TEST(AfPacket, CarriesLargeSegmentsAndPartialChecksumsWhole) {
    on_veth([] {
        auto left = open_on("left0");
        auto right = open_on("right0");
        ASSERT_TRUE(left && right);
        ASSERT_TRUE(send(left->queue(0), tcp_frame(20'000),
                         {.checksum = Checksum::partial,
                          .checksum_start = 34,
                          .segment_size = 1448,
                          .header_length = 54}));
        Frame frame;
        ASSERT_TRUE(receive(right->queue(0), frame));
        EXPECT_EQ(frame.length, 20'054u);
        EXPECT_EQ(frame.segment_size, 1448);
        EXPECT_EQ(frame.checksum, Checksum::partial);
        EXPECT_EQ(frame.checksum_start, 34);
        right->queue(0).release({&frame, 1});
    });
}

TEST(AfPacket, PutsTheVlanTagBackThatTheKernelTookOut) {
    on_veth([] {
        auto left = open_on("left0");
        auto right = open_on("right0");
        ASSERT_TRUE(left && right);
        auto sent = tcp_frame(100);
        const std::array<std::byte, 4> tag{std::byte{0x81}, {}, {}, std::byte{5}};
        sent.insert(sent.begin() + 12, tag.begin(), tag.end());
        ASSERT_TRUE(
            send(left->queue(0), sent, {.checksum = Checksum::partial, .checksum_start = 38}));
        Frame frame;
        ASSERT_TRUE(receive(right->queue(0), frame));
        ASSERT_EQ(frame.length, sent.size());
        EXPECT_EQ(std::memcmp(frame.data + 12, tag.data(), 4), 0);
        EXPECT_EQ(frame.data[16], std::byte{8}) << "the type behind the tag";
        EXPECT_EQ(find_transport(frame.bytes(), Layer::ethernet).transport, 38);
        if (frame.checksum == Checksum::partial) {
            EXPECT_EQ(frame.checksum_start, 38);
        }
        right->queue(0).release({&frame, 1});
    });
}

TEST(AfPacket, DropsAndCountsFramesAboveTheMtu) {
    on_veth([] {
        auto left = open_on("left0", PacketOffload::none);
        auto right = open_on("right0", PacketOffload::none);
        ASSERT_TRUE(left && right);
        Counters counters;
        left->queue(0).set_counters(&counters);
        std::array<Frame, 2> frames;
        ASSERT_EQ(left->queue(0).allocate(frames), 2u);
        const auto small = tcp_frame(50);
        std::memset(frames[0].data, 0, 3000);
        frames[0].length = 3000;
        std::memcpy(frames[1].data, small.data(), small.size());
        frames[1].length = static_cast<std::uint32_t>(small.size());
        EXPECT_EQ(left->queue(0).transmit(frames, {}), 2u) << "the one behind it is not blocked";
        EXPECT_EQ(counters.drops(Drop::io_oversize), 1u);
        Frame frame;
        ASSERT_TRUE(receive(right->queue(0), frame));
        EXPECT_EQ(frame.length, small.size());
        right->queue(0).release({&frame, 1});
    });
}

TEST(AfPacket, KeepsBuffersToReceiveWithWhenAllOthersAreTaken) {
    on_veth([] {
        auto left = open_on("left0");
        auto right = open_on("right0");
        ASSERT_TRUE(left && right);
        std::vector<Frame> taken(1000);
        const std::size_t count = right->queue(0).allocate(taken);
        EXPECT_EQ(count, 512u - kBurst);
        EXPECT_EQ(right->queue(0).allocate(std::span(taken).subspan(count, 1)), 0u);
        ASSERT_TRUE(send(left->queue(0), tcp_frame(10), {}));
        Frame frame;
        EXPECT_TRUE(receive(right->queue(0), frame));
        right->queue(0).release({&frame, 1});
        right->queue(0).release(std::span(taken).first(count));
        EXPECT_EQ(right->queue(0).allocate(taken), 512u - kBurst);
    });
}

TEST(AfPacket, NamesTheInterfaceThatIsMissing) {
    const auto device = AfPacketDevice::open({.interface = "nowhere0"});
    ASSERT_FALSE(device.ok());
    EXPECT_NE(device.error().what.find("nowhere0"), std::string::npos);
}

TEST(AfPacket, RefusesTooFewFrames) {
    const auto device = AfPacketDevice::open({.interface = "lo", .frames = 10});
    ASSERT_FALSE(device.ok());
    EXPECT_EQ(device.error().error, EINVAL);
}

}  // namespace
}  // namespace mtcp::io
