// SPDX-License-Identifier: Apache-2.0
// Two hosts on one wire, in virtual time: full rings, pauses, small packets.
#include <gtest/gtest.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <memory>
#include <vector>

#include "io/link/link.h"
#include "stack/testing/core_fixture.h"

namespace mtcp::stack {
namespace {

constexpr std::uint16_t kPort = 80;
const wire::IpAddress kClient = wire::IpAddress::v4(0x0a010001);
const wire::IpAddress kServer = wire::IpAddress::v4(0x0a010002);

class TwoHosts : public ::testing::Test {
  protected:
    void start(const io::LinkConfig& config) {
        auto made = io::make_link(config);
        ASSERT_TRUE(made);
        link = std::move(made).value();
        start_host(client, *link.a, kClient, config);
        start_host(server, *link.b, kServer, config);
        listening = server.listen_on(kPort);
        world.run_for(milliseconds(1));
    }
    void start_host(TestHost& host, io::LinkDevice& device, const wire::IpAddress& address,
                    const io::LinkConfig& config) {
        CoreSetup setup = small_setup();
        setup.loopback_addresses.clear();
        setup.queues = {&device.queue(0)};
        setup.network.interfaces.push_back({.name = "wire",
                                            .layer = config.layer,
                                            .mac = device.mac(),
                                            .mtu = static_cast<std::uint16_t>(config.mtu),
                                            .addresses = {{address, 24}}});
        setup.network.announcement = net::Announcement::silent;
        host.start(world, std::move(setup));
    }
    // A connection: the client's end and the server's.
    std::array<long, 2> connect() {
        const long id = client.make_stream();
        EXPECT_EQ(socket::connect(*client.app, client.find(id), {kServer, kPort}), -EINPROGRESS);
        world.run_for(milliseconds(10));
        return {id, server.accept(listening)};
    }

    VirtualWorld world;
    io::LinkPair link;
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

// RFC 791: a link carries at least 68 bytes. Frames are no larger here.
TEST_F(TwoHosts, TheSmallestPacketsCarryBytesAndAcknowledgments) {
    start({.layer = io::Layer::ip, .mtu = 68, .frame_size = 68});
    const auto [ours, theirs] = connect();
    EXPECT_EQ(client.send(ours, 5'000), 5'000);
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
