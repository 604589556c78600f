// SPDX-License-Identifier: Apache-2.0
// A whole core with its application side, in virtual time, for tests: connections to an own
// address, so that both ends, the network layer and the loopback interface take part.
#pragma once

#include <gtest/gtest.h>
#include <sys/socket.h>

#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "socket/application.h"
#include "socket/epoll.h"
#include "socket/listen_socket.h"
#include "socket/stream_socket.h"
#include "stack/core.h"
#include "stack/testing/virtual_driver.h"

namespace mtcp::stack {

using socket::Application;

inline const wire::IpAddress kOwn = wire::IpAddress::v4(0x0a000002);

inline CoreSetup small_setup() {
    CoreSetup setup;
    setup.configuration.max_concurrency = 4096;
    setup.configuration.half_open_max = 1024;
    setup.configuration.time_wait_max = 4096;
    setup.configuration.chunks.count = {8192, 4096, 64};
    setup.configuration.huge_pages = false;
    setup.loopback_addresses = {{kOwn, 32}};
    setup.seed = 42;
    setup.now = Instant{1'000'000'000'000};
    return setup;
}

class CoreTest : public ::testing::Test {
  protected:
    void start(CoreSetup setup) {
        auto made = Core::create(std::move(setup));
        ASSERT_TRUE(made) << made.error().text();
        core = std::move(made).value();
        world.cores = {core.get()};
        driver = std::make_unique<VirtualDriver>(world, *core);
        auto application = Application::create(core->view(*driver), {.descriptors = 4096});
        ASSERT_TRUE(application) << application.error().text();
        app = std::move(application).value();
    }
    socket::Descriptor& descriptor(long id) { return *app->table().find(static_cast<int>(id)); }
    long listen_on(std::uint16_t port, int backlog = 1024) {
        const long id = socket::make_stream(*app);
        EXPECT_GE(id, 0);
        EXPECT_EQ(socket::bind(*app, descriptor(id), {{}, port}), 0);
        EXPECT_EQ(socket::listen(*app, descriptor(id), backlog), 0);
        return id;
    }
    long connect_to(std::uint16_t port) {
        const long id = socket::make_stream(*app);
        EXPECT_GE(id, 0);
        EXPECT_EQ(socket::connect(*app, descriptor(id), {kOwn, port}), 0);
        return id;
    }
    // Does not wait for the handshake.
    long open_to(std::uint16_t port) {
        const long id = socket::make_stream(*app);
        EXPECT_GE(id, 0);
        descriptor(id).non_blocking = 1;
        EXPECT_EQ(socket::connect(*app, descriptor(id), {kOwn, port}), -EINPROGRESS);
        return id;
    }
    long accept_from(long listener) {
        wire::Endpoint peer;
        return socket::accept(*app, descriptor(listener), peer);
    }
    long send_some(long id, const char* bytes, std::size_t length, int flags) {
        return socket::send(*app, descriptor(id), std::as_bytes(std::span(bytes, length)), flags);
    }
    long receive_into(long id, char* bytes, std::size_t length, int flags) {
        const std::span buffer = std::as_writable_bytes(std::span(bytes, length));
        return socket::receive(*app, descriptor(id), buffer, flags);
    }
    long send_all(long id, const std::string& text) {
        return send_some(id, text.data(), text.size(), 0);
    }
    std::string receive_some(long id, std::size_t most = 65536) {
        std::string text(most, '\0');
        const long got = receive_into(id, text.data(), text.size(), 0);
        text.resize(got > 0 ? static_cast<std::size_t>(got) : 0);
        return text;
    }
    void close(long id) { socket::close_stream(*app, descriptor(id), socket::CloseKind::orderly); }

    VirtualWorld world;
    std::unique_ptr<Core> core;
    std::unique_ptr<VirtualDriver> driver;
    std::unique_ptr<Application> app;
};

// A core with its application side beside others in one world. Its sockets do not block.
struct TestHost {
    void start(VirtualWorld& world, CoreSetup setup) {
        auto made = Core::create(std::move(setup));
        ASSERT_TRUE(made) << made.error().text();
        core = std::move(made).value();
        driver = std::make_unique<VirtualDriver>(world, *core);
        auto application = Application::create(core->view(*driver), {.descriptors = 1024});
        ASSERT_TRUE(application) << application.error().text();
        app = std::move(application).value();
        world.cores.push_back(core.get());
    }
    [[nodiscard]] socket::Descriptor& find(long id) const {
        return *app->table().find(static_cast<int>(id));
    }
    [[nodiscard]] long make_stream() const {
        const long id = socket::make_stream(*app);
        find(id).non_blocking = 1;
        return id;
    }
    [[nodiscard]] long bind_to(std::uint16_t port) const {
        const long id = make_stream();
        EXPECT_EQ(socket::bind(*app, find(id), {{}, port}), 0);
        return id;
    }
    [[nodiscard]] long listen_on(std::uint16_t port) const {
        const long id = bind_to(port);
        EXPECT_EQ(socket::listen(*app, find(id), 1024), 0);
        return id;
    }
    [[nodiscard]] long accept(long listener) const {
        wire::Endpoint peer;
        const long id = socket::accept(*app, find(listener), peer);
        EXPECT_GE(id, 0);
        if (id >= 0) find(id).non_blocking = 1;
        return id;
    }
    [[nodiscard]] long send(long id, std::size_t length) const {
        static const std::vector<std::byte> kZeros(std::size_t{1} << 16);
        return socket::send(*app, find(id), std::span(kZeros).first(length), 0);
    }
    void close(long id) const { socket::close_stream(*app, find(id), socket::CloseKind::orderly); }
    // At most 64 KB.
    [[nodiscard]] long receive(long id) const {
        std::vector<std::byte> bytes(std::size_t{1} << 16);
        return socket::receive(*app, find(id), bytes, 0);
    }

    std::unique_ptr<Core> core;
    std::unique_ptr<VirtualDriver> driver;
    std::unique_ptr<Application> app;
};

}  // namespace mtcp::stack
