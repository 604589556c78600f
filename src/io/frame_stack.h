// SPDX-License-Identifier: Apache-2.0
// Free frames of a packet area, by their number or offset in it; the last one given back (still in
// the cache) is taken first. Bounded, and allocated once.
#pragma once

#include <cstddef>
#include <memory>
#include <new>

#include "base/assert.h"

namespace mtcp::io {

template <typename Place>
class FrameStack {
  public:
    // Room for `capacity` frames, none in it yet. Returns false without memory.
    [[nodiscard]] bool reserve(std::size_t capacity) {
        places_.reset(new (std::nothrow) Place[capacity]);
        capacity_ = capacity;
        return places_ != nullptr;
    }
    void push(Place place) {
        MTCP_ASSERT(size_ < capacity_);  // more came back than there are: released twice
        places_[size_++] = place;
    }
    [[nodiscard]] Place pop() {
        MTCP_DEBUG_ASSERT(size_ > 0);
        return places_[--size_];
    }
    // The one that pop() returns after `others` more.
    [[nodiscard]] Place below_top(std::size_t others) const {
        MTCP_DEBUG_ASSERT(others < size_);
        return places_[size_ - 1 - others];
    }
    [[nodiscard]] std::size_t size() const { return size_; }
    [[nodiscard]] bool empty() const { return size_ == 0; }

  private:
    std::unique_ptr<Place[]> places_;
    std::size_t size_ = 0;
    std::size_t capacity_ = 0;
};

}  // namespace mtcp::io
