// SPDX-License-Identifier: Apache-2.0
// What is lost and what must be sent again: the phases of recovery. RACK-TLP (RFC 8985) finds
// losses with SACK, duplicate ACKs without (RFC 6582); PRR (RFC 9937) brings cwnd down; F-RTO
// (RFC 5682), D-SACK and timestamps take back what was not needed.
//
//   open --SACK or duplicates--> disorder --something is lost--> fast_recovery
//   fast_recovery --SND.UNA >= recover, or undone--> open
//     any --time-out--> loss --SND.UNA >= recover, or undone--> open
//
// SND.NXT never goes back: the log of the side record says what goes again. A connection without
// a record follows RFC 6582 (without_record.h).
#pragma once

#include <cstdint>

#include "tcp/ack_context.h"
#include "tcp/connection.h"
#include "tcp/recovery/tail_loss_probe.h"

namespace mtcp::tcp {

// What one ACK says to loss recovery.
struct Evidence {
    const wire::Segment& seg;
    AckContext& ack;
    const Delivery& delivery;
    bool duplicate = false;    // a pure duplicate that says nothing of D-SACK
    bool dsack = false;        // something we sent again had arrived twice
    bool probe_twice = false;  // ...and it was the tail loss probe
};
// SND.UNA and the log are up to date: moves the phase on, marks what is lost, sets the timer, and
// lets congestion control adapt.
void recover_on_ack(Environment& env, Tcb& tcb, Recovery& r, const Evidence& evidence, Instant now);
// All had been acknowledged, and the record given back: late news of the last probe and the last
// reduction.
void judge_without_record(Environment& env, Tcb& tcb, const ProbeEvidence& evidence, Instant now);
// An ACK below SND.UNA carried SACK blocks: losses are looked for, and what it delivered counts.
void recover_on_old_ack(Environment& env, Tcb& tcb, Recovery& r, const Evidence& evidence,
                        Instant now);
// The reordering timer expired (RFC 8985 §6.2 step 5).
void on_reordering_timeout(Environment& env, Tcb& tcb, Instant now);
// The retransmission timer expired, for the first or a further time (RFC 5681 §3.1, RFC 6675 §5.1).
void enter_loss(Environment& env, Tcb& tcb, Instant now);
// Segments were too big for the path: all must go again, but nothing says congestion.
void resend_all(Environment& env, Tcb& tcb);

// Bytes we believe to be in the network (RFC 6675 §4, Pipe()).
[[nodiscard]] std::uint32_t pipe(const Environment& env, const Tcb& tcb);
// The next range to send again, empty (begin == end) if there is none.
[[nodiscard]] SequenceRange next_to_repair(const Environment& env, const Tcb& tcb);

}  // namespace mtcp::tcp
