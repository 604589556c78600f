// SPDX-License-Identifier: Apache-2.0
// socket, connect, send, receive, close: linked, so that one system call starts many connections
// and only their ends are reported.
#include "uring/client.h"

#include <arpa/inet.h>
#include <sys/socket.h>

namespace bench::uring {
namespace {

constexpr unsigned kEntries = 4096;

}  // namespace

Client::Client(const Plan& plan)
    : plan_(plan),
      connections_(plan.concurrency),
      question_(plan.request, 'q'),
      buffer_(plan.response) {
    for (std::uint32_t i = 0; i < plan.server_addresses; ++i) {
        sockaddr_in address{};
        address.sin_family = AF_INET;
        address.sin_addr.s_addr = htonl(plan.server_address + i);
        address.sin_port = htons(plan.port);
        addresses_.push_back(address);
    }
}

std::string Client::start() {
    if (const std::string problem = ring_.open(kEntries, plan_.concurrency); !problem.empty()) {
        return problem;
    }
    for (std::uint32_t slot = 0; slot < plan_.concurrency; ++slot)
        open(slot);
    return {};
}

void Client::step(int timeout_ms) {
    ring_.wait(timeout_ms);
    ++tally_.waits;
    io_uring_cqe* cqe = nullptr;
    unsigned head = 0;
    unsigned count = 0;
    io_uring_for_each_cqe(ring_.get(), head, cqe) {
        on_answer(*cqe);
        ++count;
    }
    io_uring_cq_advance(ring_.get(), count);
    tally_.events += count;
    if (count == 0) ++tally_.waits_empty;
}

// Every step but the last of a chain is silent unless it fails.
io_uring_sqe* Client::prepare(std::uint32_t slot, Step step) {
    io_uring_sqe* const sqe = ring_.entry();
    const int fd = static_cast<int>(slot);
    switch (step) {
        case Step::socket:
            io_uring_prep_socket_direct(sqe, AF_INET, SOCK_STREAM, 0, slot, 0);
            break;
        case Step::connect:
            io_uring_prep_connect(sqe, fd,
                                  reinterpret_cast<const sockaddr*>(&addresses_[next_address_]),
                                  sizeof(sockaddr_in));
            next_address_ = next_address_ + 1 == addresses_.size() ? 0 : next_address_ + 1;
            break;
        case Step::send: io_uring_prep_send(sqe, fd, question_.data(), question_.size(), 0); break;
        case Step::receive:
            io_uring_prep_recv(sqe, fd, buffer_.data(), buffer_.size(), MSG_WAITALL);
            break;
        default: io_uring_prep_close_direct(sqe, slot); break;
    }
    if (step != Step::socket && step != Step::close) sqe->flags |= IOSQE_FIXED_FILE;
    if (step != Step::receive && step != Step::close) {
        sqe->flags |= IOSQE_CQE_SKIP_SUCCESS | IOSQE_IO_LINK;
    }
    sqe->user_data = tag(step, slot);
    return sqe;
}

void Client::open(std::uint32_t slot) {
    connections_[slot] = Connection{};
    ++tally_.opened;
    ring_.make_room(4);
    prepare(slot, Step::socket);
    prepare(slot, Step::connect);
    ask(slot);
}

void Client::ask(std::uint32_t slot) {
    ring_.make_room(2);
    prepare(slot, Step::send);
    tally_.bytes_out += plan_.request;
    prepare(slot, Step::receive);
}

void Client::finish(std::uint32_t slot) { prepare(slot, Step::close); }

void Client::on_answer(const io_uring_cqe& cqe) {
    const std::uint32_t slot = slot_of(cqe.user_data);
    Connection& connection = connections_[slot];
    switch (step_of(cqe.user_data)) {
        case Step::close: open(slot); return;
        case Step::receive: on_response(slot, cqe.res); return;
        case Step::socket:
        case Step::connect:
            if (cqe.res != -ECANCELED) ++tally_.connect_failed;
            break;
        default:
            if (cqe.res != -ECANCELED) ++tally_.failed;
            break;
    }
    connection.broken = true;  // the chain's last step, cancelled, ends it
}

void Client::on_response(std::uint32_t slot, int result) {
    Connection& connection = connections_[slot];
    if (result != static_cast<int>(plan_.response)) {
        if (!connection.broken) ++tally_.failed;
        finish(slot);
        return;
    }
    if (connection.answered++ == 0) ++tally_.connected;
    ++tally_.messages;
    tally_.bytes_in += plan_.response;
    if (plan_.messages == 0 || connection.answered < plan_.messages) {
        ask(slot);
        return;
    }
    ++tally_.completed;
    finish(slot);
}

}  // namespace bench::uring
