// SPDX-License-Identifier: Apache-2.0
// RFC 5961 §7. Two stacks that each find the other's ACK unacceptable would otherwise answer for
// ever.
#include "tcp/closing/challenge_ack.h"

#include "tcp/clock.h"
#include "tcp/counting.h"

namespace mtcp::tcp {

void challenge_ack(const Environment& env, Tcb& tcb, Instant now) {
    const std::uint32_t interval_ms = to_ms(env.configuration.challenge_ack_interval);
    const std::uint32_t wait_ms = tcb.challenge_at_ms - to_ms(now);
    if (wait_ms != 0 && wait_ms <= interval_ms) return;
    tcb.challenge_at_ms = to_ms(now) + interval_ms;
    tcb.pending.ack = true;
    count(env, &Counters::challenge_acks);
}

}  // namespace mtcp::tcp
