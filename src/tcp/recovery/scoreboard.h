// SPDX-License-Identifier: Apache-2.0
// The SACK scoreboard (RFC 6675 §4): which ranges above SND.UNA the peer reported. A record is
// taken from the core's pool with the first SACK block and given back when nothing above SND.UNA is
// SACKed.
#pragma once

#include <array>
#include <cstdint>

#include "tcp/receive/reassembly.h"
#include "wire/sequence_number.h"

namespace mtcp::tcp {

inline constexpr std::size_t kScoreboardRangesMax = 32;

struct Recovery {
    std::uint8_t count;
    std::uint32_t sacked_bytes;       // sum of the ranges
    wire::SequenceNumber lost_below;  // unsacked bytes below this are lost (RFC 6675 IsLost)
    std::array<SequenceRange, kScoreboardRangesMax> range;  // sorted, disjoint, not touching
};

void reset(Recovery& s, wire::SequenceNumber una);
// Adds a block with una < begin < end <= nxt. Returns newly reported bytes; 0 also when there is no
// room (the highest ranges are kept whole, a lower new one is forgotten).
std::uint32_t add(Recovery& s, SequenceRange block);
// Forgets what is below the new SND.UNA.
void advance(Recovery& s, wire::SequenceNumber una);
// Recomputes lost_below: DupThresh ranges or more than (DupThresh - 1) * mss SACKed bytes above.
void update_lost(Recovery& s, wire::SequenceNumber una, std::uint32_t mss);
// SACKed bytes within [begin, end).
[[nodiscard]] std::uint32_t sacked_within(const Recovery& s, wire::SequenceNumber begin,
                                          wire::SequenceNumber end);
// The first unsacked range at or above `from` and below `limit`; empty (begin == end) if there is
// none.
[[nodiscard]] SequenceRange next_unsacked(const Recovery& s, wire::SequenceNumber from,
                                          wire::SequenceNumber limit);
[[nodiscard]] inline wire::SequenceNumber highest_sacked(const Recovery& s) {
    return s.range[s.count - 1u].end;  // precondition: count > 0
}

}  // namespace mtcp::tcp
