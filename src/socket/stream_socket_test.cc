// SPDX-License-Identifier: Apache-2.0
// Connections against a scripted stack: connect, bytes both ways, errors, close.
#include "socket/stream_socket.h"

#include "socket/testing/scripted_stack.h"

namespace mtcp::socket::testing {
namespace {

using StreamSocket = ApplicationTest;

// --- connect ---

TEST_F(StreamSocket, NonBlockingConnectIsInProgressThenAlreadyThenConnected) {
    const long id = make_socket();
    EXPECT_EQ(connect(*app, d(id), kServer), -EINPROGRESS);
    EXPECT_EQ(connect(*app, d(id), kServer), -EALREADY);
    stack.run_stack();
    stack.connect(index(id));
    EXPECT_EQ(connect(*app, d(id), kServer), -EISCONN);
    EXPECT_EQ(peer(id).key.remote_port, 80);
}

TEST_F(StreamSocket, BlockingConnectWaitsForTheHandshake) {
    const long id = make_socket(false);
    stack.during_waits.push_back([] {});
    stack.during_waits.push_back([this] { stack.connect(stack.opened); });
    EXPECT_EQ(connect(*app, d(id), kServer), 0);
    EXPECT_TRUE(is_connected(*app, d(id)));
}

TEST_F(StreamSocket, BlockingConnectReportsRefusalAndCanTryAgain) {
    const long id = make_socket(false);
    stack.during_waits.push_back([this] { stack.fail(stack.opened, ECONNREFUSED); });
    EXPECT_EQ(connect(*app, d(id), kServer), -ECONNREFUSED);
    stack.run_stack();
    EXPECT_TRUE(stack.connections[stack.opened].closed);
    EXPECT_EQ(take_error(*app, d(id)), 0);
    stack.during_waits.push_back([this] { stack.connect(stack.opened); });
    EXPECT_EQ(connect(*app, d(id), kServer), 0);
}

TEST_F(StreamSocket, NonBlockingConnectLeavesTheErrorToBeReadOnce) {
    const long id = make_socket();
    EXPECT_EQ(connect(*app, d(id), kServer), -EINPROGRESS);
    stack.run_stack();
    stack.fail(index(id), ETIMEDOUT);
    EXPECT_EQ(take_error(*app, d(id)), ETIMEDOUT);
    EXPECT_EQ(take_error(*app, d(id)), 0);
    EXPECT_EQ(connect(*app, d(id), kServer), -EINPROGRESS);  // a fresh attempt
}

TEST_F(StreamSocket, SecondConnectOfAFailedAttemptReportsItsError) {
    const long id = make_socket();
    EXPECT_EQ(connect(*app, d(id), kServer), -EINPROGRESS);
    stack.run_stack();
    stack.fail(index(id), EHOSTUNREACH);
    EXPECT_EQ(connect(*app, d(id), kServer), -EHOSTUNREACH);
}

// As on Linux; connect(2) has EALREADY for non-blocking sockets only.
TEST_F(StreamSocket, SecondConnectOfABlockingSocketWaitsForTheFirst) {
    const long id = make_socket();
    EXPECT_EQ(connect(*app, d(id), kServer), -EINPROGRESS);
    d(id).non_blocking = 0;
    stack.during_waits.push_back([] {});
    stack.during_waits.push_back([this] { stack.connect(stack.opened); });
    EXPECT_EQ(connect(*app, d(id), kServer), 0);
    EXPECT_EQ(connect(*app, d(id), kServer), -EISCONN);
}

TEST_F(StreamSocket, ConnectWithoutRouteFailsAtOnce) {  // Checks RFC 9293 MUST-46.
    const long id = make_socket();
    EXPECT_EQ(connect(*app, d(id), {wire::IpAddress::v4(0xc0a80001), 80}), -ENETUNREACH);
    EXPECT_EQ(connect(*app, d(id), {wire::IpAddress::v4(0xe0000001), 80}), -ENETUNREACH);
    EXPECT_EQ(connect(*app, d(id), {wire::IpAddress::v4(0x0a000001), 0}), -EADDRNOTAVAIL);
}

TEST_F(StreamSocket, ConnectTimesOutAsInProgressAndInterruptionGoesOn) {
    const long id = make_socket(false);
    app->own_details(d(id)).send_timeout_ns = 1'000'000;
    EXPECT_EQ(connect(*app, d(id), kServer), -EINPROGRESS);
    EXPECT_EQ(connect(*app, d(id), kServer), -EALREADY);
    const long other = make_socket(false);
    stack.during_waits.push_back([this] { stack.interrupt = true; });
    EXPECT_EQ(connect(*app, d(other), kServer), -EINTR);
    d(other).non_blocking = 1;
    EXPECT_EQ(connect(*app, d(other), kServer), -EALREADY);
}

TEST_F(StreamSocket, ConnectWithoutAFreeRecordSaysSo) {
    std::vector<long> ids;
    long result = -EINPROGRESS;
    while (result == -EINPROGRESS) {
        ids.push_back(make_socket());
        result = connect(*app, d(ids.back()), kServer);
    }
    EXPECT_EQ(result, -EAGAIN);
    EXPECT_EQ(ids.size(), 17u);  // 16 were granted
}

TEST_F(StreamSocket, ConnectTakesTheBoundPortAndTheSourceRange) {  // Checks RFC 9293 MUST-43.
    const long id = make_socket();
    ASSERT_EQ(bind(*app, d(id), {wire::IpAddress::v4(0x0a000002), 1234}), 0);
    EXPECT_EQ(connect(*app, d(id), kServer), -EINPROGRESS);
    wire::Endpoint name;
    EXPECT_EQ(local_name(*app, d(id), name), 0);
    EXPECT_EQ(name, (wire::Endpoint{wire::IpAddress::v4(0x0a000002), 1234}));
    app->sources() = {.first = 0x0a000005, .count = 2, .next = 0};
    for (const std::uint32_t expected : {0x0a000005u, 0x0a000006u, 0x0a000005u}) {
        const long next = make_socket();
        ASSERT_EQ(connect(*app, d(next), kServer), -EINPROGRESS);
        ASSERT_EQ(local_name(*app, d(next), name), 0);
        EXPECT_EQ(name.address.v4_bits(), expected);
    }
}

TEST_F(StreamSocket, DisconnectAbortsAndLeavesASocketThatCanConnect) {
    const long id = make_socket();
    disconnect(*app, d(id));  // nothing to end
    ASSERT_EQ(bind(*app, d(id), {wire::IpAddress::v4(0x0a000002), 1234}), 0);
    ASSERT_EQ(connect(*app, d(id), kServer), -EINPROGRESS);
    stack.run_stack();
    stack.connect(index(id));
    const std::uint32_t first = index(id);
    stack.deliver(first, std::string(250, 'a'));
    std::string text;
    ASSERT_EQ(read(id, text, 100), 100);
    ASSERT_EQ(shutdown_stream(*app, d(id), SHUT_RD), 0);
    disconnect(*app, d(id));
    EXPECT_EQ(read(id, text), -ECONNRESET);
    EXPECT_EQ(read(id, text), -ENOTCONN);
    stack.run_stack();
    EXPECT_TRUE(stack.connections[first].aborted);
    ASSERT_EQ(connect(*app, d(id), kServer), -EINPROGRESS);
    wire::Endpoint name;
    ASSERT_EQ(local_name(*app, d(id), name), 0);
    EXPECT_EQ(name.port, 1234);
    ASSERT_NE(index(id), first);
    stack.connect(index(id));
    stack.deliver(index(id), "new");
    text.clear();
    EXPECT_EQ(read(id, text), 3);
    EXPECT_EQ(text, "new");
}

// --- reading ---

TEST_F(StreamSocket, ReadTakesWhatIsThereAcrossChunks) {
    const long id = make_connected();
    std::string text;
    EXPECT_EQ(read(id, text), -EAGAIN);
    stack.deliver(index(id), std::string(250, 'a') + "end");
    EXPECT_EQ(read(id, text, 120), 120);
    EXPECT_EQ(readable_bytes(*app, d(id)), 133u);
    stack.deliver(index(id), "more");
    EXPECT_EQ(read(id, text), 137);
    EXPECT_EQ(text.substr(130), "endmore");
    EXPECT_EQ(stream(id).consumed.load(), 257u);
}

TEST_F(StreamSocket, PeekLeavesTheBytes) {
    const long id = make_connected();
    stack.deliver(index(id), "hello", 2);
    std::string text;
    EXPECT_EQ(read(id, text, 4, MSG_PEEK), 4);
    EXPECT_EQ(text, "hell");
    EXPECT_EQ(stream(id).consumed.load(), 0u);
    EXPECT_EQ(read(id, text), 5);
    EXPECT_EQ(text, "hello");
}

TEST_F(StreamSocket, WaitAllWaitsForAllOfIt) {
    const long id = make_connected();
    d(id).non_blocking = 0;
    const std::uint32_t i = index(id);
    stack.deliver(i, "abc");
    stack.during_waits.push_back([this, i] { stack.deliver(i, "de"); });
    stack.during_waits.push_back([this, i] { stack.deliver(i, "fgh"); });
    std::string text;
    EXPECT_EQ(read(id, text, 7, MSG_WAITALL), 7);
    EXPECT_EQ(text, "abcdefg");
    stack.during_waits.push_back([this, i] { stack.close_by_peer(i); });
    EXPECT_EQ(read(id, text, 7, MSG_WAITALL), 1);  // the end cuts it short
    EXPECT_EQ(text, "h");
}

TEST_F(StreamSocket, BlockingReadWaitsAndTimesOut) {
    const long id = make_connected();
    d(id).non_blocking = 0;
    std::string text;
    stack.during_waits.push_back([] {});
    stack.during_waits.push_back([this, id] { stack.deliver(index(id), "x"); });
    EXPECT_EQ(read(id, text), 1);
    app->own_details(d(id)).receive_timeout_ns = 5'000'000;
    const Instant before = stack.clock;
    EXPECT_EQ(read(id, text), -EAGAIN);
    EXPECT_GE((stack.clock - before).ns, 5'000'000);
    app->own_details(d(id)).receive_timeout_ns = 0;
    stack.during_waits.push_back([this] { stack.interrupt = true; });
    EXPECT_EQ(read(id, text), -EINTR);
    EXPECT_EQ(read(id, text, 10, MSG_DONTWAIT), -EAGAIN);
}

TEST_F(StreamSocket, EndOfStreamComesAfterTheBytes) {
    const long id = make_connected();
    stack.deliver(index(id), "last");
    stack.close_by_peer(index(id));
    std::string text;
    EXPECT_EQ(read(id, text), 4);
    EXPECT_EQ(read(id, text), 0);
    EXPECT_EQ(read(id, text), 0);
    EXPECT_EQ(write(id, "still"), 5);  // half-closed
}

TEST_F(StreamSocket, ResetIsReportedOnceAfterTheBytesThenEnd) {  // Checks RFC 9293 MUST-12.
    const long id = make_connected();
    stack.deliver(index(id), "last");
    stack.fail(index(id), ECONNRESET);
    std::string text;
    EXPECT_EQ(read(id, text), 4);
    EXPECT_EQ(read(id, text), -ECONNRESET);
    EXPECT_EQ(read(id, text), 0);
    EXPECT_EQ(write(id, "x"), -EPIPE);
}

TEST_F(StreamSocket, ResetSeenByAWriterIsReportedThenBrokenPipe) {
    const long id = make_connected();
    stack.fail(index(id), ECONNRESET);
    EXPECT_EQ(write(id, "x"), -ECONNRESET);
    EXPECT_EQ(write(id, "x"), -EPIPE);
    std::string text;
    EXPECT_EQ(read(id, text), 0);
}

TEST_F(StreamSocket, WaitAllLeavesTheErrorToTheNextRead) {
    const long id = make_connected();
    d(id).non_blocking = 0;
    stack.deliver(index(id), "abc");
    stack.during_waits.push_back([this, id] { stack.fail(index(id), ECONNRESET); });
    std::string text;
    EXPECT_EQ(read(id, text, 10, MSG_WAITALL), 3);
    EXPECT_EQ(read(id, text), -ECONNRESET);
    EXPECT_EQ(read(id, text), 0);
}

TEST_F(StreamSocket, ConsumedIsPostedByStepsNotByReads) {
    const long id = make_connected();
    stream(id).consume_step.store(100);
    stack.deliver(index(id), std::string(250, 'x'));
    const auto posted = [this, id] {
        stack.run_stack();
        const auto& all = peer(id).requests;
        return std::count(all.begin(), all.end(), RequestKind::consumed);
    };
    std::string text;
    EXPECT_EQ(read(id, text, 99), 99);
    EXPECT_EQ(posted(), 0);
    EXPECT_EQ(read(id, text, 1), 1);
    EXPECT_EQ(read(id, text, 120), 120);  // one request in the ring is enough
    EXPECT_EQ(posted(), 1);
    EXPECT_EQ(stream(id).consume_posted.load(), 0);
    EXPECT_EQ(stream(id).consumed.load(), 220u);
}

TEST_F(StreamSocket, UnconnectedSocketCannotReadOrWrite) {
    const long id = make_socket();
    std::string text;
    EXPECT_EQ(read(id, text), -ENOTCONN);
    EXPECT_EQ(write(id, "x"), -EPIPE);
    ASSERT_EQ(connect(*app, d(id), kServer), -EINPROGRESS);
    EXPECT_EQ(read(id, text), -EAGAIN);
    EXPECT_EQ(write(id, "x"), -EAGAIN);
}

TEST_F(StreamSocket, ReadingStopsAtTheUrgentByte) {
    const long id = make_connected();
    stream(id).urgent_mark.store(3);
    stack.set_status(index(id), StreamStatus::urgent);
    stack.post(index(id), StreamEvents::urgent);
    stack.deliver(index(id), "abc!de");
    std::string text;
    EXPECT_FALSE(at_urgent_mark(*app, d(id)));
    EXPECT_EQ(read(id, text), 3);
    EXPECT_TRUE(at_urgent_mark(*app, d(id)));
    EXPECT_EQ(read(id, text), 3);
    EXPECT_EQ(text, "!de");
    EXPECT_FALSE(at_urgent_mark(*app, d(id)));
}

TEST_F(StreamSocket, WaitAllStopsAtTheUrgentByte) {
    const long id = make_connected();
    d(id).non_blocking = 0;
    app->own_details(d(id)).receive_timeout_ns = 1'000'000;
    stream(id).urgent_mark.store(3);
    stack.set_status(index(id), StreamStatus::urgent);
    stack.post(index(id), StreamEvents::urgent);
    stack.deliver(index(id), "abc!de");
    std::string text;
    const int waits = stack.waits;
    EXPECT_EQ(read(id, text, 6, MSG_WAITALL | MSG_PEEK), 3);
    EXPECT_EQ(stack.waits, waits);
    EXPECT_EQ(read(id, text, 6, MSG_WAITALL), 3);
    EXPECT_EQ(read(id, text, 3, MSG_WAITALL | MSG_PEEK), 3);
    EXPECT_EQ(read(id, text, 3, MSG_WAITALL), 3);
    EXPECT_EQ(text, "!de");
}

// --- writing ---

TEST_F(StreamSocket, WriteTakesWhatThereIsRoomFor) {
    const long id = make_connected();
    const std::string text(5000, 'w');
    EXPECT_EQ(write(id, text), 3000);  // the whole send buffer
    EXPECT_EQ(write(id, text), -EAGAIN);
    EXPECT_EQ(stream(id).wants_write.load(), 1);
    EXPECT_EQ(unacknowledged_bytes(*app, d(id)), 3000u);
    stack.run_stack();
    EXPECT_EQ(peer(id).sent, text.substr(0, 3000));
    stack.acknowledge(index(id));
    EXPECT_EQ(write(id, "again"), 5);
    stack.run_stack();
    EXPECT_EQ(peer(id).sent.size(), 3005u);
}

TEST_F(StreamSocket, SmallWritesShareAChunk) {
    const long id = make_connected();
    const std::uint64_t before = stack.store.used_total();
    for (int i = 0; i < 20; ++i)
        ASSERT_EQ(write(id, "0123456789"), 10);
    const ChunkRef head = stream(id).send_box.load();
    ASSERT_NE(head, kNoChunk);
    EXPECT_EQ(stack.store.at(head).next, kNoChunk);
    EXPECT_EQ(stack.store.at(head).chain_bytes, 200u);
    EXPECT_EQ(stack.store.used_total(), before);
    stack.run_stack();
    EXPECT_EQ(peer(id).sent.size(), 200u);
    EXPECT_EQ(peer(id).requests.back(), RequestKind::write);
    EXPECT_EQ(std::count(peer(id).requests.begin(), peer(id).requests.end(), RequestKind::write),
              1);
}

TEST_F(StreamSocket, BlockingWriteWaitsForRoom) {
    const long id = make_connected();
    d(id).non_blocking = 0;
    const std::uint32_t i = index(id);
    for (int n = 0; n < 3; ++n)
        stack.during_waits.push_back([this, i] { stack.acknowledge(i); });
    std::string text(8000, 'b');
    for (std::size_t n = 0; n < text.size(); ++n)
        text[n] = static_cast<char>('a' + n % 23);
    EXPECT_EQ(write(id, text), 8000);
    stack.run_stack();
    EXPECT_EQ(peer(id).sent, text);
}

TEST_F(StreamSocket, BlockingWriteEndsEarlyOnTimeOutAndOnFailure) {
    const long id = make_connected();
    d(id).non_blocking = 0;
    app->own_details(d(id)).send_timeout_ns = 1'000'000;
    const std::string text(8000, 'b');
    EXPECT_EQ(write(id, text), 3000);  // partial
    EXPECT_EQ(write(id, text), -EAGAIN);
    stack.during_waits.push_back([this, id] { stack.fail(index(id), ETIMEDOUT); });
    EXPECT_EQ(write(id, text), -ETIMEDOUT);
}

TEST_F(StreamSocket, AWriteThatWasCutShortLeavesTheErrorToTheNext) {
    const long id = make_connected();
    d(id).non_blocking = 0;
    stack.during_waits.push_back([this, id] { stack.fail(index(id), ECONNRESET); });
    EXPECT_EQ(write(id, std::string(8000, 'b')), 3000);
    EXPECT_EQ(write(id, "x"), -ECONNRESET);
    EXPECT_EQ(write(id, "x"), -EPIPE);
}

TEST_F(StreamSocket, BytesThatWentWithTheSynLeaveTheErrorToTheNextCall) {
    const long id = make_socket(false);
    stack.fast_open_answer = {.use = tcp::FastOpenRoom::Use::data, .bytes = 3000};
    stack.during_waits.push_back([this] { stack.connect(stack.opened); });
    stack.during_waits.push_back([this] { stack.fail(stack.opened, ECONNRESET); });
    std::string text(8000, 'f');
    const iovec one{text.data(), text.size()};
    EXPECT_EQ(send_to(*app, d(id), kServer, ByteCursor({&one, 1}), MSG_FASTOPEN), 3000);
    EXPECT_EQ(read(id, text), -ECONNRESET);
}

TEST_F(StreamSocket, MoreIsTakenBackByThePlainWriteThatFollows) {
    const long id = make_connected();
    EXPECT_EQ(write(id, "head", MSG_MORE), 4);
    EXPECT_EQ(write(id, "er", MSG_MORE), 2);
    EXPECT_EQ(write(id, "body"), 4);
    stack.run_stack();
    const auto& all = peer(id).requests;
    ASSERT_GE(all.size(), 2u);
    EXPECT_EQ(all[all.size() - 2], RequestKind::more);
    EXPECT_EQ(all.back(), RequestKind::write);
    EXPECT_EQ(peer(id).sent, "headerbody");
}

TEST_F(StreamSocket, UrgentByteIsTheLastOfWhatTheStackTakes) {
    const long id = make_connected();
    std::string before;
    stack.on_turn = [this, id, &before] {
        if (!peer(id).sent.empty() && before.empty()) before = peer(id).sent;
    };
    EXPECT_EQ(write(id, "plain"), 5);
    EXPECT_EQ(write(id, "!", MSG_OOB), 1);
    EXPECT_EQ(before, "plain");
    EXPECT_EQ(peer(id).requests.back(), RequestKind::urgent);
    EXPECT_EQ(peer(id).sent, "plain!");
}

TEST_F(StreamSocket, WriteWithoutChunksIsToldWhenThereAreSome) {
    const long id = make_connected();
    stack.grants_chunks = false;
    std::vector<ChunkRef> taken;
    for (auto& ring : stack.channel.granted_chunks) {
        ChunkRef ref = kNoChunk;
        while (ring.pop(ref))
            taken.push_back(ref);
    }
    const long epoll = make_epoll(*app);
    ASSERT_EQ(control_epoll(*app, d(epoll), EpollOperation::add, d(id),
                            {EpollBits::out | EpollBits::edge, 1}),
              0);
    EpollEvent event{};
    ASSERT_EQ(wait_epoll(*app, d(epoll), {&event, 1}, 0), 1);
    EXPECT_EQ(write(id, "x"), -EAGAIN);
    stack.clock_step = {};
    const int turns = stack.turns;
    EXPECT_EQ(write(id, "x"), -EAGAIN);
    EXPECT_EQ(stack.turns, turns);  // none a moment ago, none now
    stack.clock_step = microseconds(30);
    EXPECT_EQ(wait_epoll(*app, d(epoll), {&event, 1}, 1), 0);
    stack.during_waits.push_back([this] { stack.grants_chunks = true; });
    EXPECT_EQ(wait_epoll(*app, d(epoll), {&event, 1}, 1000), 1);
    EXPECT_EQ(write(id, "x"), 1);
}

// The stack has taken up the request for bytes in the box and is about to look there, when the
// application takes them out to add more, finds no chunk, and puts them back.
TEST_F(StreamSocket, ACloseThatFindsNoChunkLeavesARequestForWhatWaits) {
    const long id = make_connected();
    const std::string first(chunk_capacity(ChunkClass::small), 'a');
    ASSERT_EQ(write(id, first), static_cast<long>(first.size()));
    stack.grants_chunks = false;
    for (auto& ring : stack.channel.granted_chunks) {
        ChunkRef ref = kNoChunk;
        while (ring.pop(ref)) {
        }
    }
    Request request;
    while (stack.channel.requests.pop(request)) {
    }
    stream(id).write_posted.store(0);
    const iovec more{const_cast<char*>("b"), 1};
    EXPECT_EQ(send_and_close(*app, d(id), ByteCursor({&more, 1})), -EAGAIN);
    stack.run_stack();
    EXPECT_EQ(peer(id).sent, first);
}

TEST_F(StreamSocket, ABlockingSendAndCloseWaitsForChunks) {
    const long id = make_connected();
    d(id).non_blocking = 0;
    const std::uint32_t i = index(id);
    stack.grants_chunks = false;
    for (auto& ring : stack.channel.granted_chunks) {
        ChunkRef ref = kNoChunk;
        while (ring.pop(ref)) {
        }
    }
    stack.during_waits.push_back([this] { stack.grants_chunks = true; });
    const iovec last{const_cast<char*>("last"), 4};
    EXPECT_EQ(send_and_close(*app, d(id), ByteCursor({&last, 1})), 4);
    stack.run_stack();
    EXPECT_EQ(stack.connections[i].sent, "last");
    EXPECT_TRUE(stack.connections[i].closed);
}

TEST_F(StreamSocket, ChunksReadEmptyComeBackToTheStack) {
    const long id = make_connected();
    const std::uint64_t before = stack.store.used_total();
    std::string text;
    for (int round = 0; round < 50; ++round) {
        stack.deliver(index(id), std::string(4000, 'x'), 50);
        ASSERT_EQ(read(id, text), 4000);
        stack.run_stack();
    }
    // What stays is the application's small cache.
    EXPECT_LE(stack.store.used_total(), before + 64 + 64 + 4);
}

// --- shutdown and close ---

TEST_F(StreamSocket, ShutdownOfWritingEndsWritesOnly) {
    const long id = make_connected();
    EXPECT_EQ(write(id, "bye"), 3);
    EXPECT_EQ(shutdown_stream(*app, d(id), SHUT_WR), 0);
    EXPECT_EQ(write(id, "x"), -EPIPE);
    stack.run_stack();
    EXPECT_EQ(peer(id).requests.back(), RequestKind::shutdown);
    stack.deliver(index(id), "answer");
    std::string text;
    EXPECT_EQ(read(id, text), 6);
    EXPECT_EQ(shutdown_stream(*app, d(id), SHUT_RD), 0);
    EXPECT_EQ(read(id, text), 0);
    EXPECT_EQ(shutdown_stream(*app, d(id), 3), -EINVAL);
    EXPECT_EQ(shutdown_stream(*app, d(make_socket()), SHUT_WR), -ENOTCONN);
}

TEST_F(StreamSocket, CloseGivesBackWhatItHoldsAndLeavesTheRest) {
    const long id = make_connected();
    const std::uint32_t i = index(id);
    stack.deliver(i, "unread bytes", 4);
    std::string text;
    EXPECT_EQ(read(id, text, 2), 2);
    close(id);
    stack.run_stack();
    EXPECT_TRUE(stack.connections[i].closed);
    EXPECT_FALSE(stack.connections[i].aborted);
    EXPECT_EQ(stack.streams[i].consumed.load(), 2u);  // so the stack knows what was unread
    EXPECT_EQ(app->table().find(static_cast<int>(id)), nullptr);
}

TEST_F(StreamSocket, AbortAndLingerZeroReset) {
    const long id = make_connected();
    const std::uint32_t i = index(id);
    close(id, CloseKind::abort);
    const long other = make_connected();
    const std::uint32_t j = index(other);
    app->own_details(d(other)).linger_s = 0;
    close(other);
    stack.run_stack();
    EXPECT_TRUE(stack.connections[i].aborted);
    EXPECT_TRUE(stack.connections[j].aborted);
}

TEST_F(StreamSocket, LingeringCloseWaitsForThePeer) {
    const long id = make_connected();
    const std::uint32_t i = index(id);
    d(id).non_blocking = 0;
    app->own_details(d(id)).linger_s = 5;
    stack.during_waits.push_back([] {});
    stack.during_waits.push_back([this, i] {
        EXPECT_FALSE(stack.connections[i].closed);
        stack.set_status(i, StreamStatus::send_closed);
        stack.post(i, StreamEvents::writable);
    });
    close(id);
    EXPECT_TRUE(stack.during_waits.empty());
    stack.run_stack();
    EXPECT_TRUE(stack.connections[i].closed);
}

// It ends with a reset, after which nothing is delivered any more.
TEST_F(StreamSocket, LingeringCloseDoesNotWaitWithUnreadBytes) {
    const long id = make_connected();
    const std::uint32_t i = index(id);
    d(id).non_blocking = 0;
    app->own_details(d(id)).linger_s = 5;
    stack.deliver(i, "unread");
    const int waits = stack.waits;
    close(id);
    EXPECT_EQ(stack.waits, waits);
    stack.run_stack();
    EXPECT_TRUE(stack.connections[i].closed);
}

TEST_F(StreamSocket, AFullRequestRingRunsTheStack) {
    const long id = make_connected();
    const int turns = stack.turns;
    for (std::size_t n = 0; n < kRequestRing + 10; ++n) {
        app->post({.kind = RequestKind::write, .index = index(id)});
    }
    EXPECT_GT(stack.turns, turns);
}

TEST_F(StreamSocket, EagainRunsTheStackAtMostEveryTwentyMicroseconds) {
    const long id = make_connected();
    stack.clock_step = microseconds(1);
    std::string text;
    static_cast<void>(read(id, text));
    const int turns = stack.turns;
    for (int i = 0; i < 100; ++i)
        EXPECT_EQ(read(id, text), -EAGAIN);
    EXPECT_GE(stack.turns - turns, 2);
    EXPECT_LE(stack.turns - turns, 7);
    stack.clock_step = microseconds(30);
    stack.on_turn = [this, id] {
        if (stream(id).receive_box.load() == kNoChunk) stack.deliver(index(id), "z");
    };
    EXPECT_EQ(read(id, text), 1);  // what that turn brought is found
}

}  // namespace
}  // namespace mtcp::socket::testing
