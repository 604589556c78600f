// SPDX-License-Identifier: Apache-2.0
// A packet I/O queue for unit tests: a few frames in memory, and a list of what was sent.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <vector>

#include "io/packet_io.h"

namespace mtcp::net::testing {

using Bytes = std::vector<std::byte>;

class FakeQueue final : public io::Queue {
  public:
    explicit FakeQueue(io::Capabilities capabilities = {}, std::size_t frames = 512)
        : capabilities_(capabilities),
          frame_size_(io::kFrameHeadroom + capabilities.frame_size + 64),
          memory_(frames * frame_size_) {
        for (std::size_t i = 0; i < frames; ++i)
            free_.push_back(frames - 1 - i);
    }

    std::size_t receive(std::span<io::Frame>, Instant) override { return 0; }
    std::size_t allocate(std::span<io::Frame> frames) override {
        std::size_t count = 0;
        while (count < frames.size() && !free_.empty()) {
            io::Frame& frame = frames[count++];
            frame = io::Frame{};
            frame.token = free_.back();
            free_.pop_back();
            frame.data = memory_.data() + frame.token * frame_size_ + io::kFrameHeadroom;
            frame.capacity = static_cast<std::uint32_t>(frame_size_ - io::kFrameHeadroom);
        }
        return count;
    }
    std::size_t transmit(std::span<io::Frame> frames, Instant) override {
        std::size_t count = 0;
        while (count < frames.size() && ring_room > 0) {
            const io::Frame& frame = frames[count++];
            sent.emplace_back(frame.data, frame.data + frame.length);
            sent_frames.push_back(frame);
            free_.push_back(static_cast<std::size_t>(frame.token));
            --ring_room;
        }
        return count;
    }
    void release(std::span<io::Frame> frames) override {
        for (const io::Frame& frame : frames) {
            free_.push_back(static_cast<std::size_t>(frame.token));
        }
    }
    [[nodiscard]] const io::Capabilities& capabilities() const override { return capabilities_; }
    bool prepare_wait() override { return true; }
    void finish_wait() override {}
    [[nodiscard]] int wait_descriptor() const override { return -1; }

    [[nodiscard]] std::size_t free_frames() const { return free_.size(); }
    // Takes away all free frames but so many.
    void leave_free(std::size_t count) { free_.resize(count); }

    std::vector<Bytes> sent;
    std::vector<io::Frame> sent_frames;  // data is not valid any more
    std::size_t ring_room = SIZE_MAX;    // frames that transmit() still takes

  private:
    io::Capabilities capabilities_;
    std::size_t frame_size_;
    std::vector<std::byte> memory_;
    std::vector<std::size_t> free_;
};

}  // namespace mtcp::net::testing
