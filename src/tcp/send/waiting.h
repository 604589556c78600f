// SPDX-License-Identifier: Apache-2.0
// Data that may not leave yet must not wait for ever: the persist timer (RFC 9293 §3.8.6.1), and
// the bound on TCP_CORK and MSG_MORE.
#pragma once

#include "tcp/connection.h"
#include "tcp/send/segmenter.h"

namespace mtcp::tcp {

void arm_for_hold(const Environment& env, Tcb& tcb, Hold hold, Instant now);

// Arms what `hold` needs, stops what it no longer needs.
inline void await_permission(const Environment& env, Tcb& tcb, Hold hold, Instant now) {
    if (hold == Hold::undecided) return;
    const bool armed = (tcb.armed & (Timer::cork | Timer::persist)) != 0;
    if (hold != Hold::none || armed) arm_for_hold(env, tcb, hold, now);
}

}  // namespace mtcp::tcp
