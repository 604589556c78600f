// SPDX-License-Identifier: Apache-2.0
// Records of one type found by a dense 32-bit index. Space is reserved for `capacity` records at
// start; a record is touched first when it is first taken, so unused capacity costs no memory.
// Freed indices come back last-in first-out (warm); the free list lives in the free records.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <type_traits>

#include "base/assert.h"
#include "base/cache_line.h"
#include "base/memory.h"

namespace mtcp {

inline constexpr std::uint32_t kNoIndex = 0xffff'ffff;

template <typename T>
class IndexPool {
    static_assert(std::is_trivially_destructible_v<T>);
    static_assert(sizeof(T) >= sizeof(std::uint32_t));

  public:
    IndexPool() = default;
    // Returns false when the memory is refused.
    [[nodiscard]] bool reserve(std::uint32_t capacity, Pages pages = Pages::normal) {
        region_ = Region::map(std::size_t{capacity} * sizeof(T), pages);
        if (region_.data() == nullptr && capacity != 0) return false;
        capacity_ = capacity;
        return true;
    }

    // Index of a record whose bytes are unspecified, or kNoIndex when the pool is exhausted.
    [[nodiscard]] std::uint32_t take() {
        if (free_head_ != kNoIndex) {
            const std::uint32_t index = free_head_;
            std::memcpy(&free_head_, slot(index), sizeof free_head_);
            if (free_head_ != kNoIndex) prefetch_for_write(slot(free_head_));
            ++used_;
            return index;
        }
        if (untouched_ == capacity_) return kNoIndex;
        ++used_;
        return untouched_++;
    }
    void give_back(std::uint32_t index) {
        MTCP_DEBUG_ASSERT(index < untouched_ && used_ > 0);
        std::memcpy(slot(index), &free_head_, sizeof free_head_);
        free_head_ = index;
        --used_;
    }

    [[nodiscard]] T& operator[](std::uint32_t index) {
        MTCP_DEBUG_ASSERT(index < untouched_);
        return *static_cast<T*>(slot(index));
    }
    [[nodiscard]] const T& operator[](std::uint32_t index) const {
        MTCP_DEBUG_ASSERT(index < untouched_);
        return *reinterpret_cast<const T*>(region_.data() + std::size_t{index} * sizeof(T));
    }
    // All of them, taken or not, for who finds a part of a record by himself.
    [[nodiscard]] T* data() { return reinterpret_cast<T*>(region_.data()); }
    [[nodiscard]] std::uint32_t used() const { return used_; }
    [[nodiscard]] std::uint32_t capacity() const { return capacity_; }
    [[nodiscard]] std::uint32_t available() const { return capacity_ - used_; }
    // One more than the highest index ever handed out.
    [[nodiscard]] std::uint32_t touched() const { return untouched_; }

  private:
    void* slot(std::uint32_t index) { return region_.data() + std::size_t{index} * sizeof(T); }

    Region region_;
    std::uint32_t capacity_ = 0;
    std::uint32_t untouched_ = 0;
    std::uint32_t used_ = 0;
    std::uint32_t free_head_ = kNoIndex;
};

}  // namespace mtcp
