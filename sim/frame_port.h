// SPDX-License-Identifier: Apache-2.0
// The simulator's packet I/O queue: what a core sends goes to a function, what shall arrive is put
// in. It behaves as the worst hardware allowed: released memory is poisoned, frames come in
// shuffled order, and now and then it takes only a part of a burst.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <span>
#include <vector>

#include "base/random.h"
#include "io/packet_io.h"

namespace mtcp::sim {

struct PortConfig {
    io::Layer layer = io::Layer::ip;
    std::uint32_t mtu = 1500;
    std::uint32_t largest_arrival = 0;        // longer than the MTU, as after GRO; 0: none is
    std::uint32_t frames = 384;               // that can be on loan at the same time
    std::uint32_t transmit_segmentation = 0;  // TSO: the largest IP packet cut here; 0: none
    bool transmit_checksum = false;
    std::uint32_t refuse_ppm = 0;  // chance that a burst is taken only in part
    // The transmit ring: it holds so many frames, and one leaves in each `frame_time`. 0: it is
    // never full.
    std::uint32_t ring_frames = 0;
    Duration frame_time{};
    // When it takes nothing, as with a peer that hangs.
    struct Stall {
        Instant from;
        Instant to;
    };
    std::vector<Stall> stalls;
    std::uint32_t swallow_every = 0;  // a canary: such a received frame vanishes; 0: none does
    std::uint64_t seed = 1;
};

// An end of the wire.
class Receiver {
  public:
    Receiver() = default;
    Receiver(const Receiver&) = delete;
    Receiver& operator=(const Receiver&) = delete;
    virtual ~Receiver() = default;
    virtual void deliver(std::span<const std::byte> frame) = 0;
};

class FramePort final : public io::Queue, public Receiver {
  public:
    // Called once for every frame on the wire: cut to size, checksums complete.
    using Sink = std::function<void(std::span<const std::byte> frame, Instant now)>;

    FramePort(const PortConfig& config, Sink sink);

    // The frame is received by the next turn.
    void deliver(std::span<const std::byte> frame) override;

    std::size_t receive(std::span<io::Frame> frames, Instant now) override;
    std::size_t allocate(std::span<io::Frame> frames) override;
    std::size_t transmit(std::span<io::Frame> frames, Instant now) override;
    void release(std::span<io::Frame> frames) override;
    [[nodiscard]] const io::Capabilities& capabilities() const override { return capabilities_; }
    bool prepare_wait() override { return incoming_.empty(); }
    void finish_wait() override {}
    [[nodiscard]] int wait_descriptor() const override { return -1; }

    [[nodiscard]] std::size_t frames_waiting() const { return incoming_.size(); }
    // Frames the core holds.
    [[nodiscard]] std::size_t frames_on_loan() const { return config_.frames - free_.size(); }
    [[nodiscard]] std::uint64_t frames_delivered() const { return delivered_; }
    // Whether it ever took less than it was given.
    [[nodiscard]] bool has_refused() const { return refused_; }
    // ...of these, given to the core.
    [[nodiscard]] std::uint64_t frames_received() const { return received_; }

  private:
    [[nodiscard]] bool take(io::Frame& frame);
    void put_back(const io::Frame& frame);
    void send(const io::Frame& frame, Instant now);
    [[nodiscard]] std::size_t room(Instant now) const;
    void fill_ring(std::size_t count, Instant now);

    PortConfig config_;
    io::Capabilities capabilities_;
    Sink sink_;
    Random random_;
    std::size_t frame_bytes_;
    std::vector<std::byte> memory_;
    std::vector<std::uint32_t> free_;
    std::deque<std::vector<std::byte>> incoming_;
    std::vector<std::byte> cut_;
    Instant ring_empty_at_ = kLongAgo;
    bool refused_ = false;
    std::uint64_t delivered_ = 0;
    std::uint64_t received_ = 0;
};

}  // namespace mtcp::sim
