// SPDX-License-Identifier: Apache-2.0
// Loss recovery of a connection for which the pool had no side record: RFC 5681 §3.2 and RFC 6582,
// as if SACK had not been agreed. cwnd is inflated by duplicates, high_rxt walks through what was
// in flight when a time-out came.
#pragma once

#include "tcp/ack_context.h"
#include "tcp/connection.h"

namespace mtcp::tcp::without_record {

void recover_on_ack(Environment& env, Tcb& tcb, const AckContext& ack, Instant now);
void enter_loss(Environment& env, Tcb& tcb, Instant now);
[[nodiscard]] std::uint32_t pipe(const Tcb& tcb);
[[nodiscard]] SequenceRange next_to_repair(const Tcb& tcb);

}  // namespace mtcp::tcp::without_record
