// SPDX-License-Identifier: Apache-2.0
// RACK (RFC 8985 §6): a segment is lost when one sent later has arrived and a round trip and the
// reordering window have passed since it left. Finds lost retransmissions, too.
#pragma once

#include "tcp/connection.h"

namespace mtcp::tcp {

inline constexpr std::uint8_t kDupThresh = 3;  // RFC 5681 §3.2
// RFC 8985 §6.2 step 4: recoveries for which a larger reordering window is kept.
inline constexpr std::uint8_t kWindowPersists = 16;

// Steps 1 and 2: what an ACK delivered.
void rack_advance(Recovery& r, const Delivery& delivery);
// Step 3: something arrived that was sent before what had arrived already. `from` is its first
// byte.
void note_reordering(Tcb& tcb, wire::SequenceNumber from, wire::SequenceNumber highest);
// Step 4. `round_from`: total_delivered when the newest segment of this ACK was sent.
void adapt_reordering_window(Tcb& tcb, std::uint32_t round_from, std::uint32_t total);

struct RackVerdict {
    std::uint32_t lost = 0;     // bytes
    std::uint32_t wait_us = 0;  // look again then; 0: nothing to wait for
};
// Did what is looked at come with an ACK that left SND.UNA where it was?
enum class Duplicate : std::uint8_t { no, yes };
// Step 5.
RackVerdict rack_detect_loss(const Tcb& tcb, Recovery& r, Duplicate duplicate, Instant now);
// Does a run sent at `sent_us` count as gone by now, without any time for reordering?
[[nodiscard]] bool rack_has_timed_out(const Recovery& r, std::uint32_t sent_us, Instant now);

}  // namespace mtcp::tcp
