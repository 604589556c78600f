// SPDX-License-Identifier: Apache-2.0
// Seventh step of RFC 9293 §3.10.7.4: where the bytes of an acceptable segment go.
#pragma once

#include "tcp/arrival.h"

namespace mtcp::tcp {

// Places the (trimmed, non-empty) text, moves RCV.NXT, and sees to the acknowledgment.
void accept_text(Arrival& a);
// Is the peer's FIN at RCV.NXT, in this segment or in an earlier one? Remembers one that is ahead.
[[nodiscard]] bool fin_is_next(Arrival& a);
// Gives the out-of-order record back.
void release_reassembly(Environment& env, Tcb& tcb);

}  // namespace mtcp::tcp
