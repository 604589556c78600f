// SPDX-License-Identifier: Apache-2.0
// How a socket comes back from a connection, or from an attempt at one, as on Linux.
#include <sys/socket.h>

#include "socket/listen_socket.h"
#include "socket/readiness.h"
#include "socket/stream_socket.h"
#include "socket/testing/scripted_stack.h"

namespace mtcp::socket::testing {
namespace {

using Ends = ApplicationTest;

TEST_F(Ends, ShutdownWhileConnectingEndsTheAttempt) {
    for (const int how : {SHUT_RD, SHUT_WR, SHUT_RDWR}) {
        const long id = make_socket();
        ASSERT_EQ(connect(*app, d(id), kServer), -EINPROGRESS);
        const std::uint32_t i = index(id);
        EXPECT_EQ(shutdown_stream(*app, d(id), 7), -EINVAL);
        EXPECT_EQ(shutdown_stream(*app, d(id), how), 0);
        stack.run_stack();
        EXPECT_TRUE(stack.connections[i].closed);
        std::string text;
        EXPECT_EQ(read(id, text), -ECONNRESET);
        EXPECT_EQ(read(id, text), -ENOTCONN);
        EXPECT_EQ(write(id, "x"), -EPIPE);
        EXPECT_EQ(shutdown_stream(*app, d(id), how), -ENOTCONN);
        EXPECT_EQ(connect(*app, d(id), kServer), -EINPROGRESS);  // it may try again
        close(id);
        stack.run_stack();
    }
}

TEST_F(Ends, ShutdownEndsAnAttemptThatWaitsForData) {
    stack.fast_open_answer = {.use = tcp::FastOpenRoom::Use::data, .bytes = 1000};
    const long id = make_socket();
    app->own_details(d(id)).fast_open_connect = 1;
    ASSERT_EQ(connect(*app, d(id), kServer), 0);
    ASSERT_EQ(d(id).deferred, 1);
    EXPECT_EQ(bind(*app, d(id), {wire::IpAddress::v4(0), 81}), -EINVAL);
    EXPECT_EQ(shutdown_stream(*app, d(id), SHUT_RDWR), 0);
    EXPECT_EQ(write(id, "x"), -ECONNRESET);
    EXPECT_EQ(write(id, "x"), -EPIPE);
    EXPECT_EQ(listen(*app, d(id), 1), 0);
}

TEST_F(Ends, ANewAttemptThatWaitsForDataKnowsNothingOfTheLast) {
    stack.fast_open_answer = {.use = tcp::FastOpenRoom::Use::data, .bytes = 1000};
    const long id = make_socket();
    app->own_details(d(id)).fast_open_connect = 1;
    ASSERT_EQ(connect(*app, d(id), kServer), 0);
    ASSERT_EQ(shutdown_stream(*app, d(id), SHUT_RDWR), 0);
    ASSERT_EQ(connect(*app, d(id), kServer), 0);
    ASSERT_EQ(d(id).deferred, 1);
    EXPECT_EQ(readiness(*app, d(id)) & (EpollBits::err | EpollBits::hup), 0u);
    EXPECT_EQ(take_error(*app, d(id)), 0);
}

// An error goes before the end that the program itself has made.
TEST_F(Ends, AResetIsReportedToWhoHasShutDownReading) {
    const long id = make_connected();
    ASSERT_EQ(shutdown_stream(*app, d(id), SHUT_RD), 0);
    std::string text;
    EXPECT_EQ(read(id, text), 0);
    stack.fail(index(id), ECONNRESET);
    EXPECT_EQ(read(id, text), -ECONNRESET);
    EXPECT_EQ(read(id, text), 0);
    EXPECT_EQ(write(id, "x"), -EPIPE);
}

TEST_F(Ends, SendAndCloseOpensAConnectionThatWaitsForItsFirstBytes) {
    stack.fast_open_answer = {.use = tcp::FastOpenRoom::Use::data, .bytes = 1000};
    const long id = make_socket();
    app->own_details(d(id)).fast_open_connect = 1;
    ASSERT_EQ(connect(*app, d(id), kServer), 0);
    iovec piece{};
    std::size_t pieces = 0;
    EXPECT_EQ(receive_in_place(*app, d(id), {&piece, 1}, pieces, 0), -EAGAIN);  // as receive()
    std::string text = "all of it";
    const iovec one{text.data(), text.size()};
    EXPECT_EQ(send_and_close(*app, d(id), ByteCursor({&one, 1})), 9);
    EXPECT_EQ(app->table().find(static_cast<int>(id)), nullptr);
    stack.run_stack();
    ASSERT_NE(stack.opened, kNoIndex);
    EXPECT_EQ(stack.connections[stack.opened].sent, text);
    EXPECT_TRUE(stack.connections[stack.opened].closed);
}

// As Linux: what little room there is by then does not make it go on.
TEST_F(Ends, ASignalEndsABlockingWriteThatFindsSomeRoom) {
    const long id = make_connected();
    d(id).non_blocking = 0;
    const std::uint32_t i = index(id);
    stack.during_waits.push_back([this, i] {
        stack.streams[i].acknowledged.store(100);
        stack.interrupt = true;
    });
    EXPECT_EQ(write(id, std::string(8000, 'x')), 3100);
    stack.during_waits.push_back([this] { stack.interrupt = true; });
    EXPECT_EQ(write(id, "y"), -EINTR);
}

// Telling what was read may run the stack, which takes the event of the end.
TEST_F(Ends, ReadingForAllSeesTheEndThatComesWhileItTakesBytes) {
    const long id = make_connected();
    const std::uint32_t i = index(id);
    d(id).non_blocking = 0;
    stream(id).consume_step.store(1);
    stack.during_waits.push_back([this, i] {
        stack.deliver(i, "abc");
        while (stack.channel.requests.push({.kind = RequestKind::consumed, .index = 60})) {
        }
        stack.on_turn = [this, i] {
            stack.deliver(i, "d");
            stack.close_by_peer(i);
            stack.on_turn = nullptr;
        };
    });
    std::string text;
    EXPECT_EQ(read(id, text, 10, MSG_WAITALL), 4);
    EXPECT_EQ(text, "abcd");
}

// As recv(2) on Linux.
TEST_F(Ends, ReadingNoByteWaitsForOneAndFindsErrors) {
    const long id = make_connected();
    const int kinds[] = {0, MSG_PEEK, MSG_WAITALL, MSG_TRUNC};
    std::string text;
    for (const int flags : kinds)
        EXPECT_EQ(read(id, text, 0, flags), -EAGAIN);
    d(id).non_blocking = 0;
    stack.during_waits.push_back([this, id] { stack.deliver(index(id), "abc"); });
    EXPECT_EQ(read(id, text, 0), 0);
    for (const int flags : kinds)
        EXPECT_EQ(read(id, text, 0, flags), 0);
    EXPECT_EQ(read(id, text), 3);
    stack.close_by_peer(index(id));
    EXPECT_EQ(read(id, text, 0), 0);
    const long failed = make_connected();
    stack.deliver(index(failed), "abc");
    stack.fail(index(failed), ECONNRESET);
    EXPECT_EQ(read(failed, text, 0), 0);
    EXPECT_EQ(read(failed, text), 3);
    EXPECT_EQ(read(failed, text, 0), -ECONNRESET);
    EXPECT_EQ(read(failed, text, 0), 0);
}

}  // namespace
}  // namespace mtcp::socket::testing
