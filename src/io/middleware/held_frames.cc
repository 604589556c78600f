// SPDX-License-Identifier: Apache-2.0
// Slots and the two heaps over them; nothing here allocates after reserve().
#include "io/middleware/held_frames.h"

#include <algorithm>
#include <cstring>
#include <functional>

#include "base/assert.h"

namespace mtcp::io {
namespace {

bool leaves_later(const HeldFrames::Held& a, const HeldFrames::Held& b) {
    return a.due != b.due ? a.due > b.due : a.order > b.order;
}

}  // namespace

bool FrameSlots::reserve(std::uint32_t count, std::size_t frame_bytes_max) {
    frame_bytes_max_ = frame_bytes_max;
    stride_ = (kFrameHeadroom + frame_bytes_max + kCacheLine - 1) / kCacheLine * kCacheLine;
    // Reserved whole, touched as needed: a slot nobody used costs no memory.
    memory_ = Region::map(count * stride_, Pages::normal);
    if (memory_.data() == nullptr) return false;
    free_.reserve(count);
    for (std::uint32_t i = count; i > 0; --i)
        free_.push_back(i - 1);
    return true;
}

bool FrameSlots::owns(const Frame& frame) const {
    const std::less<const std::byte*> before;
    return !before(frame.data, memory_.data()) &&
           before(frame.data, memory_.data() + memory_.size());
}

Frame FrameSlots::copy(const Frame& frame) {
    MTCP_ASSERT(!free_.empty() && frame.length <= frame_bytes_max_);
    Frame kept = frame;
    kept.token = free_.back();
    free_.pop_back();
    kept.data = memory_.data() + kept.token * stride_ + kFrameHeadroom;
    kept.capacity = static_cast<std::uint32_t>(frame_bytes_max_);
    std::memcpy(kept.data, frame.data, frame.length);
    return kept;
}

void HeldFrames::put(const Held& held) {
    MTCP_DEBUG_ASSERT(heap_.size() < heap_.capacity());
    heap_.push_back(held);
    std::push_heap(heap_.begin(), heap_.end(), leaves_later);
}

HeldFrames::Held HeldFrames::take() {
    std::pop_heap(heap_.begin(), heap_.end(), leaves_later);
    const Held held = heap_.back();
    heap_.pop_back();
    return held;
}

}  // namespace mtcp::io
