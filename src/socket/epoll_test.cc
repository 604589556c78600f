// SPDX-License-Identifier: Apache-2.0
// What an event loop sees: level, edge, one-shot, combined bits, closed ids, several epolls.
#include "socket/epoll.h"

#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "socket/pipe.h"
#include "socket/testing/scripted_stack.h"

namespace mtcp::socket::testing {
namespace {

constexpr std::uint32_t kIn = EpollBits::in, kOut = EpollBits::out, kErr = EpollBits::err,
                        kHup = EpollBits::hup, kRdHup = EpollBits::read_hup,
                        kEdge = EpollBits::edge, kOneShot = EpollBits::one_shot;

class EpollTest : public ApplicationTest {
  protected:
    void SetUp() override {
        ApplicationTest::SetUp();
        epoll = make_epoll(*app);
    }
    long control(EpollOperation operation, long id, std::uint32_t events, long on = -1) {
        return control_epoll(*app, d(on < 0 ? epoll : on), operation, d(id),
                             {events, static_cast<std::uint64_t>(id)});
    }
    long add(long id, std::uint32_t events, long on = -1) {
        return control(EpollOperation::add, id, events, on);
    }
    // "id:bits" of every event, in order.
    std::string wait(int timeout_ms = 0, std::size_t most = 16, long on = -1) {
        std::vector<EpollEvent> events(most);
        const long n = wait_epoll(*app, d(on < 0 ? epoll : on), events, timeout_ms);
        if (n < 0) return std::to_string(n);
        std::string all;
        for (std::size_t i = 0; i < static_cast<std::size_t>(n); ++i) {
            char one[32];
            static_cast<void>(std::snprintf(one, sizeof one, "%s%d:%x", i == 0 ? "" : " ",
                                            static_cast<int>(events[i].data), events[i].events));
            all += one;
        }
        return all;
    }
    static std::string event(long id, std::uint32_t bits) {
        char one[32];
        static_cast<void>(std::snprintf(one, sizeof one, "%ld:%x", id, bits));
        return one;
    }
    std::string text;
    long epoll = -1;
};

TEST_F(EpollTest, LevelTriggeredIsReportedUntilItIsRead) {
    const long id = make_connected();
    ASSERT_EQ(add(id, kIn), 0);
    EXPECT_EQ(wait(), "");
    stack.deliver(index(id), "abcdef");
    EXPECT_EQ(wait(), event(id, kIn));
    EXPECT_EQ(wait(), event(id, kIn));  // nothing was done about it
    EXPECT_EQ(read(id, text, 3), 3);
    EXPECT_EQ(wait(), event(id, kIn));  // a short read
    EXPECT_EQ(read(id, text), 3);
    EXPECT_EQ(wait(), "");
}

TEST_F(EpollTest, EdgeTriggeredIsReportedOncePerArrival) {
    const long id = make_connected();
    ASSERT_EQ(add(id, kIn | kEdge), 0);
    stack.deliver(index(id), "a");
    EXPECT_EQ(wait(), event(id, kIn));
    EXPECT_EQ(wait(), "");
    stack.deliver(index(id), "b");
    EXPECT_EQ(wait(), event(id, kIn));
    EXPECT_EQ(wait(), "");
}

TEST_F(EpollTest, OneShotIsSilentUntilModified) {
    const long id = make_connected();
    ASSERT_EQ(add(id, kIn | kOneShot), 0);
    stack.deliver(index(id), "a");
    EXPECT_EQ(wait(), event(id, kIn));
    stack.deliver(index(id), "b");
    stack.fail(index(id), ECONNRESET);
    EXPECT_EQ(wait(), "");
    ASSERT_EQ(control(EpollOperation::modify, id, kIn | kOneShot), 0);
    EXPECT_EQ(wait(), event(id, kIn | kErr | kHup));
}

TEST_F(EpollTest, AddAndModifyReportWhatIsThereAlready) {
    const long id = make_connected();
    stack.deliver(index(id), "a");
    ASSERT_EQ(add(id, kOut), 0);
    EXPECT_EQ(wait(), event(id, kOut));
    ASSERT_EQ(control(EpollOperation::modify, id, kIn), 0);
    EXPECT_EQ(wait(), event(id, kIn));
    ASSERT_EQ(control(EpollOperation::modify, id, kIn | kOut | kEdge), 0);
    EXPECT_EQ(wait(), event(id, kIn | kOut));
}

TEST_F(EpollTest, SeveralEpollsWatchOneSocketAndLetGoInAnyOrder) {
    const long id = make_connected();
    const long other = make_connected();
    const long epolls[] = {epoll, make_epoll(*app), make_epoll(*app)};
    for (const long on : epolls) {
        ASSERT_EQ(add(id, kIn | kEdge, on), 0);
        ASSERT_EQ(add(other, kIn | kEdge, on), 0);
        EXPECT_EQ(add(id, kIn | kEdge, on), -EEXIST);
    }
    // The first to come lies in the descriptor, the others elsewhere: all are equal.
    stack.deliver(index(id), "a");
    for (const long on : epolls)
        EXPECT_EQ(wait(0, 16, on), event(id, kIn));
    ASSERT_EQ(control(EpollOperation::remove, id, 0, epolls[0]), 0);
    EXPECT_EQ(control(EpollOperation::remove, id, 0, epolls[0]), -ENOENT);
    stack.deliver(index(id), "b");
    EXPECT_EQ(wait(0, 16, epolls[0]), "");
    EXPECT_EQ(wait(0, 16, epolls[1]), event(id, kIn));
    ASSERT_EQ(control(EpollOperation::remove, id, 0, epolls[1]), 0);
    ASSERT_EQ(add(id, kIn | kEdge, epolls[0]), 0);
    EXPECT_EQ(wait(0, 16, epolls[0]), event(id, kIn));
    close_epoll(*app, d(epolls[2]));
    stack.deliver(index(id), "c");
    stack.deliver(index(other), "d");
    EXPECT_EQ(wait(0, 16, epolls[0]), event(id, kIn) + " " + event(other, kIn));
    EXPECT_EQ(wait(0, 16, epolls[1]), event(other, kIn));
    close_stream(*app, d(id), CloseKind::orderly);
    stack.deliver(index(other), "e");
    EXPECT_EQ(wait(0, 16, epolls[0]), event(other, kIn));
}

TEST_F(EpollTest, AConnectThatSucceedsIsWritableAndNothingElse) {
    const long id = make_socket();
    ASSERT_EQ(add(id, kOut), 0);  // before connect, as some programs do
    EXPECT_EQ(wait(), "");
    ASSERT_EQ(connect(*app, d(id), kServer), -EINPROGRESS);
    EXPECT_EQ(wait(), "");
    stack.connect(index(id));
    EXPECT_EQ(wait(), event(id, kOut));
}

TEST_F(EpollTest, AConnectThatFailsIsAnError) {
    const long id = make_socket();
    ASSERT_EQ(connect(*app, d(id), kServer), -EINPROGRESS);
    ASSERT_EQ(add(id, kOut), 0);
    stack.run_stack();
    stack.fail(index(id), ECONNREFUSED);
    EXPECT_EQ(wait(), event(id, kOut | kErr | kHup));
}

TEST_F(EpollTest, AnErrorThatWasToldIsNoneAnyMore) {
    const long id = make_connected();
    ASSERT_EQ(add(id, kIn), 0);
    stack.fail(index(id), ECONNRESET);
    EXPECT_EQ(wait(), event(id, kIn | kErr | kHup));
    EXPECT_EQ(take_error(*app, d(id)), ECONNRESET);
    EXPECT_EQ(wait(), event(id, kIn | kHup));
}

TEST_F(EpollTest, PeersEndIsInAndReadHangUp) {
    const long id = make_connected();
    ASSERT_EQ(add(id, kIn | kRdHup | kEdge), 0);
    stack.close_by_peer(index(id));
    EXPECT_EQ(wait(), event(id, kIn | kRdHup));
    ASSERT_EQ(shutdown_stream(*app, d(id), SHUT_WR), 0);
    EXPECT_EQ(wait(), event(id, kIn | kRdHup | kHup));
}

TEST_F(EpollTest, HangUpNeverComesAlone) {
    const long id = make_connected();
    ASSERT_EQ(add(id, 0), 0);
    stack.close_by_peer(index(id));
    EXPECT_EQ(wait(), "");
    ASSERT_EQ(shutdown_stream(*app, d(id), SHUT_WR), 0);
    EXPECT_EQ(wait(), event(id, kIn | kHup));
}

TEST_F(EpollTest, WritableComesBackWhenAThirdIsFree) {
    const long id = make_connected();
    ASSERT_EQ(add(id, kOut | kEdge), 0);
    EXPECT_EQ(wait(), event(id, kOut));
    EXPECT_EQ(write(id, std::string(5000, 'x')), 3000);
    EXPECT_EQ(write(id, "x"), -EAGAIN);
    EXPECT_EQ(wait(), "");
    stack.acknowledge(index(id));
    EXPECT_EQ(wait(), event(id, kOut));
}

// epoll(7): a write that took less than it was given has found the buffer full.
TEST_F(EpollTest, AnEdgeTriggeredWriterMayStopAtAShortWrite) {
    const long id = make_connected();
    ASSERT_EQ(add(id, kOut | kEdge), 0);
    EXPECT_EQ(wait(), event(id, kOut));
    EXPECT_EQ(write(id, std::string(5000, 'x')), 3000);
    EXPECT_EQ(wait(), "");
    stack.acknowledge(index(id));
    EXPECT_EQ(wait(), event(id, kOut));
}

TEST_F(EpollTest, AWriteThatIsShortForWantOfChunksIsFollowedByAnEventToo) {
    const long id = make_connected();
    ASSERT_EQ(add(id, kOut | kEdge), 0);
    EXPECT_EQ(wait(), event(id, kOut));
    stream(id).send_limit.store(1 << 20);
    stack.grants_chunks = false;
    const long taken = write(id, std::string(1 << 20, 'x'));
    EXPECT_GT(taken, 0);
    EXPECT_LT(taken, 1 << 20);
    EXPECT_EQ(wait(), "");
    stack.grants_chunks = true;
    stack.run_stack();
    EXPECT_EQ(wait(), event(id, kOut));
}

TEST_F(EpollTest, ALevelTriggeredWriterAsksTheStackForRoom) {
    const long id = make_connected();
    ASSERT_EQ(add(id, kOut), 0);
    EXPECT_EQ(write(id, std::string(2500, 'x')), 2500);  // less than a third is left
    EXPECT_EQ(wait(), "");
    EXPECT_EQ(stream(id).wants_write.load(), 1);  // though no write failed
    stack.run_stack();
    stack.acknowledge(index(id));
    EXPECT_EQ(wait(), event(id, kOut));
}

TEST_F(EpollTest, ListenerIsReadyWhileConnectionsWait) {
    const long listener = make_listener();
    stack.arrive();
    stack.arrive();
    ASSERT_EQ(add(listener, kIn), 0);  // the queue is not empty already
    EXPECT_EQ(wait(), event(listener, kIn));
    wire::Endpoint who;
    ASSERT_GE(accept(*app, d(listener), who), 0);
    EXPECT_EQ(wait(), event(listener, kIn));
    ASSERT_GE(accept(*app, d(listener), who), 0);
    EXPECT_EQ(wait(), "");
    stack.arrive();
    EXPECT_EQ(wait(), event(listener, kIn));
}

TEST_F(EpollTest, WhatDoesNotFitComesNextTimeInTurn) {
    std::string expected;
    std::vector<long> ids;
    for (int i = 0; i < 3; ++i) {
        ids.push_back(make_connected());
        ASSERT_EQ(add(ids.back(), kIn), 0);
    }
    for (const long id : ids)
        stack.deliver(index(id), "x");
    EXPECT_EQ(wait(0, 2), event(ids[0], kIn) + " " + event(ids[1], kIn));
    EXPECT_EQ(wait(0, 2), event(ids[2], kIn) + " " + event(ids[0], kIn));
}

TEST_F(EpollTest, SeveralEpollsAndOneSocketInTwo) {
    const long other = make_epoll(*app);
    const long a = make_connected();
    const long b = make_connected();
    ASSERT_EQ(add(a, kIn), 0);
    ASSERT_EQ(add(a, kIn, other), 0);
    ASSERT_EQ(add(b, kIn, other), 0);
    stack.deliver(index(a), "x");
    stack.deliver(index(b), "x");
    EXPECT_EQ(wait(), event(a, kIn));
    EXPECT_EQ(wait(0, 16, other), event(a, kIn) + " " + event(b, kIn));
    close_epoll(*app, d(other));
    EXPECT_EQ(wait(), event(a, kIn));
    close(a);
    EXPECT_EQ(wait(), "");
}

TEST_F(EpollTest, ClosedIdsAreNeverReported) {
    const long id = make_connected();
    ASSERT_EQ(add(id, kIn), 0);
    stack.deliver(index(id), "x");
    app->drain_events();
    close(id);
    EXPECT_EQ(wait(), "");
}

TEST_F(EpollTest, LateEventsOfAClosedConnectionReachNobody) {
    const long id = make_connected();
    const std::uint32_t i = index(id);
    close(id);
    stack.post(i, StreamEvents::readable);
    const long next = make_connected();
    ASSERT_EQ(add(next, kIn), 0);
    EXPECT_EQ(wait(), "");
}

TEST_F(EpollTest, AnIdInTheArrayBeingWorkedThroughIsNotReused) {
    make(4);
    epoll = make_epoll(*app);
    const long a = make_connected();
    const long b = make_connected();
    ASSERT_EQ(add(a, kIn), 0);
    ASSERT_EQ(add(b, kIn), 0);
    stack.deliver(index(a), "x");
    stack.deliver(index(b), "x");
    EXPECT_EQ(wait(), event(a, kIn) + " " + event(b, kIn));
    close(b);  // the program has not come to b's entry yet
    EXPECT_EQ(app->table().find(static_cast<int>(b)), nullptr);
    EXPECT_EQ(make_stream(*app), 3);
    EXPECT_EQ(make_stream(*app), -EMFILE);
    EXPECT_EQ(wait(), event(a, kIn));
    EXPECT_EQ(make_stream(*app), b);
}

TEST_F(EpollTest, AnIdRemovedFromTheEpollBeforeItIsClosedIsNotReusedEither) {
    make(2);
    epoll = make_epoll(*app);
    const long a = make_connected();
    ASSERT_EQ(add(a, kIn), 0);
    stack.deliver(index(a), "x");
    EXPECT_EQ(wait(), event(a, kIn));
    ASSERT_EQ(control(EpollOperation::remove, a, 0), 0);
    close(a);
    EXPECT_EQ(make_stream(*app), -EMFILE);
    EXPECT_EQ(wait(), "");
    EXPECT_EQ(make_stream(*app), a);
}

// 0 stands for "no wait yet", also after they have come round: in a wait of that number everything
// that was never reported would pass for reported already.
TEST_F(EpollTest, NoWaitHasTheNumberZero) {
    EXPECT_EQ(app->next_wait_number() % 2, 1u);
    EXPECT_EQ(app->next_wait_number() % 2, 1u);
}

TEST_F(EpollTest, ErrorsOfControl) {
    const long id = make_connected();
    EXPECT_EQ(control(EpollOperation::modify, id, kIn), -ENOENT);
    EXPECT_EQ(control(EpollOperation::remove, id, kIn), -ENOENT);
    EXPECT_EQ(add(id, kIn), 0);
    EXPECT_EQ(add(id, kIn), -EEXIST);
    EXPECT_EQ(control(static_cast<EpollOperation>(9), id, kIn), -EINVAL);
    EXPECT_EQ(add(make_epoll(*app), kIn), -EINVAL);
    EXPECT_EQ(add(id, kIn, id), -EINVAL);
    EXPECT_EQ(control(EpollOperation::remove, id, kIn), 0);
    stack.deliver(index(id), "x");
    EXPECT_EQ(wait(), "");
}

TEST_F(EpollTest, WaitSleepsUntilAnEventOrItsTime) {
    const long id = make_connected();
    ASSERT_EQ(add(id, kIn), 0);
    stack.during_waits.push_back([] {});
    stack.during_waits.push_back([this, id] { stack.deliver(index(id), "x"); });
    EXPECT_EQ(wait(-1), event(id, kIn));
    EXPECT_EQ(read(id, text), 1);
    const Instant before = stack.clock;
    EXPECT_EQ(wait(20), "");
    EXPECT_GE((stack.clock - before).milliseconds(), 20);
    stack.during_waits.push_back([this] { stack.interrupt = true; });
    EXPECT_EQ(wait(-1), std::to_string(-EINTR));
}

TEST_F(EpollTest, EventsNobodyWantsDoNotEndAWait) {
    const long id = make_connected();
    const long other = make_connected();
    ASSERT_EQ(add(id, kIn), 0);
    stack.during_waits.push_back([this, other] { stack.deliver(index(other), "x"); });
    stack.during_waits.push_back([this, id] { stack.deliver(index(id), "x"); });
    const int waits = stack.waits;
    EXPECT_EQ(wait(-1), event(id, kIn));
    EXPECT_EQ(stack.waits - waits, 2);
}

TEST_F(EpollTest, EventsNobodyWantsDoNotMakeAWaitLonger) {
    const long id = make_connected();
    const long other = make_connected();
    ASSERT_EQ(add(id, kIn), 0);
    for (int i = 0; i < 100; ++i)
        stack.during_waits.push_back([this, other] { stack.deliver(index(other), "x"); });
    const Instant before = stack.clock;
    EXPECT_EQ(wait(1), "");
    EXPECT_LT((stack.clock - before).ns, 1'500'000);
}

TEST_F(EpollTest, AProgramThatNeverSleepsLetsTheStackRun) {
    const long id = make_connected();
    ASSERT_EQ(add(id, kOut), 0);
    const int turns = stack.turns;
    for (int i = 0; i < 10; ++i)
        EXPECT_EQ(wait(0), event(id, kOut));
    EXPECT_GE(stack.turns - turns, 9);
}

TEST_F(EpollTest, ContextDescriptorIsReadableWhileSomethingIsReady) {
    stack.descriptor = ::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    const int fd = app->event_descriptor();
    ASSERT_GE(fd, 0);
    const auto readable = [fd] {
        pollfd entry{fd, POLLIN, 0};
        return ::poll(&entry, 1, 0) == 1;
    };
    const long id = make_connected();
    ASSERT_EQ(add(id, kIn), 0);
    EXPECT_EQ(wait(), "");
    EXPECT_FALSE(readable());
    EXPECT_EQ(write(id, "x"), 1);
    EXPECT_TRUE(readable());  // or nobody would let the stack send it
    EXPECT_EQ(wait(), "");
    EXPECT_FALSE(readable());
    stack.deliver(index(id), "xy");
    app->drain_events();
    EXPECT_TRUE(readable());
    EXPECT_EQ(wait(), event(id, kIn));
    EXPECT_TRUE(readable());  // level-triggered and not read
    EXPECT_EQ(read(id, text), 2);
    EXPECT_EQ(wait(), "");
    EXPECT_FALSE(readable());
    ::close(stack.descriptor);
}

// Nothing announces chunks: the program must come back to find them.
TEST_F(EpollTest, ContextDescriptorIsReadableWhileAWriterWaitsForChunks) {
    stack.descriptor = ::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    const int fd = app->event_descriptor();
    const long id = make_connected();
    stack.grants_chunks = false;
    for (auto& ring : stack.channel.granted_chunks) {
        ChunkRef ref = kNoChunk;
        while (ring.pop(ref)) {
        }
    }
    ASSERT_EQ(add(id, kOut | kEdge), 0);
    EXPECT_EQ(wait(), event(id, kOut));
    EXPECT_EQ(write(id, "x"), -EAGAIN);
    EXPECT_EQ(wait(), "");
    pollfd entry{fd, POLLIN, 0};
    EXPECT_EQ(::poll(&entry, 1, 0), 1);
    ::close(stack.descriptor);
}

TEST_F(EpollTest, PollOnAnEpollSeesWhatAWaitWouldFind) {
    const long id = make_connected();
    ASSERT_EQ(add(id, kIn), 0);
    stack.deliver(index(id), "x");
    EXPECT_EQ(wait(), event(id, kIn));
    std::array<PollEntry, 1> one{{{static_cast<int>(epoll), static_cast<std::int16_t>(kIn), 0}}};
    EXPECT_EQ(poll(*app, one, 0), 1);
    EXPECT_EQ(read(id, text), 1);
    EXPECT_EQ(poll(*app, one, 0), 0);
}

TEST_F(EpollTest, PollSeesWhatEpollSees) {
    const long id = make_connected();
    std::array<PollEntry, 3> entries{
        {{static_cast<int>(id), static_cast<std::int16_t>(kIn | kOut), 0},
         {-1, static_cast<std::int16_t>(kIn), 0},
         {77, static_cast<std::int16_t>(kIn), 0}}};
    EXPECT_EQ(poll(*app, entries, 0), 2);
    EXPECT_EQ(entries[0].found, static_cast<std::int16_t>(kOut));
    EXPECT_EQ(entries[1].found, 0);
    EXPECT_EQ(entries[2].found, 0x20);
    std::array<PollEntry, 1> one{{{static_cast<int>(id), static_cast<std::int16_t>(kIn), 0}}};
    EXPECT_EQ(poll(*app, one, 5), 0);
    stack.during_waits.push_back([this, id] { stack.close_by_peer(index(id)); });
    EXPECT_EQ(poll(*app, one, -1), 1);
    EXPECT_EQ(one[0].found, static_cast<std::int16_t>(kIn));
}

TEST_F(EpollTest, PipesAreWatchedLikeSockets) {
    int reader = -1;
    int writer = -1;
    ASSERT_EQ(make_pipe(*app, reader, writer), 0);
    ASSERT_EQ(add(reader, kIn), 0);
    ASSERT_EQ(add(writer, kOut | kEdge), 0);
    EXPECT_EQ(wait(), event(writer, kOut));
    EXPECT_EQ(write(writer, "hello"), 5);
    EXPECT_EQ(wait(), event(reader, kIn));
    EXPECT_EQ(read(reader, text), 5);
    EXPECT_EQ(wait(), event(writer, kOut));
    close_pipe_end(*app, d(writer));
    app->release(d(writer));
    EXPECT_EQ(wait(), event(reader, kIn | kHup));
    EXPECT_EQ(read(reader, text), 0);
}

}  // namespace
}  // namespace mtcp::socket::testing
