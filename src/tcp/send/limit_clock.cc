// SPDX-License-Identifier: Apache-2.0
// A stop watch that runs for one limit at a time.
#include "tcp/send/limit_clock.h"

namespace mtcp::tcp {

SendLimit limit_of_unsent(const Tcb& tcb) {
    const std::uint32_t unsent = bytes_unsent(tcb);
    const wire::SequenceNumber edge = tcb.snd.una + tcb.snd.wnd;
    const std::uint32_t room = edge > tcb.snd.nxt ? edge - tcb.snd.nxt : 0;
    const std::uint32_t wanted = unsent < tcb.mss ? unsent : tcb.mss;
    const bool full = tcb.snd.nxt - tcb.snd.una >= tcb.cwnd;
    const bool opening = syn_is_unacked(tcb);
    return !opening && room < wanted && !full ? SendLimit::window : SendLimit::busy;
}

std::uint32_t limited_ms(const Tcb& tcb, SendLimit limit, Instant now) {
    const bool runs = tcb.limit == limit || (limit == SendLimit::busy && tcb.limit > limit);
    const std::uint32_t passed = runs ? to_ms(now) - tcb.limit_since_ms : 0;
    return (limit == SendLimit::busy ? tcb.busy_ms : tcb.window_limited_ms) + passed;
}

}  // namespace mtcp::tcp
