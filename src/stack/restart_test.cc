// SPDX-License-Identifier: Apache-2.0
// What waits in the devices while no application has a core, and when the next comes.
#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <string>
#include <thread>

#include "io/memif/memif_device.h"
#include "io/memif/testing/ends.h"
#include "net/testing/packets.h"
#include "socket/application.h"
#include "stack/drivers.h"
#include "stack/stack.h"

namespace mtcp::stack {
namespace {

using net::testing::kOurIp;
using socket::Application;

// A stack at one end of a memif that carries packets, and its peer, by hand, at the other.
class Restart : public ::testing::Test {
  protected:
    void open(std::size_t cores) {
        const std::string name = io::memif::testing::fresh_socket();
        StackConfiguration configuration;
        configuration.cores = cores;
        configuration.drive = Drive::run_inline;
        configuration.max_concurrency = 64;
        configuration.chunks.count = {256, 256, 16};
        configuration.huge_pages = false;
        InterfaceConfiguration interface;
        interface.kind = "memif";
        interface.name = name;
        interface.options = {{"role", "master"}, {"layer", "ip"}};
        interface.addresses = {{kOurIp, 24}};
        configuration.interfaces = {interface};
        auto made = Stack::open(configuration);
        ASSERT_TRUE(made) << made.error().text();
        stack_ = std::move(made).value();
        peer_ = io::memif::testing::open_or_fail(
            {.socket = name, .rings = cores, .layer = io::Layer::ip});
        ASSERT_TRUE(io::memif::testing::eventually([&] { return peer_->connected(); }));
    }

    [[nodiscard]] std::unique_ptr<Application> start() {
        auto view = stack_->start_core(0);
        EXPECT_TRUE(view) << view.error().text();
        auto app = Application::create(*view, {.descriptors = 16});
        EXPECT_TRUE(app);
        return std::move(app).value();
    }
    void stop(std::unique_ptr<Application>& app) {
        app.reset();
        stack_->stop_core(0);
    }

    void ping(std::size_t queue, std::size_t count) {
        net::testing::IpFields fields;
        fields.protocol = wire::kProtocolIcmp;
        const auto packet = net::testing::ipv4(fields, net::testing::icmp(8, 0, 1, {}));
        for (std::size_t i = 0; i < count; ++i) {
            io::Frame frame;
            ASSERT_EQ(peer_->queue(queue).allocate({&frame, 1}), 1u);
            std::copy(packet.begin(), packet.end(), frame.data);
            frame.length = static_cast<std::uint32_t>(packet.size());
            ASSERT_EQ(peer_->queue(queue).transmit({&frame, 1}, monotonic_now()), 1u);
        }
    }
    [[nodiscard]] std::size_t answers(std::size_t queue) {
        io::Frame frames[io::kBurst];
        const std::size_t count = peer_->queue(queue).receive(frames, monotonic_now());
        peer_->queue(queue).release({frames, count});
        return count;
    }
    [[nodiscard]] std::uint64_t stale(std::size_t core) {
        return stack_->counters(core).drops(Drop::io_stale);
    }
    static void let_a_second_pass() {
        std::this_thread::sleep_for(std::chrono::milliseconds(1050));
    }

    std::unique_ptr<Stack> stack_;
    std::unique_ptr<io::MemifDevice> peer_;
};

TEST_F(Restart, WhatWaitedForLongIsNotAnswered) {
    open(1);
    auto app = start();
    app->run_stack();
    EXPECT_EQ(answers(0), 0u) << "the peer makes room for some";
    stop(app);
    ping(0, 100);
    let_a_second_pass();
    app = start();
    const std::uint64_t frames = stack_->counters(0).frames_in;
    app->run_stack();
    EXPECT_EQ(answers(0), 0u);
    EXPECT_EQ(stale(0), 100u);
    EXPECT_EQ(frames, 100u) << "received and dropped";
    ping(0, 1);
    app->run_stack();
    EXPECT_EQ(answers(0), 1u);
    stop(app);
}

TEST_F(Restart, WhatCameJustBeforeIs) {
    open(1);
    auto app = start();
    app->run_stack();
    EXPECT_EQ(answers(0), 0u) << "the peer makes room for some";
    stop(app);
    const Instant before = monotonic_now();
    ping(0, 3);
    app = start();
    if (monotonic_now() - before > milliseconds(900)) GTEST_SKIP() << "the machine is too busy";
    app->run_stack();
    EXPECT_EQ(answers(0), 3u);
    EXPECT_EQ(stale(0), 0u);
    stop(app);
}

// The first application comes long after the stack; what another core got meanwhile is as old.
TEST_F(Restart, ACoreWithoutAnApplicationDiscardsItsShare) {
    open(2);
    ping(0, 2);
    ping(1, 3);
    let_a_second_pass();
    auto app = start();
    app->run_stack();
    stop(app);
    EXPECT_EQ(stale(0), 2u);
    EXPECT_EQ(stale(1), 3u);
    EXPECT_EQ(answers(0) + answers(1), 0u);
}

}  // namespace
}  // namespace mtcp::stack
