// SPDX-License-Identifier: Apache-2.0
// Accepting, answering and closing by entries in a ring.
#include "uring/server.h"

#include <sys/mman.h>
#include <sys/socket.h>

namespace bench::uring {
namespace {

constexpr unsigned kEntries = 4096;
constexpr unsigned kSlots = 16384;  // below the limit of open files
constexpr unsigned kBuffers = 4096;
constexpr unsigned kBufferBytes = 2048;
constexpr int kGroup = 0;

}  // namespace

Server::Server(const Plan& plan, int listener)
    : plan_(plan),
      listener_(listener),
      memory_(std::size_t{kBuffers} * kBufferBytes),
      connections_(kSlots),
      page_(plan.response, 'r') {}

Server::~Server() {
    if (buffers_ != nullptr) ::munmap(buffers_, kBuffers * sizeof(io_uring_buf));
}

std::string Server::start() {
    if (const std::string problem = ring_.open(kEntries, kSlots); !problem.empty()) return problem;
    void* const memory = ::mmap(nullptr, kBuffers * sizeof(io_uring_buf), PROT_READ | PROT_WRITE,
                                MAP_ANONYMOUS | MAP_PRIVATE, -1, 0);
    if (memory == MAP_FAILED) return "no memory for the ring of buffers";
    buffers_ = static_cast<io_uring_buf_ring*>(memory);
    io_uring_buf_reg description{};
    description.ring_addr = reinterpret_cast<std::uint64_t>(memory);
    description.ring_entries = kBuffers;
    description.bgid = kGroup;
    const int error = io_uring_register_buf_ring(ring_.get(), &description, 0);
    if (error < 0) return std::string("provided buffers: ") + std::strerror(-error);
    io_uring_buf_ring_init(buffers_);
    for (unsigned i = 0; i < kBuffers; ++i) {
        io_uring_buf_ring_add(buffers_, &memory_[std::size_t{i} * kBufferBytes], kBufferBytes,
                              static_cast<unsigned short>(i), kBuffers - 1, static_cast<int>(i));
    }
    io_uring_buf_ring_advance(buffers_, kBuffers);
    arm_accept();
    return {};
}

void Server::step(int timeout_ms) {
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

void Server::arm_accept() {
    io_uring_sqe* const sqe = ring_.entry();
    io_uring_prep_multishot_accept_direct(sqe, listener_, nullptr, nullptr, 0);
    sqe->user_data = tag(Step::accept, 0);
}

void Server::arm_receive(std::uint32_t slot) {
    io_uring_sqe* const sqe = ring_.entry();
    io_uring_prep_recv_multishot(sqe, static_cast<int>(slot), nullptr, 0, 0);
    sqe->flags |= IOSQE_FIXED_FILE | IOSQE_BUFFER_SELECT;
    sqe->buf_group = kGroup;
    sqe->user_data = tag(Step::receive, slot);
}

void Server::on_answer(const io_uring_cqe& cqe) {
    const std::uint32_t slot = slot_of(cqe.user_data);
    switch (step_of(cqe.user_data)) {
        case Step::accept:
            if (cqe.res >= 0) {
                ++tally_.opened;
                const auto born = static_cast<std::uint32_t>(cqe.res);
                connections_[born] = Connection{};
                arm_receive(born);
            } else {
                ++tally_.connect_failed;
            }
            if ((cqe.flags & IORING_CQE_F_MORE) == 0) arm_accept();
            break;
        case Step::receive: on_receive(slot, cqe); break;
        default: break;  // a step that failed: the receive that is armed ends too
    }
}

void Server::on_receive(std::uint32_t slot, const io_uring_cqe& cqe) {
    if (cqe.res <= 0) {
        if (cqe.res == -ENOBUFS) {
            arm_receive(slot);
            return;
        }
        if (cqe.res < 0 && plan_.closer != Closer::reset) ++tally_.failed;
        close(slot);
        return;
    }
    tally_.bytes_in += static_cast<std::uint64_t>(cqe.res);
    Connection& connection = connections_[slot];
    connection.received += static_cast<std::uint32_t>(cqe.res);
    give_buffer(static_cast<std::uint16_t>(cqe.flags >> IORING_CQE_BUFFER_SHIFT));
    for (; connection.received >= plan_.request; connection.received -= plan_.request)
        answer(slot);
    if ((cqe.flags & IORING_CQE_F_MORE) == 0) arm_receive(slot);
}

void Server::answer(std::uint32_t slot) {
    Connection& connection = connections_[slot];
    ++connection.answered;
    ++tally_.messages;
    tally_.bytes_out += plan_.response;
    const bool last = plan_.closer == Closer::server && connection.answered == plan_.messages;
    ring_.make_room(2);
    io_uring_sqe* sqe = ring_.entry();
    io_uring_prep_send(sqe, static_cast<int>(slot), page_.data(), page_.size(), MSG_WAITALL);
    sqe->flags |= IOSQE_FIXED_FILE | IOSQE_CQE_SKIP_SUCCESS;
    sqe->user_data = tag(Step::send, slot);
    if (!last) return;
    sqe->flags |= IOSQE_IO_LINK;
    sqe = ring_.entry();
    io_uring_prep_shutdown(sqe, static_cast<int>(slot), SHUT_WR);
    sqe->flags |= IOSQE_FIXED_FILE | IOSQE_CQE_SKIP_SUCCESS;
    sqe->user_data = tag(Step::shutdown, slot);
}

void Server::close(std::uint32_t slot) {
    if (connections_[slot].answered == plan_.messages) ++tally_.completed;
    io_uring_sqe* const sqe = ring_.entry();
    io_uring_prep_close_direct(sqe, slot);
    sqe->flags |= IOSQE_CQE_SKIP_SUCCESS;
    sqe->user_data = tag(Step::close, slot);
}

void Server::give_buffer(std::uint16_t number) {
    io_uring_buf_ring_add(buffers_, &memory_[std::size_t{number} * kBufferBytes], kBufferBytes,
                          number, kBuffers - 1, 0);
    io_uring_buf_ring_advance(buffers_, 1);
}

}  // namespace bench::uring
