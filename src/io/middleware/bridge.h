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
    // All must outlive this; the queues' layers must be the same. `counters` are those of this
    // direction: also of what `from` discards as it receives, and `to` as it transmits.
    BridgeDirection(Queue& from, Queue& to, Counters& counters)
        : from_(from), to_(to), counters_(counters) {}

    // Sends what a wire before `to` has held until now. Call it of both directions before move():
    // a queue that receives sends such frames, too, which would count in the other direction.
    void send_due(Instant now);
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
