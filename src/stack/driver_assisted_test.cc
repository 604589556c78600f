// SPDX-License-Identifier: Apache-2.0
// An application that stays outside the library: its peers must not notice. Real time and two
// threads, joined by an in-memory link; the application computes until its peer has what it waits
// for, so that the test fails by a limit, not by being slow.
#include <gtest/gtest.h>
#include <poll.h>
#include <sys/socket.h>

#include <atomic>
#include <chrono>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "io/link/link.h"
#include "socket/application.h"
#include "socket/listen_socket.h"
#include "socket/stream_socket.h"
#include "stack/drivers.h"
#include "wire/ipv4.h"
#include "wire/segment.h"

namespace mtcp::stack {
namespace {

using socket::Application;

const wire::IpAddress kServer = wire::IpAddress::v4(0x0a000001);
const wire::IpAddress kClient = wire::IpAddress::v4(0x0a000002);

// One end of the link with all that stands on it.
struct Side {
    std::unique_ptr<Core> core;
    Doorbell doorbell;
    std::unique_ptr<CoreDriver> driver;
    std::unique_ptr<Application> app;

    void start(io::Queue& queue, const wire::IpAddress& own, Drive drive) {
        CoreSetup setup;
        setup.configuration.max_concurrency = 64;
        setup.configuration.time_wait_max = 64;
        setup.configuration.half_open_max = 64;
        setup.configuration.chunks.count = {1024, 512, 16};
        setup.configuration.huge_pages = false;
        setup.network.interfaces.push_back(
            {.name = "link", .layer = io::Layer::ip, .mtu = 1500, .addresses = {{own, 24}}});
        setup.queues = {&queue};
        setup.now = monotonic_now();
        auto made = Core::create(std::move(setup));
        ASSERT_TRUE(made) << made.error().text();
        core = std::move(made).value();
        ASSERT_TRUE(doorbell.open());
        auto running = drive == Drive::assisted ? make_assisted_driver(*core, doorbell, -1)
                                                : make_inline_driver(*core, doorbell);
        ASSERT_TRUE(running) << running.error().text();
        driver = std::move(running).value();
        auto application = Application::create(core->view(*driver), {.descriptors = 64});
        ASSERT_TRUE(application);
        app = std::move(application).value();
    }
    socket::Descriptor& find(long id) { return *app->table().find(static_cast<int>(id)); }
    long send(long id, std::size_t bytes, int flags = 0) {
        std::string text(bytes, 'x');
        const iovec buffer{text.data(), text.size()};
        return socket::send(*app, find(id), socket::ByteCursor({&buffer, 1}), flags);
    }
    long receive(long id, std::size_t bytes, int flags = 0) {
        std::string text(bytes, '\0');
        const iovec buffer{text.data(), text.size()};
        return socket::receive(*app, find(id), socket::ByteCursor({&buffer, 1}), flags);
    }
};

class AssistedDriverTest : public ::testing::Test {
  protected:
    void SetUp() override {
        auto made = io::make_link({.layer = io::Layer::ip});
        ASSERT_TRUE(made);
        link = std::move(made).value();
        server.start(link.a->queue(0), kServer, Drive::assisted);
        client.start(link.b->queue(0), kClient, Drive::run_inline);
        listener = socket::make_stream(*server.app);
        ASSERT_EQ(socket::bind(*server.app, server.find(listener), {{}, 80}), 0);
        ASSERT_EQ(socket::listen(*server.app, server.find(listener), 8), 0);
    }
    void TearDown() override {
        if (client.driver != nullptr) client.driver->stop();
        if (server.driver != nullptr) server.driver->stop();
        server.app.reset();
        client.app.reset();
    }
    // The server's end of a connection that the peer thread opens.
    long accept_one() {
        wire::Endpoint peer;
        return socket::accept(*server.app, server.find(listener), peer);
    }
    long connect_client() {
        const long id = socket::make_stream(*client.app);
        EXPECT_EQ(socket::connect(*client.app, client.find(id), {kServer, 80}), 0);
        client.app->run_stack();  // the ACK waits for data until then
        return id;
    }
    // Stays outside the library until the peer has what it wants. False: it never had.
    bool compute() {
        const auto limit = std::chrono::steady_clock::now() + std::chrono::seconds(20);
        while (!satisfied.load()) {
            if (std::chrono::steady_clock::now() > limit) {
                satisfied = true;  // the peer gives up as well
                return false;
            }
        }
        return true;
    }

