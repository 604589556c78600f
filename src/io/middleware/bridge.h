// SPDX-License-Identifier: Apache-2.0
// Carries the frames of one queue over to another, one direction: copied, and made fit for a device
// that offloads less than the one they came from.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "io/packet_io.h"

namespace mtcp::io {

class BridgeDirection {
  public:
    // Both queues must outlive this; their layers must be the same.
    BridgeDirection(Queue& from, Queue& to, Counters& counters)
        : from_(from), to_(to), counters_(counters) {}

    // Moves one burst; returns how many frames were there to move.
    std::size_t move(Instant now);

  private:
    // What waits to leave in one burst.
    struct Burst;
    void carry(const Frame& frame, Burst& burst);
    void carry_whole(const Frame& frame, Burst& burst);
    void carry_in_segments(const Frame& frame, Burst& burst);
    [[nodiscard]] bool goes_whole(const Frame& frame) const;
    // An empty frame of the far queue, or nullptr: then the drop has been counted.
    [[nodiscard]] Frame* next_frame(Burst& burst);
    void send(Burst& burst);

    Queue& from_;
    Queue& to_;
    Counters& counters_;
};

}  // namespace mtcp::io
