// SPDX-License-Identifier: Apache-2.0
// Two cores of one stack in virtual time: segments arrive at one that has no record of their flow.
#include <gtest/gtest.h>
#include <sys/socket.h>

#include <array>
#include <memory>

#include "stack/core_mesh.h"
#include "stack/flow_owner.h"
#include "stack/testing/core_fixture.h"

namespace mtcp::stack {
namespace {

constexpr std::uint16_t kPort = 80;

class TwoCoresTest : public ::testing::Test {
  protected:
    void SetUp() override {
        ASSERT_TRUE(mesh.reserve(2, std::size_t{1} << 16));
        for (std::size_t i = 0; i < 2; ++i) {
            CoreSetup setup = small_setup();
            setup.seed += i;
            setup.links = mesh.links_of(i);
            setup.links.ring_doorbell = [](void*, std::size_t) {};
            sides[i].start(world, std::move(setup));
        }
        world.run_for(milliseconds(1));
    }
    // Connects from core 0 to the own address. The port is such that core 1 owns the flow: both
    // ends' segments arrive where they are sent, and it is told only where that is not core 1.
    long connect_from_core_0() {
        wire::FlowKey key{
            .local = kOwn, .remote = kOwn, .local_port = kPort, .remote_port = 30'000};
        while (owner_of(key, 2) != 1)
            ++key.remote_port;
        local_port = key.remote_port;
        const long client = sides[0].bind_to(local_port);
        connected =
            socket::connect(*sides[0].app, sides[0].find(client), wire::Endpoint{kOwn, kPort});
        world.run_for(milliseconds(10));
        return client;
    }
    // A connection of core 0 that core 1 accepted before it stopped listening: both ends.
    std::array<long, 2> connect_and_stop_listening() {
        const long listener = sides[1].listen_on(kPort);
        world.run_for(milliseconds(1));
        const long client = connect_from_core_0();
        const long server = sides[1].accept(listener);
        socket::close_listener(*sides[1].app, sides[1].find(listener));
        return {client, server};
    }

    VirtualWorld world;
    CoreMesh mesh;
    std::array<TestHost, 2> sides;
    std::uint16_t local_port = 0;
    long connected = 0;
};

// A server that stops listening keeps what it has accepted, though core 0, where the segments
// arrive, goes on listening on the same port.
TEST_F(TwoCoresTest, ConnectionsOutliveTheirListenerThoughTheOtherCoreListens) {
    ASSERT_GE(sides[0].listen_on(kPort), 0);
    const auto [client, server] = connect_and_stop_listening();
    ASSERT_GE(server, 0);
    world.run_for(milliseconds(10));
    ASSERT_EQ(sides[0].send(client, 5), 5);
    world.run_for(milliseconds(10));
    EXPECT_EQ(sides[1].receive(server), 5);
    EXPECT_EQ(sides[0].receive(client), -EAGAIN);
}

// The owner does not listen: it asks who does, and that core does not ask back.
TEST_F(TwoCoresTest, AnOwnerThatDoesNotListenNamesOneThatDoes) {
    const long listener = sides[0].listen_on(kPort);
    world.run_for(milliseconds(1));
    const long client = connect_from_core_0();
    const long server = sides[0].accept(listener);
    ASSERT_GE(server, 0);
    ASSERT_EQ(sides[0].send(client, 5), 5);
    world.run_for(milliseconds(10));
    EXPECT_EQ(sides[0].receive(server), 5);
    EXPECT_GT(sides[1].core->counters().handoffs_in, 0u);
    EXPECT_GT(sides[1].core->counters().handoffs_out, 0u);
}

// RFC 1122 §4.2.2.13: a new SYN ends TIME-WAIT. The core that waits does not listen any more.
TEST_F(TwoCoresTest, ASynThatMeetsTimeWaitFindsTheOtherCoresListener) {
    const long other = sides[0].listen_on(kPort);
    const auto [client, server] = connect_and_stop_listening();
    ASSERT_GE(server, 0);
    sides[1].close(server);
    world.run_for(milliseconds(10));
    sides[0].close(client);
    world.run_for(milliseconds(100));
    ASSERT_EQ(sides[1].core->levels().time_wait, 1u);
    static_cast<void>(connect_from_core_0());
    EXPECT_EQ(sides[1].core->levels().time_wait, 0u);
    EXPECT_GE(sides[0].accept(other), 0);
}

// RFC 9293 MUST-43 asks for a local end that the answers come to: where nobody could be told who
// holds the flow, no SYN goes out.
TEST_F(TwoCoresTest, AnOpenWhoseAnswersCouldNotComeBackFails) {
    FlowExceptions& exceptions = mesh.links_of(0).shared->exceptions;
    for (std::uint64_t i = 0; i < 2 * FlowExceptions::kSlots; ++i)
        static_cast<void>(exceptions.insert((i + 1) * 0x9e37'79b9'7f4a'7c15u, 1));
    for (std::uint64_t i = 0; i < FlowExceptions::kSlots; ++i)
        static_cast<void>(exceptions.insert(i, 1));
    const long client = connect_from_core_0();
    EXPECT_EQ(connected, -EINPROGRESS);
    EXPECT_EQ(sides[0].receive(client), -EADDRNOTAVAIL);
    EXPECT_EQ(sides[0].core->counters().connects_failed, 1u);
    EXPECT_EQ(sides[0].core->counters().active_opens, 0u);
}

}  // namespace
}  // namespace mtcp::stack