    io::LinkPair link;
    Side server;
    Side client;
    long listener = -1;
    std::atomic<bool> computing{false};
    std::atomic<bool> satisfied{false};
};

TEST_F(AssistedDriverTest, AcknowledgesWhileTheApplicationComputes) {
    std::thread peer([&] {
        const long id = connect_client();
        while (!computing)
            std::this_thread::yield();
        EXPECT_EQ(client.send(id, 1000), 1000);
        while (!satisfied && socket::unacknowledged_bytes(*client.app, client.find(id)) != 0)
            client.app->run_stack();
        satisfied = true;
    });
    const long id = accept_one();
    ASSERT_GE(id, 0);
    computing = true;
    EXPECT_TRUE(compute());
    peer.join();
    EXPECT_EQ(server.receive(id, 2000), 1000);
    server.app->run_stack();  // and takes up the work again
    EXPECT_GE(server.core->counters().switches, 2u);
}

TEST_F(AssistedDriverTest, TellsOfAnOpenWindowWhileTheApplicationComputes) {
    std::atomic<bool> full{false};
    std::thread peer([&] {
        const long id = connect_client();
        // As much as the server's buffer, ours, and whatever is rounded up between them.
        client.find(id).non_blocking = 1;
        int refused = 0;
        while (refused < 2000) {
            refused = client.send(id, 65536) > 0 ? 0 : refused + 1;
            client.app->run_stack();
        }
        full = true;
        while (!computing)
            std::this_thread::yield();
        while (!satisfied && client.send(id, 65536) <= 0)
            client.app->run_stack();
        satisfied = true;
    });
    const long id = accept_one();
    ASSERT_GE(id, 0);
    while (!full)
        server.app->run_stack();
    ASSERT_GT(server.receive(id, 1 << 20), 0);
    computing = true;
    EXPECT_TRUE(compute());
    peer.join();
}

TEST_F(AssistedDriverTest, RetransmitsWhileTheApplicationComputes) {
    std::thread peer([&] {
        static_cast<void>(connect_client());
        while (!computing)
            std::this_thread::yield();
        // From here on the peer is deaf: what arrives is looked at and lost.
        std::vector<std::uint32_t> seen;
        while (!satisfied && seen.size() < 2) {
            io::Frame frame;
            if (link.b->queue(0).receive({&frame, 1}, monotonic_now()) == 0) continue;
            const auto header = wire::parse_ipv4(frame.bytes());
            ASSERT_TRUE(header.ok());
            const auto segment = wire::parse_segment(frame.bytes().subspan(header->header_length));
            ASSERT_TRUE(segment.ok());
            if (!segment->payload.empty()) seen.push_back(segment->seq.raw);
            link.b->queue(0).release({&frame, 1});
        }
        ASSERT_EQ(seen.size(), 2u);
        EXPECT_EQ(seen[0], seen[1]);
        satisfied = true;
    });
    const long id = accept_one();
    ASSERT_GE(id, 0);
    EXPECT_EQ(server.send(id, 100), 100);
    computing = true;
    EXPECT_TRUE(compute());
    peer.join();
}

TEST_F(AssistedDriverTest, TheDescriptorTellsOfWhatTheAssistantReceived) {
    ASSERT_GE(server.app->event_descriptor(), 0);
    std::thread peer([&] { static_cast<void>(connect_client()); });
    // Outside the library, asleep in the kernel.
    while (true) {
        pollfd ready{server.app->event_descriptor(), POLLIN, 0};
        ASSERT_EQ(::poll(&ready, 1, 20'000), 1);
        server.find(listener).non_blocking = 1;
        const long id = accept_one();
        if (id >= 0) break;
        static_cast<void>(server.app->wait(server.app->now()));
        server.app->after_wait(0);
    }
    peer.join();
}

}  // namespace
}  // namespace mtcp::stack
