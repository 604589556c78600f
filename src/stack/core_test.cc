// SPDX-License-Identifier: Apache-2.0
// A whole core with its application side, in virtual time: connections to an own address, so that
// both ends, the network layer and the loopback interface take part.
#include "stack/core.h"

#include <gtest/gtest.h>
#include <sys/socket.h>

#include <cstring>
#include <string>
#include <vector>

#include "socket/application.h"
#include "socket/epoll.h"
#include "socket/listen_socket.h"
#include "socket/stream_socket.h"
#include "stack/testing/virtual_driver.h"

namespace mtcp::stack {
namespace {

using socket::Application;

const wire::IpAddress kOwn = wire::IpAddress::v4(0x0a000002);

CoreSetup small_setup() {
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
    long accept_from(long listener) {
        wire::Endpoint peer;
        return socket::accept(*app, descriptor(listener), peer);
    }
    long send_some(long id, const char* bytes, std::size_t length, int flags) {
        const iovec buffer{const_cast<char*>(bytes), length};
        return socket::send(*app, descriptor(id), socket::ByteCursor({&buffer, 1}), flags);
    }
    long receive_into(long id, char* bytes, std::size_t length, int flags) {
        const iovec buffer{bytes, length};
        return socket::receive(*app, descriptor(id), socket::ByteCursor({&buffer, 1}), flags);
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

TEST_F(CoreTest, ConnectsSendsAnswersAndClosesToItself) {
    start(small_setup());
    const Core::Levels before = core->levels();
    const long listener = listen_on(80);
    const long client = connect_to(80);
    const long server = accept_from(listener);
    ASSERT_GE(server, 0);
    EXPECT_EQ(send_all(client, "hello"), 5);
    EXPECT_EQ(receive_some(server), "hello");
    EXPECT_EQ(send_all(server, "world"), 5);
    EXPECT_EQ(receive_some(client), "world");
    close(client);
    EXPECT_EQ(receive_some(server), "");
    close(server);
    world.run_for(seconds(70));
    socket::close_listener(*app, descriptor(listener));
    app.reset();
    world.run_for(seconds(1));
    const Core::Levels after = core->levels();
    EXPECT_EQ(after.time_wait, 0u);
    EXPECT_EQ(after.flows, before.flows);
    EXPECT_EQ(after.half_open, 0u);
}

TEST_F(CoreTest, AShortConnectionIsSixPackets) {
    start(small_setup());
    const long listener = listen_on(80);
    const long client = connect_to(80);
    EXPECT_EQ(send_all(client, std::string(64, 'q')), 64);
    const long server = accept_from(listener);
    ASSERT_GE(server, 0);
    EXPECT_EQ(receive_some(server).size(), 64u);
    EXPECT_EQ(send_all(server, std::string(64, 'r')), 64);
    close(server);
    EXPECT_EQ(receive_some(client).size(), 64u);
    EXPECT_EQ(receive_some(client), "");
    close(client);
    world.run_for(seconds(1));
    EXPECT_EQ(core->counters().segments_out, 6u);
    EXPECT_EQ(core->counters().segments_retransmitted, 0u);
}

TEST_F(CoreTest, MovesTenMegabytesWithoutAWrongByte) {
    start(small_setup());
    const long listener = listen_on(80);
    const long client = connect_to(80);
    const long server = accept_from(listener);
    ASSERT_GE(server, 0);
    constexpr std::size_t kTotal = 10'000'000;
    std::string sent(kTotal, '\0');
    Random random(3);
    for (char& c : sent)
        c = static_cast<char>(random.next());
    std::string received;
    std::size_t at = 0;
    for (int round = 0; received.size() < kTotal && round < 100'000; ++round) {
        if (at < kTotal) {
            const std::size_t piece = std::min<std::size_t>(1 + random.below(100'000), kTotal - at);
            const long n = send_some(client, sent.data() + at, piece, MSG_DONTWAIT);
            if (n > 0) at += static_cast<std::size_t>(n);
        }
        world.settle();
        std::string text(1 + random.below(150'000), '\0');
        const long n = receive_into(server, text.data(), text.size(), MSG_DONTWAIT);
        if (n > 0) received.append(text.data(), static_cast<std::size_t>(n));
        if (round % 10 == 0) static_cast<void>(world.step(world.now + milliseconds(1)));
    }
    EXPECT_EQ(received.size(), kTotal);
    EXPECT_TRUE(received == sent);
    EXPECT_EQ(core->counters().segments_retransmitted, 0u);
}

TEST_F(CoreTest, ManyConnectionsAtOnceLeaveNothingBehind) {
    start(small_setup());
    const long listener = listen_on(80, 2048);
    std::vector<long> clients;
    for (int i = 0; i < 1000; ++i)
        clients.push_back(connect_to(80));
    std::vector<long> servers;
    for (int i = 0; i < 1000; ++i)
        servers.push_back(accept_from(listener));
    for (const long id : servers)
        ASSERT_GE(id, 0);
    for (int i = 0; i < 1000; ++i) {
        EXPECT_EQ(send_all(clients[static_cast<std::size_t>(i)], "ping"), 4);
    }
    for (const long id : servers) {
        EXPECT_EQ(receive_some(id), "ping");
        close(id);
    }
    for (const long id : clients) {
        EXPECT_EQ(receive_some(id), "");
        close(id);
    }
    world.run_for(seconds(70));
    EXPECT_EQ(core->levels().time_wait, 0u);
    EXPECT_EQ(core->levels().flows, 0u);
    EXPECT_EQ(core->counters().passive_opens, 1000u);
}

TEST_F(CoreTest, ConnectionToAClosedPortIsRefused) {
    start(small_setup());
    const long id = socket::make_stream(*app);
    EXPECT_EQ(socket::connect(*app, descriptor(id), {kOwn, 81}), -ECONNREFUSED);
    close(id);
    world.run_for(seconds(1));
    EXPECT_EQ(core->levels().flows, 0u);
}

TEST_F(CoreTest, ChunksRunOutAndComeBack) {
    CoreSetup setup = small_setup();
    setup.configuration.chunks.count = {600, 64, 4};
    start(std::move(setup));
    const long listener = listen_on(80);
    std::vector<long> clients;
    std::vector<long> servers;
    for (int i = 0; i < 20; ++i) {
        clients.push_back(connect_to(80));
        servers.push_back(accept_from(listener));
        ASSERT_GE(servers.back(), 0);
    }
    const std::string piece(50'000, 'x');
    std::vector<std::size_t> sent(20);
    for (int round = 0; round < 5; ++round) {
        for (std::size_t i = 0; i < 20; ++i) {
            const long n = send_some(clients[i], piece.data(), piece.size(), MSG_DONTWAIT);
            if (n > 0) sent[i] += static_cast<std::size_t>(n);
        }
        world.run_for(milliseconds(5));
    }
    // Nobody has read: memory is short by now. Reading frees it, and everything written arrives.
    std::vector<std::size_t> received(20);
    for (int round = 0; round < 3000 && received != sent; ++round) {
        for (std::size_t i = 0; i < 20; ++i) {
            std::string text(8192, '\0');
            const long n = receive_into(servers[i], text.data(), text.size(), MSG_DONTWAIT);
            if (n > 0) received[i] += static_cast<std::size_t>(n);
        }
        world.run_for(milliseconds(20));
    }
    EXPECT_EQ(received, sent);
}

TEST_F(CoreTest, AClosedListenerResetsWhatItHadNotAccepted) {
    start(small_setup());
    const long listener = listen_on(80);
    const long client = connect_to(80);
    socket::close_listener(*app, descriptor(listener));
    world.run_for(milliseconds(10));
    char byte;
    EXPECT_EQ(receive_into(client, &byte, 1, 0), -ECONNRESET);
    close(client);
    world.run_for(seconds(1));
    EXPECT_EQ(core->levels().flows, 0u);
}

}  // namespace
}  // namespace mtcp::stack
