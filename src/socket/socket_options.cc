// SPDX-License-Identifier: Apache-2.0
// One table of integer options, and the few that have a shape of their own.
#include "socket/socket_options.h"

#include <linux/sockios.h>
#include <netinet/in.h>
#include <sys/ioctl.h>
#include <sys/time.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <limits>

#include "socket/fast_open.h"
#include "socket/listen_socket.h"
#include "socket/readiness.h"
#include "socket/send_buffer.h"
#include "socket/stream_socket.h"
#include "socket/tcp_info.h"

// The C library's header is older.
#ifndef TCP_INQ
#define TCP_INQ 36
#endif

namespace mtcp::socket {
namespace {

// Of buffers, as set: in socket(7) half of SOCK_MIN_RCVBUF and SOCK_MIN_SNDBUF.
constexpr std::uint32_t kReceiveBufferMin = 1152;
constexpr std::uint32_t kSendBufferMin = 2304;
constexpr std::uint32_t kBufferMax = 64 << 20;
constexpr int kMssUnconnected = 536;  // RFC 9293 MUST-15

// What an integer option needs to do its work.
struct Access {
    Application& app;
    Descriptor& d;
    DescriptorDetails& details;
};

struct IntegerOption {
    int level;
    int name;
    std::int64_t least;  // of the value; outside: -EINVAL
    std::int64_t most;
    int (*get)(const Access&);              // nullptr: write-only
    void (*set)(const Access&, int value);  // nullptr: read-only
    bool of_connection;                     // the stack must learn of a change
    std::int64_t unset = INT64_MAX;         // an int outside of these: as if it was never set
};

constexpr std::int64_t kAny = std::numeric_limits<int>::max();
constexpr std::int64_t kAnyNegative = std::numeric_limits<int>::min();

// socket(7): what is set is doubled, the half being the kernel's overhead, and read as doubled. A
// negative number is a large one, as for the kernel.
//
// Of the receive buffer, where the half is never payload, we keep the other half; the send buffer
// is counted with overhead (kPieceOverhead) and kept doubled.
//
// TCP_WINDOW_CLAMP bounds the window, and so the buffer, which then does not grow by itself.
void bound_receive_buffer(const Access& a) {
    const std::uint32_t set = a.details.receive_buffer_set;
    const std::uint32_t clamp = a.details.window_clamp;
    tcp::Settings& settings = a.details.settings;
    settings.receive_fixed = set != 0 || clamp != 0 ? 1 : 0;
    settings.receive_buffer = settings.receive_fixed == 0 ? a.app.view().defaults.receive_buffer
                              : clamp == 0                ? set
                              : set == 0                  ? clamp
                                                          : std::min(set, clamp);
}

void set_receive_buffer(const Access& a, int value) {
    a.details.receive_buffer_set =
        std::clamp(static_cast<std::uint32_t>(value), kReceiveBufferMin, kBufferMax);
    bound_receive_buffer(a);
}

// tcp(7): no less than half of SOCK_MIN_RCVBUF; 0 ends it.
void set_window_clamp(const Access& a, int value) {
    a.details.window_clamp =
        value == 0 ? 0
                   : std::clamp(static_cast<std::uint32_t>(value), kReceiveBufferMin, kBufferMax);
    bound_receive_buffer(a);
}

// tcp(7): two minutes at most; a negative time is none at all.
void set_linger2(const Access& a, int value) { a.details.linger2_s = std::clamp(value, -1, 120); }

// TCP_DEFER_ACCEPT is counted in SYN-ACKs: the time after which that many have been sent. tcp(7).
int time_of_tries(std::uint16_t wanted_s) {
    constexpr int kFirst_s = 1;
    constexpr int kMost_s = 120;
    constexpr int kTriesMax = 255;
    int passed_s = 0;
    int next_s = kFirst_s;
    for (int tries = 0; passed_s < wanted_s && tries < kTriesMax; ++tries) {
        passed_s += next_s;
        next_s = std::min(2 * next_s, kMost_s);
    }
    return passed_s;
}

void set_send_buffer(const Access& a, int value) {
    a.details.settings.send_buffer =
        2 * std::clamp(static_cast<std::uint32_t>(value), kSendBufferMin, kBufferMax);
    a.details.settings.send_fixed = 1;
    if (a.d.kind != DescriptorKind::stream || a.d.connection == kNoIndex) return;
    Stream& s = a.app.stream(a.d);
    s.send_limit.store(a.details.settings.send_buffer, std::memory_order_relaxed);
    begin_pieces(s);
    a.app.raise(a.d, EpollBits::writable);
}

// All ones: no limit, whatever the configuration says.
void set_low_water(const Access& a, int value) {
    a.details.not_sent_low_water = static_cast<std::uint32_t>(value);
    if (a.d.kind != DescriptorKind::stream || a.d.connection == kNoIndex) return;
    set_low_water(a.app.stream(a.d), a.details.not_sent_low_water);
    a.app.raise(a.d, EpollBits::writable);
}

// What was never set is not doubled, either, as for the kernel.
int get_receive_buffer(const Access& a) {
    const std::uint32_t set = a.details.receive_buffer_set;
    return static_cast<int>(set != 0 ? 2 * set : a.app.view().defaults.receive_buffer);
}

tcp::Status ask_status(const Access& a) {
    tcp::Status status;
    if (a.d.kind == DescriptorKind::stream && a.d.connection != kNoIndex) {
        a.app.post({.kind = RequestKind::status,
                    .index = a.d.connection,
                    .value = reinterpret_cast<std::uint64_t>(&status)});
        a.app.run_stack();
    }
    return status;
}

int get_mss(const Access& a) {
    if (a.d.kind == DescriptorKind::stream && is_connected(a.app, a.d)) {
        return ask_status(a).send_mss;  // as the path is now
    }
    return a.details.settings.maximum_segment != 0 ? a.details.settings.maximum_segment
                                                   : kMssUnconnected;
}

int get_syn_retries(const Access& a) {
    const int set = a.details.settings.syn_retries;
    return set != 0 ? set : a.app.view().syn_retries;
}

void set_time_to_live(const Access& a, int value) {
    const std::uint8_t fallback = a.app.view().defaults.time_to_live;
    a.details.settings.time_to_live = value > 0 ? static_cast<std::uint8_t>(value) : fallback;
}

void publish_listener(const Access& a) {
    if (a.d.kind == DescriptorKind::listener) change_listener(a.app, a.d, a.d.listener->backlog);
}

// A getter and a setter of one field of the settings.
#define MTCP_SETTING_GET(field) \
    [](const Access& a) -> int { return static_cast<int>(a.details.settings.field); }
#define MTCP_SETTING_SET(field, type) \
    [](const Access& a, int value) { a.details.settings.field = static_cast<type>(value); }
#define MTCP_SETTING(field, type) MTCP_SETTING_GET(field), MTCP_SETTING_SET(field, type), true
// A switch of the socket that the stack need not know.
#define MTCP_DETAIL(field)                                  \
    [](const Access& a) -> int { return a.details.field; }, \
        [](const Access& a, int value) { a.details.field = value != 0 ? 1 : 0; }, false
#define MTCP_SWITCH(field)   \
    MTCP_SETTING_GET(field), \
        [](const Access& a, int value) { a.details.settings.field = value != 0 ? 1 : 0; }, true

constexpr IntegerOption kOptions[] = {
    {SOL_SOCKET, SO_TYPE, 0, 0, [](const Access&) -> int { return SOCK_STREAM; }, nullptr, false},
    {SOL_SOCKET, SO_DOMAIN, 0, 0, [](const Access&) -> int { return AF_INET; }, nullptr, false},
    {SOL_SOCKET, SO_PROTOCOL, 0, 0, [](const Access&) -> int { return IPPROTO_TCP; }, nullptr,
     false},
    {SOL_SOCKET, SO_ACCEPTCONN, 0, 0,
     [](const Access& a) -> int { return a.d.kind == DescriptorKind::listener ? 1 : 0; }, nullptr,
     false},
    {SOL_SOCKET, SO_ERROR, 0, 0, [](const Access& a) -> int { return take_error(a.app, a.d); },
     nullptr, false},
    {SOL_SOCKET, SO_REUSEADDR, kAnyNegative, kAny,
     [](const Access& a) -> int { return a.details.reuse_address; },
     [](const Access& a, int value) { a.details.reuse_address = value != 0 ? 1 : 0; }, false},
    {SOL_SOCKET, SO_REUSEPORT, kAnyNegative, kAny,
     [](const Access& a) -> int { return a.details.reuse_port; },
     [](const Access& a, int value) { a.details.reuse_port = value != 0 ? 1 : 0; }, false},
    // Urgent data is always in line (RFC 6093 §4.3).
    {SOL_SOCKET, SO_OOBINLINE, 1, 1, [](const Access&) -> int { return 1; },
     [](const Access&, int) {}, false},
    // RFC 9293 MUST-24, MAY-5.
    {SOL_SOCKET, SO_KEEPALIVE, kAnyNegative, kAny, MTCP_SWITCH(keepalive)},
    {SOL_SOCKET, SO_RCVBUF, kAnyNegative, kAny, get_receive_buffer, set_receive_buffer, true},
    {SOL_SOCKET, SO_RCVBUFFORCE, kAnyNegative, kAny, nullptr, set_receive_buffer, true},
    {SOL_SOCKET, SO_SNDBUF, kAnyNegative, kAny, MTCP_SETTING_GET(send_buffer), set_send_buffer,
     true},
    {SOL_SOCKET, SO_SNDBUFFORCE, kAnyNegative, kAny, nullptr, set_send_buffer, true},
    // One byte wakes a reader, and a writer, on all systems that let it be set at all.
    {SOL_SOCKET, SO_RCVLOWAT, 0, 1, [](const Access&) -> int { return 1; },
     [](const Access&, int) {}, false},
    {SOL_SOCKET, SO_SNDLOWAT, 0, 0, [](const Access&) -> int { return 1; }, nullptr, false},
    {SOL_SOCKET, SO_ZEROCOPY, 0, 1, MTCP_DETAIL(zero_copy)},
    // Programs set these for every socket; they are remembered.
    {SOL_SOCKET, SO_BROADCAST, kAnyNegative, kAny, MTCP_DETAIL(broadcast)},
    {SOL_SOCKET, SO_PRIORITY, kAnyNegative, kAny,
     [](const Access& a) -> int { return a.details.priority; },
     [](const Access& a, int value) { a.details.priority = value; }, false},
    {SOL_SOCKET, SO_MARK, kAnyNegative, kAny,
     [](const Access& a) -> int { return static_cast<int>(a.details.mark); },
     [](const Access& a, int value) { a.details.mark = static_cast<std::uint32_t>(value); }, false},
    {SOL_SOCKET, SO_BUSY_POLL, 0, kAny,
     [](const Access& a) -> int { return a.details.busy_poll_us; },
     [](const Access& a, int value) { a.details.busy_poll_us = value; }, false},
    {IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, kAnyNegative, kAny, MTCP_DETAIL(late_port)},
    {IPPROTO_TCP, TCP_INQ, 0, 1, MTCP_DETAIL(reports_inq)},
    {IPPROTO_TCP, TCP_NODELAY, kAnyNegative, kAny, MTCP_SWITCH(no_delay)},
    {IPPROTO_TCP, TCP_CORK, kAnyNegative, kAny, MTCP_SWITCH(cork)},
    // tcp(7). Never set: quick at first; 0: never; else always.
    {IPPROTO_TCP, TCP_QUICKACK, kAnyNegative, kAny,
     [](const Access& a) -> int { return a.details.settings.quick_start; },
     [](const Access& a, int value) {
         a.details.settings.quick_ack = a.details.settings.quick_start = value != 0 ? 1 : 0;
     },
     true},
    {IPPROTO_TCP, TCP_MAXSEG, 88, 32'767, get_mss, MTCP_SETTING_SET(maximum_segment, std::uint16_t),
     true, 0},
    // RFC 9293 MUST-27.
    {IPPROTO_TCP, TCP_KEEPIDLE, 1, 32'767, MTCP_SETTING(keepalive_idle_s, std::uint16_t)},
    {IPPROTO_TCP, TCP_KEEPINTVL, 1, 32'767, MTCP_SETTING(keepalive_interval_s, std::uint16_t)},
    {IPPROTO_TCP, TCP_KEEPCNT, 1, 127, MTCP_SETTING_GET(keepalive_count),
     [](const Access& a, int value) { a.details.settings.keepalive_count = value & 127; }, true},
    {IPPROTO_TCP, TCP_USER_TIMEOUT, 0, kAny, MTCP_SETTING(user_timeout_ms, std::uint32_t)},
    {IPPROTO_TCP, TCP_SYNCNT, 1, 127, get_syn_retries,
     [](const Access& a, int value) { a.details.settings.syn_retries = value & 127; }, true},
    {IPPROTO_TCP, TCP_LINGER2, kAnyNegative, kAny,
     [](const Access& a) -> int {
         return a.details.linger2_s != 0 ? a.details.linger2_s : a.app.view().fin_wait_2_s;
     },
     set_linger2, false},
    {IPPROTO_TCP, TCP_WINDOW_CLAMP, 0, kAny,
     [](const Access& a) -> int { return static_cast<int>(a.details.window_clamp); },
     set_window_clamp, true},
    {IPPROTO_TCP, TCP_DEFER_ACCEPT, 0, 65'535,
     [](const Access& a) -> int { return time_of_tries(a.details.defer_accept_s); },
     [](const Access& a, int value) {
         a.details.defer_accept_s = static_cast<std::uint16_t>(value);
         publish_listener(a);
     },
     false},
    {IPPROTO_TCP, TCP_FASTOPEN, 0, kAny,
     [](const Access& a) -> int { return static_cast<int>(a.details.fast_open_limit); },
     [](const Access& a, int value) {
         a.details.fast_open_limit =
             std::min(static_cast<std::uint32_t>(value), a.app.table().capacity());
         publish_listener(a);
     },
     false},
    // The stack learns of it, and tells what has left so far.
    {IPPROTO_TCP, TCP_NOTSENT_LOWAT, kAnyNegative, kAny,
     [](const Access& a) -> int { return static_cast<int>(a.details.not_sent_low_water); },
     set_low_water, true},
    {IPPROTO_TCP, TCP_FASTOPEN_CONNECT, 0, 1,
     [](const Access& a) -> int { return a.details.fast_open_connect; },
     [](const Access& a, int value) { a.details.fast_open_connect = value != 0 ? 1 : 0; }, false},
    {IPPROTO_TCP, TCP_FASTOPEN_NO_COOKIE, 0, 1,
     [](const Access& a) -> int { return a.details.fast_open_no_cookie; },
     [](const Access& a, int value) { a.details.fast_open_no_cookie = value != 0 ? 1 : 0; }, false},
    // The last two bits are ECN's (ip(7)).
    {IPPROTO_IP, IP_TOS, 0, 255, MTCP_SETTING_GET(type_of_service),
     [](const Access& a, int value) {
         a.details.settings.type_of_service = static_cast<std::uint8_t>(value & ~3);
     },
     true},
    {IPPROTO_IP, IP_MTU_DISCOVER, IP_PMTUDISC_DONT, IP_PMTUDISC_OMIT,
     MTCP_SETTING_GET(path_discovery),
     [](const Access& a, int value) {
         a.details.settings.path_discovery = static_cast<std::uint8_t>(value & 7);
     },
     true},
    {IPPROTO_IP, IP_TTL, 1, 255, MTCP_SETTING_GET(time_to_live), set_time_to_live, true, -1},
};

#undef MTCP_SWITCH
#undef MTCP_DETAIL
#undef MTCP_SETTING
#undef MTCP_SETTING_SET
#undef MTCP_SETTING_GET

const IntegerOption* find_integer(int level, int name) {
    for (const IntegerOption& option : kOptions) {
        if (option.level == level && option.name == name) return &option;
    }
    return nullptr;
}

// As the kernel, which gives as much of a value as there is room for.
template <typename T>
long answer(const T& value, std::span<std::byte> out, socklen_t& length) {
    length = static_cast<socklen_t>(std::min(out.size(), sizeof value));
    std::memcpy(out.data(), &value, length);
    return 0;
}

template <typename T>
bool read_value(std::span<const std::byte> from, T& value) {
    if (from.size() < sizeof value) return false;
    std::memcpy(&value, from.data(), sizeof value);
    return true;
}

// Options of IP may be given in one byte (ip(7)).
bool read_integer(int level, std::span<const std::byte> from, int& value) {
    if (level != IPPROTO_IP || from.empty() || from.size() >= sizeof value)
        return read_value(from, value);
    value = std::to_integer<int>(from[0]);
    return true;
}

timeval to_timeval(std::int64_t ns) {
    timeval value{};
    value.tv_sec = ns / 1'000'000'000;
    value.tv_usec = ns % 1'000'000'000 / 1'000;
    return value;
}

// The connection, and what a listener hands down, follow the settings in `details`.
void publish_settings(const Access& a, tcp::HeldBytes held = tcp::HeldBytes::stay) {
    if (a.d.kind == DescriptorKind::listener) {
        a.d.inherit = 1;  // what waits to be accepted has the old ones
        a.app.post_inherited(*a.d.listener, a.details.settings);
        a.app.kick();
    } else if (a.d.connection != kNoIndex) {
        a.app.post_settings(a.d.connection, a.details.settings, held);
        a.app.kick();
    }
}

// As Linux, for which a negative time is over at once.
long set_timeout(std::span<const std::byte> value, std::int64_t& timeout_ns) {
    timeval given{};
    if (!read_value(value, given)) return -EINVAL;
    if (given.tv_usec < 0 || given.tv_usec >= 1'000'000) return -EDOM;
    constexpr std::int64_t kMostSeconds = 1'000'000'000;
    timeout_ns = given.tv_sec < 0
                     ? 1
                     : std::min<std::int64_t>(given.tv_sec, kMostSeconds) * 1'000'000'000 +
                           given.tv_usec * 1'000;
    return 0;
}

long set_linger(DescriptorDetails& details, std::span<const std::byte> value) {
    ::linger given{};
    if (!read_value(value, given)) return -EINVAL;
    // A negative time is a large one, as for the kernel.
    constexpr std::uint32_t kMostSeconds = 1'000'000;
    const std::uint32_t wait_s = std::min(static_cast<std::uint32_t>(given.l_linger), kMostSeconds);
    details.linger_s = given.l_onoff == 0 ? -1 : static_cast<std::int32_t>(wait_s);
    return 0;
}

long get_linger(const DescriptorDetails& details, std::span<std::byte> out, socklen_t& length) {
    ::linger value{};
    value.l_onoff = details.linger_s < 0 ? 0 : 1;
    value.l_linger = std::max(details.linger_s, 0);
    return answer(value, out, length);
}

// RFC 9293 MAY-18: others are chosen per connection.
long set_congestion(const Access& a, std::span<const std::byte> value) {
    char name[16] = {};
    if (value.empty()) return -EINVAL;
    std::memcpy(name, value.data(), std::min(value.size(), sizeof name - 1));
    if (!tcp::algorithm_of(name, a.details.settings.congestion)) return -ENOENT;
    publish_settings(a);
    return 0;
}

long get_congestion(const Access& a, std::span<std::byte> out, socklen_t& length) {
    char name[16] = {};
    const char* const known = tcp::name_of(a.details.settings.congestion);
    std::memcpy(name, known, std::strlen(known));
    const std::size_t bytes = std::min(out.size(), sizeof name);
    std::memcpy(out.data(), name, bytes);
    length = static_cast<socklen_t>(bytes);
    return 0;
}

// socket(7): an unsigned int or an unsigned long; all ones: no limit. What 32 bits cannot say, 34
// Gbit/s, is no limit here.
long set_pacing_rate(const Access& a, std::span<const std::byte> value) {
    std::uint64_t rate = 0;
    std::uint32_t narrow = 0;
    if (!read_value(value, rate)) {
        if (!read_value(value, narrow)) return -EINVAL;
        rate = narrow;
    }
    a.details.settings.max_pacing_rate = rate >= UINT32_MAX ? 0 : static_cast<std::uint32_t>(rate);
    publish_settings(a);
    return 0;
}

long get_pacing_rate(const Access& a, std::span<std::byte> out, socklen_t& length) {
    std::uint32_t rate = a.details.settings.max_pacing_rate;
    if (rate == tcp::kPacedByWindow) rate = 0;
    if (out.size() >= sizeof(std::uint64_t)) {
        return answer(rate == 0 ? UINT64_MAX : std::uint64_t{rate}, out, length);
    }
    return answer(rate == 0 ? UINT32_MAX : rate, out, length);
}

// ip(7): of a connected socket.
long get_path_mtu(const Access& a, std::span<std::byte> out, socklen_t& length) {
    if (a.d.kind != DescriptorKind::stream || !is_connected(a.app, a.d)) return -ENOTCONN;
    return answer(static_cast<int>(ask_status(a).path_mtu), out, length);
}

// Empty for algorithms that have nothing to tell, as in the kernel.
long get_congestion_info(const Access& a, std::span<std::byte> out, socklen_t& length) {
    tcp_cc_info info{};
    const std::size_t bytes = std::min(out.size(), to_congestion_info(ask_status(a), info));
    std::memcpy(out.data(), &info, bytes);
    length = static_cast<socklen_t>(bytes);
    return 0;
}

// The kernel, too, answers as much of the structure as the caller has room for.
long get_tcp_info(const Access& a, std::span<std::byte> out, socklen_t& length) {
    const tcp::Status status = ask_status(a);
    const tcp_info info = a.d.kind == DescriptorKind::listener ? listening_tcp_info(*a.d.listener)
                                                               : to_tcp_info(status);
    const std::size_t bytes = std::min(out.size(), sizeof info);
    std::memcpy(out.data(), &info, bytes);
    length = static_cast<socklen_t>(bytes);
    return 0;
}

long set_fast_open_keys(const Access& a, std::span<const std::byte> value) {
    if (!read_keys(value, a.details.fast_open_keys)) return -EINVAL;
    publish_listener(a);
    return 0;
}

long get_fast_open_keys(const Access& a, std::span<std::byte> out, socklen_t& length) {
    length = static_cast<socklen_t>(write_keys(a.details.fast_open_keys, out));
    return 0;
}

// The rules of Linux about when these may be set.
long check_fast_open_option(const Access& a, int name) {
    const bool unconnected = a.d.connection == kNoIndex && a.d.deferred == 0;
    switch (name) {
        case TCP_FASTOPEN:
        case TCP_FASTOPEN_NO_COOKIE: return unconnected ? 0 : -EINVAL;
        case TCP_FASTOPEN_CONNECT:
            if (!has_fast_open(a.app, a.d)) return -EOPNOTSUPP;
            return unconnected && a.d.kind == DescriptorKind::stream ? 0 : -EINVAL;
        default: return 0;
    }
}

// Of what is sent, and on a connection: only there is a number of the first byte.
long set_timestamping(const Access& a, std::span<const std::byte> value) {
    int given = 0;
    if (!read_integer(SOL_SOCKET, value, given)) return -EINVAL;
    const auto flags = static_cast<std::uint32_t>(given);
    if ((flags & ~WriteStamps::kUnderstood) != 0) return -EINVAL;
    if (a.d.kind != DescriptorKind::stream || !is_connected(a.app, a.d)) {
        return flags == 0 ? 0 : -EINVAL;
    }
    // What the ring still holds of an earlier connection with this index is not of this one.
    if (a.d.stamps == 0) a.app.take_progress();
    Stream& s = a.app.stream(a.d);
    a.details.timestamping = flags;
    a.d.stamps = 1;
    a.app.stamps().set(a.app.table().id_of(a.d), flags,
                       s.acknowledged.load(std::memory_order_acquire));
    begin_pieces(s);
    a.app.post({.kind = RequestKind::progress, .index = a.d.connection, .value = flags});
    a.app.kick();
    return 0;
}

// tcp(7): these two let go of what is held, as often as they are set.
tcp::HeldBytes held_bytes(int level, int name, int value) {
    const bool lets_go = level == IPPROTO_TCP &&
                         ((name == TCP_NODELAY && value != 0) || (name == TCP_CORK && value == 0));
    return lets_go ? tcp::HeldBytes::leave : tcp::HeldBytes::stay;
}

bool has_options(const Descriptor& d) {
    return d.kind == DescriptorKind::stream || d.kind == DescriptorKind::listener;
}

}  // namespace

long get_option(Application& app, Descriptor& d, int level, int name, std::span<std::byte> out,
                socklen_t& length) {
    if (!has_options(d)) return -ENOTSOCK;
    DescriptorDetails seen = app.details(d);
    const Access access{app, d, seen};
    if (const IntegerOption* const option = find_integer(level, name); option != nullptr) {
        if (option->get == nullptr) return -ENOPROTOOPT;
        return answer(option->get(access), out, length);
    }
    if (level == SOL_SOCKET && name == SO_LINGER) return get_linger(access.details, out, length);
    if (level == SOL_SOCKET && name == SO_RCVTIMEO) {
        return answer(to_timeval(access.details.receive_timeout_ns), out, length);
    }
    if (level == SOL_SOCKET && name == SO_SNDTIMEO) {
        return answer(to_timeval(access.details.send_timeout_ns), out, length);
    }
    if (level == SOL_SOCKET && name == SO_TIMESTAMPING) {
        return answer(static_cast<int>(access.details.timestamping), out, length);
    }
    if (level == IPPROTO_TCP && name == TCP_FASTOPEN_KEY)
        return get_fast_open_keys(access, out, length);
    if (level == IPPROTO_TCP && name == TCP_INFO) return get_tcp_info(access, out, length);
    if (level == IPPROTO_TCP && name == TCP_CONGESTION) return get_congestion(access, out, length);
    if (level == IPPROTO_TCP && name == TCP_CC_INFO)
        return get_congestion_info(access, out, length);
    if (level == SOL_SOCKET && name == SO_MAX_PACING_RATE)
        return get_pacing_rate(access, out, length);
    if (level == IPPROTO_IP && name == IP_MTU) return get_path_mtu(access, out, length);
    return -ENOPROTOOPT;
}

long set_option(Application& app, Descriptor& d, int level, int name,
                std::span<const std::byte> value) {
    if (!has_options(d)) return -ENOTSOCK;
    const Access access{app, d, app.own_details(d)};
    if (const IntegerOption* const option = find_integer(level, name); option != nullptr) {
        int given = 0;
        if (option->set == nullptr) return -ENOPROTOOPT;
        if (!read_integer(level, value, given)) return -EINVAL;
        if ((given < option->least || given > option->most) && given != option->unset)
            return -EINVAL;
        if (level == IPPROTO_TCP) {
            if (const long wrong = check_fast_open_option(access, name); wrong != 0) return wrong;
        }
        option->set(access, given);
        if (option->of_connection) publish_settings(access, held_bytes(level, name, given));
        return 0;
    }
    if (level == SOL_SOCKET && name == SO_LINGER) return set_linger(access.details, value);
    if (level == SOL_SOCKET && name == SO_RCVTIMEO)
        return set_timeout(value, access.details.receive_timeout_ns);
    if (level == SOL_SOCKET && name == SO_SNDTIMEO)
        return set_timeout(value, access.details.send_timeout_ns);
    if (level == SOL_SOCKET && name == SO_TIMESTAMPING) return set_timestamping(access, value);
    if (level == IPPROTO_TCP && name == TCP_FASTOPEN_KEY) return set_fast_open_keys(access, value);
    if (level == IPPROTO_TCP && name == TCP_CONGESTION) return set_congestion(access, value);
    if (level == SOL_SOCKET && name == SO_MAX_PACING_RATE) return set_pacing_rate(access, value);
    return -ENOPROTOOPT;
}

namespace {

// What still waits here, and what the stack has not sent.
std::uint32_t unsent_bytes(Application& app, Descriptor& d) {
    if (d.kind != DescriptorKind::stream || d.connection == kNoIndex) return 0;
    DescriptorDetails seen = app.details(d);
    const tcp::Status status = ask_status({app, d, seen});  // after this turn nothing waits here
    return static_cast<std::uint32_t>(status.unsent_bytes);
}

}  // namespace

long control_socket(Application& app, Descriptor& d, int request, int& argument) {
    if (request == FIONBIO) {
        d.non_blocking = argument != 0 ? 1 : 0;
        return 0;
    }
    if (d.kind == DescriptorKind::listener || d.kind == DescriptorKind::epoll) return -EINVAL;
    switch (static_cast<unsigned>(request)) {
        case FIONREAD: argument = static_cast<int>(readable_bytes(app, d)); return 0;
        case SIOCATMARK: argument = at_urgent_mark(app, d) ? 1 : 0; return 0;
        case SIOCOUTQNSD: argument = static_cast<int>(unsent_bytes(app, d)); return 0;
        case SIOCOUTQ: argument = static_cast<int>(unacknowledged_bytes(app, d)); return 0;
        default: return -EINVAL;
    }
}

}  // namespace mtcp::socket
