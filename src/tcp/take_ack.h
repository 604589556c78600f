// SPDX-License-Identifier: Apache-2.0
// What an acceptable ACK does: window update, SND.UNA, RTT, loss recovery, congestion window.
#pragma once

#include "tcp/arrival.h"

namespace mtcp::tcp {

// RFC 9293 §3.10.7.4, fifth, ESTABLISHED. Precondition: check_ack() has accepted SEG.ACK, which is
// at least SND.UNA - MAX.SND.WND and at most SND.NXT.
void take_ack(Arrival& a);

// The peer acknowledged our SYN (SEG.ACK is ISS + 1): RTT and first window.
void take_ack_of_syn(Arrival& a);

// Folds 32-bit distances into the totals well before they wrap, and drags along the sequence
// numbers that are only looked at now and then.
void fold_totals(Tcb& tcb);
// Bytes acknowledged and received since the last fold.
[[nodiscard]] std::uint64_t total_acked(const Tcb& tcb);
[[nodiscard]] std::uint64_t total_received(const Tcb& tcb);

}  // namespace mtcp::tcp
