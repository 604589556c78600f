// SPDX-License-Identifier: Apache-2.0
// Free frames of a packet area, by their offset in it; the last one given back (still in the cache)
// is taken first. Bounded, and allocated once.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <new>

#include "base/assert.h"

namespace mtcp::io {

class FrameStack {
  public:
    // Room for `capacity` frames, none in it yet. Returns false without memory.
    [[nodiscard]] bool reserve(std::size_t capacity) {
        offsets_.reset(new (std::nothrow) std::uint64_t[capacity]);
        capacity_ = capacity;
        return offsets_ != nullptr;
    }
    void push(std::uint64_t offset) {
        MTCP_ASSERT(size_ < capacity_);  // more came back than there are: released twice
        offsets_[size_++] = offset;
    }
    [[nodiscard]] std::uint64_t pop() {
        MTCP_DEBUG_ASSERT(size_ > 0);
        return offsets_[--size_];
    }
    [[nodiscard]] std::size_t size() const { return size_; }

  private:
    std::unique_ptr<std::uint64_t[]> offsets_;
    std::size_t size_ = 0;
    std::size_t capacity_ = 0;
};

}  // namespace mtcp::io
