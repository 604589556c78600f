// SPDX-License-Identifier: Apache-2.0
// Socket options, poll and epoll.
#include <sys/socket.h>
#include <sys/time.h>

#include <algorithm>

#include "tests/ladder/calls.h"
#include "tests/ladder/constants.h"

namespace mtcp::ladder {
namespace {

std::int64_t field(const Expression& record, std::string_view name, std::size_t position) {
    for (std::size_t i = 0; i < record.items.size(); ++i) {
        if (record.names[i] == name || (record.names[i].empty() && i == position)) {
            return evaluate(record.items[i]).value_or(0);
        }
    }
    return 0;
}

template <typename T>
std::span<const std::byte> bytes_of(const T& value) {
    return std::as_bytes(std::span(&value, 1));
}

std::string bits_text(std::int64_t found, std::int64_t wanted) {
    return "events " + std::to_string(found) + ", not " + std::to_string(wanted);
}

}  // namespace

// setsockopt(4, SOL_TCP, TCP_NODELAY, [1], 4), ... SO_LINGER, {onoff=1, linger=0}, 8)
Calls::Answer Calls::set_option(const CallStep& call) {
    const int live = socket(call).live;
    const int level = static_cast<int>(number(call, 1));
    const int name = static_cast<int>(number(call, 2));
    const Expression& value = call.arguments[3];
    if (value.kind == Expression::Kind::string) {
        const std::span<const char> text(value.text);
        return {world_.sockets().set_option(live, level, name, std::as_bytes(text)), ""};
    }
    if (value.kind == Expression::Kind::record && name == SO_LINGER) {
        const linger option{.l_onoff = static_cast<int>(field(value, "onoff", 0)),
                            .l_linger = static_cast<int>(field(value, "linger", 1))};
        return {world_.sockets().set_option(live, level, name, bytes_of(option)), ""};
    }
    const bool time = level == SOL_SOCKET && (name == SO_RCVTIMEO || name == SO_SNDTIMEO);
    if (time) {
        const timeval option{.tv_sec = field(value, "tv_sec", 0),
                             .tv_usec = field(value, "tv_usec", 1)};
        return {world_.sockets().set_option(live, level, name, bytes_of(option)), ""};
    }
    const int option = static_cast<int>(number(call, 3));
    const auto length = static_cast<std::size_t>(number(call, 4));
    const auto bytes = bytes_of(option);
    return {
        world_.sockets().set_option(live, level, name, bytes.first(std::min(length, bytes.size()))),
        ""};
}

// getsockopt(4, SOL_SOCKET, SO_ERROR, [ECONNRESET], [4])
Calls::Answer Calls::get_option(const CallStep& call) {
    int value = 0;
    const long answer = world_.sockets().get_option(
        socket(call).live, static_cast<int>(number(call, 1)), static_cast<int>(number(call, 2)),
        std::as_writable_bytes(std::span(&value, 1)));
    if (answer < 0) return {answer, ""};
    const Expression& wanted = call.arguments[3];
    if (wanted.kind != Expression::Kind::list || wanted.items.empty() ||
        wanted.items[0].kind == Expression::Kind::ellipsis) {
        return {answer, ""};
    }
    std::int64_t number_wanted = number(call, 3);
    if (const auto error = errno_of(wanted.items[0].text); error) number_wanted = *error;
    return {answer, value == number_wanted ? "" : "gave " + std::to_string(value)};
}

// poll([{fd=4, events=POLLIN, revents=POLLIN}], 1, 0)
Calls::Answer Calls::poll(const CallStep& call) {
    std::vector<socket::PollEntry> entries;
    const std::vector<Expression>& records = call.arguments[0].items;
    for (const Expression& record : records) {
        const auto known = sockets_.find(field(record, "fd", 0));
        entries.push_back({.descriptor = known == sockets_.end() ? -1 : known->second.live,
                           .wanted = static_cast<std::int16_t>(field(record, "events", 1)),
                           .found = 0});
    }
    const long answer = world_.sockets().poll(entries, static_cast<int>(number(call, 2)));
    for (std::size_t i = 0; i < entries.size() && answer >= 0; ++i) {
        const std::int64_t wanted = field(records[i], "revents", 2);
        if (entries[i].found != wanted) return {answer, bits_text(entries[i].found, wanted)};
    }
    return {answer, ""};
}

Calls::Answer Calls::make_epoll(const CallStep& call) {
    const long live = world_.sockets().make_epoll();
    if (live < 0) return {live, ""};
    remember(call, live);
    return {number(CallStep{.arguments = {call.result}}, 0), ""};
}

// epoll_ctl(5, EPOLL_CTL_ADD, 4, {events=EPOLLIN, fd=4})
Calls::Answer Calls::control_epoll(const CallStep& call) {
    socket::EpollEvent event{};
    if (call.arguments.size() > 3 && call.arguments[3].kind == Expression::Kind::record) {
        event.events = static_cast<std::uint32_t>(field(call.arguments[3], "events", 0));
        event.data = static_cast<std::uint64_t>(
            call.arguments[3].names.size() > 1 ? evaluate(call.arguments[3].items[1]).value_or(0)
                                               : 0);
    }
    return {world_.sockets().watch(socket(call).live,
                                   static_cast<socket::EpollOperation>(number(call, 1)),
                                   socket(call, 2).live, event),
            ""};
}

// epoll_wait(5, {events=EPOLLIN, fd=4}, 1, 0): the one event that is expected
Calls::Answer Calls::wait_epoll(const CallStep& call) {
    std::vector<socket::EpollEvent> events(
        static_cast<std::size_t>(std::max<std::int64_t>(1, number(call, 2))));
    const long answer =
        world_.sockets().wait(socket(call).live, events, static_cast<int>(number(call, 3)));
    const Expression& wanted = call.arguments[1];
    if (answer <= 0 || wanted.kind != Expression::Kind::record) return {answer, ""};
    const std::int64_t bits = field(wanted, "events", 0);
    if (events[0].events != bits) return {answer, bits_text(events[0].events, bits)};
    return {answer, ""};
}

}  // namespace mtcp::ladder
