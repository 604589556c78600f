// SPDX-License-Identifier: Apache-2.0
// Challenge ACKs (RFC 5961 §3-§5, limited per §7).
#pragma once

#include "tcp/connection.h"

namespace mtcp::tcp {

// Answers a segment that may be forged, or is just old, with an ACK, unless this connection did so
// a moment ago. The limit is per connection: a shared one can be observed by others and used to
// guess sequence numbers.
void challenge_ack(const Environment& env, Tcb& tcb, Instant now);

}  // namespace mtcp::tcp
