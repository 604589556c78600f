// SPDX-License-Identifier: Apache-2.0
// Taking back what was not needed: fast recovery or a time-out turn out spurious by D-SACK
// (RFC 3708), by timestamps (RFC 3522, RFC 4015) or by F-RTO (RFC 5682).
#pragma once

#include "tcp/connection.h"

namespace mtcp::tcp {

// cwnd is about to be reduced: notes what it was.
void prepare_undo(Tcb& tcb, const Recovery* r);
// Nothing to undo from here on.
inline void forget_undo(Tcb& tcb) { tcb.repair.undoable = false; }
// A range was sent again as part of a repair.
void note_resent(Tcb& tcb, std::uint32_t segments, Instant now);

// Did this segment come from before our first retransmission (RFC 3522 §3.2 step 4)? Also yes when
// nothing was sent again at all.
[[nodiscard]] bool was_only_delayed(const Tcb& tcb, const wire::Segment& seg);
// Has D-SACK told of each retransmission?
[[nodiscard]] inline bool all_were_duplicates(const Tcb& tcb) {
    return tcb.repair.undoable && tcb.undo_resent == 0;
}
[[nodiscard]] inline bool may_undo(const Tcb& tcb, const wire::Segment& seg) {
    return tcb.repair.undoable && (tcb.undo_resent == 0 || was_only_delayed(tcb, seg));
}
enum class Losses : std::uint8_t { keep, forget };
// cwnd and ssthresh as they were before.
void undo_reduction(Environment& env, Tcb& tcb, Recovery* r, Losses losses, Instant now);

}  // namespace mtcp::tcp
