// SPDX-License-Identifier: Apache-2.0
// The server on io_uring: multishot accept and receive, provided buffers, direct descriptors. One
// system call for all that has gathered.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "load/plan.h"
#include "load/tally.h"
#include "uring/ring.h"

namespace bench::uring {

class Server {
  public:
    Server(const Plan& plan, int listener);
    ~Server();
    [[nodiscard]] std::string start();
    void step(int timeout_ms);
    [[nodiscard]] const Tally& tally() const { return tally_; }

  private:
    struct Connection {
        std::uint32_t received = 0;
        std::uint32_t answered = 0;
    };
    void arm_accept();
    void arm_receive(std::uint32_t slot);
    void on_answer(const io_uring_cqe& cqe);
    void on_receive(std::uint32_t slot, const io_uring_cqe& cqe);
    void answer(std::uint32_t slot);
    void close(std::uint32_t slot);
    void give_buffer(std::uint16_t number);

    const Plan plan_;
    const int listener_;
    Ring ring_;
    io_uring_buf_ring* buffers_ = nullptr;
    std::vector<char> memory_;
    std::vector<Connection> connections_;
    std::vector<char> page_;
    Tally tally_;
};

}  // namespace bench::uring
