// SPDX-License-Identifier: Apache-2.0
// Numbers of free buffers, last in, first out: warm. Never more than there are buffers.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>

#include "base/assert.h"

namespace mtcp::io::memif {

class IndexStack {
  public:
    // Holds 0 .. count-1, the least on top.
    void fill(std::uint32_t count) {
        indices_ = std::make_unique<std::uint32_t[]>(count);
        capacity_ = size_ = count;
        for (std::uint32_t i = 0; i < count; ++i)
            indices_[i] = count - 1 - i;
    }
    [[nodiscard]] bool empty() const { return size_ == 0; }
    [[nodiscard]] std::uint32_t size() const { return size_; }
    // The one that pop() returns after `others` more.
    [[nodiscard]] std::uint32_t below_top(std::uint32_t others) const {
        MTCP_DEBUG_ASSERT(others < size_);
        return indices_[size_ - 1 - others];
    }
    [[nodiscard]] std::uint32_t pop() {
        MTCP_DEBUG_ASSERT(size_ > 0);
        return indices_[--size_];
    }
    void push(std::uint32_t index) {
        MTCP_DEBUG_ASSERT(size_ < capacity_);
        indices_[size_++] = index;
    }

  private:
    std::unique_ptr<std::uint32_t[]> indices_;
    std::uint32_t size_ = 0;
    std::uint32_t capacity_ = 0;
};

}  // namespace mtcp::io::memif
