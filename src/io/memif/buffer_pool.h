// SPDX-License-Identifier: Apache-2.0
// Private buffers of a queue: what must not lie in memory that the other process can write, or
// cannot because there is no connection.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "base/assert.h"
#include "base/cache_line.h"
#include "base/memory.h"
#include "io/frame.h"

namespace mtcp::io::memif {

class BufferPool {
  public:
    // False when the memory is refused.
    [[nodiscard]] bool reserve(std::uint32_t count, std::uint32_t buffer_size) {
        const std::size_t lines = (kFrameHeadroom + buffer_size + kCacheLine - 1) / kCacheLine;
        stride_ = (lines | 1) * kCacheLine;
        buffer_size_ = buffer_size;
        region_ = Region::map(stride_ * count, Pages::huge_if_available);
        if (region_.data() == nullptr) return false;
        free_.resize(count);
        for (std::uint32_t i = 0; i < count; ++i)
            free_[i] = count - 1 - i;
        return true;
    }

    [[nodiscard]] bool empty() const { return free_.empty(); }
    [[nodiscard]] std::uint32_t buffer_size() const { return buffer_size_; }
    // Precondition: !empty(). The last one given back is taken first: it is in the cache.
    [[nodiscard]] std::uint32_t take() {
        const std::uint32_t index = free_.back();
        free_.pop_back();
        return index;
    }
    void give_back(std::uint32_t index) {
        MTCP_DEBUG_ASSERT(free_.size() < free_.capacity());
        free_.push_back(index);  // within what reserve() sized
    }
    [[nodiscard]] std::byte* data(std::uint32_t index) const {
        return region_.data() + index * stride_ + kFrameHeadroom;
    }

  private:
    Region region_;
    std::size_t stride_ = 0;
    std::uint32_t buffer_size_ = 0;
    std::vector<std::uint32_t> free_;
};

}  // namespace mtcp::io::memif
