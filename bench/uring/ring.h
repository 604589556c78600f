// SPDX-License-Identifier: Apache-2.0
// An io_uring with a table of direct descriptors, for one thread.
#pragma once

#include <liburing.h>

#include <cerrno>
#include <cstdint>
#include <cstring>
#include <string>

namespace bench::uring {

// What an answer is about: the slot of the connection, and which step of it.
enum class Step : std::uint8_t { accept, socket, connect, send, receive, shutdown, close };

[[nodiscard]] inline std::uint64_t tag(Step step, std::uint32_t slot) {
    return std::uint64_t{slot} << 8 | static_cast<std::uint64_t>(step);
}
[[nodiscard]] inline Step step_of(std::uint64_t tag) { return static_cast<Step>(tag & 0xff); }
[[nodiscard]] inline std::uint32_t slot_of(std::uint64_t tag) {
    return static_cast<std::uint32_t>(tag >> 8);
}

class Ring {
  public:
    Ring() = default;
    Ring(const Ring&) = delete;
    Ring& operator=(const Ring&) = delete;
    ~Ring() {
        if (open_) io_uring_queue_exit(&ring_);
    }
    // By the thread that will use it. What went wrong; empty: it is ready.
    [[nodiscard]] std::string open(unsigned entries, unsigned slots) {
        io_uring_params parameters{};
        parameters.flags = IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN |
                           IORING_SETUP_CQSIZE | IORING_SETUP_CLAMP;
        parameters.cq_entries = entries * 8;
        int error = io_uring_queue_init_params(entries, &ring_, &parameters);
        if (error < 0) return std::string("io_uring: ") + std::strerror(-error);
        open_ = true;
        error = io_uring_register_files_sparse(&ring_, slots);
        if (error < 0) return std::string("direct descriptors: ") + std::strerror(-error);
        return {};
    }
    [[nodiscard]] io_uring* get() { return &ring_; }
    // A free entry; submits when there is none.
    [[nodiscard]] io_uring_sqe* entry() {
        io_uring_sqe* sqe = io_uring_get_sqe(&ring_);
        while (sqe == nullptr) {
            io_uring_submit(&ring_);
            sqe = io_uring_get_sqe(&ring_);
        }
        return sqe;
    }
    // A linked chain must not be cut in two by a submission.
    void make_room(unsigned entries) {
        if (io_uring_sq_space_left(&ring_) < entries) io_uring_submit(&ring_);
    }
    // Submits, and waits for an answer, `ms` at most.
    void wait(int ms) {
        __kernel_timespec limit{.tv_sec = ms / 1000, .tv_nsec = (ms % 1000) * 1'000'000LL};
        io_uring_cqe* first = nullptr;
        io_uring_submit_and_wait_timeout(&ring_, &first, 1, &limit, nullptr);
    }

  private:
    io_uring ring_{};
    bool open_ = false;
};

}  // namespace bench::uring
