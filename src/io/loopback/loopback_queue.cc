// SPDX-License-Identifier: Apache-2.0
// Frames of the loopback queue and the ring between its two ends.
#include "io/loopback/loopback_queue.h"

#include <algorithm>
#include <new>

#include "base/assert.h"

namespace mtcp::io {

std::unique_ptr<LoopbackQueue> LoopbackQueue::create(const LoopbackConfig& config) {
    std::unique_ptr<LoopbackQueue> queue(new (std::nothrow) LoopbackQueue);
    if (queue == nullptr) return nullptr;
    queue->frame_bytes_ =
        (config.mtu + static_cast<std::uint32_t>(2 * kFrameHeadroom + 63)) / 64 * 64;
    queue->memory_ = Region::map(std::size_t{config.frames} * queue->frame_bytes_, Pages::normal);
    queue->free_.reset(new (std::nothrow) std::uint32_t[config.frames]);
    queue->ring_.reset(new (std::nothrow) Frame[config.frames]);
    if (queue->memory_.data() == nullptr || queue->free_ == nullptr || queue->ring_ == nullptr) {
        return nullptr;
    }
    for (std::uint32_t i = 0; i < config.frames; ++i)
        queue->free_[i] = config.frames - 1 - i;
    queue->free_count_ = queue->ring_size_ = config.frames;
    queue->capabilities_ = {.layer = Layer::ip,
                            .mtu = config.mtu,
                            .frame_size = config.mtu,
                            .transmit_checksum = true,
                            .transmit_segmentation = 0,
                            .cannot_corrupt = true};
    return queue;
}

std::size_t LoopbackQueue::receive(std::span<Frame> frames, Instant) {
    const std::size_t count = std::min(frames.size(), tail_ - head_);
    for (std::size_t i = 0; i < count; ++i) {
        frames[i] = ring_[(head_ + i) % ring_size_];
        frames[i].checksum = Checksum::verified;
    }
    head_ += count;
    return count;
}

std::size_t LoopbackQueue::allocate(std::span<Frame> frames) {
    const std::size_t count = std::min(frames.size(), free_count_);
    for (std::size_t i = 0; i < count; ++i) {
        const std::uint32_t number = free_[--free_count_];
        frames[i] = Frame{};
        frames[i].data = memory_.data() + std::size_t{number} * frame_bytes_ + kFrameHeadroom;
        frames[i].capacity = static_cast<std::uint32_t>(frame_bytes_ - kFrameHeadroom);
        frames[i].token = number;
    }
    return count;
}

std::size_t LoopbackQueue::transmit(std::span<Frame> frames, Instant) {
    // There are never more frames than places: the ring cannot be full.
    for (const Frame& frame : frames) {
        MTCP_DEBUG_ASSERT(tail_ - head_ < ring_size_);
        ring_[tail_++ % ring_size_] = frame;
    }
    return frames.size();
}

void LoopbackQueue::release(std::span<Frame> frames) {
    for (const Frame& frame : frames)
        free_[free_count_++] = static_cast<std::uint32_t>(frame.token);
}

}  // namespace mtcp::io
