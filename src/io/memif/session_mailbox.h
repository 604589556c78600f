// SPDX-License-Identifier: Apache-2.0
// How the control thread hands the current session to the queues. A queue reads one word per burst;
// the lock is taken only when the session has changed.
#pragma once

#include <sys/eventfd.h>
#include <unistd.h>

#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <utility>
#include <vector>

#include "base/cache_line.h"
#include "io/memif/file_descriptor.h"
#include "io/memif/session.h"

namespace mtcp::io::memif {

inline void ring_doorbell(const FileDescriptor& doorbell) {
    const std::uint64_t one = 1;
    [[maybe_unused]] const ssize_t written = ::write(doorbell.get(), &one, sizeof one);
}

class SessionMailbox {
  public:
    // One doorbell per queue and one for the control thread; false when the system refuses.
    [[nodiscard]] bool open(std::size_t queues) {
        control_doorbell_ = FileDescriptor(::eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC));
        bool good = control_doorbell_.open();
        for (std::size_t i = 0; i < queues; ++i) {
            doorbells_.emplace_back(::eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC));
            good = good && doorbells_.back().open();
        }
        return good;
    }

    // Control thread: nullptr when the peer is gone.
    void publish(std::shared_ptr<Session> session) {
        {
            const std::scoped_lock lock(mutex_);
            session_.swap(session);
            epoch_.fetch_add(1, std::memory_order_release);
        }
        for (const FileDescriptor& doorbell : doorbells_)
            ring_doorbell(doorbell);
    }

    // Queues.
    [[nodiscard]] std::uint32_t epoch() const { return epoch_.load(std::memory_order_acquire); }
    [[nodiscard]] std::shared_ptr<Session> current(std::uint32_t& epoch) const {
        const std::scoped_lock lock(mutex_);
        epoch = epoch_.load(std::memory_order_relaxed);
        return session_;
    }
    [[nodiscard]] int doorbell(std::size_t queue) const { return doorbells_[queue].get(); }
    void wake_control() const { ring_doorbell(control_doorbell_); }
    [[nodiscard]] int control_doorbell() const { return control_doorbell_.get(); }

  private:
    alignas(kCacheLine) std::atomic<std::uint32_t> epoch_{0};
    alignas(kCacheLine) mutable std::mutex mutex_;
    std::shared_ptr<Session> session_;
    std::vector<FileDescriptor> doorbells_;
    FileDescriptor control_doorbell_;
};

}  // namespace mtcp::io::memif
