// SPDX-License-Identifier: Apache-2.0
// Private buffers of a queue: for what is made here to be sent, and what must not lie in memory
// that the other process can write.
#pragma once

#include <cstddef>
#include <cstdint>

#include "base/cache_line.h"
#include "base/memory.h"
#include "io/frame.h"
#include "io/frame_stack.h"

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
        if (!free_.reserve(count)) return false;
        for (std::uint32_t i = count; i > 0; --i)
            free_.push(i - 1);
        return true;
    }

    [[nodiscard]] bool empty() const { return free_.empty(); }
    [[nodiscard]] std::uint32_t buffer_size() const { return buffer_size_; }
    // Precondition: !empty(). The last one given back is taken first: it is in the cache.
    [[nodiscard]] std::uint32_t take() { return free_.pop(); }
    void give_back(std::uint32_t index) { free_.push(index); }
    [[nodiscard]] std::byte* data(std::uint32_t index) const {
        return region_.data() + index * stride_ + kFrameHeadroom;
    }

  private:
    Region region_;
    std::size_t stride_ = 0;
    std::uint32_t buffer_size_ = 0;
    FrameStack<std::uint32_t> free_;
};

}  // namespace mtcp::io::memif
