// SPDX-License-Identifier: Apache-2.0
// The event loop of one core.
#include "web_server/worker.h"

#include <netinet/tcp.h>
#include <sys/resource.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <ctime>

#include "web_server/http_date.h"

namespace web {
namespace {

constexpr int kEventsMax = 512;
constexpr int kTickMs = 250;  // how late a stop or an idle timeout may be noticed
constexpr std::uint64_t kListenerTag = UINT64_MAX;
constexpr auto kAcceptPause = std::chrono::milliseconds{200};
constexpr auto kGrace = std::chrono::seconds{2};

// Half of what the process may open, in equal parts: the rest is for sockets and what is being
// sent.
std::size_t descriptors_to_keep(int cores) {
    rlimit limit{};
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur == RLIM_INFINITY) {
        return 1024;
    }
    return std::clamp<std::size_t>(limit.rlim_cur / 2 / static_cast<std::size_t>(cores), 1, 1024);
}

std::string failed(const std::string& what) { return what + ": " + std::strerror(errno); }

}  // namespace

Worker::Worker(const Options& options, int core)
    : options_(options),
      core_(core),
      files_(options.root, options.cache_bytes, options.cached_file_max,
             descriptors_to_keep(options.cores)),
      shop_{context_, options, files_, statistics_, {}, {}, {}, {}} {}

std::string Worker::run(const std::atomic<bool>& stopping, std::atomic<int>& ready) {
    std::string problem = open();
    if (problem.empty()) {
        ready.fetch_add(1);
        loop(stopping);
        wind_up();
    }
    if (context_) {
        net::close_context(context_);
    }
    return problem;
}

std::string Worker::open() {
    context_ = net::open_context(core_);
    if (!context_) {
        return "core " + std::to_string(core_) + ": " + net::last_problem();
    }
    shop_.context = context_;
    events_.resize(kEventsMax);
    epoll_ = net::epoll_create(context_, kEventsMax);
    if (epoll_ < 0) {
        return failed("epoll_create");
    }
    return listen();
}

std::string Worker::listen() {
    listener_ = net::socket(context_, AF_INET, SOCK_STREAM, 0);
    if (listener_ < 0) {
        return failed("socket");
    }
    const auto address = net::parse_address(options_.address);
    if (!address) {
        return options_.address + " is not an IPv4 address";
    }
    net::set_nonblocking(context_, listener_);
    net::set_option(context_, listener_, SOL_SOCKET, SO_REUSEADDR, 1);
    net::set_option(context_, listener_, SOL_SOCKET, SO_REUSEPORT, 1);
    // Inherited: an answer's last, short segment shall not wait for an acknowledgement.
    net::set_option(context_, listener_, IPPROTO_TCP, TCP_NODELAY, 1);
    if (net::bind(context_, listener_, net::address_of(*address, options_.port)) != 0) {
        return failed("cannot listen on " + options_.address + ":" + std::to_string(options_.port));
    }
    if (net::listen(context_, listener_, options_.backlog) != 0) {
        return failed("cannot listen on port " + std::to_string(options_.port));
    }
    if (net::watch(context_, epoll_, net::kAdd, listener_, net::kIn, kListenerTag) != 0) {
        return failed("epoll_ctl");
    }
    accepting_ = true;
    return {};
}

void Worker::loop(const std::atomic<bool>& stopping) {
    refresh_clock();
    while (!stopping.load(std::memory_order_relaxed)) {
        turn(kTickMs);
        sweep(options_.idle_timeout);
        if (!accepting_ && shop_.now >= accept_again_) {
            accepting_ =
                net::watch(context_, epoll_, net::kAdd, listener_, net::kIn, kListenerTag) == 0;
        }
    }
}

void Worker::turn(int timeout_ms) {
    const int count = net::epoll_wait(context_, epoll_, events_.data(), kEventsMax, timeout_ms);
    refresh_clock();
    for (int i = 0; i < count; ++i) {
        on_event(events_[static_cast<std::size_t>(i)]);
    }
}

void Worker::refresh_clock() {
    shop_.now = Clock::now();
    const std::int64_t second = std::time(nullptr);
    if (second != date_second_) {
        date_second_ = second;
        shop_.date = http_date(second);
    }
}

