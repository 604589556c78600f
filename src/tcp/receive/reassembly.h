// SPDX-License-Identifier: Apache-2.0
// Out-of-order data (RFC 9293 SHLD-31): which ranges above RCV.NXT have arrived. Only ranges: the
// bytes lie in socket/. A record is taken from the core's pool with the first hole and given back
// with the last.
#pragma once

#include <array>
#include <cstdint>

#include "tcp/reaction.h"
#include "wire/sequence_number.h"

namespace mtcp::tcp {

struct SequenceRange {
    wire::SequenceNumber begin;
    wire::SequenceNumber end;
    friend constexpr bool operator==(SequenceRange, SequenceRange) = default;
    [[nodiscard]] constexpr std::uint32_t length() const { return end - begin; }
};

inline constexpr std::size_t kReassemblyRangesMax = 64;

struct Reassembly {
    std::uint8_t count;
    std::uint8_t recent_count;
    bool fin_known;  // `fin` is where the peer's FIN sits
    wire::SequenceNumber fin;
    std::array<wire::SequenceNumber, 4> recent;  // a byte of the ranges last added to, newest first
    std::array<SequenceRange, kReassemblyRangesMax> range;  // sorted, disjoint, not touching
};

void reset(Reassembly& r);
// Notes that [begin, end) arrived, `begin` at or above `nxt`, and writes the parts that are new as
// placements (stream_offset from `nxt`, payload_offset from `begin`) into `reaction`. What does not
// fit (too many ranges or parts) is left out; returns the end of what was taken: `begin` for none.
wire::SequenceNumber insert(Reassembly& r, wire::SequenceNumber nxt, wire::SequenceNumber begin,
                            wire::SequenceNumber end, Reaction& reaction);
// Removes the first range if it begins at `nxt`; returns its end, or `nxt`.
wire::SequenceNumber take_front(Reassembly& r, wire::SequenceNumber nxt);
[[nodiscard]] std::uint32_t bytes(const Reassembly& r);

}  // namespace mtcp::tcp
