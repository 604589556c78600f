// SPDX-License-Identifier: Apache-2.0
// RFC 2018 §4: the receiver's side of selective acknowledgment.
#include "tcp/receive/sack_report.h"

#include <algorithm>

#include "tcp/path/mss.h"

namespace mtcp::tcp {
namespace {

using wire::SequenceNumber;

// The range that holds `s`, or nullptr: RCV.NXT has passed it.
const SequenceRange* range_with(const Reassembly& r, SequenceNumber s) {
    for (std::size_t i = 0; i < r.count; ++i) {
        if (within(s, r.range[i].begin, r.range[i].end)) return &r.range[i];
    }
    return nullptr;
}

}  // namespace

bool has_sack_to_report(const Environment& env, const Tcb& tcb) {
    if (!tcb.flags.selective_ack) return false;
    return tcb.flags.dsack ||
           (tcb.reassembly != kNoIndex && env.reassemblies[tcb.reassembly].count > 0);
}

void report_sack(const Environment& env, Tcb& tcb, wire::Options& options) {
    if (!tcb.flags.selective_ack) return;
    constexpr std::size_t kBlock = 8;
    constexpr std::size_t kBlocksHeader = 4;
    const std::size_t others = header_bytes(tcb.key.remote) + kBlocksHeader +
                               (tcb.flags.timestamps ? kTimestampsOptionLength : 0u);
    const std::size_t room = tcb.path_mtu > others ? (tcb.path_mtu - others) / kBlock : 0;
    const std::size_t blocks_max = std::min<std::size_t>(tcb.flags.timestamps ? 3 : 4, room);
    std::size_t count = 0;
    if (tcb.flags.dsack && blocks_max > 0) {
        options.sack[count++] = {tcb.dsack_begin, tcb.dsack_end};
        tcb.flags.dsack = false;
    }
    if (tcb.reassembly != kNoIndex) {
        const Reassembly& r = env.reassemblies[tcb.reassembly];
        for (std::size_t i = 0; i < r.recent_count && count < blocks_max; ++i) {
            const SequenceRange* range = range_with(r, r.recent[i]);
            if (range != nullptr) options.sack[count++] = {range->begin, range->end};
        }
    }
    options.sack_count = static_cast<std::uint8_t>(count);
}

void note_duplicate(Tcb& tcb, SequenceNumber begin, SequenceNumber end) {
    if (!tcb.flags.selective_ack || begin == end) return;
    tcb.flags.dsack = true;
    tcb.dsack_begin = begin;
    tcb.dsack_end = end;
}

}  // namespace mtcp::tcp
