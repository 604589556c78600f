// SPDX-License-Identifier: Apache-2.0
// One core of the load client against sockets of this process.
#include "web_client/worker.h"

#include <gtest/gtest.h>

#include <chrono>

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

// connect() itself fails here: the answer of the loopback interface is there before it returns.
TEST(Worker, ConnectionsThatAreRefusedAtOnceAreCounted) {
    const Port port;
    const Options options = options_for(port);
    Worker worker(options, {.core = 0, .concurrency = 2, .connections = 3}, {});
    const std::atomic<bool> stopping{false};
    const auto begun = std::chrono::steady_clock::now();
    EXPECT_EQ(worker.run(stopping), "");
    EXPECT_LT(std::chrono::steady_clock::now() - begun, std::chrono::seconds{15});
    EXPECT_EQ(worker.results().failures[static_cast<std::size_t>(Failure::refused)], 3u);
    EXPECT_EQ(worker.results().failed(), 3u);
}

TEST(Worker, SeesTheTimeWhenEveryConnectionFailsAtOnce) {
    const Port port;
    Options options = options_for(port);
    options.duration_s = 0.05;
    Worker worker(options, {.core = 0, .concurrency = 2}, {});
    const std::atomic<bool> stopping{false};
    EXPECT_EQ(worker.run(stopping), "");
    EXPECT_GT(worker.results().failures[static_cast<std::size_t>(Failure::refused)], 0u);
}

}  // namespace
}  // namespace load
