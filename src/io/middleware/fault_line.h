// SPDX-License-Identifier: Apache-2.0
// The fate of each frame on a bad wire, one direction: dice and pace, no frames. Deterministic for
// a seed and a sequence of (length, now).
#pragma once

#include <cstdint>

#include "base/random.h"
#include "base/time.h"
#include "io/middleware/faults.h"

namespace mtcp::io {

struct Fate {
    bool lost = false;
    bool duplicated = false;
    bool corrupted = false;
    bool marked = false;  // with congestion experienced, if its sender can tell
    Instant due{};        // when it leaves the wire at the far end
};

struct FaultCounts {
    std::uint64_t frames = 0;
    std::uint64_t lost = 0;        // by chance
    std::uint64_t over_queue = 0;  // because too much waited for the rate
    std::uint64_t duplicated = 0;
    std::uint64_t reordered = 0;
    std::uint64_t corrupted = 0;
    std::uint64_t marked = 0;  // of those to be marked, the ones whose sender can tell
};

class FaultLine {
  public:
    explicit FaultLine(const Faults& faults) : faults_(faults), random_(faults.seed) {}

    [[nodiscard]] Fate next(std::uint32_t frame_bytes, Instant now);
    // Which bit of a frame of that many bytes flips; frame_bytes > 0.
    [[nodiscard]] std::uint32_t corrupt_bit(std::uint32_t frame_bytes) {
        return random_.below(frame_bytes * 8);
    }
    // Who carries out a fate tells of a mark it has made: most frames cannot be marked.
    void count_marked() { ++counts_.marked; }
    // How long a frame would wait for those before it.
    [[nodiscard]] Duration queueing(Instant now) const {
        return busy_until_ <= now ? Duration{} : busy_until_ - now;
    }
    [[nodiscard]] const Faults& faults() const { return faults_; }
    [[nodiscard]] const FaultCounts& counts() const { return counts_; }

  private:
    [[nodiscard]] bool lost_by_chance();
    [[nodiscard]] double bytes_waiting(Instant now) const;
    [[nodiscard]] bool fits_queue(std::uint32_t frame_bytes, Instant now) const;
    [[nodiscard]] Instant departure(std::uint32_t frame_bytes, Instant now);

    Faults faults_;
    Random random_;
    bool bad_state_ = false;
    Instant busy_until_{INT64_MIN};
    Instant last_due_{INT64_MIN};
    FaultCounts counts_;
};

}  // namespace mtcp::io
