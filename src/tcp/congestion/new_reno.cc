// SPDX-License-Identifier: Apache-2.0
// RFC 5681 §3.1.
#include "tcp/congestion/new_reno.h"

namespace mtcp::tcp::congestion {

// What counts is the most that was in flight within the last round trip, not what is left of it
// when its later ACKs come. In slow start half of the window is enough, as it doubles.
bool was_used(Tcb& tcb, const AckContext& ack) {
    const bool slow_start = tcb.cwnd < tcb.ssthresh;
    const auto is_enough = [&tcb, slow_start](std::uint32_t flight) {
        return slow_start ? 2 * flight > tcb.cwnd : flight + tcb.mss >= tcb.cwnd;
    };
    const bool now_enough = is_enough(ack.flight_before);
    // A flow of small messages never looks at the cold part of its TCB.
    if (!now_enough && ack.acked < tcb.mss) return false;
    if (ack.flight_before >= tcb.most_in_flight || tcb.snd.una > tcb.most_until) {
        tcb.most_in_flight = ack.flight_before;
        tcb.most_until = tcb.snd.nxt;
    }
    return now_enough || is_enough(tcb.most_in_flight);
}

namespace new_reno {

std::uint32_t half_of(const Tcb& tcb, std::uint32_t flight) {
    const std::uint32_t floor = 2u * tcb.mss;
    return flight / 2 > floor ? flight / 2 : floor;
}

// RFC 3465 §2.2: counting bytes makes ACK division useless. Its limit of a few segments an ACK
// would make slow start linear behind a receiver that joins segments, whose one ACK answers tens of
// them; so there is none, as in RFC 9002 §7.3.1 and Linux, but for what a time-out left (§2.3)
// without a scoreboard: one ACK then also covers what had arrived before, which says little of what
// the path carries now.
std::uint32_t slow_start(Tcb& tcb, std::uint32_t delivered) {
    const bool told_apart = tcb.flags.selective_ack && tcb.recovery != kNoIndex;
    if (tcb.phase == Phase::loss && !told_apart && delivered > tcb.mss) {
        tcb.cwnd += tcb.mss;
        return delivered;
    }
    const std::uint32_t room = tcb.ssthresh - tcb.cwnd;
    const std::uint32_t grown = delivered < room ? delivered : room;
    tcb.cwnd += grown;
    return grown;
}

void grow(Tcb& tcb, const AckContext& ack) {
    // RFC 3168 §6.1.2: what tells of congestion is no reason to grow.
    if (ack.ecn_echo == AckContext::EcnEcho::yes) return;
    if (tcb.cwnd >= kWindowMax || !was_used(tcb, ack)) return;
    // What duplicates told of has let new data out already (RFC 3042), or was counted out of the
    // pipe.
    std::uint32_t delivered = ack.acked - ack.reported;
    if (tcb.cwnd < tcb.ssthresh) {
        delivered -= slow_start(tcb, delivered);
        if (delivered == 0) return;
    }
    tcb.acked_in_avoidance += delivered;
    if (tcb.acked_in_avoidance >= tcb.cwnd) {  // RFC 3465 §2.1
        tcb.acked_in_avoidance -= tcb.cwnd;
        tcb.cwnd += tcb.mss;
    }
}

}  // namespace new_reno
}  // namespace mtcp::tcp::congestion
