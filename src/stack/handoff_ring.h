// SPDX-License-Identifier: Apache-2.0
// What one core gives to another: segments of flows it does not own, neighbour news, path errors.
// One ring for each ordered pair of cores; records of any length in one block of memory, copied in
// by the producer and read in place by the consumer.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>

#include "base/cache_line.h"
#include "base/memory.h"
#include "net/inbound.h"
#include "net/neighbours.h"

namespace mtcp::stack {

enum class HandoffKind : std::uint32_t { segment, neighbour, path_error };

struct HandoffRecord {
    std::uint32_t size = 0;  // of the whole record with its bytes, a multiple of 8; 0: wrap mark
    HandoffKind kind = HandoffKind::segment;
    std::uint32_t hops = 0;
    std::uint32_t length = 0;  // bytes that follow
    net::Inbound inbound;      // segment: without `bytes`
    net::NeighbourUpdate update;
    net::PathErrorNotice notice;

    [[nodiscard]] std::span<const std::byte> bytes() const {
        return {reinterpret_cast<const std::byte*>(this + 1), length};
    }
};

class HandoffRing {
  public:
    [[nodiscard]] bool reserve(std::size_t bytes) {  // a power of two
        region_ = Region::map(bytes, Pages::normal);
        mask_ = bytes - 1;
        return region_.data() != nullptr;
    }

    // Producer. False: full, nothing was stored.
    [[nodiscard]] bool push(HandoffRecord record, std::span<const std::byte> bytes) {
        const std::size_t size = (sizeof record + bytes.size() + 7) & ~std::size_t{7};
        std::size_t tail = tail_.load(std::memory_order_relaxed);
        const std::size_t to_end = mask_ + 1 - (tail & mask_);
        const std::size_t needed = size <= to_end ? size : to_end + size;
        if (mask_ + 1 - (tail - head_.load(std::memory_order_acquire)) < needed) return false;
        if (size > to_end) {
            const std::uint32_t wrap_mark = 0;
            std::memcpy(region_.data() + (tail & mask_), &wrap_mark, sizeof wrap_mark);
            tail += to_end;
        }
        record.size = static_cast<std::uint32_t>(size);
        record.length = static_cast<std::uint32_t>(bytes.size());
        std::byte* at = region_.data() + (tail & mask_);
        std::memcpy(at, static_cast<const void*>(&record), sizeof record);
        if (!bytes.empty()) std::memcpy(at + sizeof record, bytes.data(), bytes.size());
        tail_.store(tail + size, std::memory_order_release);
        return true;
    }

    // Consumer: the oldest record, or nullptr. It stays until pop().
    [[nodiscard]] const HandoffRecord* front() {
        std::size_t head = head_.load(std::memory_order_relaxed);
        if (head == tail_.load(std::memory_order_acquire)) return nullptr;
        std::uint32_t size;
        std::memcpy(&size, region_.data() + (head & mask_), sizeof size);
        if (size == 0) {
            head += mask_ + 1 - (head & mask_);
            head_.store(head, std::memory_order_release);
            if (head == tail_.load(std::memory_order_acquire)) return nullptr;
        }
        return reinterpret_cast<const HandoffRecord*>(region_.data() + (head & mask_));
    }
    void pop() {
        const std::size_t head = head_.load(std::memory_order_relaxed);
        std::uint32_t size;
        std::memcpy(&size, region_.data() + (head & mask_), sizeof size);
        head_.store(head + size, std::memory_order_release);
    }
    [[nodiscard]] bool empty() const {
        return head_.load(std::memory_order_acquire) == tail_.load(std::memory_order_acquire);
    }

  private:
    Region region_;
    std::size_t mask_ = 0;
    alignas(kCacheLine) std::atomic<std::size_t> tail_{0};
    alignas(kCacheLine) std::atomic<std::size_t> head_{0};
};

}  // namespace mtcp::stack
