// SPDX-License-Identifier: Apache-2.0
// Copies of frames that wait for their time, in bounded memory of their own. Slots are shared by
// both directions; each direction has a queue ordered by due time, then by arrival.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "base/memory.h"
#include "base/time.h"
#include "io/frame.h"

namespace mtcp::io {

class FrameSlots {
  public:
    // False when the memory is refused.
    [[nodiscard]] bool reserve(std::uint32_t count, std::size_t frame_bytes_max);

    [[nodiscard]] std::size_t available() const { return free_.size(); }
    [[nodiscard]] std::size_t frame_bytes_max() const { return frame_bytes_max_; }
    // Whether the bytes of `frame` lie in a slot.
    [[nodiscard]] bool owns(const Frame& frame) const;
    // A copy of `frame`, whose token is its slot. Preconditions: available() > 0 and
    // frame.length <= frame_bytes_max().
    [[nodiscard]] Frame copy(const Frame& frame);
    void give_back(const Frame& frame) { free_.push_back(static_cast<std::uint32_t>(frame.token)); }

  private:
    Region memory_;
    std::size_t stride_ = 0;
    std::size_t frame_bytes_max_ = 0;
    std::vector<std::uint32_t> free_;
};

class HeldFrames {
  public:
    struct Held {
        Instant due;
        std::uint64_t order;
        Frame frame;
    };
    void reserve(std::size_t count) { heap_.reserve(count); }
    void hold(const Frame& frame, Instant due) { put({due, next_order_++, frame}); }
    // Puts back what was taken and could not leave: it keeps its place.
    void put(const Held& held);
    [[nodiscard]] bool any_due(Instant now) const {
        return !heap_.empty() && heap_.front().due <= now;
    }
    [[nodiscard]] Instant next_due() const { return heap_.empty() ? kNever : heap_.front().due; }
    [[nodiscard]] Held take();
    [[nodiscard]] std::size_t size() const { return heap_.size(); }

  private:
    std::vector<Held> heap_;
    std::uint64_t next_order_ = 0;
};

}  // namespace mtcp::io
