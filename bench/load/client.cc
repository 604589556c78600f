// SPDX-License-Identifier: Apache-2.0
// Opening, asking, closing.
#include "load/client.h"

#include <netinet/tcp.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <random>

#include "load/forms.h"

namespace bench {
namespace {

constexpr std::size_t kBuffer = 256 * 1024;
constexpr std::uint64_t kOpeningMax = 128;  // handshakes at a time, until all have been opened once

}  // namespace

void use_client_addresses(net::Context context, const Plan& plan) {
#ifdef APPS_ON_KERNEL
    static_cast<void>(context);
    static_cast<void>(plan);
#else
    if (plan.client_address == 0) return;
    static_cast<void>(mtcp_init_rss(context, htonl(plan.client_address),
                                    static_cast<int>(plan.client_addresses), 0, 0));
#endif
}

Client::Client(net::Context context, const Plan& plan)
    : context_(context),
      plan_(plan),
      events_(static_cast<std::size_t>(plan.batch)),
      buffer_(kBuffer),
      question_(std::max<std::size_t>(plan.request, plan.flow == Flow::upload ? kBuffer : 1), 'q') {
}

std::string Client::start() {
    epoll_ = net::epoll_create(context_, plan_.batch);
    if (epoll_ < 0) return std::string("the client has no epoll: ") + std::strerror(errno);
    return {};
}

void Client::step(int timeout_ms) {
    while (open_ < plan_.concurrency && may_open() && open_one()) {
    }
    if (asking_ == Asking::on_schedule) follow_schedule();
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
        if (i + kEventsAhead < events) fetch_ahead(events_[i + kEventsAhead].data.u64);
        on_event(static_cast<int>(events_[i].data.u64), events_[i].events);
    }
}

// The one whose event comes, and the one that asks when it is answered.
void Client::fetch_ahead(std::uint64_t socket) {
    __builtin_prefetch(connections_.data() + socket, 1);
    __builtin_prefetch(connecting_.data() + socket);
    if (idle_count_ <= kEventsAhead) return;
    std::size_t next = idle_first_ + kEventsAhead;
    if (next >= idle_.size()) next -= idle_.size();
    __builtin_prefetch(connections_.data() + idle_[next], 1);
    asm volatile("");  // or gcc takes all this for nothing
    if (idle_count_ <= 2 * kEventsAhead) return;
    next += kEventsAhead;
    if (next >= idle_.size()) next -= idle_.size();
    expect(context_, idle_[next]);
}

void Client::reserve(std::size_t sockets) {
    connections_.resize(sockets);
    connecting_.resize(sockets);
    if (plan_.in_flight != 0) idle_.resize(plan_.concurrency);
}

// A crowd of SYNs at once would meet full queues and come again after a second.
bool Client::may_open() const {
    return tally_.opened >= plan_.concurrency ||
           tally_.opened - tally_.connected - tally_.failed < kOpeningMax;
}

