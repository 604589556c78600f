// SPDX-License-Identifier: Apache-2.0
// Two hosts on one wire, in virtual time: full rings, pauses, small packets.
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <memory>
#include <string>
#include <vector>

#include "io/link/link.h"
#include "socket/socket_options.h"
#include "stack/testing/core_fixture.h"

namespace mtcp::stack {
namespace {

constexpr std::uint16_t kPort = 80;
const wire::IpAddress kClient = wire::IpAddress::v4(0x0a010001);
const wire::IpAddress kServer = wire::IpAddress::v4(0x0a010002);

// A device that gives a few frames a turn, however many have come.
class SlowReceiver final : public io::Queue {
  public:
    explicit SlowReceiver(io::Queue& queue) : queue_(queue) {}
    std::size_t receive(std::span<io::Frame> frames, Instant now) override {
        return queue_.receive(frames.first(std::min<std::size_t>(frames.size(), kFrames)), now);
    }
    std::size_t allocate(std::span<io::Frame> frames) override { return queue_.allocate(frames); }
    std::size_t transmit(std::span<io::Frame> frames, Instant now) override {
        return queue_.transmit(frames, now);
    }
    void release(std::span<io::Frame> frames) override { queue_.release(frames); }
    [[nodiscard]] const io::Capabilities& capabilities() const override {
        return queue_.capabilities();
    }
    bool prepare_wait() override { return queue_.prepare_wait(); }
    void finish_wait() override { queue_.finish_wait(); }
    [[nodiscard]] int wait_descriptor() const override { return queue_.wait_descriptor(); }

  private:
    static constexpr std::size_t kFrames = 4;
    io::Queue& queue_;
};

CoreSetup setup_without_wires() {
    CoreSetup setup = small_setup();
    setup.loopback_addresses.clear();
    setup.network.announcement = net::Announcement::silent;
    return setup;
}

void add_wire(CoreSetup& setup, io::LinkDevice& device, const wire::IpAddress& address,
              const io::LinkConfig& config) {
    setup.queues.push_back(&device.queue(0));
    setup.network.interfaces.push_back({.name = "wire" + std::to_string(setup.queues.size()),
                                        .layer = config.layer,
                                        .mac = device.mac(),
                                        .mtu = static_cast<std::uint16_t>(config.mtu),
                                        .addresses = {{address, 24}}});
}

class TwoHosts : public ::testing::Test {
  protected:
    void start(const io::LinkConfig& config) {
        auto made = io::make_link(config);
        ASSERT_TRUE(made);
        link = std::move(made).value();
        start_host(client, *link.a, kClient, config);
        slow_receiver = std::make_unique<SlowReceiver>(link.b->queue(0));
        start_host(server, *link.b, kServer, config);
        listening = server.listen_on(kPort);
        world.run_for(milliseconds(1));
    }
    void start_host(TestHost& host, io::LinkDevice& device, const wire::IpAddress& address,
                    const io::LinkConfig& config) {
        CoreSetup setup = setup_without_wires();
        add_wire(setup, device, address, config);
        if (receives == Receives::few && &host == &server) setup.queues = {slow_receiver.get()};
        host.start(world, std::move(setup));
    }
    // A connection: the client's end and the server's.
    std::array<long, 2> connect() {
        const long id = client.make_stream();
        EXPECT_EQ(socket::connect(*client.app, client.find(id), {kServer, kPort}), -EINPROGRESS);
        world.run_for(milliseconds(10));
        return {id, server.accept(listening)};
    }

    static long set(const TestHost& host, long id, int name, int value) {
        return socket::set_option(*host.app, host.find(id), IPPROTO_TCP, name,
                                  std::as_bytes(std::span(&value, 1)));
    }

