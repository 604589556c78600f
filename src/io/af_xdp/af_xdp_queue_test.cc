// SPDX-License-Identifier: Apache-2.0
// Frames in and out of an AF_XDP queue, against a real kernel on the other end of a veth pair.
#include "io/af_xdp/af_xdp_queue.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <set>
#include <string>
#include <thread>

#include "base/log.h"
#include "io/af_xdp/testing/af_xdp_fixture.h"
#include "io/wait.h"

namespace mtcp::io {
namespace {

using namespace xdp_testing;  // NOLINT(google-build-using-namespace)

using AfXdpQueueTest = AfXdpTest;
class AfXdpHookTest : public AfXdpTest, public ::testing::WithParamInterface<XdpMode> {};
INSTANTIATE_TEST_SUITE_P(Hooks, AfXdpHookTest, ::testing::Values(XdpMode::native, XdpMode::generic),
                         [](const auto& tested) {
                             return tested.param == XdpMode::native ? "native" : "generic";
                         });

TEST_P(AfXdpHookTest, OurFramesArriveAndTheRestGoesToTheKernel) {
    in_child([] {
        const VethWorld world;
        const auto device = must_open(config_for(GetParam()));
        const char* mode = GetParam() == XdpMode::native ? "native mode" : "generic mode";
        EXPECT_NE(device->description().find(mode), std::string::npos) << device->description();
        EXPECT_EQ(device->mac(), world.mac_here());
        const PeerSocket peer(world);
        const std::vector<Bytes> ours = {arp(world, ArpOperation::request, kOwn),
                                         arp(world, ArpOperation::reply, kOwn),
                                         ipv4(world, {}),
                                         ipv4(world, {.fragment = 0x2000}),
                                         ipv4(world, {.fragment = 0x0010}),
                                         ipv4(world, {.protocol = 6, .length = 1500})};
        const std::vector<Bytes> others = {
            arp(world, ArpOperation::request, kKernel), arp(world, ArpOperation::reply, kKernel),
            ipv4(world, {.to = kKernel}), ipv4(world, {.to = {10, 9, 0, 101}}),
            ethernet(world.mac_here(), world.mac_there(), 0x88b5)};
        for (const Bytes& frame : others)
            EXPECT_TRUE(peer.send(frame));
        for (const Bytes& frame : ours)
            EXPECT_TRUE(peer.send(frame));
        EXPECT_EQ(receive_bytes(device->queue(0), ours.size()), ours);
        EXPECT_EQ(world.run_there("ping -c 1 -W 1 10.9.0.1 >/dev/null"), 0);
    });
}

TEST_P(AfXdpHookTest, APriorityWithoutAVlanIsOursAndAVlanTheKernels) {
    in_child([] {
        const VethWorld world;
        const auto device = must_open(config_for(GetParam()));
        const PeerSocket peer(world);
        const auto tagged = [](unsigned tag, Bytes frame) {
            const Bytes four{0x81, 0, static_cast<std::uint8_t>(tag >> 8U),
                             static_cast<std::uint8_t>(tag)};
            frame.insert(frame.begin() + 12, four.begin(), four.end());
            return frame;
        };
        const std::vector<Bytes> ours = {tagged(0xa000, ipv4(world, {})),
                                         tagged(0, arp(world, ArpOperation::request, kOwn))};
        EXPECT_TRUE(peer.send(tagged(0xa005, ipv4(world, {}))));
        EXPECT_TRUE(peer.send(tagged(0, ipv4(world, {.to = kKernel}))));
        for (const Bytes& frame : ours)
            EXPECT_TRUE(peer.send(frame));
        EXPECT_EQ(receive_bytes(device->queue(0), ours.size()), ours);
    });
}

TEST_F(AfXdpQueueTest, PrefixesAndIpv6AddressesAreOurs) {
    in_child([] {
        const VethWorld world;
        const std::array<std::uint8_t, 16> own{0xfd, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 7};
        AfXdpConfig config = config_for(XdpMode::automatic);
        config.ipv4_prefixes = {{{10, 9, 0, 64}, 26}, {{172, 16, 0, 0}, 12}};
        config.ipv6_prefixes = {{own, 128}};
        const auto device = must_open(config);
        const PeerSocket peer(world);
        const auto ipv6 = [&world](const std::array<std::uint8_t, 16>& to, unsigned next) {
            Bytes frame = ethernet(world.mac_here(), world.mac_there(), kTypeIpv6);
            put(frame, {0x60, 0, 0, 0, 0, 24, next, 255});
            put(frame, std::array<std::uint8_t, 16>{0xfe, 0x80});
            put(frame, to);
            return frame;
        };
        const std::array<std::uint8_t, 16> group{0xff, 2, 0, 0, 0,    0, 0, 0,
                                                 0,    0, 0, 1, 0xff, 0, 0, 7};
        Bytes solicitation = ipv6(group, 58);
        put(solicitation, {135, 0, 0, 0, 0, 0, 0, 0});
        put(solicitation, own);
        Bytes other_solicitation = solicitation;
        other_solicitation.back() = 8;
        Bytes plain = ipv6(own, 17);
        plain.resize(80);
        const std::vector<Bytes> ours = {ipv4(world, {.to = {10, 9, 0, 127}}),
                                         ipv4(world, {.to = {172, 31, 1, 1}}), solicitation, plain};
        EXPECT_TRUE(peer.send(ipv4(world, {.to = {10, 9, 0, 128}})));
        EXPECT_TRUE(peer.send(other_solicitation));
        for (const Bytes& frame : ours)
            EXPECT_TRUE(peer.send(frame));
        EXPECT_EQ(receive_bytes(device->queue(0), ours.size()), ours);
    });
}

TEST_P(AfXdpHookTest, TransmittedFramesReachThePeerInOrder) {
    in_child([] {
        const VethWorld world;
        const auto device = must_open(config_for(GetParam()));
        const PeerSocket peer(world);
        Queue& queue = device->queue(0);
        constexpr unsigned kBursts = 20;  // ten times as many frames as the queue has
        for (unsigned burst = 0; burst < kBursts; ++burst) {
            Frame frames[kBurst];
            ASSERT_EQ(queue.allocate(frames), kBurst);
            for (unsigned i = 0; i < kBurst; ++i) {
                ASSERT_EQ(frames[i].length, 0U);
                ASSERT_GE(frames[i].capacity, 1514U);
                Bytes bytes = ethernet(world.mac_there(), world.mac_here(), 0x88b5);
                put(bytes, {burst, i});
                bytes.resize(60 + std::size_t{i} * 20);
                std::memcpy(frames[i].data, bytes.data(), bytes.size());
                frames[i].length = static_cast<std::uint32_t>(bytes.size());
            }
            ASSERT_EQ(queue.transmit(frames, clock_now()), kBurst);
            for (unsigned i = 0; i < kBurst; ++i) {
                const Bytes got = peer.receive(0x88b5);
                ASSERT_EQ(got.size(), 60 + std::size_t{i} * 20);
                ASSERT_EQ(got[14], burst);
                ASSERT_EQ(got[15], i);
            }
        }
    });
}

TEST_F(AfXdpQueueTest, AReceivedFrameCanBeSentBackInPlace) {
    in_child([] {
        const VethWorld world;
        const auto device = must_open(config_for(XdpMode::automatic));
        const PeerSocket peer(world);
        for (int round = 0; round < 300; ++round) {
            ASSERT_TRUE(peer.send(ipv4(world, {})));
            Frame frame;
            while (device->queue(0).receive({&frame, 1}, clock_now()) == 0)
                ::usleep(50);
            for (int i = 0; i < 6; ++i)
                std::swap(frame.data[i], frame.data[i + 6]);
            ASSERT_EQ(device->queue(0).transmit({&frame, 1}, clock_now()), 1U);
            ASSERT_EQ(peer.receive(kTypeIpv4).size(), 74U);
        }
    });
}

TEST_F(AfXdpQueueTest, OnVethTheChecksumMayBePartial) {
    in_child([] {
        const VethWorld world;
        const auto device = must_open(config_for(XdpMode::automatic));
        const PeerSocket peer(world);
        ASSERT_TRUE(peer.send(ipv4(world, {})));
        std::vector<Frame> frames = receive_frames(device->queue(0), 1);
        ASSERT_EQ(frames.size(), 1U);
        EXPECT_EQ(frames[0].checksum, Checksum::partial);
        EXPECT_GE(frames[0].capacity, frames[0].length);
    });
}

TEST_F(AfXdpQueueTest, InGenericModeTheChecksumMayBePartial) {
    in_child([] {
        const VethWorld world;
        ASSERT_EQ(VethWorld::run_here("ip link add link here0 name mv0 type macvlan && "
                                      "ip link set mv0 up"),
                  0);
        AfXdpConfig config = config_for(XdpMode::generic);
        config.interface = "mv0";
        const auto device = must_open(config);
        const PeerSocket peer(world);
        Bytes frame = ipv4(world, {});
        std::copy_n(static_cast<const std::uint8_t*>(device->mac().octet), 6, frame.begin());
        ASSERT_TRUE(peer.send(frame));
        std::vector<Frame> frames = receive_frames(device->queue(0), 1);
        ASSERT_EQ(frames.size(), 1U);
        EXPECT_EQ(frames[0].checksum, Checksum::partial);
    });
}

TEST_F(AfXdpQueueTest, TwoQueuesShareTheFlows) {
    in_child([] {
        const VethWorld world({.queues = 2});
        AfXdpConfig config = config_for(XdpMode::native);
        config.frames_per_queue = 512;
        const auto device = must_open(config);
        ASSERT_EQ(device->queue_count(), 2U);
        const PeerSocket peer(world);
        constexpr unsigned kFlows = 100;
        for (unsigned i = 0; i < kFlows; ++i) {
            ASSERT_TRUE(peer.send(ipv4(world, {.source_port = 1000 + i})));
        }
        const auto first = receive_bytes(device->queue(0), kFlows, milliseconds(300));
        const auto second = receive_bytes(device->queue(1), kFlows - first.size());
        EXPECT_GT(first.size(), 0U);
        EXPECT_GT(second.size(), 0U);
        EXPECT_EQ(first.size() + second.size(), kFlows);
        std::set<Bytes> all(first.begin(), first.end());
        all.insert(second.begin(), second.end());
        EXPECT_EQ(all.size(), kFlows);
    });
}

// IP packets that the kernel has received in this namespace (Ip: InReceives).
unsigned long kernel_packets() {
    std::ifstream snmp("/proc/self/net/snmp");
    std::string line;
    std::getline(snmp, line);  // names
    unsigned long forwarding = 0;
    unsigned long ttl = 0;
    unsigned long received = 0;
    std::string protocol;
    snmp >> protocol >> forwarding >> ttl >> received;
    return received;
}

TEST_F(AfXdpQueueTest, AQueueWithoutASocketIsTheKernels) {
    in_child([] {
        const VethWorld world({.queues = 2});
        AfXdpConfig config = config_for(XdpMode::native);
        config.queues = 1;
        config.ipv4_prefixes = {{kKernel, 32}};  // taken over, to see where its packets go
        const auto device = must_open(config);
        const PeerSocket peer(world);
        Counters counters;
        device->queue(0).set_counters(&counters);
        const unsigned long before = kernel_packets();
        constexpr unsigned kFlows = 100;
        for (unsigned i = 0; i < kFlows; ++i) {
            ASSERT_TRUE(peer.send(ipv4(world, {.to = kKernel, .source_port = 1000 + i})));
        }
        const auto ours = receive_bytes(device->queue(0), kFlows, milliseconds(300)).size();
        EXPECT_GT(ours, 0U);
        EXPECT_LT(ours, kFlows);
        EXPECT_EQ(kernel_packets() - before, kFlows - ours);
        Frame none;
        EXPECT_EQ(device->queue(0).receive({&none, 1}, clock_now() + seconds(1)), 0U);
        EXPECT_EQ(counters.drops(Drop::io_no_queue), kFlows - ours);
    });
}

void add_a_queue_while_open(const VethOptions& options) {
    static std::string told;
    set_log_sink([](LogLevel, const char* text, void*) { told += text; }, nullptr);
    const VethWorld world(options);
    ASSERT_EQ(world.run_there("ethtool -L there0 rx 1 tx 1"), 0);
    ASSERT_EQ(VethWorld::run_here("ethtool -L here0 rx 1 tx 1"), 0);
    const auto device = must_open(config_for(XdpMode::native));
    ASSERT_EQ(device->queue_count(), 1U);
    const PeerSocket peer(world);
    Queue& queue = device->queue(0);
    Counters counters;
    queue.set_counters(&counters);
    // A veth runs the program on an added queue only after this.
    ASSERT_EQ(VethWorld::run_here("ethtool -L here0 rx 2 tx 2 && ip link set here0 down && "
                                  "ip link set here0 up"),
              0);
    ASSERT_EQ(world.run_there("ethtool -L there0 rx 2 tx 2"), 0);
    for (unsigned i = 0; receive_bytes(queue, 1, milliseconds(100)).empty(); ++i)
        ASSERT_TRUE(peer.send(ipv4(world, {.source_port = i})));  // its kernel notices the carrier
    Frame none;
    EXPECT_EQ(queue.receive({&none, 1}, clock_now() + seconds(1)), 0U);
    const std::uint64_t before = counters.drops(Drop::io_no_queue);
    constexpr unsigned kFlows = 100;
    std::size_t ours = 0;
    for (unsigned i = 0; i < 2 * kFlows; ++i) {
        ASSERT_TRUE(peer.send(ipv4(world, {.source_port = 1000 + i % kFlows})));
        if (i % kFlows == 0) ours += receive_bytes(queue, kFlows, milliseconds(200)).size();
    }
    ours += receive_bytes(queue, kFlows, milliseconds(200)).size();
    EXPECT_EQ(queue.receive({&none, 1}, clock_now() + seconds(3)), 0U);
    EXPECT_LT(ours, 2 * kFlows);
    EXPECT_EQ(counters.drops(Drop::io_no_queue) - before, 2 * kFlows - ours);
    const std::size_t first = told.find("not opened, and go to the kernel; mend: ethtool -L here0");
    ASSERT_NE(first, std::string::npos) << told;
    EXPECT_EQ(told.find("not opened", first + 1), std::string::npos) << told;
}

TEST_F(AfXdpQueueTest, FramesOnAQueueThatWasAddedLaterAreCountedAndToldOnce) {
    in_child([] { add_a_queue_while_open({.queues = 2}); });
    in_child([] { add_a_queue_while_open({.queues = 2, .mtu = 9000}); });  // the other program
}

TEST_F(AfXdpQueueTest, AnyNumberOfDropsIsCountedAtOnce) {
    in_child([] {
        const VethWorld world;
        const auto device = must_open(config_for(XdpMode::automatic));
        auto& queue = static_cast<AfXdpQueue&>(device->queue(0));
        Counters counters;
        queue.set_counters(&counters);
        std::uint64_t frames = 5;
        queue.count_unclaimed(&frames, {});
        frames += std::uint64_t{1} << 40;
        Frame none;
        EXPECT_EQ(queue.receive({&none, 1}, clock_now()), 0U);
        EXPECT_EQ(counters.drops(Drop::io_no_queue), std::uint64_t{1} << 40);
    });
}

TEST_F(AfXdpQueueTest, AllocationEndsAtTheLastFrameAndRecovers) {
    in_child([] {
        const VethWorld world;
        const auto device = must_open(config_for(XdpMode::automatic));
        Queue& queue = device->queue(0);
        std::vector<Frame> all(500);
        for (int round = 0; round < 3; ++round) {
            const std::size_t count = queue.allocate(all);
            EXPECT_EQ(count, 128U);
            std::set<std::byte*> distinct;
            for (std::size_t i = 0; i < count; ++i)
                distinct.insert(all[i].data);
            EXPECT_EQ(distinct.size(), 128U);
            Frame one;
            EXPECT_EQ(queue.allocate({&one, 1}), 0U);
            queue.release({all.data(), count});
        }
    });
}

TEST_P(AfXdpHookTest, FramesThatFindNoBufferAreCountedAndReceptionRecovers) {
    in_child([] {
        const VethWorld world;
        const auto device = must_open(config_for(GetParam()));
        const PeerSocket peer(world);
        Queue& queue = device->queue(0);
        Counters counters;
        queue.set_counters(&counters);
        for (int i = 0; i < 300; ++i)
            ASSERT_TRUE(peer.send(ipv4(world, {})));
        std::vector<Frame> held = receive_frames(queue, 300, milliseconds(300));
        EXPECT_EQ(held.size(), 128U);
        EXPECT_EQ(counters.drops(Drop::io_no_receive_frame), 172U);
        EXPECT_EQ(counters.drops(Drop::io_oversize), 0U);
        queue.release(held);
        for (int i = 0; i < 100; ++i)
            ASSERT_TRUE(peer.send(ipv4(world, {})));
        EXPECT_EQ(receive_bytes(queue, 100).size(), 100U);
        EXPECT_EQ(counters.drops(Drop::io_no_receive_frame), 172U);
    });
}

TEST_F(AfXdpQueueTest, WaitingEndsWithAFrameOrAtTheDeadline) {
    in_child([] {
        const VethWorld world;
        const auto device = must_open(config_for(XdpMode::automatic));
        const PeerSocket peer(world);
        Queue* const queues[] = {&device->queue(0)};
        Instant start = clock_now();
        EXPECT_EQ(wait_until(queues, {}, start, start + milliseconds(30)), Woken::by_deadline);
        EXPECT_GE(clock_now() - start, milliseconds(30));

        start = clock_now();
        std::thread sender([&] {
            std::this_thread::sleep_for(std::chrono::milliseconds(50));
            EXPECT_TRUE(peer.send(ipv4(world, {})));
        });
        EXPECT_EQ(wait_until(queues, {}, start, start + seconds(5)), Woken::by_work);
        const Duration slept = clock_now() - start;
        EXPECT_GE(slept, milliseconds(49));
        EXPECT_LT(slept, seconds(2));
        sender.join();
        // The frame is still there: waiting again returns at once.
        start = clock_now();
        EXPECT_EQ(wait_until(queues, {}, start, start + seconds(5)), Woken::by_work);
        EXPECT_LT(clock_now() - start, seconds(1));
        EXPECT_EQ(receive_bytes(device->queue(0), 1).size(), 1U);
    });
}

// A TCP segment of 9000 bytes that the peer's kernel would leave to a device to cut.
Bytes large_segment(const VethWorld& world) { return ipv4(world, {.protocol = 6, .length = 9000}); }

// Up to the data: sequence number and flags may be rewritten where the kernel cuts.
Bytes data_of(const Bytes& frame) { return {frame.begin() + 54, frame.end()}; }

Bytes with_tcp_header(Bytes segment) {
    segment[14 + 20 + 12] = 0x50;  // data offset 5
    segment[14 + 20 + 13] = 0x10;  // ACK
    return segment;
}

TEST_F(AfXdpQueueTest, GenericModeJoinsLargeFramesWhereTheKernelAllows) {
    in_child([] {
        const VethWorld world;
        const auto device = must_open(config_for(XdpMode::generic));
        if (device->description().find("several buffers") == std::string::npos) {
            std::printf("skipped: this kernel has no several buffers in generic mode\n");
            return;
        }
        const PeerSocket peer(world);
        Counters counters;
        device->queue(0).set_counters(&counters);
        const Bytes segment = with_tcp_header(large_segment(world));
        for (int round = 0; round < 100; ++round) {  // more often than there are joined frames
            ASSERT_TRUE(peer.send_to_be_cut(segment, 1460));
            Frame frame;
            while (device->queue(0).receive({&frame, 1}, clock_now()) == 0)
                ::usleep(50);
            const Bytes got = copy_of(frame);
            device->queue(0).release({&frame, 1});
            ASSERT_EQ(got.size(), segment.size());
            ASSERT_EQ(data_of(got), data_of(segment));
        }
        EXPECT_EQ(counters.drops(Drop::io_oversize), 0U);
    });
}

TEST_F(AfXdpQueueTest, GenericModeWithSingleBuffersCountsLargeFramesAsDropped) {
    in_child([] {
        const VethWorld world;
        AfXdpConfig config = config_for(XdpMode::generic);
        config.multi_buffer = MultiBuffer::off;
        const auto device = must_open(config);
        const PeerSocket peer(world);
        Counters counters;
        device->queue(0).set_counters(&counters);
        ASSERT_TRUE(peer.send_to_be_cut(with_tcp_header(large_segment(world)), 1460));
        ASSERT_TRUE(peer.send(ipv4(world, {})));
        EXPECT_EQ(receive_bytes(device->queue(0), 1).size(), 1U);
        Frame none;
        static_cast<void>(device->queue(0).receive({&none, 1}, clock_now() + seconds(1)));
        EXPECT_EQ(counters.drops(Drop::io_oversize), 1U);
        EXPECT_EQ(counters.drops(Drop::io_no_receive_frame), 0U);
        // The mend works.
        ASSERT_EQ(world.run_there("ethtool -K there0 tso off gso off"), 0);
        ASSERT_TRUE(peer.send_to_be_cut(with_tcp_header(large_segment(world)), 1460));
        EXPECT_EQ(receive_bytes(device->queue(0), 7).size(), 7U);
    });
}

TEST_F(AfXdpQueueTest, NativeModeReceivesLargeFramesCutByThePeer) {
    in_child([] {
        const VethWorld world;
        const auto device = must_open(config_for(XdpMode::native));
        const PeerSocket peer(world);
        const Bytes segment = with_tcp_header(large_segment(world));
        ASSERT_TRUE(peer.send_to_be_cut(segment, 1460));
        Bytes data;
        for (const Bytes& part : receive_bytes(device->queue(0), 7)) {
            data.insert(data.end(), part.begin() + 54, part.end());
        }
        EXPECT_EQ(data, data_of(segment));
    });
}

TEST_P(AfXdpHookTest, JumboFramesGoBothWays) {
    in_child([] {
        const VethWorld world({.mtu = 9000});
        const auto device = must_open(config_for(GetParam()));
        const PeerSocket peer(world);
        Queue& queue = device->queue(0);
        ASSERT_EQ(queue.capabilities().mtu, 9000U) << device->description();
        const Bytes jumbo = ipv4(world, {.length = 9000});
        const Bytes small = ipv4(world, {});
        for (int round = 0; round < 200; ++round) {
            ASSERT_TRUE(peer.send(jumbo));
            ASSERT_TRUE(peer.send(small));
            std::vector<Frame> got;
            while (got.size() < 2) {
                Frame frame;
                if (queue.receive({&frame, 1}, clock_now()) == 1) got.push_back(frame);
            }
            ASSERT_EQ(copy_of(got[0]), jumbo);
            ASSERT_EQ(copy_of(got[1]), small);
            queue.release(got);

            Frame frames[2];
            ASSERT_EQ(queue.allocate(frames), 2U);
            ASSERT_GE(frames[0].capacity, 9014U);
            std::memcpy(frames[0].data, jumbo.data(), jumbo.size());
            frames[0].length = static_cast<std::uint32_t>(jumbo.size());
            std::memcpy(frames[1].data, small.data(), small.size());
            frames[1].length = static_cast<std::uint32_t>(small.size());
            for (Frame& frame : frames)
                std::memcpy(frame.data, world.mac_there().octet, 6);
            ASSERT_EQ(queue.transmit(frames, clock_now()), 2U);
            const Bytes first = peer.receive(kTypeIpv4);
            ASSERT_EQ(first.size(), jumbo.size());
            ASSERT_TRUE(std::equal(first.begin() + 6, first.end(), jumbo.begin() + 6));
            ASSERT_EQ(peer.receive(kTypeIpv4).size(), small.size());
        }
        std::vector<Frame> all(500);
        const std::size_t count = queue.allocate(all);
        EXPECT_EQ(count, 128U / 3);
        queue.release({all.data(), count});
    });
}

TEST_F(AfXdpQueueTest, FramesThatCannotBeSentAreCountedAndTakenBack) {
    in_child([] {
        const VethWorld world;
        const auto device = must_open(config_for(XdpMode::automatic));
        Queue& queue = device->queue(0);
        Counters counters;
        queue.set_counters(&counters);
        std::vector<Frame> frames(128);
        ASSERT_EQ(queue.allocate(frames), 128U);
        for (Frame& frame : frames)
            frame.length = 1515;
        frames[0].length = 0;
        EXPECT_EQ(queue.transmit(frames, clock_now()), 128U);
        EXPECT_EQ(counters.drops(Drop::io_oversize), 128U);
        EXPECT_EQ(queue.allocate(frames), 128U);
    });
}

TEST_F(AfXdpQueueTest, MoreFramesThanCompletionsLeaveWithoutAnotherTransmit) {
    in_child([] {
        const VethWorld world;
        AfXdpConfig config = config_for(XdpMode::automatic);
        config.frames_per_queue = 512;
        config.rings.completion = 32;
        const auto device = must_open(config);
        const PeerSocket peer(world);
        Queue& queue = device->queue(0);
        std::vector<Frame> frames(128);
        ASSERT_EQ(queue.allocate(frames), 128U);
        const Bytes bytes = ethernet(world.mac_there(), world.mac_here(), 0x88b5);
        for (Frame& frame : frames) {
            std::memset(frame.data, 0, 60);
            std::memcpy(frame.data, bytes.data(), bytes.size());
            frame.length = 60;
        }
        ASSERT_EQ(queue.transmit(frames, clock_now()), 128U);
        EXPECT_TRUE(receive_frames(queue, 1, milliseconds(100)).empty());
        std::size_t arrived = 0;
        while (arrived < 128 && peer.receive(0x88b5).size() == 60)
            ++arrived;
        EXPECT_EQ(arrived, 128U);
        EXPECT_EQ(queue.next_deadline(), kNever);
    });
}

TEST_F(AfXdpQueueTest, BusyPollingReceives) {
    in_child([] {
        const VethWorld world;
        AfXdpConfig config = config_for(XdpMode::automatic);
        config.busy_poll = BusyPoll::on;
        const auto device = must_open(config);
        EXPECT_NE(device->description().find("busy polling"), std::string::npos);
        const PeerSocket peer(world);
        for (int i = 0; i < 100; ++i)
            ASSERT_TRUE(peer.send(ipv4(world, {})));
        EXPECT_EQ(receive_bytes(device->queue(0), 100).size(), 100U);
    });
}

}  // namespace
}  // namespace mtcp::io
