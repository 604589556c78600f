// SPDX-License-Identifier: Apache-2.0
// After every event and every segment sent.
#include "tcp/settle.h"

#include <cerrno>

#include "tcp/send/limit_clock.h"
#include "tcp/send/segmenter.h"
#include "tcp/send/waiting.h"
#include "tcp/timers.h"

namespace mtcp::tcp {

void settle(Environment& env, Tcb& tcb, Reaction& reaction, Instant now) {
    if (tcb.state == State::closed && !reaction.has(Events::closed)) [[unlikely]] {
        // Only transition() brings us here, after an illegal step.
        end_connection(tcb, reaction, ECONNABORTED);
        reaction.drop = Drop::tcp_broken_invariant;
    }
    const SendPlan plan = plan_send(env, tcb, 0);
    await_permission(env, tcb, plan.hold, now);
    note_limit(tcb, now);
    reaction.work = work_of(plan);
    tcb.last_event = now;
}

void end_connection(Tcb& tcb, Reaction& reaction, int error) {
    if (tcb.state != State::closed) transition(tcb, State::closed);
    disarm(tcb, tcb.armed);
    tcb.pending.syn = false;
    tcb.pending.ack = false;
    tcb.pending.probe = false;
    tcb.pending.retransmit = false;
    reaction.events |= Events::closed;
    if (error != 0) {
        reaction.events |= Events::error;
        reaction.error = error;
    }
}

}  // namespace mtcp::tcp
