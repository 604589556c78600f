// SPDX-License-Identifier: Apache-2.0
// Tail loss probes (RFC 8985 §7), and what else arms the timer of a connection with data in flight.
#pragma once

#include "tcp/connection.h"

namespace mtcp::tcp {

// The timer runs until the peer answers what is in flight: a tail loss probe where one is allowed
// and earlier, else RFC 6298's time-out.
enum class Since : std::uint8_t {
    now,      // SND.UNA advanced (RFC 6298 §5.3)
    sending,  // the time-out counts from when the oldest segment left (RFC 6298 §5.1)
};
void await_answer(const Environment& env, Tcb& tcb, Since since, Instant now);
// The same since sending, for a segment that leaves now while nothing else is in flight. All of its
// time-out is left then, not backed off, and neither a user timeout nor a persist timer is set.
void await_only_answer(const Configuration& configuration, Tcb& tcb, Instant now);
// What is left of the time-out of the oldest segment.
[[nodiscard]] Duration time_left(const Environment& env, const Tcb& tcb, Instant now);

// PTO expired: one segment leaves whatever cwnd says. False: not now, RFC 6298 goes on.
bool on_probe_timeout(Environment& env, Tcb& tcb, Instant now);
// The range to send again when there is no new data.
[[nodiscard]] SequenceRange last_segment(const Tcb& tcb, const Recovery& r);
// The probe has left.
enum class ProbeKind : std::uint8_t { new_data, again };
void note_probe(Tcb& tcb, ProbeKind kind);

[[nodiscard]] inline bool probe_is_out(const Tcb& tcb) { return (tcb.probe & TailProbe::out) != 0; }
// It is judged, or does not matter any more.
inline void forget_probe(Tcb& tcb) { tcb.probe = tcb.probe & TailProbe::unmeasured; }
// A round trip was measured.
inline void note_measured(Tcb& tcb) { tcb.probe = tcb.probe & TailProbe::out; }

struct ProbeEvidence {
    bool advanced = false;    // SND.UNA did
    bool duplicate = false;   // a pure duplicate ACK
    bool told_twice = false;  // D-SACK of the probe
};
// RFC 8985 §7.4: was the probe the repair of a loss nobody saw? Then congestion must know.
enum class HiddenLoss : std::uint8_t { no, yes };
HiddenLoss judge_probe(Tcb& tcb, const ProbeEvidence& evidence);

}  // namespace mtcp::tcp
