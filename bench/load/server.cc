// SPDX-License-Identifier: Apache-2.0
// Accepting, answering, closing.
#include "load/server.h"

#include <netinet/tcp.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "load/forms.h"
#include "ticks.h"

namespace bench {
namespace {

constexpr std::size_t kBuffer = 256 * 1024;
constexpr std::uint32_t kWritableAtOnce = 16 * 1024;  // responses up to here find room

}  // namespace

int make_listener(net::Context context, const Plan& plan, int shared_port) {
    const int listener = net::socket(context, AF_INET, SOCK_STREAM, 0);
    if (listener < 0) return -1;
    net::set_nonblocking(context, listener);
    net::set_option(context, listener, SOL_SOCKET, SO_REUSEADDR, 1);
    if (shared_port != 0) net::set_option(context, listener, SOL_SOCKET, SO_REUSEPORT, 1);
    net::set_option(context, listener, IPPROTO_TCP, TCP_NODELAY, 1);
    if (net::bind(context, listener, net::address_of(INADDR_ANY, plan.port)) != 0 ||
        net::listen(context, listener, plan.backlog) != 0) {
        return -1;
    }
    return listener;
}

Server::Server(net::Context context, const Plan& plan, int listener)
    : context_(context),
      plan_(plan),
      listener_(listener),
      events_(static_cast<std::size_t>(plan.batch)),
      accepted_(static_cast<std::size_t>(plan.batch)),
      buffer_(kBuffer),
      page_(std::max<std::size_t>(plan.response, kBuffer), 'r'),
      interest_(net::kIn | net::kReadHangUp | net::kEdge) {
    if (plan.flow == Flow::download || plan.response > kWritableAtOnce) interest_ |= net::kOut;
}

std::string Server::start() {
    epoll_ = net::epoll_create(context_, plan_.batch);
    if (epoll_ < 0 || net::watch(context_, epoll_, net::kAdd, listener_, net::kIn,
                                 static_cast<std::uint64_t>(listener_)) != 0) {
        return std::string("the server cannot watch its listener: ") + std::strerror(errno);
    }
    return {};
}

void Server::step(int timeout_ms) {
    const std::uint64_t begin = plan_.stages ? ticks() : 0;
    const int count = net::epoll_wait(context_, epoll_, events_.data(), plan_.batch, timeout_ms);
    if (plan_.stages) tally_.wait_ticks += ticks() - begin;
    ++tally_.waits;
    if (count <= 0) {
        ++tally_.waits_empty;
        return;
    }
    tally_.events += static_cast<std::uint64_t>(count);
    const auto events = static_cast<std::size_t>(count);
    for (std::size_t i = 0; i < events; ++i) {
        if (i + kEventsAhead < events) {
            __builtin_prefetch(connections_.data() + events_[i + kEventsAhead].data.u64, 1);
        }
        const int socket = static_cast<int>(events_[i].data.u64);
        if (socket == listener_) {
            accept_all();
        } else {
            on_event(socket, events_[i].events);
        }
    }
}

void Server::reserve(std::size_t sockets) { connections_.resize(sockets); }

void Server::accept_all() {
    // What is left over is reported again by the next wait.
    const int count = accept_some(context_, listener_, accepted_, plan_.form);
    for (std::size_t i = 0; i < static_cast<std::size_t>(count); ++i) {
        const int socket = accepted_[i];
        if (static_cast<std::size_t>(socket) >= connections_.size()) {
            connections_.resize(static_cast<std::size_t>(socket) * 2 + 64);
        }
        at(socket) = Connection{};
        ++tally_.opened;
        if (plan_.flow == Flow::download) at(socket).to_send = UINT64_MAX;
        net::watch(context_, epoll_, net::kAdd, socket, interest_,
                   static_cast<std::uint64_t>(socket));
    }
}

void Server::on_event(int socket, std::uint32_t events) {
    if ((events & net::kError) != 0) {
        if (plan_.closer != Closer::reset) ++tally_.failed;
        end(socket);
        return;
    }
    if ((events & net::kOut) != 0 && at(socket).to_send != 0 && !send_rest(socket)) return;
    if ((events & (net::kIn | net::kReadHangUp | net::kHangUp)) != 0) {
        static_cast<void>(read_requests(socket, events));
    }
}

// False: the connection is gone.
bool Server::read_requests(int socket, std::uint32_t events) {
    while (true) {
        const Received received = receive_some(context_, socket, buffer_, plan_.form);
        if (received.bytes < 0 && errno == EAGAIN) return true;
        if (received.bytes <= 0) {
            if (received.bytes < 0 && plan_.closer != Closer::reset) ++tally_.failed;
            end(socket);
            return false;
        }
        const auto bytes = static_cast<std::size_t>(received.bytes);
        tally_.bytes_in += bytes;
        if (plan_.flow == Flow::requests) {
            std::size_t left = bytes + at(socket).received;
            for (; left >= plan_.request; left -= plan_.request) {
                if (!answer(socket)) return false;
            }
            at(socket).received = static_cast<std::uint32_t>(left);
        }
        // Edge-triggered: a read that was cut short by the buffer, and an end that has come
        // already, are not reported again.
        if (received.drained && (events & net::kReadHangUp) == 0) return true;
    }
}

// False: the connection is gone.
bool Server::answer(int socket) {
    Connection& connection = at(socket);
    ++connection.answered;
    ++tally_.messages;
    if (plan_.form == Form::batch && plan_.closer == Closer::server &&
        connection.answered == plan_.messages && connection.to_send == 0) {
        return answer_and_close(socket);
    }
    connection.to_send += plan_.response;
    if (connection.to_send == plan_.response) {  // nothing waited before this
        return send_rest(socket);
    }
    return true;
}

// False: the connection is gone.
bool Server::answer_and_close(int socket) {
    const ssize_t sent = send_and_close(context_, socket, page_.data(), plan_.response);
    if (sent == static_cast<ssize_t>(plan_.response)) {
        tally_.bytes_out += static_cast<std::uint64_t>(sent);
        forget(socket);
        return false;
    }
    const std::size_t taken = sent < 0 ? 0 : static_cast<std::size_t>(sent);
    tally_.bytes_out += taken;
    at(socket).to_send = plan_.response - taken;
    return send_rest(socket);
}

// False: the connection is gone.
bool Server::send_rest(int socket) {
    Connection& connection = at(socket);
    while (connection.to_send != 0) {
        const std::size_t size =
            static_cast<std::size_t>(std::min<std::uint64_t>(connection.to_send, page_.size()));
        const ssize_t sent = net::write(context_, socket, page_.data(), size);
        if (sent < 0) {
            if (errno == EAGAIN) return true;
            if (plan_.closer != Closer::reset) ++tally_.failed;
            end(socket);
            return false;
        }
        tally_.bytes_out += static_cast<std::uint64_t>(sent);
        if (plan_.flow != Flow::download) {
            connection.to_send -= static_cast<std::uint64_t>(sent);
        }
    }
    if (plan_.closer == Closer::server && plan_.messages != 0 &&
        connection.answered == plan_.messages) {
        end(socket);
        return false;
    }
    return true;
}

void Server::forget(int socket) {
    if (plan_.messages != 0 && at(socket).answered == plan_.messages) ++tally_.completed;
    ++closed_;
}

void Server::end(int socket) {
    forget(socket);
    net::close(context_, socket);
}

}  // namespace bench
