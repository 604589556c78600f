// SPDX-License-Identifier: Apache-2.0
// Explicit Congestion Notification (RFC 9293 SHLD-8, RFC 3168; how marks are echoed for DCTCP:
// RFC 8257 §3.2).
//
// Data that is sent for the first time leaves as ECT(0). Pure ACKs, probes and retransmissions do
// not (RFC 3168 §6.1.4 to §6.1.6; RFC 8311 §4.3 allows experiments with these, we make none).
#pragma once

#include "tcp/ack_context.h"
#include "tcp/arrival.h"
#include "tcp/connection.h"

namespace mtcp::tcp {

// The two ECN bits of the IP header (RFC 3168 §5).
struct EcnField {
    static constexpr std::uint8_t not_capable = 0;
    static constexpr std::uint8_t capable_1 = 1;  // ECT(1)
    static constexpr std::uint8_t capable_0 = 2;  // ECT(0)
    static constexpr std::uint8_t marked = 3;     // CE
};

// --- handshake (RFC 3168 §6.1.1). In SYN-SENT `agreed` means offered. ---
// Does our SYN offer it? DCTCP is of no use without (RFC 8257 §3).
[[nodiscard]] bool offers_ecn(const Configuration& configuration, const Settings& settings);
// Is this an ECN-setup SYN that we answer as such? One that is itself marked as capable in the IP
// header is somebody's experiment or a broken middlebox (RFC 8311 §4.3): no, unless we run DCTCP,
// of which Linux sends such SYNs.
[[nodiscard]] bool accepts_ecn(const Configuration& configuration, const Settings& settings,
                               const wire::Segment& syn);
// The peer's SYN-ACK, or its SYN in a simultaneous open, came in SYN-SENT. A SYN-ACK that merely
// mirrors both bits of our offer agrees to nothing.
void agree_on_ecn(const Configuration& configuration, Tcb& tcb, const wire::Segment& seg);
// Flags of our SYN or SYN-ACK.
[[nodiscard]] std::uint8_t ecn_of_syn(const Tcb& tcb);
// Our SYN was lost or refused, which may be due to the offer (RFC 3168 §6.1.1.1). True: there was
// one.
bool withdraw_ecn_offer(Tcb& tcb);

// --- receiver (RFC 3168 §6.1.3) ---
// How marks are echoed: each as it came where both ends run DCTCP, which is known of ours only (RFC
// 8257 §3.2); else until the sender says that it has reduced.
inline void choose_echo(Tcb& tcb) {
    tcb.ecn.exact = tcb.ecn.agreed && tcb.settings.congestion == CongestionAlgorithm::dctcp;
}
// For every segment with acceptable text, before it is acknowledged.
void note_mark(Arrival& a);
// Must header prediction leave the segment to the eight steps for it?
[[nodiscard]] inline bool mark_is_news(const Tcb& tcb, const wire::Segment& seg) {
    return tcb.ecn.agreed && (seg.ecn == EcnField::marked || (tcb.ecn.exact && tcb.ecn.echo));
}
// ECE, on every segment but a SYN.
[[nodiscard]] inline std::uint8_t ecn_echo(const Tcb& tcb) {
    return tcb.ecn.echo ? wire::Flags::ece : std::uint8_t{0};
}

// --- sender (RFC 3168 §6.1.2) ---
// Does this ACK tell of a mark?
[[nodiscard]] inline bool echoes_mark(const Tcb& tcb, const wire::Segment& seg) {
    return tcb.ecn.agreed && seg.flags.has(wire::Flags::ece) && !seg.flags.has(wire::Flags::syn);
}
// The window was reduced, for whatever reason: the first new segment carries CWR.
void queue_cwr(Tcb& tcb);
// An ACK told of a mark: congestion control reduces the window, at most once in a round trip.
void react_to_echo(Environment& env, Tcb& tcb, AckContext& ack, Instant now);
// New data is being sent: its ECN field and CWR.
void mark_new_data(Tcb& tcb, wire::OutgoingSegment& out);

}  // namespace mtcp::tcp
