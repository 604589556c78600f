// SPDX-License-Identifier: Apache-2.0
// Loss, duplication, corruption, pace, delay and overtaking, decided in this order.
#include "io/middleware/fault_line.h"

namespace mtcp::io {

Fate FaultLine::next(std::uint32_t frame_bytes, Instant now) {
    ++counts_.frames;
    if (lost_by_chance()) {
        ++counts_.lost;
        return {.lost = true};
    }
    if (!fits_queue(frame_bytes, now)) {
        ++counts_.over_queue;
        return {.lost = true};
    }
    Fate fate;
    fate.duplicated = faults_.duplicate_ppm != 0 && random_.chance(faults_.duplicate_ppm);
    fate.corrupted = faults_.corrupt_ppm != 0 && random_.chance(faults_.corrupt_ppm);
    fate.marked =
        faults_.mark_bytes != 0 && bytes_waiting(now) > static_cast<double>(faults_.mark_bytes);
    const Instant departs = departure(frame_bytes, now);
    fate.due = departs + faults_.delay;
    if (faults_.jitter.ns > 0) {
        const auto spread = static_cast<std::uint64_t>(2 * faults_.jitter.ns + 1);
        fate.due = fate.due - faults_.jitter +
                   nanoseconds(static_cast<std::int64_t>(random_.next() % spread));
    }
    fate.due = later(fate.due, later(departs, last_due_));
    last_due_ = fate.due;
    if (faults_.reorder_ppm != 0 && random_.chance(faults_.reorder_ppm)) {
        ++counts_.reordered;
        fate.due = fate.due + faults_.reorder_delay;  // last_due_ stays: the next may overtake
    }
    counts_.duplicated += fate.duplicated ? 1 : 0;
    counts_.corrupted += fate.corrupted ? 1 : 0;
    return fate;
}

bool FaultLine::lost_by_chance() {
    if (faults_.good_to_bad_ppm != 0) {
        const bool changes =
            random_.chance(bad_state_ ? faults_.bad_to_good_ppm : faults_.good_to_bad_ppm);
        if (changes) bad_state_ = !bad_state_;
    }
    const std::uint32_t chance = bad_state_ ? faults_.bad_loss_ppm : faults_.loss_ppm;
    return chance != 0 && random_.chance(chance);
}

double FaultLine::bytes_waiting(Instant now) const {
    if (faults_.rate_bits_per_second == 0 || busy_until_ <= now) return 0;
    return static_cast<double>((busy_until_ - now).ns) *
           static_cast<double>(faults_.rate_bits_per_second) / 8e9;
}

bool FaultLine::fits_queue(std::uint32_t frame_bytes, Instant now) const {
    const double waiting = bytes_waiting(now);
    // An idle line takes any frame, also one larger than the queue.
    return waiting == 0 || waiting + frame_bytes <= static_cast<double>(faults_.queue_bytes);
}

Instant FaultLine::departure(std::uint32_t frame_bytes, Instant now) {
    if (faults_.rate_bits_per_second == 0) return now;
    const double ns = 8e9 * frame_bytes / static_cast<double>(faults_.rate_bits_per_second);
    busy_until_ = later(busy_until_, now) + nanoseconds(static_cast<std::int64_t>(ns));
    return busy_until_;
}

}  // namespace mtcp::io
