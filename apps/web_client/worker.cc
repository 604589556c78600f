// SPDX-License-Identifier: Apache-2.0
// The event loop of one core. Sockets are watched edge-triggered for both directions from the
// start: one epoll_ctl per connection.
#include "web_client/worker.h"

#include <fmt/format.h>
#include <netinet/tcp.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

namespace load {
namespace {

constexpr int kEventsMax = 512;
constexpr std::size_t kReadSize = 64U << 10U;
constexpr int kTickMs = 100;
constexpr auto kScanEvery = std::chrono::milliseconds{500};
constexpr auto kRetryOpenAfter = std::chrono::milliseconds{10};

std::chrono::nanoseconds in_nanoseconds(double seconds) {
    return std::chrono::nanoseconds{static_cast<std::int64_t>(seconds * 1e9)};
}

std::uint64_t between(std::chrono::steady_clock::time_point from,
                      std::chrono::steady_clock::time_point to) {
    return static_cast<std::uint64_t>(std::chrono::nanoseconds{to - from}.count());
}

// There is no room for a connection now, but will be once others have ended.
bool out_of_sockets(int error) {
    return error == EMFILE || error == EADDRNOTAVAIL || error == EAGAIN || error == ENOBUFS;
}

Failure failure_of(int error, bool connected) {
    switch (error) {
        case ECONNREFUSED: return Failure::refused;
        case EHOSTUNREACH:
        case ENETUNREACH: return Failure::unreachable;
        case ECONNRESET:
        case EPIPE: return Failure::reset;
        case ETIMEDOUT: return connected ? Failure::timed_out : Failure::connect_timed_out;
        default: return Failure::other;
    }
}

std::string request(const Options& options, const char* connection) {
    // RFC 9110 §7.2: with the port, unless it is the scheme's.
    const std::string port = options.port == 80 ? "" : fmt::format(":{}", options.port);
    return fmt::format("GET {} HTTP/1.1\r\nHost: {}{}\r\nConnection: {}\r\n\r\n", options.path,
                       options.host, port, connection);
}

}  // namespace

Worker::Worker(const Options& options, const Share& share, const Expected& expected)
    : options_(options),
      share_(share),
      expected_(expected),
      request_keep_(request(options, "keep-alive")),
      request_close_(request(options, "close")),
      next_address_(share.first_address) {}

std::string Worker::run(const std::atomic<bool>& stopping) {
    context_ = net::open_context(share_.core);
    if (!context_) {
        return fmt::format("core {}: {}", share_.core, net::last_problem());
    }
    epoll_ = net::epoll_create(context_, kEventsMax);
    if (epoll_ < 0) {
        return fmt::format("epoll_create: {}", std::strerror(errno));
    }
    events_.resize(kEventsMax);
    buffer_.resize(kReadSize);
    loop(stopping);
    for (const auto& connection : connections_) {
        if (connection != nullptr && connection->in_use) {
            release(*connection);
        }
    }
    net::close_context(context_);
    return {};
}

void Worker::loop(const std::atomic<bool>& stopping) {
    now_ = begun_ = last_scan_ = Clock::now();
    warming_up_ = options_.warmup_s > 0;
    const Time end =
        begun_ + in_nanoseconds(std::min(options_.warmup_s + options_.duration_s, 1e9));
    while (now_ < end && !stopping.load(std::memory_order_relaxed)) {
        if (warming_up_ && now_ - begun_ >= in_nanoseconds(options_.warmup_s)) {
            reset_after_warmup();
        }
        refill(stopping);
        if (open_ == 0 && share_.connections > 0 && started_ >= share_.connections) {
            break;
        }
        const int count =
            net::epoll_wait(context_, epoll_, events_.data(), kEventsMax, open_ > 0 ? kTickMs : 1);
        now_ = Clock::now();
        for (int i = 0; i < count; ++i) {
            on_event(events_[static_cast<std::size_t>(i)]);
        }
        if (now_ - last_scan_ >= kScanEvery) {
            last_scan_ = now_;
            expire();
        }
        publish();
    }
    results_.seconds = static_cast<double>(between(begun_, Clock::now())) * 1e-9;
}

void Worker::refill(const std::atomic<bool>& stopping) {
    if (now_ < retry_open_at_) {
        return;
    }
    // Connections that fail at once count too: where all do, the loop shall still see the time.
    for (std::uint64_t tried = open_;
         tried < share_.concurrency && (share_.connections == 0 || started_ < share_.connections);
         ++tried) {
        if (stopping.load(std::memory_order_relaxed) || !open_one()) {
            return;
        }
    }
}

bool Worker::open_one() {
    const int socket = net::socket(context_, AF_INET, SOCK_STREAM, 0);
    if (socket < 0) {
        ++results_.failures[static_cast<std::size_t>(Failure::no_socket)];
        retry_open_at_ = now_ + kRetryOpenAfter;
        return false;
    }
    net::set_nonblocking(context_, socket);
    net::set_option(context_, socket, IPPROTO_TCP, TCP_NODELAY, 1);
    const std::uint32_t address = options_.address + next_address_;
    next_address_ = (next_address_ + 1) % options_.addresses;
    if (net::connect(context_, socket, net::address_of(address, options_.port)) != 0 &&
        errno != EINPROGRESS) {
        const int error = errno;
        net::close(context_, socket);
        if (out_of_sockets(error)) {
            ++results_.failures[static_cast<std::size_t>(Failure::no_socket)];
            retry_open_at_ = now_ + kRetryOpenAfter;
            return false;
        }
        ++results_.failures[static_cast<std::size_t>(failure_of(error, false))];
        ++started_;
        return true;
    }
    const auto index = static_cast<std::size_t>(socket);
    if (index >= connections_.size()) {
        connections_.resize(index + 1);
    }
    if (connections_[index] == nullptr) {
        connections_[index] = std::make_unique<Connection>(expected_);
    }
    Connection& connection = *connections_[index];
    connection.socket = socket;
    connection.in_use = true;
    connection.connected = false;
    connection.sent = 0;
    connection.requests_left = options_.requests_per_connection;
    connection.opened = connection.progressed = now_;
    connection.reader.restart();
    ++connection.generation;
    ++open_;
    ++started_;
    net::watch(context_, epoll_, net::kAdd, socket, net::kIn | net::kOut | net::kEdge,
               std::uint64_t{connection.generation} << 32U | index);
    return true;
}

void Worker::on_event(const net::Event& event) {
    const auto index = static_cast<std::size_t>(event.data.u64 & 0xffff'ffffU);
    Connection* connection = index < connections_.size() ? connections_[index].get() : nullptr;
    if (connection == nullptr || !connection->in_use ||
        connection->generation != event.data.u64 >> 32U) {
        return;
    }
    if (!connection->connected && !established(*connection, event.events)) {
        return;
    }
    if (connection->sent < request_text(*connection).size()) {
        send_request(*connection);
    }
    if (connection->in_use && (event.events & ~net::kOut) != 0) {
        receive(*connection);
    }
}

bool Worker::established(Connection& connection, std::uint32_t events) {
    if ((events & (net::kError | net::kHangUp)) != 0) {
        const int error = net::take_error(context_, connection.socket);
        if (error != 0) {
            fail_with_errno(connection, error);
            return false;
        }
    }
    connection.connected = true;
    connection.progressed = now_;
    results_.connect_time.record(between(connection.opened, now_));
    return true;
}

const std::string& Worker::request_text(const Connection& connection) const {
    return connection.requests_left == 1 && !options_.close_by_client ? request_close_
                                                                      : request_keep_;
}

void Worker::send_request(Connection& connection) {
    const std::string& text = request_text(connection);
    if (connection.sent == 0) {
        connection.requested = now_;
    }
    while (connection.sent < text.size()) {
        const ssize_t sent = net::write(context_, connection.socket, text.data() + connection.sent,
                                        text.size() - connection.sent);
        if (sent < 0) {
            if (errno != EAGAIN) {
                fail_with_errno(connection, errno);
            }
            return;
        }
        connection.sent += static_cast<std::size_t>(sent);
    }
}

void Worker::receive(Connection& connection) {
    while (connection.in_use) {
        const ssize_t got = net::read(context_, connection.socket, buffer_.data(), kReadSize);
        if (got < 0) {
            if (errno != EAGAIN) {
                fail_with_errno(connection, errno);
            }
            return;
        }
        connection.progressed = now_;
        if (got == 0) {
            if (connection.reader.finish() == ResponseReader::Outcome::complete) {
                answered(connection);
            } else {
                fail(connection, connection.reader.failure());
            }
            return;
        }
        results_.bytes_wire += static_cast<std::uint64_t>(got);
        std::string_view bytes{buffer_.data(), static_cast<std::size_t>(got)};
        while (!bytes.empty() && connection.in_use) {
            const ResponseReader::Step step = connection.reader.feed(bytes);
            bytes.remove_prefix(step.used);
            if (step.outcome == ResponseReader::Outcome::failed) {
                fail(connection, connection.reader.failure());
                return;
            }
            if (step.outcome == ResponseReader::Outcome::complete && !answered(connection)) {
                return;
            }
        }
        // Drained, and what follows the next request makes an edge of its own. Within an answer the
        // end of the stream may stand behind these bytes, its edge already spent: read on.
        if (static_cast<std::size_t>(got) < kReadSize && !connection.reader.started()) {
            return;
        }
    }
}

bool Worker::answered(Connection& connection) {
    results_.latency.record(between(connection.requested, now_));
    results_.bytes_in += connection.reader.body_bytes();
    ++results_.requests;
    const bool unlimited = options_.requests_per_connection == 0;
    if (!unlimited && --connection.requests_left == 0) {
        succeed(connection);
        return false;
    }
    if (!connection.reader.keep_alive()) {
        // A server may end a connection after so many requests; whoever counts them wants them all.
        unlimited ? succeed(connection) : fail(connection, Failure::closed_early);
        return false;
    }
    connection.reader.restart();
    connection.sent = 0;
    send_request(connection);
    return connection.in_use;
}

void Worker::succeed(Connection& connection) {
    ++results_.connections;
    results_.lifetime.record(between(connection.opened, now_));
    release(connection);
}

void Worker::fail(Connection& connection, Failure failure) {
    ++results_.failures[static_cast<std::size_t>(failure)];
    release(connection);
}

void Worker::fail_with_errno(Connection& connection, int error) {
    fail(connection, failure_of(error, connection.connected));
}

void Worker::release(Connection& connection) {
    net::close(context_, connection.socket);
    connection.in_use = false;
    --open_;
}

void Worker::expire() {
    const auto patience = in_nanoseconds(options_.timeout_s);
    for (const auto& connection : connections_) {
        if (connection != nullptr && connection->in_use &&
            now_ - connection->progressed > patience) {
            fail(*connection,
                 connection->connected ? Failure::timed_out : Failure::connect_timed_out);
        }
    }
}

void Worker::reset_after_warmup() {
    warming_up_ = false;
    results_ = Results{};
    begun_ = now_;
}

void Worker::publish() {
    progress_.connections.store(results_.connections, std::memory_order_relaxed);
    progress_.requests.store(results_.requests, std::memory_order_relaxed);
    progress_.failed.store(results_.failed(), std::memory_order_relaxed);
    progress_.bytes.store(results_.bytes_wire, std::memory_order_relaxed);
    progress_.open.store(open_, std::memory_order_relaxed);
}

}  // namespace load
