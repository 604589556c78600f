// SPDX-License-Identifier: Apache-2.0
// The client on io_uring: a whole short connection is one chain of entries.
#pragma once

#include <netinet/in.h>

#include <string>
#include <vector>

#include "load/plan.h"
#include "load/tally.h"
#include "uring/ring.h"

namespace bench::uring {

class Client {
  public:
    explicit Client(const Plan& plan);
    [[nodiscard]] std::string start();
    void step(int timeout_ms);
    [[nodiscard]] const Tally& tally() const { return tally_; }

  private:
    struct Connection {
        std::uint32_t answered = 0;
        bool broken = false;  // a step of its chain failed
    };
    io_uring_sqe* prepare(std::uint32_t slot, Step step);
    void open(std::uint32_t slot);
    void ask(std::uint32_t slot);
    void finish(std::uint32_t slot);
    void on_answer(const io_uring_cqe& cqe);
    void on_response(std::uint32_t slot, int result);

    const Plan plan_;
    Ring ring_;
    std::vector<sockaddr_in> addresses_;
    std::size_t next_address_ = 0;
    std::vector<Connection> connections_;
    std::vector<char> question_;
    std::vector<char> buffer_;  // responses of all connections: nobody reads them
    Tally tally_;
};

}  // namespace bench::uring
