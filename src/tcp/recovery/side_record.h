// SPDX-License-Identifier: Apache-2.0
// The side record of a connection with more than one segment in flight, or with something to
// repair. From the core's pool; given back when everything is acknowledged. When the pool is empty
// the connection does without (without_record.h).
#pragma once

#include "tcp/connection.h"
#include "tcp/recovery/transmission_log.h"

namespace mtcp::tcp {

[[nodiscard]] inline bool has_record(const Tcb& tcb) { return tcb.recovery != kNoIndex; }
[[nodiscard]] inline Recovery* record_of(Environment& env, const Tcb& tcb) {
    return has_record(tcb) ? &env.recoveries[tcb.recovery] : nullptr;
}
[[nodiscard]] inline const Recovery* record_of(const Environment& env, const Tcb& tcb) {
    return has_record(tcb) ? &env.recoveries[tcb.recovery] : nullptr;
}

// The record, taken now if there is none; nullptr: the pool is empty, or a recovery without a
// record is under way. Call before SND.NXT moves.
Recovery* take_record(Environment& env, Tcb& tcb, Instant now);
// Gives the record back when it has nothing more to say.
void release_idle_record(Environment& env, Tcb& tcb);

// Bytes delivered since the connection began, modulo 2^32.
[[nodiscard]] std::uint32_t total_delivered(const Tcb& tcb, const Recovery& r);
// Bytes believed to be in the network (RFC 6675 §4, Pipe()).
[[nodiscard]] std::uint32_t pipe(const Tcb& tcb, const Recovery& r);

// What a run remembers of the moment it leaves.
[[nodiscard]] Run stamp_now(const Tcb& tcb, Recovery& r, Instant now);
// New data, or a repeated range, has left.
void log_new_data(Tcb& tcb, Recovery& r, wire::SequenceNumber end, Instant now);
void log_repair(Tcb& tcb, Recovery& r, SequenceRange range, Instant now);

}  // namespace mtcp::tcp
