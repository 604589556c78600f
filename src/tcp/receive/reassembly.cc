// SPDX-License-Identifier: Apache-2.0
// Sorted ranges of out-of-order data. What arrived first stays: a later copy of the same bytes is
// not placed again, so a receiver cannot be made to change data it has already acknowledged by
// SACK.
#include "tcp/receive/reassembly.h"

#include <cstring>

namespace mtcp::tcp {
namespace {

using wire::SequenceNumber;

// Index of the first range that ends at or after `begin` (may touch or overlap it). Searched from
// the back: data mostly arrives above all that is there.
std::size_t first_touching(const Reassembly& r, SequenceNumber begin) {
    std::size_t i = r.count;
    while (i > 0 && r.range[i - 1].end >= begin)
        --i;
    return i;
}

void place(Reaction& reaction, std::uint32_t stream_offset, std::uint32_t payload_offset,
           std::uint32_t length) {
    reaction.placements[reaction.placement_count++] = {stream_offset, payload_offset, length};
}

// Replaces ranges [from, to) by one.
void replace(Reassembly& r, std::size_t from, std::size_t to, SequenceRange merged) {
    if (from == to) {
        std::memmove(r.range.data() + from + 1, r.range.data() + from,
                     (r.count - from) * sizeof r.range[0]);
        ++r.count;
    } else if (to - from > 1) {
        std::memmove(r.range.data() + from + 1, r.range.data() + to,
                     (r.count - to) * sizeof r.range[0]);
        r.count = static_cast<std::uint8_t>(r.count - (to - from - 1));
    }
    r.range[from] = merged;
}

// RFC 2018 §4: the block with the newest segment is reported first, then those reported before it.
void note_recent(Reassembly& r, SequenceRange newest) {
    std::array<SequenceNumber, 4> kept{newest.begin};
    std::uint8_t count = 1;
    for (std::size_t i = 0; i < r.recent_count && count < kept.size(); ++i) {
        if (!within(r.recent[i], newest.begin, newest.end)) kept[count++] = r.recent[i];
    }
    r.recent = kept;
    r.recent_count = count;
}

}  // namespace

void reset(Reassembly& r) {
    r.count = 0;
    r.recent_count = 0;
    r.fin_known = false;
    r.fin = {};
}

SequenceNumber insert(Reassembly& r, SequenceNumber nxt, SequenceNumber begin, SequenceNumber end,
                      Reaction& reaction) {
    const std::size_t first = first_touching(r, begin);
    const bool joins = first < r.count && r.range[first].begin <= end;
    if (!joins && r.count == kReassemblyRangesMax) return begin;

    SequenceNumber at = begin;  // all of [begin, at) is here
    std::size_t last = first;   // ranges [first, last) join the new one
    while (true) {
        const bool meets = last < r.count && r.range[last].begin <= end;
        const SequenceNumber gap_end = meets ? r.range[last].begin : end;
        if (at < gap_end) {
            if (reaction.placement_count == kPlacementsMax) break;
            place(reaction, at - nxt, at - begin, gap_end - at);
            at = gap_end;
        }
        if (!meets) break;
        at = higher(at, r.range[last].end);
        ++last;
    }
    if (at == begin) return begin;  // no room for a single placement
    const SequenceNumber merged_begin = last > first ? lower(begin, r.range[first].begin) : begin;
    const SequenceRange merged{merged_begin, at};
    replace(r, first, last, merged);
    note_recent(r, merged);
    return lower(at, end);
}

SequenceNumber take_front(Reassembly& r, SequenceNumber nxt) {
    if (r.count == 0 || r.range[0].begin > nxt) return nxt;
    const SequenceNumber end = higher(nxt, r.range[0].end);
    --r.count;
    std::memmove(r.range.data(), r.range.data() + 1, r.count * sizeof r.range[0]);
    return end;
}

std::uint32_t bytes(const Reassembly& r) {
    std::uint32_t sum = 0;
    for (std::size_t i = 0; i < r.count; ++i)
        sum += r.range[i].length();
    return sum;
}

}  // namespace mtcp::tcp
