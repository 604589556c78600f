// SPDX-License-Identifier: Apache-2.0
// A queue that behaves like a bad wire: it loses, doubles, reorders, corrupts, delays and paces the
// frames of another queue, in each direction by its own faults. It knows no clock but `now`, so it
// works in virtual time; next_deadline() tells when a held frame becomes due.
//
// Over a link whose cannot_corrupt is true, corruption is noticed only where the end that sends
// computes checksums: make that link with cannot_corrupt = false.
#pragma once

#include <cstdint>
#include <memory>
#include <span>

#include "base/problem.h"
#include "base/result.h"
#include "io/middleware/fault_line.h"
#include "io/middleware/held_frames.h"
#include "io/packet_io.h"

namespace mtcp::io {

struct FaultInjectorConfig {
    Faults transmit;
    Faults receive;
    // Frames held back at most, both directions together. When they are used up, transmit takes
    // no more, and receive, where it has faults, fetches no more until some are due. 0: as many as
    // these faults ask for, held_frames_for().
    std::uint32_t held_frames_max = 0;
};

// What the queues of both directions hold, and what is under way behind them for as long as a frame
// may take, in frames of 500 bytes; a direction without a rate is taken for one of 1 Gbit/s. At
// least 4096, at most 65,536: their memory is touched only as they are used.
[[nodiscard]] std::uint32_t held_frames_for(const Faults& transmit, const Faults& receive);

class FaultInjectorQueue final : public Queue {
  public:
    // `inner` must outlive the injector.
    [[nodiscard]] static Result<std::unique_ptr<FaultInjectorQueue>, Problem> create(
        Queue& inner, const FaultInjectorConfig& config);

    std::size_t receive(std::span<Frame> frames, Instant now) override;
    std::size_t allocate(std::span<Frame> frames) override { return inner_.allocate(frames); }
    std::size_t transmit(std::span<Frame> frames, Instant now) override;
    void release(std::span<Frame> frames) override;
    [[nodiscard]] const Capabilities& capabilities() const override { return capabilities_; }
    bool prepare_wait() override { return inner_.prepare_wait(); }
    void finish_wait() override { inner_.finish_wait(); }
    [[nodiscard]] int wait_descriptor() const override { return inner_.wait_descriptor(); }
    [[nodiscard]] Instant next_deadline() const override;

    // What the inner queue took for transmission: without what was lost, with the duplicates.
    struct Sent {
        std::uint64_t frames = 0;
        std::uint64_t bytes = 0;
    };
    [[nodiscard]] const Sent& sent() const { return sent_; }
    [[nodiscard]] const FaultCounts& transmit_counts() const { return transmit_line_.counts(); }
    [[nodiscard]] const FaultCounts& receive_counts() const { return receive_line_.counts(); }
    [[nodiscard]] std::size_t frames_held() const {
        return transmit_held_.size() + receive_held_.size();
    }

  private:
    FaultInjectorQueue(Queue& inner, const FaultInjectorConfig& config);
    std::size_t transmit_burst(std::span<Frame> frames, Instant now);
    void transmit_due(Instant now);
    [[nodiscard]] std::size_t transmit_inner(std::span<Frame> frames, Instant now);
    [[nodiscard]] std::size_t deliver_due(std::span<Frame> frames, Instant now);
    // Decides about a received frame; true when it goes to the caller now.
    [[nodiscard]] bool passes(Frame& frame, Instant now);
    // The common part of both directions: false when the frame goes no further.
    [[nodiscard]] bool survives(Frame& frame, FaultLine& line, HeldFrames& held, Instant now,
                                Fate& fate);
    void corrupt(Frame& frame, FaultLine& line);

    Queue& inner_;
    Capabilities capabilities_;
    FaultLine transmit_line_;
    FaultLine receive_line_;
    FrameSlots slots_;
    HeldFrames transmit_held_;
    HeldFrames receive_held_;
    Sent sent_;
    Instant transmit_retry_{INT64_MIN};  // the inner queue was full: not before this
};

}  // namespace mtcp::io
