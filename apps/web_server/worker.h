// SPDX-License-Identifier: Apache-2.0
// One core of the server: its context, its listener, its connections.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "sockets/sockets.h"
#include "web_server/connection.h"
#include "web_server/file_store.h"
#include "web_server/options.h"
#include "web_server/statistics.h"

namespace web {

class Worker {
  public:
    Worker(const Options& options, int core);

    // Serves until `stopping`, then lets answers under way finish. What went wrong, or nothing.
    // `ready` is raised once the listener is open.
    std::string run(const std::atomic<bool>& stopping, std::atomic<int>& ready);
    [[nodiscard]] const Statistics& statistics() const { return statistics_; }

  private:
    using Clock = std::chrono::steady_clock;

    std::string open();
    std::string listen();
    void loop(const std::atomic<bool>& stopping);
    void turn(int timeout_ms);
    void refresh_clock();
    void accept_all();
    void adopt(int socket);
    void on_event(const net::Event& event);
    void apply(Connection& connection, Connection::Next next);
    void close(Connection& connection, Connection::Next how);
    void sweep(Clock::duration patience);
    void pause_accepting();
    void wind_up();
    void touch(Connection& connection);
    void unlink(Connection& connection);

    const Options& options_;
    int core_;
    net::Context context_{};
    int epoll_ = -1;
    int listener_ = -1;
    bool accepting_ = false;
    Clock::time_point accept_again_{};
    FileStore files_;
    Statistics statistics_;
    Workshop shop_;
    std::int64_t date_second_ = -1;
    std::vector<std::unique_ptr<Connection>> connections_;  // by the socket's number
    std::vector<net::Event> events_;
    // Least recently active first.
    Connection* idle_head_ = nullptr;
    Connection* idle_tail_ = nullptr;
};

}  // namespace web