void Worker::on_event(const net::Event& event) {
    const std::uint64_t tag = event.data.u64;
    if (tag == kListenerTag) {
        accept_all();
        return;
    }
    const auto socket = static_cast<std::size_t>(tag & 0xffff'ffffU);
    Connection* connection = socket < connections_.size() ? connections_[socket].get() : nullptr;
    // An earlier event of the same batch may have closed it, and accept reused the number.
    if (connection == nullptr || !connection->in_use || connection->generation != tag >> 32U) {
        return;
    }
    // An error shows as the failure of the read or write that follows.
    const bool writing = connection->waiting_to_write;
    apply(*connection, writing ? connection->on_writable(shop_) : connection->on_readable(shop_));
}

void Worker::accept_all() {
    while (accepting_) {
        const int socket = net::accept(context_, listener_, nullptr, nullptr);
        if (socket >= 0) {
            adopt(socket);
        } else if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM) {
            pause_accepting();
        } else if (errno != ECONNABORTED && errno != EINTR) {
            return;  // EAGAIN: all taken
        }
    }
}

void Worker::adopt(int socket) {
    const auto index = static_cast<std::size_t>(socket);
    if (index >= connections_.size()) {
        connections_.resize(index + 1);
    }
    if (connections_[index] == nullptr) {
        connections_[index] = std::make_unique<Connection>(options_);
    }
    Connection& connection = *connections_[index];
    connection.open(socket);
    connection.in_use = true;
    ++connection.generation;
    const std::uint64_t tag = std::uint64_t{connection.generation} << 32U | index;
    if (net::watch(context_, epoll_, net::kAdd, socket, net::kIn, tag) != 0) {
        connection.in_use = false;
        net::close(context_, socket);
        return;
    }
    statistics_.accepted.add(1);
    statistics_.open.add(1);
    touch(connection);
}

void Worker::apply(Connection& connection, Connection::Next next) {
    if (next == Connection::Next::close || next == Connection::Next::abort) {
        close(connection, next);
        return;
    }
    if (connection.take_progress()) {
        touch(connection);
    }
    const bool write = next == Connection::Next::wait_to_write;
    if (write != connection.waiting_to_write) {
        connection.waiting_to_write = write;
        const auto index = static_cast<std::uint32_t>(connection.socket());
        const std::uint64_t tag = std::uint64_t{connection.generation} << 32U | index;
        net::watch(context_, epoll_, net::kModify, connection.socket(),
                   write ? net::kOut : net::kIn, tag);
    }
}

void Worker::close(Connection& connection, Connection::Next how) {
    if (how == Connection::Next::abort) {
        // A reset: the client must not take a cut answer for a whole one.
        const linger now{.l_onoff = 1, .l_linger = 0};
        net::setsockopt(context_, connection.socket(), SOL_SOCKET, SO_LINGER, &now, sizeof now);
    }
    net::close(context_, connection.socket());
    unlink(connection);
    connection.in_use = false;
    statistics_.open.subtract(1);
}

void Worker::pause_accepting() {
    net::watch(context_, epoll_, net::kRemove, listener_, 0, 0);
    accepting_ = false;
    accept_again_ = shop_.now + kAcceptPause;
}

void Worker::sweep(Clock::duration patience) {
    while (idle_head_ != nullptr && shop_.now - idle_head_->active_at > patience) {
        statistics_.timed_out.add(1);
        close(*idle_head_,
              idle_head_->at_rest() ? Connection::Next::close : Connection::Next::abort);
    }
}

void Worker::wind_up() {
    net::close(context_, listener_);
    accepting_ = false;
    const Clock::time_point end = Clock::now() + kGrace;
    for (const auto& connection : connections_) {
        if (connection != nullptr && connection->in_use && connection->at_rest()) {
            close(*connection, Connection::Next::close);
        }
    }
    while (idle_head_ != nullptr && Clock::now() < end) {
        turn(kTickMs / 5);
        for (Connection* one = idle_head_; one != nullptr;) {
            Connection* next = one->idle_next;
            if (one->at_rest()) {
                close(*one, Connection::Next::close);
            }
            one = next;
        }
    }
    while (idle_head_ != nullptr) {
        close(*idle_head_, Connection::Next::abort);
    }
}

void Worker::touch(Connection& connection) {
    if (connection.idle_previous != nullptr || idle_head_ == &connection) {
        unlink(connection);
    }
    connection.active_at = shop_.now;
    connection.idle_previous = idle_tail_;
    connection.idle_next = nullptr;
    (idle_tail_ != nullptr ? idle_tail_->idle_next : idle_head_) = &connection;
    idle_tail_ = &connection;
}

void Worker::unlink(Connection& connection) {
    (connection.idle_previous != nullptr ? connection.idle_previous->idle_next : idle_head_) =
        connection.idle_next;
    (connection.idle_next != nullptr ? connection.idle_next->idle_previous : idle_tail_) =
        connection.idle_previous;
    connection.idle_previous = nullptr;
    connection.idle_next = nullptr;
}

}  // namespace web
