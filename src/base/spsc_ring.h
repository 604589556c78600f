// SPDX-License-Identifier: Apache-2.0
// A bounded queue with one producer thread and one consumer thread, without locks. Each side keeps
// a copy of the other's index on its own cache line and re-reads it only when the ring looks full
// (or empty), so a burst costs one transfer of a line, not one per entry.
#pragma once

#include <algorithm>
#include <atomic>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <new>
#include <span>
#include <type_traits>
#include <utility>

#include "base/assert.h"
#include "base/cache_line.h"

namespace mtcp {

template <typename T>
class SpscRing {
    static_assert(std::is_trivially_copyable_v<T>);

  public:
    // `capacity` is rounded up to a power of two; at least 2.
    explicit SpscRing(std::size_t capacity)
        : mask_(std::bit_ceil(capacity < 2 ? std::size_t{2} : capacity) - 1),
          slots_(new (std::nothrow) T[mask_ + 1]) {
        MTCP_ASSERT(slots_ != nullptr);
    }
    SpscRing(const SpscRing&) = delete;
    SpscRing& operator=(const SpscRing&) = delete;

    [[nodiscard]] std::size_t capacity() const { return mask_ + 1; }
    // Makes room for `capacity`, while neither side is at work. False: no memory, and as before.
    [[nodiscard]] bool grow(std::size_t capacity) {
        if (capacity <= mask_ + 1) return true;
        const std::size_t mask = std::bit_ceil(capacity) - 1;
        std::unique_ptr<T[]> slots(new (std::nothrow) T[mask + 1]);
        if (slots == nullptr) return false;
        for (std::size_t i = head_.load(); i != tail_.load(); ++i)
            slots[i & mask] = slots_[i & mask_];
        mask_ = mask;
        slots_ = std::move(slots);
        return true;
    }

    // Producer side. Returns false when full.
    [[nodiscard]] bool push(const T& value) {
        const std::size_t tail = tail_.load(std::memory_order_relaxed);
        if (tail - head_seen_ > mask_) {
            head_seen_ = head_.load(std::memory_order_acquire);
            if (tail - head_seen_ > mask_) return false;
        }
        slots_[tail & mask_] = value;
        tail_.store(tail + 1, std::memory_order_release);
        return true;
    }
    // Producer side: pushes as many of `values` as fit, in order, with one store of the index;
    // returns how many. `order` is seq_cst for a producer that looks at a "consumer sleeps" flag
    // next (the consumer stores its flag and then looks with empty(seq_cst): one sees the other).
    [[nodiscard]] std::size_t push_burst(std::span<const T> values,
                                         std::memory_order order = std::memory_order_release) {
        const std::size_t tail = tail_.load(std::memory_order_relaxed);
        if (tail - head_seen_ + values.size() > mask_ + 1) {
            head_seen_ = head_.load(std::memory_order_acquire);
        }
        const std::size_t free = mask_ + 1 - (tail - head_seen_);
        const std::size_t count = values.size() < free ? values.size() : free;
        for (std::size_t i = 0; i < count; ++i)
            slots_[(tail + i) & mask_] = values[i];
        if (count != 0) tail_.store(tail + count, order);
        return count;
    }
    // Producer side: entries that can be pushed now.
    [[nodiscard]] std::size_t room() {
        head_seen_ = head_.load(std::memory_order_acquire);
        return mask_ + 1 - (tail_.load(std::memory_order_relaxed) - head_seen_);
    }

    // Consumer side. Returns false when empty.
    [[nodiscard]] bool pop(T& value) {
        const std::size_t head = head_.load(std::memory_order_relaxed);
        if (head == tail_seen_) {
            tail_seen_ = tail_.load(std::memory_order_acquire);
            if (head == tail_seen_) return false;
        }
        value = slots_[head & mask_];
        head_.store(head + 1, std::memory_order_release);
        return true;
    }
    // Consumer side: takes up to values.size() entries, oldest first, with one store of the index;
    // returns how many.
    [[nodiscard]] std::size_t pop_burst(std::span<T> values) {
        const std::size_t head = head_.load(std::memory_order_relaxed);
        if (tail_seen_ - head < values.size()) tail_seen_ = tail_.load(std::memory_order_acquire);
        const std::size_t there = tail_seen_ - head;
        const std::size_t count = values.size() < there ? values.size() : there;
        for (std::size_t i = 0; i < count; ++i)
            values[i] = slots_[(head + i) & mask_];
        if (count != 0) head_.store(head + count, std::memory_order_release);
        return count;
    }
    // Consumer side: the next entry without taking it, or nullptr.
    [[nodiscard]] const T* peek() { return peek(0); }

    // Consumer side: the entry behind `ahead` others, without taking it, or nullptr.
    [[nodiscard]] const T* peek(std::size_t ahead) {
        const std::size_t head = head_.load(std::memory_order_relaxed);
        if (tail_seen_ - head <= ahead) tail_seen_ = tail_.load(std::memory_order_acquire);
        return tail_seen_ - head <= ahead ? nullptr : &slots_[(head + ahead) & mask_];
    }

    // Consumer side: the entries from the next on that lie in one piece, at most `most`, where they
    // are. They stay until drop_front().
    [[nodiscard]] std::span<const T> front(std::size_t most) {
        const std::size_t head = head_.load(std::memory_order_relaxed);
        if (tail_seen_ - head < most) tail_seen_ = tail_.load(std::memory_order_acquire);
        const std::size_t at = head & mask_;
        return {&slots_[at], std::min({most, tail_seen_ - head, mask_ + 1 - at})};
    }
    // Consumer side: the next `count` entries, which must be there, are done with.
    void drop_front(std::size_t count) {
        head_.store(head_.load(std::memory_order_relaxed) + count, std::memory_order_release);
    }

    // Either side; exact only when the other one is still.
    [[nodiscard]] bool empty(std::memory_order order = std::memory_order_acquire) const {
        return head_.load(order) == tail_.load(order);
    }
    [[nodiscard]] std::size_t size() const {
        const std::size_t head = head_.load(std::memory_order_acquire);
        return tail_.load(std::memory_order_acquire) - head;
    }

  private:
    std::size_t mask_;
    std::unique_ptr<T[]> slots_;
    alignas(kCacheLine) std::atomic<std::size_t> tail_{0};
    std::size_t head_seen_ = 0;  // the producer's copy of head_
    alignas(kCacheLine) std::atomic<std::size_t> head_{0};
    std::size_t tail_seen_ = 0;  // the consumer's copy of tail_
};

}  // namespace mtcp
