// SPDX-License-Identifier: Apache-2.0
// The user's end of the four rings an AF_XDP socket shares with the kernel. Single producer, single
// consumer; the far end's index is read only when the copy kept here says there is nothing left.
#pragma once

#include <linux/if_xdp.h>

#include <atomic>
#include <cstdint>

namespace mtcp::io {

// Where a mapped ring lies. Indices run freely; an entry is at index & (size - 1).
template <typename Entry>
struct RingMemory {
    std::uint32_t* producer = nullptr;
    std::uint32_t* consumer = nullptr;
    std::uint32_t* flags = nullptr;
    Entry* entries = nullptr;
    std::uint32_t size = 0;
};

// Fill and transmit ring.
template <typename Entry>
class ProducerRing {
  public:
    ProducerRing() = default;
    explicit ProducerRing(const RingMemory<Entry>& memory)
        : memory_(memory), produced_(*memory.producer), consumed_(*memory.consumer) {}

    // How many entries may be written now, at most `wanted`.
    [[nodiscard]] std::uint32_t room(std::uint32_t wanted) {
        std::uint32_t free = memory_.size - (produced_ - consumed_);
        if (free < wanted) {
            consumed_ = std::atomic_ref(*memory_.consumer).load(std::memory_order_acquire);
            free = memory_.size - (produced_ - consumed_);
        }
        return free < wanted ? free : wanted;
    }
    // The entry `offset` places behind the last submitted one; offset < room().
    [[nodiscard]] Entry& slot(std::uint32_t offset) {
        return memory_.entries[(produced_ + offset) & (memory_.size - 1)];
    }
    void submit(std::uint32_t count) {
        produced_ += count;
        std::atomic_ref(*memory_.producer).store(produced_, std::memory_order_release);
    }
    // True when the kernel has taken everything.
    [[nodiscard]] bool drained() {
        if (produced_ != consumed_) {
            consumed_ = std::atomic_ref(*memory_.consumer).load(std::memory_order_acquire);
        }
        return produced_ == consumed_;
    }
    [[nodiscard]] std::uint32_t consumed() const { return consumed_; }
    // How many entries the kernel has not taken; entry `offset` of them, oldest first.
    [[nodiscard]] std::uint32_t held() { return drained() ? 0 : produced_ - consumed_; }
    [[nodiscard]] const Entry& held_slot(std::uint32_t offset) const {
        return memory_.entries[(consumed_ + offset) & (memory_.size - 1)];
    }
    // Whether the kernel sleeps on this ring. The fence keeps the flag from being read before the
    // entries are visible: otherwise both sides could fall asleep.
    [[nodiscard]] bool needs_wakeup() const {
        std::atomic_thread_fence(std::memory_order_seq_cst);
        const std::uint32_t flags = std::atomic_ref(*memory_.flags).load(std::memory_order_relaxed);
        return (flags & XDP_RING_NEED_WAKEUP) != 0;
    }

  private:
    RingMemory<Entry> memory_;
    std::uint32_t produced_ = 0;
    std::uint32_t consumed_ = 0;
};

// Receive and completion ring.
template <typename Entry>
class ConsumerRing {
  public:
    ConsumerRing() = default;
    explicit ConsumerRing(const RingMemory<Entry>& memory)
        : memory_(memory), produced_(*memory.producer), consumed_(*memory.consumer) {}

    // How many entries wait, at most `wanted`.
    [[nodiscard]] std::uint32_t waiting(std::uint32_t wanted) {
        std::uint32_t count = produced_ - consumed_;
        if (count < wanted) {
            produced_ = std::atomic_ref(*memory_.producer).load(std::memory_order_acquire);
            count = produced_ - consumed_;
        }
        return count < wanted ? count : wanted;
    }
    // The entry `offset` places behind the last one given back; offset < waiting().
    [[nodiscard]] const Entry& slot(std::uint32_t offset) const {
        return memory_.entries[(consumed_ + offset) & (memory_.size - 1)];
    }
    void give_back(std::uint32_t count) {
        consumed_ += count;
        std::atomic_ref(*memory_.consumer).store(consumed_, std::memory_order_release);
    }

  private:
    RingMemory<Entry> memory_;
    std::uint32_t produced_ = 0;
    std::uint32_t consumed_ = 0;
};

}  // namespace mtcp::io
