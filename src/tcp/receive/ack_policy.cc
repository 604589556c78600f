// SPDX-License-Identifier: Apache-2.0
// RFC 9293 SHLD-18, SHLD-19, MUST-40, MUST-58.
#include "tcp/receive/ack_policy.h"

#include "tcp/timers.h"

namespace mtcp::tcp {

namespace {

// An ACK waits for data to ride on, or for the next segment, which it acknowledges too. The last
// one waited for nothing, and this segment came after a pause longer than any round trip: nothing
// speaks for a ride, nor for a next segment within the wait. (Linux leaves its "pingpong mode" when
// a delayed ACK fires, and acknowledges at once after a pause of more than the RTO.)
bool waits_in_vain(const Tcb& tcb, Instant now) {
    if (!tcb.waited_in_vain) return false;
    const std::uint64_t pause_ms = to_ms(now) - tcb.last_received_ms;
    return pause_ms * 1000 > tcb.rto_us;
}

}  // namespace

void acknowledge_in_order(const Environment& env, Tcb& tcb, std::uint32_t length, Instant now) {
    // tcb.mss stands for the size of the peer's full segments: both ends of a path nearly always
    // agree, and options are subtracted alike.
    const std::uint32_t half_buffer = tcb.settings.receive_buffer / 2;
    const std::uint32_t two_segments = 2u * tcb.mss < half_buffer ? 2u * tcb.mss : half_buffer;
    bool at_once = tcb.rcv.nxt - tcb.rcv.acked >= two_segments || tcb.settings.quick_ack ||
                   waits_in_vain(tcb, now);
    if (tcb.quick_acks > 0 && length >= tcb.mss) {
        --tcb.quick_acks;
        at_once = true;
    }
    if (at_once) {
        tcb.pending.ack = true;
    } else if (!is_armed(tcb, Timer::delayed_ack)) {
        Duration wait = env.configuration.delayed_ack;
        if (tcb.quick_acks > 0 && !tcb.converses) {
            --tcb.quick_acks;
            wait = kQuickWait;
        }
        arm(tcb, Timer::delayed_ack, now + wait);
    }
}

void acknowledge_now(Tcb& tcb) { tcb.pending.ack = true; }

// RFC 9293 MAY-13.
void acknowledge_out_of_order(Tcb& tcb) {
    tcb.pending.ack = true;
    if (!tcb.flags.selective_ack && tcb.owed_acks < UINT8_MAX) ++tcb.owed_acks;
}

void note_ack_sent(Tcb& tcb) {
    tcb.rcv.acked = tcb.rcv.nxt;
    disarm(tcb, Timer::delayed_ack);
    if (tcb.owed_acks > 1) {
        --tcb.owed_acks;  // pending.ack stays
        return;
    }
    tcb.owed_acks = 0;
    tcb.pending.ack = false;
}

}  // namespace mtcp::tcp
