// SPDX-License-Identifier: Apache-2.0
// A whole core with its application side, in virtual time: connections to an own address, so that
// both ends, the network layer and the loopback interface take part.
#include "stack/core.h"

#include <gtest/gtest.h>
#include <sys/socket.h>
#include <array>

#include <cstdint>
#include <new>
#include <string>
#include <vector>

#include "socket/readiness.h"
#include "stack/testing/core_fixture.h"

namespace {

std::size_t refused_from = SIZE_MAX;  // bytes

}  // namespace

// What the library asks memory of when it can do without: a test says no. The usual delete matches.
void* operator new[](std::size_t bytes, const std::nothrow_t& /*unused*/) noexcept {
    return bytes < refused_from ? ::operator new[](bytes) : nullptr;
}

namespace mtcp::stack {
namespace {

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

TEST_F(CoreTest, ManyConnectionsAtOnceLeaveNothingBehind) {  // Checks RFC 9293 MUST-41, MUST-42.
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

// What the application has put into its box is unseen when an ACK comes, and with that ACK the
// buffer may grow: whoever waits for room must be told all the same.
TEST_F(CoreTest, AWriterThatWaitsForRoomIsToldAlsoWhenTheBufferGrowsMeanwhile) {
    for (int turns = 0; turns < 12; ++turns) {
        constexpr std::uint32_t kLimit = 8192;
        CoreSetup setup = small_setup();
        setup.configuration.tcp.defaults.send_buffer = kLimit;
        start(std::move(setup));
        const long listener = listen_on(80);
        const long client = connect_to(80);
        const long server = accept_from(listener);
        ASSERT_GE(server, 0);
        world.settle();
        socket::Descriptor& writer = descriptor(client);
        const std::string text(kLimit / 3 + 400, 'x');
        const std::size_t less = kLimit / 3 - 100;
        ASSERT_EQ(send_some(client, text.data(), less, 0), static_cast<long>(less));
        for (int i = 0; i < turns; ++i)
            static_cast<void>(world.step(world.now + milliseconds(1)));
        ASSERT_EQ(send_some(client, text.data(), text.size(), 0), static_cast<long>(text.size()));
        const std::uint32_t bits = socket::readiness_for(*app, writer, socket::EpollBits::writable);
        const bool waits = (bits & socket::EpollBits::writable) == 0;
        for (int i = 0; i < 100; ++i) {
            static_cast<void>(world.step(world.now + milliseconds(1)));
            std::string read(8192, '\0');
            static_cast<void>(receive_into(server, read.data(), read.size(), MSG_DONTWAIT));
        }
        const socket::Stream& stream = app->stream(writer);
        EXPECT_EQ(stream.acknowledged.load(), stream.written);
        EXPECT_FALSE(waits && stream.wants_write.load() != 0) << "after " << turns << " turns";
        app.reset();
        driver.reset();
        core.reset();
        world.now = Instant{1'000'000'000'000};
    }
}

// listen(2), as Linux reads it: one more waits than was asked for.
TEST_F(CoreTest, AnAcceptQueueHoldsOneMoreThanItsBacklog) {
    start(small_setup());
    const long listener = listen_on(80, 1);
    for (int i = 0; i < 3; ++i) {
        open_to(80);
        world.run_for(milliseconds(10));
    }
    EXPECT_EQ(core->counters().passive_opens, 2u);
    EXPECT_GE(accept_from(listener), 0);
    EXPECT_GE(accept_from(listener), 0);
    world.run_for(seconds(2));  // the third SYN comes again
    EXPECT_EQ(core->counters().passive_opens, 3u);
}

// SO_REUSEPORT within one context: both take connections, as on Linux.
TEST_F(CoreTest, ListenersOfOnePortShareTheConnections) {
    start(small_setup());
    std::array<long, 2> listeners;
    for (long& id : listeners) {
        id = socket::make_stream(*app);
        app->own_details(descriptor(id)).reuse_port = 1;
        descriptor(id).non_blocking = 1;
        ASSERT_EQ(socket::bind(*app, descriptor(id), {{}, 80}), 0);
        ASSERT_EQ(socket::listen(*app, descriptor(id), 64), 0);
    }
    for (int i = 0; i < 40; ++i)
        open_to(80);
    world.run_for(milliseconds(10));
    std::array<int, 2> accepted{};
    for (std::size_t i = 0; i < listeners.size(); ++i) {
        while (accept_from(listeners[i]) >= 0)
            ++accepted[i];
    }
    EXPECT_EQ(accepted[0] + accepted[1], 40);
    EXPECT_GT(accepted[0], 5);
    EXPECT_GT(accepted[1], 5);
}

// RFC 6056 §3.3.4: where a turn looks ahead at its opens it keeps what it finds, if it can tell the
// source; else it is found when the open is taken.
TEST_F(CoreTest, APortIsTheSameWhetherItsStartWasKeptOrNot) {
    std::array<std::vector<std::uint16_t>, 2> ports;
    for (const std::size_t kept : {0u, 1u}) {
        start(small_setup());
        std::vector<long> ids;
        for (std::uint16_t i = 0; i < 100; ++i) {
            ids.push_back(socket::make_stream(*app));
            socket::Descriptor& d = descriptor(ids.back());
            d.non_blocking = 1;
            const wire::Endpoint source{kept != 0 ? kOwn : wire::IpAddress{}, 0};
            ASSERT_EQ(socket::bind(*app, d, source), 0);
            const wire::Endpoint remote{kOwn, static_cast<std::uint16_t>(80 + i % 3)};
            ASSERT_EQ(socket::connect(*app, d, remote), -EINPROGRESS);
        }
        driver->run_stack();
        for (const long id : ids)
            ports[kept].push_back(app->key(descriptor(id)).local_port);
        app.reset();
        driver.reset();
        core.reset();
        world.now = Instant{1'000'000'000'000};
    }
    EXPECT_EQ(ports[0], ports[1]);
}

// Of two handshakes that end at a queue with room for one, the second waits, or is reset.
TEST_F(CoreTest, AFullAcceptQueueResetsWhereThatIsWanted) {
    for (const bool reset : {false, true}) {
        using Use = tcp::Configuration::Use;
        CoreSetup setup = small_setup();
        setup.configuration.tcp.abort_on_overflow = reset ? Use::on : Use::off;
        start(std::move(setup));
        const long listener = listen_on(80, 1);
        open_to(80);
        world.run_for(milliseconds(10));
        open_to(80);
        const long late = open_to(80);
        world.run_for(milliseconds(10));
        EXPECT_EQ(core->counters().passive_opens, 2u);
        EXPECT_EQ(core->counters().resets_out, reset ? 1u : 0u);
        char byte;
        EXPECT_EQ(receive_into(late, &byte, 1, 0), reset ? -ECONNRESET : -EAGAIN);
        EXPECT_GE(accept_from(listener), 0);
        world.run_for(seconds(2));  // the SYN-ACK comes again, and its ACK finds room
        EXPECT_EQ(core->counters().passive_opens, reset ? 2u : 3u);
        app.reset();
        driver.reset();
        core.reset();
        world.now = Instant{1'000'000'000'000};
    }
}

TEST_F(CoreTest, WithoutMemoryForEventsThereIsAnErrorAndNoCore) {
    CoreSetup setup = small_setup();
    setup.configuration.max_concurrency = 1'000'000;
    refused_from = 4'000'000;
    auto made = Core::create(std::move(setup));
    refused_from = SIZE_MAX;
    ASSERT_FALSE(made);
    EXPECT_EQ(made.error().error, ENOMEM);
    EXPECT_EQ(made.error().what, "cannot reserve memory for events");
}

// Of few chunks a large one holds what many small ones would.
TEST_F(CoreTest, LargeSegmentsFindRoomInFewChunks) {
    CoreSetup setup = small_setup();
    setup.configuration.chunks.count = {32, 32, 32};
    start(std::move(setup));
    const long listener = listen_on(80);
    const long client = connect_to(80);
    const long server = accept_from(listener);
    descriptor(client).non_blocking = 1;
    const std::string text(300'000, 'x');
    std::size_t sent = 0;
    std::string all;
    for (int i = 0; i < 200 && all.size() < text.size(); ++i) {
        const long n = send_some(client, text.data() + sent, text.size() - sent, 0);
        if (n > 0) sent += static_cast<std::size_t>(n);
        world.run_for(milliseconds(10));
        if (socket::readable_bytes(*app, descriptor(server)) != 0) all += receive_some(server);
    }
    EXPECT_EQ(all.size(), text.size());
    EXPECT_EQ(core->counters().drops(Drop::tcp_no_chunk), 0u);
}

}  // namespace
}  // namespace mtcp::stack
