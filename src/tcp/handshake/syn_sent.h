// SPDX-License-Identifier: Apache-2.0
// RFC 9293 §3.10.7.3: a segment arrives in SYN-SENT.
#pragma once

#include "tcp/arrival.h"

namespace mtcp::tcp {

// Leaves the connection in SYN-SENT, SYN-RECEIVED (simultaneous open), ESTABLISHED or CLOSED. Text
// is left to the caller; a.seq is past the SYN.
void segment_arrives_in_syn_sent(Arrival& a);

}  // namespace mtcp::tcp
