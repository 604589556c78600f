// SPDX-License-Identifier: Apache-2.0
// Nothing here is believed further than it can be true.
#include "tcp/recovery/sack_input.h"

#include "tcp/recovery/tail_loss_probe.h"

namespace mtcp::tcp {
namespace {

using wire::SequenceNumber;

// RFC 2883 §4: the first block lies below the ACK, or within the second.
bool is_dsack(const wire::Segment& seg) {
    const wire::Options& options = seg.options;
    const wire::SackBlock& first = options.sack[0];
    if (first.begin < seg.ack) return true;
    if (options.sack_count < 2) return false;
    const wire::SackBlock& second = options.sack[1];
    return first.begin >= second.begin && first.end <= second.end;
}

}  // namespace

bool is_plausible(const Tcb& tcb, const wire::SackBlock& block) {
    return block.begin > tcb.snd.una && block.end > block.begin && block.end <= tcb.snd.nxt &&
           block.begin < tcb.snd.nxt;
}

void take_sack(const Tcb& tcb, Recovery& r, const wire::Options& options, Delivery& delivery) {
    for (std::size_t i = 0; i < options.sack_count; ++i) {
        if (!is_plausible(tcb, options.sack[i])) continue;
        note_sacked(r.log, {options.sack[i].begin, options.sack[i].end}, delivery);
    }
}

Duplicates take_dsack(Tcb& tcb, const wire::Segment& seg) {
    Duplicates none;
    if (!is_dsack(seg)) return none;
    const wire::SackBlock& block = seg.options.sack[0];
    if (block.begin >= block.end || block.end > tcb.snd.nxt) return none;
    // The FIN makes no segment longer, and a peer may have had the data without it.
    const SequenceNumber end = lower(block.end, tcb.snd.end);
    const std::uint32_t length = end > block.begin ? end - block.begin : 0;
    if (length > tcb.max_wnd) return none;
    const std::uint32_t segments = length > tcb.mss ? (length + tcb.mss - 1) / tcb.mss : 1;
    const bool of_probe =
        length <= tcb.mss && probe_is_out(tcb) && end == lower(tcb.probe_end, tcb.snd.end);
    const std::uint32_t told = tcb.duplicates + segments;
    tcb.duplicates = static_cast<std::uint16_t>(told < UINT16_MAX ? told : UINT16_MAX);
    // More than we ever sent twice: the network or the peer doubled it.
    if (told > tcb.total_retransmissions) return none;
    // RFC 8985 §6.2 step 4: a probe is sent by time, not because of the reordering window.
    if (tcb.reorderings > 0 && !of_probe) tcb.repair.dsack_seen = true;
    const bool of_episode = tcb.repair.undoable && block.end > tcb.undo_from;
    if (of_episode && tcb.undo_resent != UINT16_MAX) {
        const std::uint32_t left = tcb.undo_resent > segments ? tcb.undo_resent - segments : 0;
        tcb.undo_resent = static_cast<std::uint16_t>(left);
    }
    return {.segments = segments, .of_probe = of_probe};
}

}  // namespace mtcp::tcp
