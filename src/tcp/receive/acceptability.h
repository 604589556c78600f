// SPDX-License-Identifier: Apache-2.0
// First step of RFC 9293 §3.10.7.4: is any of the segment inside the receive window?
#pragma once

#include "tcp/arrival.h"

namespace mtcp::tcp {

// RFC 9293 §3.4, Table 6; PAWS (RFC 7323 §5) before it. Trims the arrival to the window.
[[nodiscard]] Step check_sequence(Arrival& a);
// Does a reset with this number end the connection? RFC 5961 §3.2: RCV.NXT alone; after the peer's
// FIN also the FIN's own number, which some send (macOS) and Linux takes.
[[nodiscard]] bool is_reset_point(const Tcb& tcb, wire::SequenceNumber seq);
// Cuts what lies beyond the receive window.
void cut_to_window(Arrival& a);
// RFC 7323 §4.3: which timestamp to echo.
void note_timestamp(Tcb& tcb, const wire::Segment& seg, Instant now);

}  // namespace mtcp::tcp
