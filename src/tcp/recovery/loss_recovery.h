// SPDX-License-Identifier: Apache-2.0
// What is lost and what must be sent again: fast retransmit and fast recovery of RFC 5681 §3.2 and
// RFC 6582 (without SACK) or RFC 6675 (with it), and the state after a time-out.
//
//   open --dup ACKs--> disorder --3, or SACK says lost--> fast_recovery --SND.UNA >= recover-->
//   open
//     any --time-out--> loss --SND.UNA >= recover--> open
//
// SND.NXT never goes back: high_rxt walks through what was in flight when the phase began.
#pragma once

#include <cstdint>

#include "tcp/ack_context.h"
#include "tcp/connection.h"

namespace mtcp::tcp {

// Could the peer have received this above SND.UNA? Blocks at or below it are D-SACK (RFC 2883),
// above SND.NXT they are lies.
[[nodiscard]] bool is_plausible(const Tcb& tcb, const wire::SackBlock& block);
// Notes the SACK blocks of an ACK; SND.UNA is already the new one. Takes a scoreboard from the pool
// if needed; without one recovery goes on as if SACK had not been agreed. Returns newly SACKed
// bytes.
std::uint32_t take_sack(Environment& env, Tcb& tcb, const wire::Options& options);
// SND.UNA advanced or a duplicate came: moves the phase on, then congestion control adapts.
void recover_on_ack(Environment& env, Tcb& tcb, const AckContext& ack, Instant now);
// The retransmission timer expired, for the first or a further time (RFC 5681 §3.1, RFC 6675 §5.1).
void enter_loss(Environment& env, Tcb& tcb, Instant now);
// Segments were too big for the path: all must go again, but nothing says congestion.
void resend_all(Tcb& tcb);

// Bytes we believe to be in the network (RFC 6675 §4, Pipe()).
[[nodiscard]] std::uint32_t pipe(const Environment& env, const Tcb& tcb);

// The next range to send again, empty (begin == end) if there is none.
enum class Urgency : std::uint8_t {
    lost,     // RFC 6675 §4 NextSeg (1): before new data
    guessed,  // NextSeg (3), (4): only when there is no new data
};
[[nodiscard]] SequenceRange next_to_repair(const Environment& env, const Tcb& tcb, Urgency urgency);

// Gives the scoreboard back when it says nothing and no recovery runs.
void release_idle_scoreboard(Environment& env, Tcb& tcb);

}  // namespace mtcp::tcp
