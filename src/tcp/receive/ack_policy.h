// SPDX-License-Identifier: Apache-2.0
// When received data is acknowledged (RFC 9293 §3.8.6.3, RFC 5681 §4.2).
#pragma once

#include <cstdint>

#include "tcp/connection.h"

namespace mtcp::tcp {

// The first segments on a connection are acknowledged one by one, so that the peer's slow start is
// not held up by our delay (as Linux; RFC 5681 §4.2 allows more ACKs than one for two segments).
inline constexpr std::uint8_t kQuickAcks = 16;
// Small ones among them wait for an answer to ride on, but no longer than a program takes that has
// one; and once an ACK has found its ride, those that follow wait for theirs as long as any.
inline constexpr Duration kQuickWait = milliseconds(1);

// `length` bytes arrived in order and filled no hole. Before the segment is noted as the last one
// received.
void acknowledge_in_order(const Environment& env, Tcb& tcb, std::uint32_t length, Instant now);
// The segment was out of order, a duplicate, or filled a hole: the peer must hear at once.
void acknowledge_now(Tcb& tcb);
// Like acknowledge_now; without SACK the peer counts duplicates, so each segment gets its own.
void acknowledge_out_of_order(Tcb& tcb);
// Data is about to leave: does an ACK ride on it?
inline void note_ride(Tcb& tcb) {
    if ((tcb.armed & Timer::delayed_ack) != 0) {
        tcb.converses = true;
        tcb.waited_in_vain = false;
    } else if (tcb.pending.ack) {
        tcb.waited_in_vain = false;
    }
}
// An ACK leaves with whatever segment is being written.
void note_ack_sent(Tcb& tcb);

}  // namespace mtcp::tcp
