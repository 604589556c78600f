// SPDX-License-Identifier: Apache-2.0
// RFC 6675 §4. All operations are linear in at most 32 ranges: a peer that sends many small blocks
// buys no more work than that.
#include "tcp/recovery/scoreboard.h"

#include <cstring>

namespace mtcp::tcp {
namespace {

using wire::SequenceNumber;

constexpr std::uint32_t kDupThresh = 3;

}  // namespace

void reset(Recovery& s, SequenceNumber una) {
    s.count = 0;
    s.sacked_bytes = 0;
    s.lost_below = una;
}

std::uint32_t add(Recovery& s, SequenceRange block) {
    std::size_t first = s.count;
    while (first > 0 && s.range[first - 1].end >= block.begin)
        --first;
    std::size_t last = first;  // ranges [first, last) touch or overlap the block
    std::uint32_t known = 0;
    SequenceRange merged = block;
    for (; last < s.count && s.range[last].begin <= block.end; ++last) {
        merged.begin = lower(merged.begin, s.range[last].begin);
        merged.end = higher(merged.end, s.range[last].end);
        known += s.range[last].length();
    }
    const std::uint32_t fresh = merged.length() - known;
    if (fresh == 0) return 0;
    if (first == last) {
        if (s.count == kScoreboardRangesMax) return 0;
        std::memmove(s.range.data() + first + 1, s.range.data() + first,
                     (s.count - first) * sizeof s.range[0]);
        ++s.count;
    } else if (last - first > 1) {
        std::memmove(s.range.data() + first + 1, s.range.data() + last,
                     (s.count - last) * sizeof s.range[0]);
        s.count = static_cast<std::uint8_t>(s.count - (last - first - 1));
    }
    s.range[first] = merged;
    s.sacked_bytes += fresh;
    return fresh;
}

void advance(Recovery& s, SequenceNumber una) {
    std::size_t gone = 0;
    while (gone < s.count && s.range[gone].end <= una)
        s.sacked_bytes -= s.range[gone++].length();
    if (gone > 0) {
        s.count = static_cast<std::uint8_t>(s.count - gone);
        std::memmove(s.range.data(), s.range.data() + gone, s.count * sizeof s.range[0]);
    }
    if (s.count > 0 && s.range[0].begin < una) {
        s.sacked_bytes -= una - s.range[0].begin;
        s.range[0].begin = una;
    }
    s.lost_below = higher(s.lost_below, una);
}

void update_lost(Recovery& s, SequenceNumber una, std::uint32_t mss) {
    std::uint32_t bytes_above = 0;
    s.lost_below = una;
    for (std::size_t i = s.count; i-- > 0;) {
        bytes_above += s.range[i].length();
        if (s.count - i >= kDupThresh || bytes_above > (kDupThresh - 1) * mss) {
            s.lost_below = s.range[i].begin;
            return;
        }
    }
}

std::uint32_t sacked_within(const Recovery& s, SequenceNumber begin, SequenceNumber end) {
    std::uint32_t sum = 0;
    for (std::size_t i = 0; i < s.count; ++i) {
        const SequenceNumber from = higher(begin, s.range[i].begin);
        const SequenceNumber to = lower(end, s.range[i].end);
        if (from < to) sum += to - from;
    }
    return sum;
}

SequenceRange next_unsacked(const Recovery& s, SequenceNumber from, SequenceNumber limit) {
    for (std::size_t i = 0; i < s.count; ++i) {
        if (s.range[i].end <= from) continue;
        if (from < s.range[i].begin) return {lower(from, limit), lower(s.range[i].begin, limit)};
        from = s.range[i].end;
    }
    return {lower(from, limit), limit};
}

}  // namespace mtcp::tcp
