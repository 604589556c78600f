// SPDX-License-Identifier: Apache-2.0
// The interface to oneself: what is transmitted is received by the same core, in order, without a
// copy. It carries connections to own addresses; nothing leaves the process.
#pragma once

#include <memory>

#include "base/memory.h"
#include "io/packet_io.h"

namespace mtcp::io {

struct LoopbackConfig {
    std::uint32_t frames = 1024;  // in flight, at most
    std::uint32_t mtu = 16384;
};

class LoopbackQueue final : public Queue {
  public:
    // nullptr when the memory is refused.
    [[nodiscard]] static std::unique_ptr<LoopbackQueue> create(const LoopbackConfig& config);

    std::size_t receive(std::span<Frame> frames, Instant now) override;
    std::size_t allocate(std::span<Frame> frames) override;
    std::size_t transmit(std::span<Frame> frames, Instant now) override;
    void release(std::span<Frame> frames) override;
    [[nodiscard]] const Capabilities& capabilities() const override { return capabilities_; }
    bool prepare_wait() override { return head_ == tail_; }
    void finish_wait() override {}
    [[nodiscard]] int wait_descriptor() const override { return -1; }

  private:
    LoopbackQueue() = default;

    Capabilities capabilities_;
    Region memory_;
    std::uint32_t frame_bytes_ = 0;
    std::unique_ptr<std::uint32_t[]> free_;  // a stack of frame numbers
    std::size_t free_count_ = 0;
    std::unique_ptr<Frame[]> ring_;  // transmitted and not yet received
    std::size_t ring_size_ = 0;
    std::size_t head_ = 0;
    std::size_t tail_ = 0;
};

}  // namespace mtcp::io
