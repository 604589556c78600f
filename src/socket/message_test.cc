// SPDX-License-Identifier: Apache-2.0
// recvmsg: control messages, and the notices of MSG_ZEROCOPY.
#include "socket/message.h"

#include <linux/errqueue.h>
#include <linux/net_tstamp.h>
#include <netinet/in.h>

#include <array>

#include "socket/readiness.h"
#include "socket/socket_options.h"
#include "socket/testing/scripted_stack.h"

#ifndef TCP_INQ
#define TCP_INQ 36
#endif

namespace mtcp::socket::testing {
namespace {

class MessageTest : public ApplicationTest {
  protected:
    struct Answer {
        long result = 0;
        int flags = 0;
        std::size_t control_length = 0;
        int type = -1;
        std::array<std::uint32_t, 4> words{};  // of the control message's value
        sock_extended_err error{};
    };
    Answer receive_with_control(long id, int flags, std::size_t room = 128) {
        std::array<char, 64> data{};
        alignas(cmsghdr) std::array<char, 128> control{};
        iovec one{data.data(), data.size()};
        msghdr message{};
        message.msg_iov = &one;
        message.msg_iovlen = 1;
        message.msg_control = control.data();
        message.msg_controllen = room;
        Answer answer;
        answer.result = receive_message(*app, d(id), message, flags);
        answer.flags = message.msg_flags;
        if (answer.result < 0) return answer;
        answer.control_length = message.msg_controllen;
        if (const cmsghdr* const first = CMSG_FIRSTHDR(&message); first != nullptr) {
            answer.type = first->cmsg_type;
            std::memcpy(&answer.error, CMSG_DATA(first), sizeof answer.error);
            std::memcpy(answer.words.data(), CMSG_DATA(first), sizeof answer.words);
        }
        return answer;
    }
    void switch_on(long id, int level, int name) {
        const int one = 1;
        ASSERT_EQ(set_option(*app, d(id), level, name, std::as_bytes(std::span(&one, 1))), 0);
    }
    long send_zero_copy(long id, std::string text) {
        const iovec one{text.data(), text.size()};
        return send(*app, d(id), ByteCursor({&one, 1}), MSG_ZEROCOPY);
    }
};

TEST_F(MessageTest, WritesWithZeroCopyAreToldOfAsOneRange) {
    const long id = make_connected();
    switch_on(id, SOL_SOCKET, SO_ZEROCOPY);
    EXPECT_EQ(receive_with_control(id, MSG_ERRQUEUE).result, -EAGAIN);
    EXPECT_EQ(send_zero_copy(id, "one"), 3);
    EXPECT_EQ(send_zero_copy(id, "two"), 3);
    EXPECT_NE(readiness(*app, d(id)) & EpollBits::err, 0u);
    const Answer both = receive_with_control(id, MSG_ERRQUEUE);
    EXPECT_EQ(both.result, 0);
    EXPECT_EQ(both.flags, MSG_ERRQUEUE);
    EXPECT_EQ(both.type, IP_RECVERR);
    EXPECT_EQ(both.error.ee_errno, 0u);
    EXPECT_EQ(both.error.ee_origin, SO_EE_ORIGIN_ZEROCOPY);
    EXPECT_EQ(both.error.ee_code, SO_EE_CODE_ZEROCOPY_COPIED);
    EXPECT_EQ(both.error.ee_info, 0u);
    EXPECT_EQ(both.error.ee_data, 1u);
    EXPECT_EQ(readiness(*app, d(id)) & EpollBits::err, 0u);
    EXPECT_EQ(send_zero_copy(id, "three"), 5);
    const Answer third = receive_with_control(id, MSG_ERRQUEUE);
    EXPECT_EQ(third.error.ee_info, 2u);
    EXPECT_EQ(third.error.ee_data, 2u);
    EXPECT_EQ(receive_with_control(id, MSG_ERRQUEUE).result, -EAGAIN);
}

TEST_F(MessageTest, WithoutTheOptionOrBytesNothingIsTold) {
    const long id = make_connected();
    EXPECT_EQ(send_zero_copy(id, "one"), 3);
    EXPECT_EQ(receive_with_control(id, MSG_ERRQUEUE).result, -EAGAIN);
    const long unopened = make_socket();
    switch_on(unopened, SOL_SOCKET, SO_ZEROCOPY);
    EXPECT_EQ(send_zero_copy(unopened, "one"), -EPIPE);
    EXPECT_EQ(receive_with_control(unopened, MSG_ERRQUEUE).result, -EAGAIN);
}

TEST_F(MessageTest, TheFirstZeroCopyOfAnAcceptedConnectionIsNumberZero) {
    const long listener = make_listener();
    switch_on(listener, SOL_SOCKET, SO_ZEROCOPY);
    wire::Endpoint who;
    for (int i = 0; i < 2; ++i) {
        stack.arrive();
        const long id = accept(*app, d(listener), who);
        EXPECT_EQ(send_zero_copy(id, "one"), 3);
        EXPECT_EQ(receive_with_control(id, MSG_ERRQUEUE).error.ee_data, 0u);
    }
}

// SO_TIMESTAMPING: the stack tells how far the connection came, and when.
TEST_F(MessageTest, AWriteIsToldOfWhenItHasLeft) {
    const long id = make_connected();
    const int flags = SOF_TIMESTAMPING_SOFTWARE | SOF_TIMESTAMPING_OPT_ID |
                      SOF_TIMESTAMPING_TX_SOFTWARE | SOF_TIMESTAMPING_OPT_TSONLY;
    const auto bytes = std::as_bytes(std::span(&flags, 1));
    ASSERT_EQ(set_option(*app, d(id), SOL_SOCKET, SO_TIMESTAMPING, bytes), 0);
    stack.run_stack();
    EXPECT_TRUE(peer(id).tells_progress);
    EXPECT_EQ(write(id, "twelve bytes"), 12);
    EXPECT_EQ(receive_with_control(id, MSG_ERRQUEUE).result, -EAGAIN);
    ASSERT_TRUE(stack.channel.progress.push(
        {.index = index(id), .sent = 12, .acknowledged = 0, .when = stack.clock}));
    stack.post(index(id), StreamEvents::progress);
    app->drain_events();
    EXPECT_NE(readiness(*app, d(id)) & EpollBits::err, 0u);
    const Answer answer = receive_with_control(id, MSG_ERRQUEUE);
    EXPECT_EQ(answer.result, 0);
    EXPECT_EQ(answer.flags, MSG_ERRQUEUE);
    EXPECT_EQ(answer.type, SCM_TIMESTAMPING);
    EXPECT_EQ(answer.control_length,
              CMSG_SPACE(sizeof(scm_timestamping)) +
                  CMSG_SPACE(sizeof(sock_extended_err) + sizeof(sockaddr_in)));
    EXPECT_EQ(receive_with_control(id, MSG_ERRQUEUE).result, -EAGAIN);
    EXPECT_EQ(readiness(*app, d(id)) & EpollBits::err, 0u);
    close(id);
}

// The option is one of a connection, and ends with it.
TEST_F(MessageTest, TheNextConnectionOfASocketBeginsItsStampsAnew) {
    const long id = make_connected();
    const int flags = SOF_TIMESTAMPING_SOFTWARE | SOF_TIMESTAMPING_OPT_ID |
                      SOF_TIMESTAMPING_TX_SOFTWARE | SOF_TIMESTAMPING_OPT_TSONLY;
    const auto bytes = std::as_bytes(std::span(&flags, 1));
    ASSERT_EQ(set_option(*app, d(id), SOL_SOCKET, SO_TIMESTAMPING, bytes), 0);
    EXPECT_EQ(write(id, "never sent"), 10);
    disconnect(*app, d(id));
    int seen = -1;
    socklen_t length = sizeof seen;
    ASSERT_EQ(get_option(*app, d(id), SOL_SOCKET, SO_TIMESTAMPING,
                         std::as_writable_bytes(std::span(&seen, 1)), length),
              0);
    EXPECT_EQ(seen, 0);
    ASSERT_EQ(connect(*app, d(id), kServer), -EINPROGRESS);
    stack.run_stack();
    stack.connect(index(id));
    app->drain_events();
    EXPECT_TRUE(d(id).is_usual_stream());
    ASSERT_EQ(set_option(*app, d(id), SOL_SOCKET, SO_TIMESTAMPING, bytes), 0);
    EXPECT_EQ(write(id, "four"), 4);
    stack.run_stack();
    ASSERT_TRUE(stack.channel.progress.push(
        {.index = index(id), .sent = 4, .acknowledged = 0, .when = stack.clock}));
    stack.post(index(id), StreamEvents::progress);
    app->drain_events();
    EXPECT_EQ(receive_with_control(id, MSG_ERRQUEUE).result, 0);
}

// An entry of the ring names a connection by its index, which another may have had.
TEST_F(MessageTest, ProgressOfAnEarlierConnectionIsNotOfThisOne) {
    const long id = make_connected();
    ASSERT_TRUE(stack.channel.progress.push(
        {.index = index(id), .sent = 5000, .acknowledged = 5000, .when = stack.clock}));
    const int flags = SOF_TIMESTAMPING_SOFTWARE | SOF_TIMESTAMPING_OPT_ID |
                      SOF_TIMESTAMPING_TX_ACK | SOF_TIMESTAMPING_OPT_TSONLY;
    const auto bytes = std::as_bytes(std::span(&flags, 1));
    ASSERT_EQ(set_option(*app, d(id), SOL_SOCKET, SO_TIMESTAMPING, bytes), 0);
    EXPECT_EQ(write(id, "four"), 4);
    stack.run_stack();
    const auto tell = [this, id](std::uint32_t acknowledged) {
        ASSERT_TRUE(stack.channel.progress.push(
            {.index = index(id), .sent = 4, .acknowledged = acknowledged, .when = stack.clock}));
        stack.post(index(id), StreamEvents::progress);
        app->drain_events();
    };
    tell(0);
    EXPECT_EQ(receive_with_control(id, MSG_ERRQUEUE).result, -EAGAIN);
    tell(4);
    EXPECT_EQ(receive_with_control(id, MSG_ERRQUEUE).result, 0);
}

TEST_F(MessageTest, TimesOfWhatIsReceivedAreNotTaken) {
    const long id = make_connected();
    const int flags = SOF_TIMESTAMPING_RX_SOFTWARE;
    const auto bytes = std::as_bytes(std::span(&flags, 1));
    EXPECT_EQ(set_option(*app, d(id), SOL_SOCKET, SO_TIMESTAMPING, bytes), -EINVAL);
}

TEST_F(MessageTest, InqTellsWhatIsLeft) {
    const long id = make_connected();
    switch_on(id, IPPROTO_TCP, TCP_INQ);
    stack.deliver(index(id), std::string(100, 'x'));
    const Answer first = receive_with_control(id, 0);
    EXPECT_EQ(first.result, 64);
    EXPECT_EQ(first.type, TCP_INQ);
    EXPECT_EQ(first.words[0], 36u);
    stack.close_by_peer(index(id));
    EXPECT_EQ(receive_with_control(id, 0).words[0], 1u);  // tcp(7): the end is worth a read
}

TEST_F(MessageTest, AControlMessageThatDoesNotFitIsCut) {
    const long id = make_connected();
    switch_on(id, IPPROTO_TCP, TCP_INQ);
    stack.deliver(index(id), "abc");
    const Answer answer = receive_with_control(id, 0, 8);
    EXPECT_EQ(answer.result, 3);
    EXPECT_EQ(answer.flags, MSG_CTRUNC);
    EXPECT_EQ(answer.control_length, 0u);
}

// As Linux, which needs no room for what aligns a message that might follow.
TEST_F(MessageTest, TheLastControlMessageNeedsNoPadding) {
    const long id = make_connected();
    switch_on(id, IPPROTO_TCP, TCP_INQ);
    const auto received = [this, id](std::size_t room) {
        stack.deliver(index(id), "a");
        return receive_with_control(id, 0, room);
    };
    const Answer whole = received(CMSG_LEN(sizeof(int)));
    EXPECT_EQ(whole.flags, 0);
    EXPECT_EQ(whole.control_length, CMSG_LEN(sizeof(int)));
    EXPECT_EQ(whole.type, TCP_INQ);
    const Answer cut = received(CMSG_LEN(sizeof(int)) - 1);
    EXPECT_EQ(cut.flags, MSG_CTRUNC);
    EXPECT_EQ(cut.control_length, CMSG_LEN(sizeof(int)) - 1);
    EXPECT_EQ(cut.type, TCP_INQ);
}

TEST_F(MessageTest, MsgTruncTakesBytesWithoutPassingThemOn) {
    const long id = make_connected();
    stack.deliver(index(id), "abcdef");
    std::array<char, 3> data{'-', '-', '-'};
    const iovec one{data.data(), data.size()};
    EXPECT_EQ(receive(*app, d(id), ByteCursor({&one, 1}), MSG_TRUNC), 3);
    EXPECT_EQ(data[0], '-');
    EXPECT_EQ(receive(*app, d(id), ByteCursor({&one, 1}), 0), 3);
    EXPECT_EQ(data[0], 'd');
}

}  // namespace
}  // namespace mtcp::socket::testing
