// SPDX-License-Identifier: Apache-2.0
// Binding rules, listening, accepting.
#include "socket/listen_socket.h"

#include <cstdint>
#include <new>

#include "socket/readiness.h"
#include "socket/testing/scripted_stack.h"

namespace {

std::size_t refused_from = SIZE_MAX;  // bytes

}  // namespace

// What the library asks memory of when it can do without: a test says no. The usual delete matches.
void* operator new[](std::size_t bytes, const std::nothrow_t& /*unused*/) noexcept {
    return bytes < refused_from ? ::operator new[](bytes) : nullptr;
}

namespace mtcp::socket::testing {
namespace {

using ListenSocket = ApplicationTest;

wire::Endpoint any(std::uint16_t port) { return {wire::IpAddress::v4(0), port}; }
wire::Endpoint ours(std::uint16_t port) { return {wire::IpAddress::v4(0x0a000002), port}; }

TEST_F(ListenSocket, BindChecksTheAddressAndBindsOnce) {
    const long id = make_socket();
    EXPECT_EQ(bind(*app, d(id), {wire::IpAddress::v4(0x0a000009), 80}), -EADDRNOTAVAIL);
    EXPECT_EQ(bind(*app, d(id), ours(80)), 0);
    EXPECT_EQ(bind(*app, d(id), ours(81)), -EINVAL);
}

TEST_F(ListenSocket, OverlappingAddressesConflictAndFreePortsComeBack) {
    const long a = make_socket();
    const long b = make_socket();
    ASSERT_EQ(bind(*app, d(a), ours(80)), 0);
    EXPECT_EQ(bind(*app, d(b), any(80)), -EADDRINUSE);
    EXPECT_EQ(bind(*app, d(b), ours(80)), -EADDRINUSE);
    close(a);
    EXPECT_EQ(bind(*app, d(b), any(80)), 0);
}

TEST_F(ListenSocket, ReuseAddressAllowsBindingUntilOneListens) {
    const long a = make_socket();
    const long b = make_socket();
    const long c = make_socket();
    for (const long id : {a, b, c})
        app->own_details(d(id)).reuse_address = 1;
    ASSERT_EQ(bind(*app, d(a), any(80)), 0);
    ASSERT_EQ(bind(*app, d(b), any(80)), 0);
    EXPECT_EQ(listen(*app, d(a), 8), 0);
    EXPECT_EQ(listen(*app, d(b), 8), -EADDRINUSE);
    EXPECT_EQ(bind(*app, d(c), any(80)), -EADDRINUSE);
}

TEST_F(ListenSocket, AListenerHasNobodyToTalkTo) {
    const long id = make_socket();
    ASSERT_EQ(listen(*app, d(id), 8), 0);
    std::string text;
    EXPECT_EQ(read(id, text), -ENOTCONN);
    EXPECT_EQ(write(id, "x"), -EPIPE);
}

TEST_F(ListenSocket, ReusePortAllowsSeveralListeners) {
    for (int i = 0; i < 3; ++i) {
        const long id = make_socket();
        app->own_details(d(id)).reuse_port = 1;
        ASSERT_EQ(bind(*app, d(id), any(80)), 0);
        EXPECT_EQ(listen(*app, d(id), 8), 0);
    }
    const long without = make_socket();
    EXPECT_EQ(bind(*app, d(without), any(80)), -EADDRINUSE);
    EXPECT_EQ(stack.listeners.size(), 3u);
    EXPECT_NE(stack.listeners[0]->id, stack.listeners[1]->id);
}

TEST_F(ListenSocket, ListeningOnPortZeroChoosesAPort) {
    const long id = make_socket();
    ASSERT_EQ(bind(*app, d(id), ours(0)), 0);
    ASSERT_EQ(listen(*app, d(id), 8), 0);
    wire::Endpoint name;
    ASSERT_EQ(local_name(*app, d(id), name), 0);
    EXPECT_GE(name.port, 10'000);
    EXPECT_EQ(stack.listeners[0]->endpoint, name);
    const long unbound = make_socket();
    ASSERT_EQ(listen(*app, d(unbound), 8), 0);
    const long named = make_socket();
    ASSERT_EQ(bind(*app, d(named), ours(0)), 0);
    ASSERT_EQ(local_name(*app, d(named), name), 0);
    EXPECT_NE(name.port, 0);
}

// As Linux: who lets the stack choose does not mean another's port.
TEST_F(ListenSocket, AChosenPortIsNotShared) {
    auto made = Application::create(stack.view(), {.port_first = 5000, .port_last = 5000});
    ASSERT_TRUE(made.ok());
    app = std::move(made).value();
    const long a = make_socket();
    const long b = make_socket();
    for (const long id : {a, b})
        app->own_details(d(id)).reuse_port = app->own_details(d(id)).reuse_address = 1;
    EXPECT_EQ(bind(*app, d(a), ours(0)), 0);
    wire::Endpoint name;
    EXPECT_EQ(local_name(*app, d(a), name), 0);
    EXPECT_EQ(name.port, 5000);
    EXPECT_EQ(listen(*app, d(b), 8), -EADDRINUSE);
    EXPECT_EQ(bind(*app, d(b), any(5000)), 0);  // who names it may
    EXPECT_EQ(listen(*app, d(b), 8), 0);
    EXPECT_EQ(listen(*app, d(a), 8), 0);
}

TEST_F(ListenSocket, AcceptTakesTheOldestConnectionAndNamesIt) {
    const long listener = make_listener();
    wire::Endpoint peer_name_of;
    EXPECT_EQ(accept(*app, d(listener), peer_name_of), -EAGAIN);
    const std::uint32_t first = stack.arrive();
    const std::uint32_t second = stack.arrive();
    const long a = accept(*app, d(listener), peer_name_of);
    ASSERT_GE(a, 0);
    EXPECT_EQ(index(a), first);
    EXPECT_EQ(peer_name_of.port, 40'000 + first);
    EXPECT_EQ(d(a).non_blocking, 0);  // not inherited
    wire::Endpoint name;
    ASSERT_EQ(local_name(*app, d(a), name), 0);
    EXPECT_EQ(name, ours(80));
    EXPECT_EQ(index(accept(*app, d(listener), peer_name_of)), second);
}

TEST_F(ListenSocket, AcceptedConnectionHasTheBytesThatCameBefore) {
    const long listener = make_listener();
    const std::uint32_t i = stack.arrive();
    stack.deliver(i, "early");
    stack.close_by_peer(i);
    app->drain_events();
    wire::Endpoint who;
    const long id = accept(*app, d(listener), who);
    std::string text;
    EXPECT_EQ(read(id, text), 5);
    EXPECT_EQ(read(id, text), 0);
}

TEST_F(ListenSocket, BlockingAcceptWaits) {
    const long listener = make_listener();
    d(listener).non_blocking = 0;
    stack.during_waits.push_back([] {});
    stack.during_waits.push_back([this] { stack.arrive(); });
    wire::Endpoint who;
    EXPECT_GE(accept(*app, d(listener), who), 0);
    app->own_details(d(listener)).receive_timeout_ns = 1'000'000;
    EXPECT_EQ(accept(*app, d(listener), who), -EAGAIN);
}

TEST_F(ListenSocket, AcceptWithoutAnIdLeavesTheConnection) {
    make(2);
    const long listener = make_listener();
    const long other = make_socket();
    stack.arrive();
    wire::Endpoint who;
    EXPECT_EQ(accept(*app, d(listener), who), -EMFILE);
    close(other);
    EXPECT_GE(accept(*app, d(listener), who), 0);
}

TEST_F(ListenSocket, OptionsSetAfterListenReachAcceptedConnections) {
    const long listener = make_listener();
    app->own_details(d(listener)).settings.no_delay = 1;
    app->own_details(d(listener)).linger_s = 4;
    d(listener).inherit = 1;
    const std::uint32_t i = stack.arrive();
    wire::Endpoint who;
    const long id = accept(*app, d(listener), who);
    stack.run_stack();
    EXPECT_EQ(stack.connections[i].settings.no_delay, 1);
    EXPECT_EQ(app->details(d(id)).linger_s, 4);
}

TEST_F(ListenSocket, ClosingAListenerTellsTheStackAndFreesThePort) {
    const long listener = make_listener();
    stack.arrive();
    app->drain_events();
    close_listener(*app, d(listener));
    stack.run_stack();
    EXPECT_TRUE(stack.listeners.empty());
    const long again = make_listener();
    EXPECT_EQ(stack.listeners.size(), 1u);
    EXPECT_EQ(d(again).listener->id, 0u);
}

TEST_F(ListenSocket, ShutdownMakesAListenerABoundSocketAgain) {
    const long id = make_socket();
    ASSERT_EQ(bind(*app, d(id), any(80)), 0);
    ASSERT_EQ(listen(*app, d(id), 8), 0);
    stack.arrive();
    app->drain_events();
    EXPECT_EQ(shutdown_listener(*app, d(id), 3), -EINVAL);
    EXPECT_EQ(shutdown_listener(*app, d(id), SHUT_WR), 0);
    stack.run_stack();
    EXPECT_EQ(stack.listeners.size(), 1u);

    EXPECT_EQ(shutdown_listener(*app, d(id), SHUT_RD), 0);
    stack.run_stack();
    EXPECT_TRUE(stack.listeners.empty());
    EXPECT_EQ(readiness(*app, d(id)), EpollBits::writable | EpollBits::hup);  // it woke who waits
    EXPECT_EQ(take_error(*app, d(id)), 0);
    wire::Endpoint who;
    EXPECT_EQ(accept(*app, d(id), who), -EINVAL);
    const long other = make_socket();
    EXPECT_EQ(bind(*app, d(other), any(80)), -EADDRINUSE);
    EXPECT_EQ(listen(*app, d(id), 8), 0);
    EXPECT_EQ(stack.listeners.size(), 1u);
    EXPECT_EQ(readiness(*app, d(id)), 0u);
}

TEST_F(ListenSocket, AListenerThatWasShutDownCanConnectAndHoldsNoBytes) {
    const long id = make_listener();
    ASSERT_EQ(shutdown_listener(*app, d(id), SHUT_RDWR), 0);
    EXPECT_EQ(readable_bytes(*app, d(id)), 0u);
    ASSERT_EQ(connect(*app, d(id), kServer), -EINPROGRESS);
    stack.run_stack();
    stack.connect(index(id));
    app->drain_events();
    std::string text;
    EXPECT_EQ(read(id, text), -EAGAIN);
    stack.deliver(index(id), "abc");
    EXPECT_EQ(read(id, text), 3);
    EXPECT_EQ(text, "abc");
    close(id);
    stack.run_stack();
}

TEST_F(ListenSocket, AConnectedSocketCannotListen) {
    const long id = make_connected();
    EXPECT_EQ(listen(*app, d(id), 8), -EINVAL);
    wire::Endpoint who;
    EXPECT_EQ(accept(*app, d(id), who), -EINVAL);
}

TEST_F(ListenSocket, AQueueThatFindsNoMemoryIsAnErrorAndCanBeAskedForAgain) {
    make(100'000);
    const long id = make_socket();
    ASSERT_EQ(bind(*app, d(id), any(80)), 0);
    refused_from = 100'000;
    EXPECT_EQ(listen(*app, d(id), 50'000), -ENOMEM);
    EXPECT_EQ(listen(*app, d(id), 8), 0);
    EXPECT_EQ(d(id).listener->id, 0u);  // of the first try nothing is left
    refused_from = SIZE_MAX;
    EXPECT_EQ(listen(*app, d(id), 50'000), 0);
}

}  // namespace
}  // namespace mtcp::socket::testing
