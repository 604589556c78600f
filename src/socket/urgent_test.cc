// SPDX-License-Identifier: Apache-2.0
// Where the urgent byte is, when writing it had to wait and when its announcement comes late.
#include <linux/net_tstamp.h>

#include "socket/readiness.h"
#include "socket/socket_options.h"
#include "socket/testing/scripted_stack.h"

namespace mtcp::socket::testing {
namespace {

using Urgent = ApplicationTest;

// What is written next must not be taken along with the request that marks the last byte.
TEST_F(Urgent, IsOutOfTheBoxBeforeTheNextWrite) {
    for (const bool blocking : {false, true}) {
        const long id = make_connected();
        const std::uint32_t i = index(id);
        ASSERT_EQ(write(id, std::string(ScriptedStack::kSendBuffer, 'x')), 3000);
        d(id).non_blocking = blocking ? 0 : 1;
        if (blocking) {
            stack.during_waits.push_back([] {});
            stack.during_waits.push_back([this, i] { stack.acknowledge(i); });
        } else {
            stack.on_turn = [this, i] { stack.acknowledge(i); };
            stack.run_stack();  // takes the bytes; the next turn acknowledges them
            app->drain_events();
            ASSERT_EQ(stream(id).acknowledged.load(), 0u);
        }
        EXPECT_EQ(write(id, "!", MSG_OOB), 1);
        EXPECT_EQ(stream(id).send_box.load(), kNoChunk);
        EXPECT_EQ(peer(id).requests.back(), RequestKind::urgent);
        EXPECT_EQ(peer(id).sent.back(), '!');
        stack.on_turn = nullptr;
        close(id);
        stack.run_stack();
    }
}

TEST_F(Urgent, AnnouncedLateIsNotAheadAnyMore) {
    const long id = make_connected();
    stack.deliver(index(id), "ab!");
    std::string text;
    EXPECT_EQ(read(id, text), 3);
    stream(id).urgent_mark.store(2);
    stack.set_status(index(id), StreamStatus::urgent);
    stack.post(index(id), StreamEvents::urgent);
    app->drain_events();
    EXPECT_EQ(readiness(*app, d(id)) & EpollBits::pri, 0u);
    stream(id).urgent_mark.store(3);  // the next byte
    stack.post(index(id), StreamEvents::urgent);
    app->drain_events();
    EXPECT_NE(readiness(*app, d(id)) & EpollBits::pri, 0u);
}

TEST_F(Urgent, WhatLiesBehindItWasNotShownInPlace) {
    const long id = make_connected();
    stream(id).urgent_mark.store(2);
    stack.set_status(index(id), StreamStatus::urgent);
    stack.post(index(id), StreamEvents::urgent);
    stack.deliver(index(id), "ab!d");
    iovec piece{};
    std::size_t pieces = 0;
    EXPECT_EQ(receive_in_place(*app, d(id), {&piece, 1}, pieces, 0), 2);
    EXPECT_EQ(received_in_place(*app, d(id), 3), -EINVAL);
    EXPECT_EQ(received_in_place(*app, d(id), 2), 0);
    EXPECT_EQ(receive_in_place(*app, d(id), {&piece, 1}, pieces, 0), 2);
}

// The end comes while a read takes the events that tell of urgent data, and its own goes with them:
// that read must tell, for nothing else will.
TEST_F(Urgent, TheEndThatComesWhileEventsAreTakenIsSeen) {
    const int flags = SOF_TIMESTAMPING_SOFTWARE | SOF_TIMESTAMPING_TX_SOFTWARE;
    for (const bool in_place : {false, true}) {
        const long id = make_connected();
        const std::uint32_t i = index(id);
        ASSERT_EQ(set_option(*app, d(id), SOL_SOCKET, SO_TIMESTAMPING,
                             std::as_bytes(std::span(&flags, 1))),
                  0);
        app->run_stack();
        stack.set_status(i, StreamStatus::urgent);  // long read past
        ASSERT_TRUE(stack.channel.progress.push(
            {.index = i, .sent = 0, .acknowledged = 0, .when = stack.clock}));
        stack.post(i, StreamEvents::progress);
        while (stack.channel.events.size() < 64)  // one burst: another is looked for
            ASSERT_TRUE(stack.channel.events.push(i));
        stack.on_time_of_day = [this, i] { stack.close_by_peer(i); };
        stack.clock_step = {0};  // so that the stack is not run for another try
        std::string text;
        iovec piece{};
        std::size_t pieces = 0;
        EXPECT_EQ(in_place ? receive_in_place(*app, d(id), {&piece, 1}, pieces, 0) : read(id, text),
                  0);
        EXPECT_TRUE(stack.channel.events.empty());
        close(id);
    }
}

}  // namespace
}  // namespace mtcp::socket::testing
