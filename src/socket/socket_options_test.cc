// SPDX-License-Identifier: Apache-2.0
// Options and ioctls: values come back, reach the stack, and are checked.
#include "socket/socket_options.h"

#include <linux/sockios.h>
#include <linux/tcp.h>
#include <netinet/in.h>
#include <sys/ioctl.h>
#include <sys/time.h>

#include "socket/send_buffer.h"
#include "socket/testing/scripted_stack.h"

namespace mtcp::socket::testing {
namespace {

class OptionsTest : public ApplicationTest {
  protected:
    template <typename T>
    long set(long id, int level, int name, const T& value) {
        return set_option(*app, d(id), level, name, std::as_bytes(std::span(&value, 1)));
    }
    template <typename T>
    long get(long id, int level, int name, T& value) {
        socklen_t length = sizeof value;
        const long result = get_option(*app, d(id), level, name,
                                       std::as_writable_bytes(std::span(&value, 1)), length);
        EXPECT_TRUE(result != 0 || length == sizeof value);
        return result;
    }
    int get_int(long id, int level, int name) {
        int value = -77;
        EXPECT_EQ(get(id, level, name, value), 0);
        return value;
    }
};

TEST_F(OptionsTest, IntegerOptionsComeBack) {
    struct Row {
        int level, name, value;
    };
    const Row rows[] = {{SOL_SOCKET, SO_REUSEADDR, 1},   {SOL_SOCKET, SO_REUSEPORT, 1},
                        {SOL_SOCKET, SO_KEEPALIVE, 1},   {SOL_SOCKET, SO_ZEROCOPY, 1},
                        {SOL_SOCKET, SO_BROADCAST, 1},   {SOL_SOCKET, SO_PRIORITY, 6},
                        {SOL_SOCKET, SO_MARK, 666},      {SOL_SOCKET, SO_BUSY_POLL, 50},
                        {IPPROTO_TCP, TCP_INQ, 1},       {IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, 1},
                        {SOL_SOCKET, SO_RCVLOWAT, 1},    {IPPROTO_TCP, TCP_NODELAY, 1},
                        {IPPROTO_TCP, TCP_CORK, 1},      {IPPROTO_TCP, TCP_QUICKACK, 1},
                        {IPPROTO_TCP, TCP_MAXSEG, 1200}, {IPPROTO_TCP, TCP_KEEPIDLE, 30},
                        {IPPROTO_TCP, TCP_KEEPINTVL, 5}, {IPPROTO_TCP, TCP_KEEPCNT, 3},
                        {IPPROTO_TCP, TCP_LINGER2, 20},  {IPPROTO_TCP, TCP_WINDOW_CLAMP, 4000},
                        {IPPROTO_TCP, TCP_SYNCNT, 2},    {IPPROTO_TCP, TCP_USER_TIMEOUT, 12'345},
                        {IPPROTO_IP, IP_TOS, 0x10},      {IPPROTO_TCP, TCP_DEFER_ACCEPT, 7},
                        {IPPROTO_IP, IP_TTL, 5},         {IPPROTO_IP, IP_MTU_DISCOVER, 0}};
    const long id = make_socket();
    for (const Row& row : rows) {
        EXPECT_EQ(set(id, row.level, row.name, row.value), 0) << row.level << '/' << row.name;
        EXPECT_EQ(get_int(id, row.level, row.name), row.value) << row.level << '/' << row.name;
    }
}

// Programs save a value and put it back.
TEST_F(OptionsTest, WhatIsReadCanBeSet) {
    const std::pair<int, int> options[] = {{SOL_SOCKET, SO_REUSEADDR},
                                           {SOL_SOCKET, SO_REUSEPORT},
                                           {SOL_SOCKET, SO_OOBINLINE},
                                           {SOL_SOCKET, SO_KEEPALIVE},
                                           {SOL_SOCKET, SO_RCVBUF},
                                           {SOL_SOCKET, SO_SNDBUF},
                                           {SOL_SOCKET, SO_RCVLOWAT},
                                           {SOL_SOCKET, SO_ZEROCOPY},
                                           {SOL_SOCKET, SO_BROADCAST},
                                           {SOL_SOCKET, SO_PRIORITY},
                                           {SOL_SOCKET, SO_MARK},
                                           {SOL_SOCKET, SO_BUSY_POLL},
                                           {IPPROTO_TCP, TCP_INQ},
                                           {IPPROTO_TCP, TCP_NODELAY},
                                           {IPPROTO_TCP, TCP_CORK},
                                           {IPPROTO_TCP, TCP_QUICKACK},
                                           {IPPROTO_TCP, TCP_MAXSEG},
                                           {IPPROTO_TCP, TCP_KEEPIDLE},
                                           {IPPROTO_TCP, TCP_KEEPINTVL},
                                           {IPPROTO_TCP, TCP_KEEPCNT},
                                           {IPPROTO_TCP, TCP_USER_TIMEOUT},
                                           {IPPROTO_TCP, TCP_SYNCNT},
                                           {IPPROTO_TCP, TCP_LINGER2},
                                           {IPPROTO_TCP, TCP_WINDOW_CLAMP},
                                           {IPPROTO_TCP, TCP_DEFER_ACCEPT},
                                           {IPPROTO_TCP, TCP_FASTOPEN},
                                           {IPPROTO_TCP, TCP_FASTOPEN_CONNECT},
                                           {IPPROTO_TCP, TCP_FASTOPEN_NO_COOKIE},
                                           {IPPROTO_TCP, TCP_NOTSENT_LOWAT},
                                           {IPPROTO_IP, IP_TOS},
                                           {IPPROTO_IP, IP_TTL},
                                           {IPPROTO_IP, IP_MTU_DISCOVER},
                                           {IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT}};
    stack.fast_open_answer.use = tcp::FastOpenRoom::Use::no_data;
    const long id = make_socket();
    for (const auto& [level, name] : options) {
        const int value = get_int(id, level, name);
        EXPECT_EQ(set(id, level, name, value), 0) << level << '/' << name;
        const bool doubled = level == SOL_SOCKET && (name == SO_RCVBUF || name == SO_SNDBUF);
        EXPECT_EQ(get_int(id, level, name), doubled ? 2 * value : value) << level << '/' << name;
    }
}

// As Linux.
TEST_F(OptionsTest, SomeOptionsCanBeTakenBack) {
    const long id = make_socket();
    const tcp::Settings& seen = app->details(d(id)).settings;
    EXPECT_EQ(get_int(id, IPPROTO_TCP, TCP_SYNCNT), 6);
    EXPECT_EQ(set(id, IPPROTO_TCP, TCP_MAXSEG, 32'767), 0);
    EXPECT_EQ(set(id, IPPROTO_TCP, TCP_MAXSEG, 32'768), -EINVAL);
    EXPECT_EQ(set(id, IPPROTO_TCP, TCP_MAXSEG, 87), -EINVAL);
    EXPECT_EQ(get_int(id, IPPROTO_TCP, TCP_MAXSEG), 32'767);
    EXPECT_EQ(set(id, IPPROTO_TCP, TCP_MAXSEG, 0), 0);
    EXPECT_EQ(seen.maximum_segment, 0);
    EXPECT_EQ(get_int(id, IPPROTO_TCP, TCP_MAXSEG), 536);
    EXPECT_EQ(set(id, IPPROTO_IP, IP_TTL, 9), 0);
    EXPECT_EQ(set(id, IPPROTO_IP, IP_TTL, -2), -EINVAL);
    EXPECT_EQ(set(id, IPPROTO_IP, IP_TTL, -1), 0);
    EXPECT_EQ(get_int(id, IPPROTO_IP, IP_TTL), 64);
}

// socket(7).
TEST_F(OptionsTest, BufferSizesAreReadDoubled) {
    struct Row {
        int name, set, get;
    };
    const Row rows[] = {{SO_RCVBUF, 70'000, 140'000},
                        {SO_SNDBUF, 80'000, 160'000},
                        {SO_RCVBUFFORCE, 9000, 18'000},
                        {SO_SNDBUFFORCE, 9000, 18'000},
                        {SO_RCVBUF, 0, 2304},
                        {SO_SNDBUF, 0, 4608},
                        {SO_RCVBUF, -1, 2 * (64 << 20)},
                        {SO_SNDBUF, -1, 2 * (64 << 20)}};
    const long id = make_socket();
    const tcp::Settings& defaults = app->view().defaults;
    EXPECT_EQ(get_int(id, SOL_SOCKET, SO_RCVBUF), static_cast<int>(defaults.receive_buffer));
    EXPECT_EQ(get_int(id, SOL_SOCKET, SO_SNDBUF), static_cast<int>(defaults.send_buffer));
    for (const Row& row : rows) {
        EXPECT_EQ(set(id, SOL_SOCKET, row.name, row.set), 0) << row.name;
        const bool receive = row.name == SO_RCVBUF || row.name == SO_RCVBUFFORCE;
        EXPECT_EQ(get_int(id, SOL_SOCKET, receive ? SO_RCVBUF : SO_SNDBUF), row.get) << row.name;
    }
    EXPECT_EQ(app->details(d(id)).settings.receive_buffer, 64u << 20);
}

TEST_F(OptionsTest, OptionsOfIpFitInOneByte) {
    const long id = make_socket();
    EXPECT_EQ(set(id, IPPROTO_IP, IP_TOS, std::uint8_t{0x20}), 0);
    EXPECT_EQ(get_int(id, IPPROTO_IP, IP_TOS), 0x20);
    EXPECT_EQ(set(id, IPPROTO_TCP, TCP_NODELAY, std::uint8_t{1}), -EINVAL);
}

TEST_F(OptionsTest, FactsAboutTheSocket) {
    const long id = make_socket();
    EXPECT_EQ(get_int(id, SOL_SOCKET, SO_TYPE), SOCK_STREAM);
    EXPECT_EQ(get_int(id, SOL_SOCKET, SO_DOMAIN), AF_INET);
    EXPECT_EQ(get_int(id, SOL_SOCKET, SO_PROTOCOL), IPPROTO_TCP);
    EXPECT_EQ(get_int(id, SOL_SOCKET, SO_ACCEPTCONN), 0);
    EXPECT_EQ(get_int(make_listener(), SOL_SOCKET, SO_ACCEPTCONN), 1);
    EXPECT_EQ(set(id, SOL_SOCKET, SO_TYPE, 1), -ENOPROTOOPT);
}

TEST_F(OptionsTest, ErrorIsReadOnce) {
    const long id = make_connected();
    EXPECT_EQ(get_int(id, SOL_SOCKET, SO_ERROR), 0);
    stack.fail(index(id), ECONNRESET);
    EXPECT_EQ(get_int(id, SOL_SOCKET, SO_ERROR), ECONNRESET);
    EXPECT_EQ(get_int(id, SOL_SOCKET, SO_ERROR), 0);
}

TEST_F(OptionsTest, WrongNamesLengthsAndValuesAreRefused) {
    const long id = make_socket();
    int value = 1;
    EXPECT_EQ(get(id, SOL_SOCKET, 9999, value), -ENOPROTOOPT);
    EXPECT_EQ(set(id, 1234, 1, value), -ENOPROTOOPT);
    char small = 1;
    EXPECT_EQ(set(id, IPPROTO_TCP, TCP_NODELAY, small), -EINVAL);
    EXPECT_EQ(get(id, IPPROTO_TCP, TCP_NODELAY, small), 0);  // as much as there is room for
    EXPECT_EQ(small, 0);
    EXPECT_EQ(set(id, SOL_SOCKET, SO_SNDLOWAT, 1), -ENOPROTOOPT);
    EXPECT_EQ(get(id, IPPROTO_IP, IP_MTU, value), -ENOTCONN);
    EXPECT_EQ(set(id, IPPROTO_IP, IP_TTL, 0), -EINVAL);
    EXPECT_EQ(set(id, IPPROTO_IP, IP_TTL, 256), -EINVAL);
    EXPECT_EQ(set(id, IPPROTO_TCP, TCP_KEEPCNT, 0), -EINVAL);
    EXPECT_EQ(set(id, SOL_SOCKET, SO_OOBINLINE, 0), -EINVAL);
    const long listener = make_listener();
    EXPECT_EQ(set(listener, IPPROTO_TCP, TCP_DEFER_ACCEPT, 1), 0);
    EXPECT_EQ(get_int(listener, IPPROTO_TCP, TCP_DEFER_ACCEPT), 1);
    EXPECT_EQ(set(make_epoll(*app), IPPROTO_TCP, TCP_NODELAY, 1), -ENOTSOCK);
}

TEST_F(OptionsTest, AConnectionLearnsOfChanges) {
    const long id = make_connected();
    ASSERT_EQ(set(id, IPPROTO_TCP, TCP_NODELAY, 1), 0);
    ASSERT_EQ(set(id, IPPROTO_TCP, TCP_KEEPIDLE, 11), 0);
    ASSERT_EQ(set(id, SOL_SOCKET, SO_SNDBUF, 4096), 0);  // doubled
    stack.run_stack();
    EXPECT_EQ(peer(id).settings.no_delay, 1);
    EXPECT_EQ(peer(id).settings.keepalive_idle_s, 11);
    EXPECT_EQ(stream(id).send_limit.load(), 8192u);
    EXPECT_EQ(write(id, std::string(10'000, 'x')), 3 * 1460);  // which cost 8220
    EXPECT_EQ(get_int(id, IPPROTO_TCP, TCP_MAXSEG), 1000);     // as TCP_INFO says
}

TEST_F(OptionsTest, AListenersOptionsAreInherited) {
    const long listener = make_listener();
    ASSERT_EQ(set(listener, IPPROTO_TCP, TCP_NODELAY, 1), 0);
    const std::uint32_t i = stack.arrive();
    wire::Endpoint who;
    const long id = accept(*app, d(listener), who);
    stack.run_stack();
    EXPECT_EQ(stack.connections[i].settings.no_delay, 1);
    EXPECT_EQ(get_int(id, IPPROTO_TCP, TCP_NODELAY), 1);
}

TEST_F(OptionsTest, TimeoutsAndLinger) {
    const long id = make_socket();
    timeval time{.tv_sec = 2, .tv_usec = 500'000};
    ASSERT_EQ(set(id, SOL_SOCKET, SO_RCVTIMEO, time), 0);
    EXPECT_EQ(app->details(d(id)).receive_timeout_ns, 2'500'000'000);
    time = {};
    ASSERT_EQ(get(id, SOL_SOCKET, SO_RCVTIMEO, time), 0);
    EXPECT_EQ(time.tv_sec, 2);
    EXPECT_EQ(time.tv_usec, 500'000);
    EXPECT_EQ(set(id, SOL_SOCKET, SO_SNDTIMEO, timeval{0, 1'000'000}), -EDOM);
    // As Linux: a negative time is no time at all.
    ASSERT_EQ(set(id, SOL_SOCKET, SO_RCVTIMEO, timeval{-1, 0}), 0);
    EXPECT_GT(app->details(d(id)).receive_timeout_ns, 0);
    ASSERT_EQ(get(id, SOL_SOCKET, SO_RCVTIMEO, time), 0);
    EXPECT_EQ(time.tv_sec, 0);
    EXPECT_EQ(time.tv_usec, 0);
    struct linger linger {};
    ASSERT_EQ(get(id, SOL_SOCKET, SO_LINGER, linger), 0);
    EXPECT_EQ(linger.l_onoff, 0);
    linger = {1, 7};
    ASSERT_EQ(set(id, SOL_SOCKET, SO_LINGER, linger), 0);
    EXPECT_EQ(app->details(d(id)).linger_s, 7);
    linger = {1, -1};  // as Linux: for ever, or nearly so, and no abort
    ASSERT_EQ(set(id, SOL_SOCKET, SO_LINGER, linger), 0);
    EXPECT_EQ(app->details(d(id)).linger_s, 1'000'000);
    linger = {0, 7};
    ASSERT_EQ(set(id, SOL_SOCKET, SO_LINGER, linger), 0);
    EXPECT_EQ(app->details(d(id)).linger_s, -1);
}

TEST_F(OptionsTest, TcpInfoHasLinuxsLayoutAndUnits) {
    const long id = make_connected();
    tcp_info info{};
    ASSERT_EQ(get(id, IPPROTO_TCP, TCP_INFO, info), 0);
    EXPECT_EQ(info.tcpi_state, 1);     // TCP_ESTABLISHED
    EXPECT_EQ(info.tcpi_unacked, 3u);  // segments
    EXPECT_EQ(info.tcpi_snd_cwnd, 10u);
    EXPECT_EQ(info.tcpi_rtt, 77u);
    EXPECT_EQ(info.tcpi_options, TCPI_OPT_TIMESTAMPS);
    std::array<std::byte, 8> small{};
    socklen_t length = small.size();
    ASSERT_EQ(get_option(*app, d(id), IPPROTO_TCP, TCP_INFO, small, length), 0);
    EXPECT_EQ(length, 8u);
    const long listener = make_listener();
    stack.arrive();
    ASSERT_EQ(get(listener, IPPROTO_TCP, TCP_INFO, info), 0);
    EXPECT_EQ(info.tcpi_state, 10);  // TCP_LISTEN
    EXPECT_EQ(info.tcpi_unacked, 1u);
    EXPECT_EQ(info.tcpi_sacked, 16u);
    ASSERT_EQ(get(make_socket(), IPPROTO_TCP, TCP_INFO, info), 0);
    EXPECT_EQ(info.tcpi_state, 7);  // TCP_CLOSE
}

// Checks RFC 9293 MAY-18.
TEST_F(OptionsTest, CongestionControlHasLinuxsNames) {
    const long id = make_socket();
    std::array<char, 16> name{};
    ASSERT_EQ(get(id, IPPROTO_TCP, TCP_CONGESTION, name), 0);
    EXPECT_STREQ(name.data(), "cubic");
    for (const char* known : {"reno", "cubic", "dctcp", "bbr"}) {
        name = {};
        std::strcpy(name.data(), known);
        EXPECT_EQ(set(id, IPPROTO_TCP, TCP_CONGESTION, name), 0) << known;
        name = {};
        ASSERT_EQ(get(id, IPPROTO_TCP, TCP_CONGESTION, name), 0);
        EXPECT_STREQ(name.data(), known);
    }
    EXPECT_EQ(set(id, IPPROTO_TCP, TCP_CONGESTION, std::array<char, 6>{'v', 'e', 'g', 'a', 's', 0}),
              -ENOENT);
    EXPECT_EQ(set_option(*app, d(id), IPPROTO_TCP, TCP_CONGESTION, {}), -EINVAL);
    EXPECT_EQ(app->details(d(id)).settings.congestion, tcp::CongestionAlgorithm::bbr);
}

TEST_F(OptionsTest, CongestionControlReachesTheConnectionAndIsInherited) {
    const std::array<char, 4> bbr{'b', 'b', 'r', 0};
    const long id = make_connected();
    ASSERT_EQ(set(id, IPPROTO_TCP, TCP_CONGESTION, bbr), 0);
    stack.run_stack();
    EXPECT_EQ(peer(id).settings.congestion, tcp::CongestionAlgorithm::bbr);
    const long listener = make_listener();
    ASSERT_EQ(set(listener, IPPROTO_TCP, TCP_CONGESTION, bbr), 0);
    const std::uint32_t i = stack.arrive();
    wire::Endpoint who;
    const long accepted = accept(*app, d(listener), who);
    stack.run_stack();
    EXPECT_EQ(stack.connections[i].settings.congestion, tcp::CongestionAlgorithm::bbr);
    std::array<char, 16> name{};
    ASSERT_EQ(get(accepted, IPPROTO_TCP, TCP_CONGESTION, name), 0);
    EXPECT_STREQ(name.data(), "bbr");
}

TEST_F(OptionsTest, PacingRateIsOfEitherWidth) {
    const long id = make_socket();
    std::uint32_t narrow = 0;
    ASSERT_EQ(get(id, SOL_SOCKET, SO_MAX_PACING_RATE, narrow), 0);
    EXPECT_EQ(narrow, UINT32_MAX);
    std::uint64_t wide = 0;
    ASSERT_EQ(get(id, SOL_SOCKET, SO_MAX_PACING_RATE, wide), 0);
    EXPECT_EQ(wide, UINT64_MAX);
    ASSERT_EQ(set(id, SOL_SOCKET, SO_MAX_PACING_RATE, std::uint32_t{1'000'000}), 0);
    ASSERT_EQ(get(id, SOL_SOCKET, SO_MAX_PACING_RATE, wide), 0);
    EXPECT_EQ(wide, 1'000'000u);
    ASSERT_EQ(set(id, SOL_SOCKET, SO_MAX_PACING_RATE, std::uint64_t{1} << 40), 0);
    EXPECT_EQ(app->details(d(id)).settings.max_pacing_rate, 0u);
    EXPECT_EQ(set(id, SOL_SOCKET, SO_MAX_PACING_RATE, std::uint16_t{1}), -EINVAL);
}

TEST_F(OptionsTest, FastOpenOfAListener) {
    const long id = make_listener();
    Listener& listener = *app->table().at(static_cast<std::uint32_t>(id)).listener;
    EXPECT_EQ(set(id, IPPROTO_TCP, TCP_FASTOPEN, 7), 0);
    EXPECT_EQ(get_int(id, IPPROTO_TCP, TCP_FASTOPEN), 7);
    EXPECT_EQ(listener.fast_open_limit, 7u);
    std::array<std::uint8_t, 32> keys{};
    keys[0] = 1;
    keys[9] = 2;
    keys[16] = 3;
    EXPECT_EQ(set(id, IPPROTO_TCP, TCP_FASTOPEN_KEY, keys), 0);
    EXPECT_TRUE(listener.fast_open_keys.chosen && listener.fast_open_keys.has_backup);
    EXPECT_EQ(listener.fast_open_keys.primary.k0, 1u);
    EXPECT_EQ(listener.fast_open_keys.primary.k1, 0x200u);
    EXPECT_EQ(listener.fast_open_keys.backup.k0, 3u);
    EXPECT_EQ(set(id, IPPROTO_TCP, TCP_FASTOPEN_KEY, std::array<std::uint8_t, 3>{}), -EINVAL);
    EXPECT_EQ(set(id, IPPROTO_TCP, TCP_FASTOPEN, -1), -EINVAL);
}

TEST_F(OptionsTest, FastOpenOfAClientFollowsTheConfiguration) {
    const long id = make_socket();
    EXPECT_EQ(set(id, IPPROTO_TCP, TCP_FASTOPEN_CONNECT, 1), -EOPNOTSUPP);
    stack.fast_open_answer.use = tcp::FastOpenRoom::Use::no_data;
    EXPECT_EQ(set(id, IPPROTO_TCP, TCP_FASTOPEN_CONNECT, 1), 0);
    EXPECT_EQ(set(id, IPPROTO_TCP, TCP_FASTOPEN_NO_COOKIE, 1), 0);
    EXPECT_EQ(get_int(id, IPPROTO_TCP, TCP_FASTOPEN_CONNECT), 1);
    const long connected = make_connected();
    EXPECT_EQ(set(connected, IPPROTO_TCP, TCP_FASTOPEN_CONNECT, 1), -EINVAL);
    EXPECT_EQ(set(connected, IPPROTO_TCP, TCP_FASTOPEN, 1), -EINVAL);
}

TEST_F(OptionsTest, AWindowClampBoundsTheReceiveBuffer) {
    const long id = make_socket();
    const auto buffer = [&] { return app->details(d(id)).settings.receive_buffer; };
    const std::uint32_t by_itself = buffer();
    ASSERT_EQ(set(id, IPPROTO_TCP, TCP_WINDOW_CLAMP, 4000), 0);
    EXPECT_EQ(buffer(), 4000u);
    EXPECT_EQ(app->details(d(id)).settings.receive_fixed, 1);
    ASSERT_EQ(set(id, SOL_SOCKET, SO_RCVBUF, 100'000), 0);
    EXPECT_EQ(buffer(), 4000u);
    EXPECT_EQ(get_int(id, SOL_SOCKET, SO_RCVBUF), 200'000);
    ASSERT_EQ(set(id, SOL_SOCKET, SO_RCVBUF, 3000), 0);
    EXPECT_EQ(buffer(), 3000u);
    ASSERT_EQ(set(id, IPPROTO_TCP, TCP_WINDOW_CLAMP, 0), 0);
    EXPECT_EQ(buffer(), 3000u);
    const long other = make_socket();
    ASSERT_EQ(set(other, IPPROTO_TCP, TCP_WINDOW_CLAMP, 10), 0);
    EXPECT_EQ(app->details(d(other)).settings.receive_buffer, 1152u);
    ASSERT_EQ(set(other, IPPROTO_TCP, TCP_WINDOW_CLAMP, 0), 0);
    EXPECT_EQ(app->details(d(other)).settings.receive_buffer, by_itself);
    EXPECT_EQ(app->details(d(other)).settings.receive_fixed, 0);
    EXPECT_EQ(set(other, IPPROTO_TCP, TCP_WINDOW_CLAMP, -1), -EINVAL);
}

TEST_F(OptionsTest, Linger2IsBoundedAsOnLinux) {
    const long id = make_socket();
    ASSERT_EQ(set(id, IPPROTO_TCP, TCP_LINGER2, 1'000'000), 0);
    EXPECT_EQ(get_int(id, IPPROTO_TCP, TCP_LINGER2), 120);
    ASSERT_EQ(set(id, IPPROTO_TCP, TCP_LINGER2, -7), 0);
    EXPECT_EQ(get_int(id, IPPROTO_TCP, TCP_LINGER2), -1);
}

// Whoever asks for limits has them counted in pieces from then on (send_buffer.h).
TEST_F(OptionsTest, LimitsOfASendBufferReachTheStream) {
    const long id = make_connected();
    Stream& s = stream(id);
    EXPECT_FALSE(counts_pieces(s));
    EXPECT_EQ(get_int(id, IPPROTO_TCP, TCP_NOTSENT_LOWAT), 0);
    EXPECT_EQ(set(id, IPPROTO_TCP, TCP_NOTSENT_LOWAT, 4000), 0);
    EXPECT_EQ(s.low_water.load(), 4000u);
    EXPECT_TRUE(counts_pieces(s));
    const long other = make_connected();
    EXPECT_EQ(set(other, SOL_SOCKET, SO_SNDBUF, 8000), 0);
    EXPECT_EQ(stream(other).send_limit.load(), 16'000u);
    EXPECT_TRUE(counts_pieces(stream(other)));
}

// Between two pieces the stack runs, and what it sends makes room.
TEST_F(OptionsTest, AWriteTakesOnePieceAfterAnother) {
    const long id = make_connected();
    EXPECT_EQ(set(id, IPPROTO_TCP, TCP_NOTSENT_LOWAT, 1), 0);
    Stream& s = stream(id);
    s.piece_segments.store(4);
    s.send_limit.store(100'000);
    const std::string text(20'000, 'x');
    EXPECT_EQ(write(id, text), 4 * 1460);
    s.sent.store(s.written);
    stack.tells_sent = true;
    EXPECT_EQ(write(id, text), 20'000);
}

TEST_F(OptionsTest, Ioctls) {
    const long id = make_connected();
    stack.deliver(index(id), "12345");
    int value = 0;
    EXPECT_EQ(control_socket(*app, d(id), FIONREAD, value), 0);
    EXPECT_EQ(value, 5);
    EXPECT_EQ(write(id, "1234567"), 7);
    EXPECT_EQ(control_socket(*app, d(id), SIOCOUTQ, value), 0);
    EXPECT_EQ(value, 7);
    EXPECT_EQ(control_socket(*app, d(id), SIOCATMARK, value), 0);
    EXPECT_EQ(value, 0);
    EXPECT_EQ(control_socket(*app, d(id), FIONBIO, value), 0);
    EXPECT_EQ(d(id).non_blocking, 0);
    value = 1;
    EXPECT_EQ(control_socket(*app, d(id), FIONBIO, value), 0);
    EXPECT_EQ(d(id).non_blocking, 1);
    EXPECT_EQ(control_socket(*app, d(id), 0x9999, value), -EINVAL);
}

}  // namespace
}  // namespace mtcp::socket::testing