bool Client::open_one() {
    if (plan_.connections_max != 0 && tally_.opened >= plan_.connections_max) return false;
    const int socket = net::socket(context_, AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    if (socket < 0) {
        ++tally_.connect_failed;
        return false;
    }
    if (plan_.closer == Closer::reset) {
        const linger now{.l_onoff = 1, .l_linger = 0};
        net::setsockopt(context_, socket, SOL_SOCKET, SO_LINGER, &now, sizeof now);
    }
    if (plan_.flow == Flow::upload && !plan_.congestion.empty() &&
        net::setsockopt(context_, socket, IPPROTO_TCP, TCP_CONGESTION, plan_.congestion.data(),
                        static_cast<socklen_t>(plan_.congestion.size())) != 0) {
        ++tally_.connect_failed;
        net::close(context_, socket);
        return false;
    }
    const std::uint32_t address = plan_.server_address + next_address_;
    next_address_ = next_address_ + 1 >= plan_.server_addresses ? 0 : next_address_ + 1;
    if (net::connect(context_, socket, net::address_of(address, plan_.port)) != 0 &&
        errno != EINPROGRESS) {
        ++tally_.connect_failed;
        net::close(context_, socket);
        return false;
    }
    if (static_cast<std::size_t>(socket) >= connections_.size()) {
        connections_.resize(static_cast<std::size_t>(socket) * 2 + 64);
        connecting_.resize(connections_.size());
    }
    at(socket) = Connection{};
    connecting_[static_cast<std::size_t>(socket)] = 1;
    ++tally_.opened;
    ++open_;
    net::watch(context_, epoll_, net::kAdd, socket,
               net::kIn | net::kOut | net::kReadHangUp | net::kEdge,
               static_cast<std::uint64_t>(socket));
    return true;
}

void Client::on_event(int socket, std::uint32_t events) {
    if ((events & net::kError) != 0) {
        fail(socket);
        return;
    }
    std::uint8_t& connecting = connecting_[static_cast<std::size_t>(socket)];
    if (connecting != 0) {
        if ((events & net::kOut) == 0) return;
        connecting = 0;
        established(socket);
    } else if (plan_.flow == Flow::upload && (events & net::kOut) != 0) {
        send_bulk(socket);
    }
    if ((events & (net::kIn | net::kReadHangUp)) != 0) receive(socket, events);
}

void Client::note_options(int socket) {
    tcp_info info{};
    socklen_t size = sizeof info;
    if (net::getsockopt(context_, socket, IPPROTO_TCP, TCP_INFO, &info, &size) != 0) return;
    negotiated_ = {.known = true,
                   .timestamps = (info.tcpi_options & TCPI_OPT_TIMESTAMPS) != 0,
                   .selective_ack = (info.tcpi_options & TCPI_OPT_SACK) != 0,
                   .window_scaling = (info.tcpi_options & TCPI_OPT_WSCALE) != 0};
}

void Client::established(int socket) {
    if (tally_.connected++ == 0) note_options(socket);
    if (plan_.flow == Flow::upload) {
        send_bulk(socket);
    } else if (plan_.flow == Flow::requests) {
        if (plan_.in_flight != 0) {
            wait_turn(socket);
        } else {
            send_request(socket);
        }
    }
}

void Client::send_request(int socket) {
    Connection& connection = at(socket);
    connection.left = plan_.response;
    if (plan_.latency && asking_ != Asking::on_schedule) connection.asked_at = ticks();
    // There is always room: nothing is on its way.
    const ssize_t sent = net::write(context_, socket, question_.data(), plan_.request);
    if (sent < 0) return;  // the error comes as an event
    tally_.bytes_out += static_cast<std::uint64_t>(sent);
}

void Client::send_bulk(int socket) {
    while (true) {
        const ssize_t sent = net::write(context_, socket, question_.data(), question_.size());
        if (sent < 0) return;  // no room, or an error that comes as an event
        tally_.bytes_out += static_cast<std::uint64_t>(sent);
    }
}

void Client::receive(int socket, std::uint32_t events) {
    while (true) {
        const Received received = receive_some(context_, socket, buffer_, plan_.form);
        const ssize_t got = received.bytes;
        if (got < 0 && errno == EAGAIN) return;
        Connection& connection = at(socket);
        if (got <= 0) {
            const bool planned = got == 0 && plan_.closer == Closer::server &&
                                 plan_.messages != 0 && connection.answered == plan_.messages;
            if (!planned) {
                fail(socket);
                return;
            }
            ++tally_.completed;
            end(socket);
            return;
        }
        const auto bytes = static_cast<std::size_t>(got);
        tally_.bytes_in += bytes;
        if (plan_.flow == Flow::requests) {
            connection.left -=
                static_cast<std::uint32_t>(std::min<std::size_t>(bytes, connection.left));
            if (connection.left == 0) {
                answered(socket);
                if (plan_.messages != 0 && plan_.closer != Closer::server &&
                    connection.answered == plan_.messages) {
                    return;  // it is closed
                }
            }
        }
        if (received.drained && (events & net::kReadHangUp) == 0) return;
    }
}

void Client::answered(int socket) {
    Connection& connection = at(socket);
    ++tally_.messages;
    ++connection.answered;
    if (plan_.latency) latency_.record(ticks() - connection.asked_at);
    if (plan_.messages == 0) {
        if (plan_.in_flight == 0) {
            send_request(socket);
        } else {
            wait_turn(socket);
            if (asking_ == Asking::on_answer) send_request(take_turn());
        }
    } else if (connection.answered < plan_.messages) {
        send_request(socket);
    } else if (plan_.closer != Closer::server) {
        ++tally_.completed;
        end(socket);
    }
}

void Client::wait_turn(int socket) {
    if (idle_.size() < plan_.concurrency) idle_.resize(plan_.concurrency);
    std::size_t last = idle_first_ + idle_count_++;
    if (last >= idle_.size()) last -= idle_.size();
    idle_[last] = socket;
}

int Client::take_turn() {
    const int socket = idle_[idle_first_];
    if (++idle_first_ == idle_.size()) idle_first_ = 0;
    --idle_count_;
    return socket;
}

// Connections lie in memory in the order in which they were opened; nobody asks in that order.
void Client::shuffle_idle() {
    std::rotate(idle_.begin(), idle_.begin() + static_cast<std::ptrdiff_t>(idle_first_),
                idle_.end());
    idle_first_ = 0;
    std::minstd_rand random(1);
    std::shuffle(idle_.begin(), idle_.begin() + static_cast<std::ptrdiff_t>(idle_count_), random);
}

void Client::start_asking() {
    asking_ = Asking::on_answer;
    shuffle_idle();
    for (std::uint32_t i = 0; i < plan_.in_flight && idle_count_ != 0; ++i)
        send_request(take_turn());
}

void Client::start_asking_at_rate(double requests_per_second, double ticks_a_second) {
    asking_ = Asking::on_schedule;
    shuffle_idle();
    interval_ = static_cast<std::uint64_t>(ticks_a_second / requests_per_second);
    due_ = ticks();
}

// A request that finds no idle connection waits, and its waiting counts: the schedule does not slow
// down because the answers do.
void Client::follow_schedule() {
    const std::uint64_t now = ticks();
    while (due_ <= now && idle_count_ != 0) {
        const int socket = take_turn();
        at(socket).asked_at = due_;
        send_request(socket);
        due_ += interval_;
    }
}

void Client::fail(int socket) {
    ++tally_.failed;
    end(socket);
}

void Client::end(int socket) {
    --open_;
    net::close(context_, socket);
}

}  // namespace bench
