// SPDX-License-Identifier: Apache-2.0
// Finding the call, judging its answer; the life of sockets.
#include "tests/ladder/calls.h"

#include <fcntl.h>

#include "tests/ladder/constants.h"
#include "tests/ladder/packet_codec.h"

namespace mtcp::ladder {

Calls::Calls(CallWorld& world)
    : world_(world),
      handlers_{{"socket", &Calls::make_socket},
                {"bind", &Calls::bind},
                {"listen", &Calls::listen},
                {"accept", &Calls::accept},
                {"connect", &Calls::connect},
                {"shutdown", &Calls::shutdown},
                {"close", &Calls::close},
                {"fcntl", &Calls::fcntl},
                {"read", &Calls::receive},
                {"recv", &Calls::receive},
                {"recvfrom", &Calls::receive},
                {"write", &Calls::send},
                {"send", &Calls::send},
                {"sendto", &Calls::send},
                {"sendmsg", &Calls::send_message},
                {"ioctl", &Calls::ioctl},
                {"setsockopt", &Calls::set_option},
                {"getsockopt", &Calls::get_option},
                {"poll", &Calls::poll},
                {"epoll_create", &Calls::make_epoll},
                {"epoll_ctl", &Calls::control_epoll},
                {"epoll_wait", &Calls::wait_epoll}} {}

std::string Calls::run(const CallStep& call) {
    const auto handler = handlers_.find(call.name);
    if (handler == handlers_.end()) return "the call " + call.name + " is not known here";
    return judge(call, (this->*handler->second)(call));
}

std::string Calls::judge(const CallStep& call, const Answer& answer) const {
    const bool failed = answer.value < 0;
    const std::string got =
        failed ? "-1 " + errno_name(static_cast<int>(-answer.value)) : std::to_string(answer.value);
    if (call.result.kind != Expression::Kind::ellipsis) {
        const auto wanted = evaluate(call.result);
        if (!wanted) return "the expected result is not understood";
        const bool same = failed ? *wanted == -1 : *wanted == answer.value;
        if (!same) return "answered " + got;
        if (failed && !call.error.empty() &&
            errno_of(call.error) != static_cast<int>(-answer.value)) {
            return "answered " + got;
        }
    }
    return answer.complaint;
}

std::int64_t Calls::number(const CallStep& call, std::size_t argument) const {
    if (argument >= call.arguments.size()) return 0;
    const Expression& expression = call.arguments[argument];
    // [1]: a value behind a pointer.
    if (expression.kind == Expression::Kind::list && expression.items.size() == 1) {
        return evaluate(expression.items[0]).value_or(0);
    }
    return evaluate(expression).value_or(0);
}

Calls::Socket& Calls::socket(const CallStep& call, std::size_t argument) {
    const auto found = sockets_.find(number(call, argument));
    return found == sockets_.end() ? nobody_ : found->second;
}

void Calls::remember(const CallStep& call, long live) {
    const auto name = evaluate(call.result);
    if (live < 0 || !name || *name < 0) return;
    sockets_[*name] = Socket{.live = static_cast<int>(live)};
}

int Calls::script_number(int live) const {
    for (const auto& [name, socket] : sockets_) {
        if (socket.live == live) return static_cast<int>(name);
    }
    return live;
}

Calls::Answer Calls::make_socket(const CallStep& call) {
    const bool never = (number(call, 1) & SOCK_NONBLOCK) != 0;
    const long live =
        world_.sockets().make(never ? sim::Blocking::never_blocks : sim::Blocking::blocks);
    if (live < 0) return {live, ""};
    remember(call, live);
    return {number(CallStep{.arguments = {call.result}}, 0), ""};
}

Calls::Answer Calls::bind(const CallStep& call) {
    return {world_.sockets().bind(socket(call).live, {kLocalAddress, kServicePort}), ""};
}

Calls::Answer Calls::listen(const CallStep& call) {
    return {world_.sockets().listen(socket(call).live, static_cast<int>(number(call, 1))), ""};
}

Calls::Answer Calls::accept(const CallStep& call) {
    wire::Endpoint peer;
    const long live = world_.sockets().accept(socket(call).live, peer);
    if (live < 0) return {live, ""};
    remember(call, live);
    last_opened_ = static_cast<int>(live);
    world_.on_open(last_opened_);
    return {number(CallStep{.arguments = {call.result}}, 0), ""};
}

Calls::Answer Calls::connect(const CallStep& call) {
    const int live = socket(call).live;
    last_opened_ = live;
    const bool names_nobody = call.arguments.size() > 1 &&
                              call.arguments[1].kind != Expression::Kind::ellipsis &&
                              number(call, 1) == AF_UNSPEC;
    if (names_nobody) return {world_.sockets().disconnect(live), ""};
    const long answer = world_.sockets().connect(live, {kRemoteAddress, kServicePort});
    if (answer == 0) world_.on_open(live);
    return {answer, ""};
}

Calls::Answer Calls::shutdown(const CallStep& call) {
    return {world_.sockets().shutdown(socket(call).live, static_cast<int>(number(call, 1))), ""};
}

Calls::Answer Calls::close(const CallStep& call) {
    const long answer = world_.sockets().close(socket(call).live);
    sockets_.erase(number(call, 0));
    return {answer, ""};
}

Calls::Answer Calls::fcntl(const CallStep& call) {
    sim::Sockets& sockets = world_.sockets();
    const int live = socket(call).live;
    if (!sockets.is_open(live)) return {-EBADF, ""};
    if (number(call, 1) == F_GETFL)
        return {O_RDWR | (sockets.never_blocks(live) ? O_NONBLOCK : 0), ""};
    const bool never = (number(call, 2) & O_NONBLOCK) != 0;
    sockets.set_blocking(live, never ? sim::Blocking::never_blocks : sim::Blocking::blocks);
    return {0, ""};
}

}  // namespace mtcp::ladder
