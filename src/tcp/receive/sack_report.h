// SPDX-License-Identifier: Apache-2.0
// SACK blocks for an outgoing ACK (RFC 2018 §4, RFC 2883).
#pragma once

#include "tcp/connection.h"

namespace mtcp::tcp {

// Is there anything a SACK option would say?
[[nodiscard]] bool has_sack_to_report(const Environment& env, const Tcb& tcb);
// Fills options.sack: first a duplicate (D-SACK) if one arrived, then ranges, the most recent
// first.
void report_sack(const Environment& env, Tcb& tcb, wire::Options& options);
// RFC 2883 §4: [begin, end) arrived again.
void note_duplicate(Tcb& tcb, wire::SequenceNumber begin, wire::SequenceNumber end);

}  // namespace mtcp::tcp
