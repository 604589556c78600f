// SPDX-License-Identifier: Apache-2.0
// One core of the load client against sockets of this process.
#include "web_client/worker.h"

#include <gtest/gtest.h>

#include <chrono>
#include <string>
#include <thread>

namespace load {
namespace {

// A port of 127.0.0.1, bound as long as this lives; connections are refused until it listens.
class Port {
  public:
    Port() : socket_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
        sockaddr_in address = net::address_of(INADDR_LOOPBACK, 0);
        socklen_t size = sizeof address;
        EXPECT_EQ(::bind(socket_, reinterpret_cast<sockaddr*>(&address), size), 0);
        EXPECT_EQ(::getsockname(socket_, reinterpret_cast<sockaddr*>(&address), &size), 0);
        number_ = ntohs(address.sin_port);
    }
    Port(const Port&) = delete;
    Port& operator=(const Port&) = delete;
    ~Port() { ::close(socket_); }
    void listen() const { EXPECT_EQ(::listen(socket_, 1), 0); }
    static constexpr const char* kEmpty = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";
    // Takes one connection and a request, answers, closes, and returns the request.
    [[nodiscard]] std::string serve_one(const std::string& answer = kEmpty) const {
        const int peer = ::accept4(socket_, nullptr, nullptr, SOCK_CLOEXEC);
        std::string request;
        char block[512];
        while (request.find("\r\n\r\n") == std::string::npos) {
            const ssize_t got = ::recv(peer, block, sizeof block, 0);
            if (got <= 0) break;
            request.append(block, static_cast<std::size_t>(got));
        }
        EXPECT_EQ(::send(peer, answer.data(), answer.size(), MSG_NOSIGNAL),
                  static_cast<ssize_t>(answer.size()));
        ::close(peer);
        return request;
    }
    [[nodiscard]] std::uint16_t number() const { return number_; }

  private:
    int socket_;
    std::uint16_t number_ = 0;
};

Options options_for(const Port& port) {
    Options options;
    options.address = INADDR_LOOPBACK;
    options.host = "127.0.0.1";
    options.port = port.number();
    options.duration_s = 20;
    return options;
}

// Three connections, and each fails so.
void expect_three(Failure failure, const Options& options) {
    Worker worker(options, {.core = 0, .concurrency = 2, .connections = 3}, {});
    const std::atomic<bool> stopping{false};
    const auto begun = std::chrono::steady_clock::now();
    EXPECT_EQ(worker.run(stopping), "");
    EXPECT_LT(std::chrono::steady_clock::now() - begun, std::chrono::seconds{15});
    EXPECT_EQ(worker.results().failures[static_cast<std::size_t>(failure)], 3u);
    EXPECT_EQ(worker.results().failed(), 3u);
}

TEST(Worker, ConnectionsThatAreRefusedAreCounted) {
    const Port port;
    expect_three(Failure::refused, options_for(port));
}

// TCP has no multicast: connect() itself fails.
Options options_for_nobody() {
    Options options;
    options.address = INADDR_ALLHOSTS_GROUP;
    options.host = "224.0.0.1";
    options.port = 80;
    options.duration_s = 20;
    return options;
}

TEST(Worker, ConnectionsThatFailAtOnceAreCounted) {
    expect_three(Failure::unreachable, options_for_nobody());
}

TEST(Worker, SeesTheTimeWhenEveryConnectionFailsAtOnce) {
    Options options = options_for_nobody();
    options.duration_s = 0.05;
    Worker worker(options, {.core = 0, .concurrency = 2}, {});
    const std::atomic<bool> stopping{false};
    EXPECT_EQ(worker.run(stopping), "");
    EXPECT_GT(worker.results().failures[static_cast<std::size_t>(Failure::unreachable)], 0u);
}

// An answer without a length ends with its connection, of whose requests four were not made.
TEST(Worker, AConnectionThatEndsBeforeItsLastRequestHasFailed) {
    const Port port;
    port.listen();
    Options options = options_for(port);
    options.requests_per_connection = 5;
    Worker worker(options, {.core = 0, .concurrency = 1, .connections = 1}, {});
    const std::atomic<bool> stopping{false};
    std::thread runner([&] { EXPECT_EQ(worker.run(stopping), ""); });
    EXPECT_FALSE(port.serve_one("HTTP/1.1 200 OK\r\n\r\nall there is").empty());
    runner.join();
    EXPECT_EQ(worker.results().requests, 1u);
    EXPECT_EQ(worker.results().failures[static_cast<std::size_t>(Failure::closed_early)], 1u);
}

TEST(Worker, NamesThePortInHost) {
    const Port port;
    port.listen();
    const Options options = options_for(port);
    Worker worker(options, {.core = 0, .concurrency = 1, .connections = 1}, {});
    const std::atomic<bool> stopping{false};
    std::thread runner([&] { EXPECT_EQ(worker.run(stopping), ""); });
    const std::string request = port.serve_one();
    runner.join();
    EXPECT_NE(request.find("\r\nHost: 127.0.0.1:" + std::to_string(port.number()) + "\r\n"),
              std::string::npos)
        << request;
    EXPECT_EQ(worker.results().requests, 1u);
    EXPECT_EQ(worker.results().failed(), 0u);
}

}  // namespace
}  // namespace load
