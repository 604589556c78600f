// SPDX-License-Identifier: Apache-2.0
// The server of all measurements: one thread, one listener, one epoll, as a well-written epoll
// program is. The same source runs on mtcp and on the kernel (sockets/sockets.h).
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "load/plan.h"
#include "load/tally.h"
#include "sockets/sockets.h"

namespace bench {

class Server {
  public:
    // `listener` is a listening socket of this context.
    Server(net::Context context, const Plan& plan, int listener);
    // What went wrong; empty: it is ready.
    [[nodiscard]] std::string start();
    // Waits for events once and handles them.
    void step(int timeout_ms);
    [[nodiscard]] const Tally& tally() const { return tally_; }
    // Takes the memory for so many sockets now; without it, as they come.
    void reserve(std::size_t sockets);
    [[nodiscard]] std::uint64_t open_now() const { return tally_.opened - closed_; }

  private:
    struct Connection {
        std::uint32_t received = 0;  // of the request
        std::uint32_t answered = 0;  // messages
        std::uint64_t to_send = 0;   // bytes that found no room
    };
    void accept_all();
    void on_event(int socket, std::uint32_t events);
    bool read_requests(int socket, std::uint32_t events);
    bool send_rest(int socket);
    bool answer(int socket);
    bool answer_and_close(int socket);
    void forget(int socket);
    void end(int socket);
    Connection& at(int socket) { return connections_[static_cast<std::size_t>(socket)]; }

    net::Context context_;
    const Plan plan_;
    const int listener_;
    int epoll_ = -1;
    std::vector<net::Event> events_;
    std::vector<Connection> connections_;  // by socket
    std::vector<int> accepted_;
    std::vector<char> buffer_;
    std::vector<char> page_;  // what is sent
    std::uint32_t interest_;
    std::uint64_t closed_ = 0;
    Tally tally_;
};

// A listening socket on the plan's port, on any address; -1: errno says why. On the kernel with
// SO_REUSEPORT if `shared_port` is 1.
[[nodiscard]] int make_listener(net::Context context, const Plan& plan, int shared_port);

}  // namespace bench
