// SPDX-License-Identifier: Apache-2.0
// A segment as one line of text, in the manner of tcpdump and packetdrill, for traces and test
// output:
//   P. 1001:1065(64) ack 501 win 512 <TS val 7 ecr 3>
#pragma once

#include <array>
#include <string_view>

#include "wire/segment.h"

namespace mtcp::wire {

struct SegmentText {
    std::array<char, 256> characters{};
    std::size_t length = 0;
    [[nodiscard]] std::string_view view() const { return {characters.data(), length}; }
};

[[nodiscard]] SegmentText print(const Segment& segment);
[[nodiscard]] SegmentText print(const OutgoingSegment& segment);

}  // namespace mtcp::wire
