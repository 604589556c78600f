// SPDX-License-Identifier: Apache-2.0
// One core of the load client: keeps its share of connections open until the work or the time is
// done.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "sockets/sockets.h"
#include "web_client/options.h"
#include "web_client/response_reader.h"
#include "web_client/results.h"

namespace load {

// The share of one core.
struct Share {
    int core = 0;
    std::uint64_t concurrency = 1;
    std::uint64_t connections = 0;    // 0: no limit
    std::uint32_t first_address = 0;  // index into the destinations
};

class Worker {
  public:
    Worker(const Options& options, const Share& share, const Expected& expected);

    // What went wrong with the context, or nothing.
    std::string run(const std::atomic<bool>& stopping);
    [[nodiscard]] const Results& results() const { return results_; }
    [[nodiscard]] const Progress& progress() const { return progress_; }

  private:
    using Clock = std::chrono::steady_clock;
    using Time = Clock::time_point;

    struct Connection {
        explicit Connection(const Expected& expected) : reader(expected) {}
        int socket = -1;
        std::uint32_t generation = 0;
        bool in_use = false;
        bool connected = false;
        std::uint64_t requests_left = 0;
        std::size_t sent = 0;  // of the request under way
        Time opened;
        Time requested;
        Time progressed;
        ResponseReader reader;
    };

    void loop(const std::atomic<bool>& stopping);
    void refill(const std::atomic<bool>& stopping);
    // Begins one connection, which may fail at once; false: there is no room for one now.
    bool open_one();
    void on_event(const net::Event& event);
    bool established(Connection& connection, std::uint32_t events);
    void send_request(Connection& connection);
    void receive(Connection& connection);
    // Takes an answer; false when the connection is gone.
    bool answered(Connection& connection);
    void succeed(Connection& connection);
    void fail(Connection& connection, Failure failure);
    void fail_with_errno(Connection& connection, int error);
    void release(Connection& connection);
    [[nodiscard]] const std::string& request_text(const Connection& connection) const;
    void expire();
    void reset_after_warmup();
    void publish();

    const Options& options_;
    Share share_;
    Expected expected_;
    std::string request_keep_;   // "Connection: keep-alive"
    std::string request_close_;  // the last one of a connection
    net::Context context_{};
    int epoll_ = -1;
    std::vector<std::unique_ptr<Connection>> connections_;  // by the socket's number
    std::vector<net::Event> events_;
    std::string buffer_;
    std::uint64_t open_ = 0;
    std::uint64_t started_ = 0;
    std::uint32_t next_address_ = 0;
    Time now_;
    Time begun_;  // of the counted time
    Time last_scan_;
    Time retry_open_at_;
    bool warming_up_ = false;
    Results results_;
    Progress progress_;
};

}  // namespace load
