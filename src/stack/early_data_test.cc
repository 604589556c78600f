// SPDX-License-Identifier: Apache-2.0
// TCP Fast Open between both ends of one core (RFC 7413), and what is left when it ends.
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <netinet/tcp.h>

#include <string>
#include <vector>

#include "socket/socket_options.h"
#include "stack/testing/core_fixture.h"

namespace mtcp::stack {
namespace {

class EarlyDataTest : public CoreTest {
  protected:
    void begin(std::uint16_t bits = tcp::FastOpen::client | tcp::FastOpen::server) {
        CoreSetup setup = small_setup();
        setup.configuration.tcp.fast_open = bits;
        start(std::move(setup));
        listener = listen_on(80);
        set(listener, TCP_FASTOPEN, 4);
    }
    void set(long id, int name, int value) {
        ASSERT_EQ(socket::set_option(*app, descriptor(id), IPPROTO_TCP, name,
                                     std::as_bytes(std::span(&value, 1))),
                  0);
    }
    // Connects and sends in one call.
    long open_with(const std::string& text, long& id) {
        id = socket::make_stream(*app);
        const iovec buffer{const_cast<char*>(text.data()), text.size()};
        return socket::send_to(*app, descriptor(id), {kOwn, 80}, socket::ByteCursor({&buffer, 1}),
                               MSG_FASTOPEN);
    }
    // Both ends learn of each other.
    void learn_cookie() {
        long client = -1;
        ASSERT_EQ(open_with("first", client), 5);
        const long server = accept_from(listener);
        EXPECT_EQ(receive_some(server), "first");
        close(client);
        close(server);
    }
    long listener = -1;
};

TEST_F(EarlyDataTest, SecondConnectionBringsItsDataWithTheSyn) {
    begin();
    learn_cookie();
    EXPECT_EQ(core->counters().fast_open_requests, 1u);
    EXPECT_EQ(core->counters().fast_opens_passive, 0u);
    long client = -1;
    ASSERT_EQ(open_with("second", client), 6);
    EXPECT_EQ(core->counters().fast_opens_passive, 1u);
    EXPECT_EQ(core->counters().fast_opens_active, 1u);
    const long server = accept_from(listener);
    EXPECT_EQ(receive_some(server), "second");
    EXPECT_EQ(send_all(server, "answer"), 6);
    EXPECT_EQ(receive_some(client), "answer");
    std::string more = "more";
    const iovec buffer{more.data(), more.size()};
    EXPECT_EQ(socket::send_to(*app, descriptor(client), {kOwn, 80},
                              socket::ByteCursor({&buffer, 1}), MSG_FASTOPEN),
              4);  // the flag means nothing now
    EXPECT_EQ(receive_some(server), "more");
    EXPECT_EQ(descriptor(listener).listener->fast_open_pending, 0u);
    close(client);
    close(server);
}

TEST_F(EarlyDataTest, WhatDoesNotFitIntoTheSynFollows) {
    begin();
    learn_cookie();
    const std::string much(100'000, 'x');
    long client = -1;
    ASSERT_EQ(open_with(much, client), 100'000);
    const long server = accept_from(listener);
    std::string all;
    while (all.size() < much.size()) {
        const std::string part = receive_some(server);
        ASSERT_FALSE(part.empty());
        all += part;
    }
    EXPECT_EQ(all, much);
    close(client);
    close(server);
}

TEST_F(EarlyDataTest, AConnectThatWaitsGoesWithTheFirstWrite) {
    begin();
    learn_cookie();
    const long client = socket::make_stream(*app);
    set(client, TCP_FASTOPEN_CONNECT, 1);
    const std::uint64_t opens = core->counters().active_opens;
    EXPECT_EQ(socket::connect(*app, descriptor(client), {kOwn, 80}), 0);
    EXPECT_EQ(core->counters().active_opens, opens);
    EXPECT_EQ(send_all(client, "late"), 4);
    EXPECT_EQ(core->counters().fast_opens_passive, 1u);
    const long server = accept_from(listener);
    EXPECT_EQ(receive_some(server), "late");
    close(client);
    close(server);
    const long never = socket::make_stream(*app);
    set(never, TCP_FASTOPEN_CONNECT, 1);
    EXPECT_EQ(socket::connect(*app, descriptor(never), {kOwn, 80}), 0);
    close(never);  // no SYN has left
}

// RFC 7413: the calls come within one turn, before the SYN has left.
TEST_F(EarlyDataTest, WhatWasWrittenLeavesThoughTheSocketIsClosedAtOnce) {
    begin();
    learn_cookie();
    const auto arrives = [this](const std::string& text) {
        world.run_for(seconds(1));
        const long server = accept_from(listener);
        EXPECT_EQ(receive_some(server), text);
        EXPECT_EQ(receive_some(server), "");  // in order
        close(server);
    };
    const std::string late = "late";
    const iovec buffer{const_cast<char*>(late.data()), late.size()};
    const long client = socket::make_stream(*app);
    descriptor(client).non_blocking = 1;
    set(client, TCP_FASTOPEN_CONNECT, 1);
    EXPECT_EQ(socket::connect(*app, descriptor(client), {kOwn, 80}), 0);
    EXPECT_EQ(socket::send_and_close(*app, descriptor(client), socket::ByteCursor({&buffer, 1})),
              4);
    arrives("late");
    const long other = socket::make_stream(*app);
    descriptor(other).non_blocking = 1;
    EXPECT_EQ(socket::send_to(*app, descriptor(other), {kOwn, 80}, socket::ByteCursor({&buffer, 1}),
                              MSG_FASTOPEN),
              4);
    close(other);
    arrives("late");
}

TEST_F(EarlyDataTest, WithoutDataACloseBeforeTheSynSendsNone) {
    begin();
    app->run_stack();
    const std::uint64_t segments = core->counters().segments_out;
    close(open_to(80));
    world.run_for(seconds(10));
    EXPECT_EQ(core->counters().segments_out, segments);
    EXPECT_EQ(core->levels().flows, 0u);
}

TEST_F(EarlyDataTest, WithoutTheClientBitItIsNotSupported) {
    begin(tcp::FastOpen::server);
    long client = -1;
    EXPECT_EQ(open_with("x", client), -EOPNOTSUPP);
}

TEST_F(EarlyDataTest, ListenerClosedBeforeAcceptLeavesNothing) {
    begin();
    learn_cookie();
    world.run_for(seconds(70));
    const Core::Levels before = core->levels();
    long client = -1;
    ASSERT_EQ(open_with("unread", client), 6);
    socket::close_listener(*app, descriptor(listener));
    app->run_stack();
    close(client);
    world.run_for(seconds(70));
    // Records granted in advance count as connections; flows do not.
    EXPECT_LE(core->levels().connections, before.connections);
    EXPECT_EQ(core->levels().flows, before.flows);
}

TEST(RecentResets, CountForAMinute) {
    socket::RecentResets resets;
    for (std::uint32_t second = 1000; second < 1010; ++second)
        resets.add(second);
    EXPECT_EQ(resets.total, 10u);
    resets.advance(1059);
    EXPECT_EQ(resets.total, 10u);
    resets.advance(1064);
    EXPECT_EQ(resets.total, 5u);
    resets.advance(5000);
    EXPECT_EQ(resets.total, 0u);
    resets.add(5000);
    EXPECT_EQ(resets.total, 1u);
}

// A new connection has read all there is: it may use the reserve, whoever had its record before.
TEST_F(EarlyDataTest, ComesInWhereOnlyTheReserveIsLeft) {
    begin();
    learn_cookie();
    socket::ChunkStore& chunks = *core->view(*driver).chunks;
    std::vector<socket::ChunkRef> hoard;
    const std::uint64_t all = chunks.available_bytes();
    while (chunks.available_bytes() * 3 > all)
        hoard.push_back(chunks.take_any(socket::ChunkClass::large));
    for (std::uint64_t opens = 1; opens <= 8; ++opens) {
        app->run_stack();
        long client = -1;
        ASSERT_EQ(open_with("again", client), 5);
        EXPECT_EQ(core->counters().fast_opens_passive, opens);
        const long server = accept_from(listener);
        EXPECT_EQ(receive_some(server), "again");
        close(client);
        close(server);
    }
    for (const socket::ChunkRef chunk : hoard)
        chunks.give_back(chunk);
}

}  // namespace
}  // namespace mtcp::stack
