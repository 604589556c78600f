// SPDX-License-Identifier: Apache-2.0
// One byte of bookkeeping for each of the stream.
#include "sim/arrivals.h"

#include <algorithm>

namespace mtcp::sim {

void Arrivals::note(std::uint32_t offset, std::uint32_t length) {
    if (bytes_.size() < offset + length) bytes_.resize(offset + length);
    for (std::uint32_t at = offset; at < offset + length; ++at) {
        if ((bytes_[at] & kTimes) < 2) ++bytes_[at];
    }
    while (reached_ < bytes_.size() && bytes_[reached_] != 0)
        ++reached_;
}

void Arrivals::note_fin(std::uint32_t offset) {
    fin_ = offset;
    fin_arrived_ = true;
}

bool Arrivals::all_arrived(std::uint32_t begin, std::uint32_t end, std::uint8_t times) const {
    if (end > bytes_.size()) return false;
    return std::all_of(bytes_.begin() + begin, bytes_.begin() + end,
                       [times](std::uint8_t byte) { return (byte & kTimes) >= times; });
}

void Arrivals::note_told(std::uint32_t begin, std::uint32_t end) {
    for (std::uint32_t at = begin; at < end; ++at)
        bytes_[at] |= kTold;
}

}  // namespace mtcp::sim