    enum class Receives : std::uint8_t { all, few } receives = Receives::all;  // the server
    VirtualWorld world;
    io::LinkPair link;
    std::unique_ptr<SlowReceiver> slow_receiver;
    TestHost client;
    TestHost server;
    long listening = -1;
};

// A full ring is no loss: the first connection's window grows on, and the next ones must not have
// to wait until it has nothing to send.
TEST_F(TwoHosts, ConnectionsShareARingThatIsAlwaysFull) {
    start({.frame_count = 64, .ring_frames = 16});
    std::vector<std::array<long, 2>> connections;
    for (int i = 0; i < 3; ++i)
        connections.push_back(connect());
    std::array<long, 3> received{};
    for (int step = 0; step < 20'000; ++step) {
        for (std::size_t i = 0; i < connections.size(); ++i) {
            static_cast<void>(client.send(connections[i][0], 1u << 16));
            received[i] += std::max(0L, server.receive(connections[i][1]));
        }
        static_cast<void>(client.core->turn(world.now));
        static_cast<void>(server.core->turn(world.now));
        world.now = world.now + microseconds(20);
    }
    const long sum = received[0] + received[1] + received[2];
    EXPECT_GT(sum, 10'000'000);
    for (const long each : received)
        EXPECT_GT(each, sum / 6) << received[0] << ' ' << received[1] << ' ' << received[2];
}

// The process was stopped for a second; the answers came meanwhile.
TEST_F(TwoHosts, AfterAPauseWhatArrivedComesBeforeTheTimers) {
    start({});
    std::vector<std::array<long, 2>> connections;
    for (int i = 0; i < 200; ++i)
        connections.push_back(connect());
    for (const auto& connection : connections)
        ASSERT_EQ(client.send(connection[0], 10), 10);
    static_cast<void>(client.core->turn(world.now));
    world.cores = {server.core.get()};
    world.run_for(milliseconds(100));  // delayed acknowledgments leave
    world.now = world.now + seconds(1);
    world.cores = {client.core.get(), server.core.get()};
    world.run_for(milliseconds(100));
    EXPECT_EQ(client.core->counters().retransmission_timeouts, 0u);
    EXPECT_EQ(client.core->counters().segments_retransmitted, 0u);
}

// The peer at the other end of the wire is stopped: frames run out, or what waits for its ring is
// all that may.
class StalledPeer : public TwoHosts, public ::testing::WithParamInterface<std::uint32_t> {
  protected:
    void SetUp() override {
        start({.layer = io::Layer::ip, .frame_count = GetParam(), .ring_frames = 16});
        for (int i = 0; i < 40; ++i)
            connections.push_back(connect());
        world.cores = {client.core.get()};
        for (const auto& [ours, theirs] : connections)
            EXPECT_EQ(client.send(ours, kBytes), kBytes);
        world.run_for(milliseconds(100));
        EXPECT_EQ(client.core->counters().drops(Drop::io_transmit_full), 0u);
    }
    static constexpr long kBytes = 50'000;
    std::vector<std::array<long, 2>> connections;
};

TEST_P(StalledPeer, ConnectTimesOut) {
    const long id = client.make_stream();
    ASSERT_EQ(socket::connect(*client.app, client.find(id), {kServer, kPort}), -EINPROGRESS);
    constexpr int kRetries = 3;
    EXPECT_EQ(set(client, id, TCP_SYNCNT, kRetries), 0);
    world.run_for(seconds(20));
    EXPECT_EQ(client.send(id, 1), -ETIMEDOUT);
}

TEST_P(StalledPeer, UserTimeoutsEndConnections) {
    constexpr int kTimeout = 5'000;
    for (const auto& [ours, theirs] : connections)
        EXPECT_EQ(set(client, ours, TCP_USER_TIMEOUT, kTimeout), 0);
    world.run_for(seconds(20));
    for (const auto& [ours, theirs] : connections)
        EXPECT_EQ(client.receive(ours), -ETIMEDOUT);
}

TEST_P(StalledPeer, WhatIsClosedGoesInTheEnd) {
    for (const auto& [ours, theirs] : connections)
        client.close(ours);
    world.run_for(seconds(200));
    EXPECT_EQ(client.core->levels().flows, 0u);
}

TEST_P(StalledPeer, OnceItGoesOnAllArrives) {
    world.run_for(seconds(5));
    world.cores = {client.core.get(), server.core.get()};
    long received = 0;
    for (int i = 0; i < 1'000; ++i) {
        world.run_for(milliseconds(10));
        for (const auto& [ours, theirs] : connections)
            received += std::max(0L, server.receive(theirs));
    }
    EXPECT_EQ(received, static_cast<long>(connections.size()) * kBytes);
}

// We were stopped: what waits finds room as soon as it is tried.
TEST_P(StalledPeer, APauseOfOursIsNoStall) {
    world.cores = {server.core.get()};
    world.run_for(seconds(5));
    world.cores = {client.core.get(), server.core.get()};
    world.run_for(milliseconds(1));
    EXPECT_EQ(client.core->counters().drops(Drop::io_transmit_full), 0u);
}

INSTANTIATE_TEST_SUITE_P(Frames, StalledPeer, ::testing::Values(64, 1024));

// As many frames come in as a turn takes, and each turn follows a pause: there is always more to
// catch up with.
TEST_F(TwoHosts, TimersFireThoughEachTurnFollowsAPause) {
    start({.layer = io::Layer::ip, .frame_count = 4096, .ring_frames = 1024});
    const auto [ours, theirs] = connect();
    io::Queue& wire = link.b->queue(0);
    ASSERT_EQ(client.send(ours, 10), 10);
    static_cast<void>(client.core->turn(world.now));
    std::array<io::Frame, io::kBurst> frames;
    wire.release(std::span(frames).first(wire.receive(frames, world.now)));  // lost
    for (int step = 0; step < 2'000; ++step) {
        const std::size_t count = wire.allocate(frames);
        for (io::Frame& frame : std::span(frames).first(count))
            frame.length = 20;  // what it says is no packet
        wire.release(std::span(frames).first(count).subspan(
            wire.transmit(std::span(frames).first(count), world.now)));
        world.now = world.now + milliseconds(1);
        static_cast<void>(client.core->turn(world.now));
    }
    EXPECT_GT(client.core->counters().segments_retransmitted, 0u);
}

// Acknowledgments alone, of a segment a connection, would fill the ring.
TEST_F(TwoHosts, DataHasItsShareOfARingThatAcknowledgmentsFill) {
    receives = Receives::few;
    start({.layer = io::Layer::ip, .frame_count = 1024, .ring_frames = 16});
    std::vector<std::array<long, 2>> connections;
    for (int i = 0; i < 160; ++i) {
        connections.push_back(connect());
        EXPECT_EQ(set(client, connections.back()[0], TCP_QUICKACK, 1), 0);
        EXPECT_EQ(set(server, connections.back()[1], TCP_NODELAY, 1), 0);
    }
    const auto [ours, theirs] = connect();
    long received = 0;
    for (std::size_t step = 0; step < 10'000; ++step) {
        for (std::size_t i = 0; i < 16; ++i) {
            const auto& each = connections[(step * 16 + i) % connections.size()];
            static_cast<void>(server.send(each[1], 1'000));
            static_cast<void>(client.receive(each[0]));
        }
        static_cast<void>(client.send(ours, 1u << 16));
        received += std::max(0L, server.receive(theirs));
        static_cast<void>(client.core->turn(world.now));
        static_cast<void>(server.core->turn(world.now));
        world.now = world.now + microseconds(20);
    }
    EXPECT_GT(received, 1'000'000);
}

// A client with two wires, of which one has a stopped peer at its other end.
TEST(TwoWires, AFullRingHoldsUpNoOther) {
    constexpr std::size_t kWires = 2;
    const io::LinkConfig config{.layer = io::Layer::ip, .frame_count = 64, .ring_frames = 16};
    VirtualWorld world;
    std::array<io::LinkPair, kWires> links;
    std::array<TestHost, kWires> servers;
    std::array<long, kWires> listening{};
    CoreSetup setup = setup_without_wires();
    const auto address = [](std::size_t wire, std::uint32_t host) {
        return wire::IpAddress::v4(0x0a01'0000u + (static_cast<std::uint32_t>(wire) << 8) + host);
    };
    for (std::size_t i = 0; i < kWires; ++i) {
        auto made = io::make_link(config);
        ASSERT_TRUE(made);
        links[i] = std::move(made).value();
        add_wire(setup, *links[i].a, address(i, 1), config);
        CoreSetup other = setup_without_wires();
        add_wire(other, *links[i].b, address(i, 2), config);
        servers[i].start(world, std::move(other));
        listening[i] = servers[i].listen_on(kPort);
    }
    TestHost client;
    client.start(world, std::move(setup));
    world.run_for(milliseconds(1));
    // Several on the first wire, then one on the second, which has its turn behind all of them.
    std::vector<long> ours;
    long theirs = -1;
    for (const std::size_t wire : {0u, 0u, 0u, 0u, 0u, 0u, 0u, 0u, 1u}) {
        ours.push_back(client.make_stream());
        ASSERT_EQ(socket::connect(*client.app, client.find(ours.back()), {address(wire, 2), kPort}),
                  -EINPROGRESS);
        world.run_for(milliseconds(10));
        theirs = servers[wire].accept(listening[wire]);
    }
    world.cores = {client.core.get(), servers[1].core.get()};
    long received = 0;
    for (int step = 0; step < 500; ++step) {
        for (const long id : ours)
            static_cast<void>(client.send(id, 1u << 16));
        world.run_for(microseconds(100));
        received += std::max(0L, servers[1].receive(theirs));
    }
    EXPECT_GT(received, 1'000'000);
    // Some leave while they wait, and the rest has its turn once there is room.
    for (std::size_t i = 0; i < 4; ++i)
        socket::close_stream(*client.app, client.find(ours[i]), socket::CloseKind::abort);
    world.cores.push_back(servers[0].core.get());
    world.run_for(seconds(1));
    EXPECT_EQ(client.core->counters().retransmission_timeouts, 0u);
    for (std::size_t i = 4; i < 8; ++i)
        EXPECT_GT(client.send(ours[i], 1), 0);
}

// RFC 791: a link carries at least 68 bytes. Frames are no larger here.
TEST_F(TwoHosts, TheSmallestPacketsCarryBytesAndAcknowledgments) {
    receives = Receives::few;
    start({.layer = io::Layer::ip, .mtu = 68, .frame_size = 68});
    const auto [ours, theirs] = connect();
    EXPECT_EQ(client.send(ours, 5'000), 5'000);
    // Two are lost, and the SACK blocks of those behind them have to fit.
    static_cast<void>(client.core->turn(world.now));
    for (int lost = 0; lost < 2; ++lost) {
        std::array<io::Frame, 1> frame;
        ASSERT_EQ(link.b->queue(0).receive(frame, world.now), 1u);
        link.b->queue(0).release(frame);
        static_cast<void>(server.core->turn(world.now));
    }
    long received = 0;
    for (int i = 0; i < 1'000 && received < 5'000; ++i) {
        world.run_for(milliseconds(10));
        received += std::max(0L, server.receive(theirs));
    }
    EXPECT_EQ(received, 5'000);
    EXPECT_EQ(client.core->counters().drops(Drop::io_oversize), 0u);
    EXPECT_EQ(server.core->counters().drops(Drop::io_oversize), 0u);
}

}  // namespace
}  // namespace mtcp::stack
