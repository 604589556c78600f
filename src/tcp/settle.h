// SPDX-License-Identifier: Apache-2.0
// The end of every event: what may leave now, what is waited for, and when to call again.
#pragma once

#include "tcp/connection.h"

namespace mtcp::tcp {

// Fills reaction.work, arms the timers of what is held back, refreshes the deadline.
void settle(Environment& env, Tcb& tcb, Reaction& reaction, Instant now);

// The connection ends here: state CLOSED, timers off, Events::closed. With an error it also reports
// it.
void end_connection(Tcb& tcb, Reaction& reaction, int error);

}  // namespace mtcp::tcp
