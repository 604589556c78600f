// SPDX-License-Identifier: Apache-2.0
// What a bad wire does to frames in one direction, as figures and as a line of text.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/problem.h"
#include "base/result.h"
#include "base/time.h"

namespace mtcp::io {

// Chances are in parts per million, of 1'000'000 (always).
struct Faults {
    std::uint32_t loss_ppm = 0;
    // Gilbert and Elliott's two states: loss_ppm holds in the good one, bad_loss_ppm in the bad
    // one. The state may change before each frame; good_to_bad_ppm == 0 turns the model off.
    std::uint32_t good_to_bad_ppm = 0;
    std::uint32_t bad_to_good_ppm = 0;
    std::uint32_t bad_loss_ppm = 0;
    std::uint32_t duplicate_ppm = 0;
    // A reordered frame is held back by reorder_delay, so that those behind it overtake it.
    std::uint32_t reorder_ppm = 0;
    Duration reorder_delay = milliseconds(1);
    std::uint32_t corrupt_ppm = 0;  // one bit flips somewhere in the frame
    Duration delay{};
    Duration jitter{};  // delay ± jitter, evenly spread; order is kept all the same
    std::uint64_t rate_bits_per_second = 0;  // 0: no limit
    std::uint64_t queue_bytes = 256 * 1024;  // what waits for the rate at most; beyond it, loss
    std::uint64_t mark_bytes = 0;  // where more waits, congestion is marked (RFC 3168); 0: nowhere
    std::uint64_t seed = 1;

    [[nodiscard]] bool any() const {
        return loss_ppm != 0 || good_to_bad_ppm != 0 || duplicate_ppm != 0 || reorder_ppm != 0 ||
               corrupt_ppm != 0 || delay.ns != 0 || jitter.ns != 0 || rate_bits_per_second != 0;
    }
    friend bool operator==(const Faults&, const Faults&) = default;
};

// Words of the form key=value, between spaces or commas:
//   loss= duplicate= reorder= corrupt=   percent ("1%", "0.05%") or "200ppm"
//   gilbert=A/B/C                        good to bad, bad to good, loss in bad; each as above
//   delay= jitter= reorder_delay=        "10ms", "250us", "1s", "500ns"
//   rate=                                "100mbit", "2.5gbit", "64kbit", "9600bit"
//   queue= mark=                         bytes, "64k", "1m"
//   seed=                                a number
// "" means no faults. A problem names the word that is wrong.
[[nodiscard]] Result<Faults, Problem> parse_faults(std::string_view text);

// What parse_faults reads back as the same Faults.
[[nodiscard]] std::string to_text(const Faults& faults);

}  // namespace mtcp::io
