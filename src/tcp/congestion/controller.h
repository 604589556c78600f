// SPDX-License-Identifier: Apache-2.0
// *How much* may be in flight: the one door to congestion control. Settings::congestion says which
// algorithm answers; the answer is in tcb.cwnd and tcb.ssthresh, bytes (and, for BBR, in the pacing
// rate). Algorithms that remember more have a record from the pool; see record.h.
//
// Loss recovery says what happened and when:
//
//   ESTABLISHED                                  begin()
//   an ACK acknowledged or SACKed something      on_ack(), once, after recovery has judged it
//   fast recovery begins                         on_loss(): sets ssthresh, the window to come down
//                                                to; cwnd is recovery's until on_recovered(),
//                                                unless governs_recovery()
//   fast recovery or the phase `loss` is over    on_recovered(), after recovery has set cwnd
//   retransmission time-out                      on_timeout(): ssthresh and cwnd
//   the last reduction was a mistake             on_undo()
//   an ACK says ECE                              on_ecn_echo(), reduces once a window of data
//   data after a pause                           on_idle_restart()
//
// Between on_loss() and on_recovered() on_ack() leaves cwnd alone (again unless
// governs_recovery()), so recovery may move it as PRR wants.
#pragma once

#include <cstdint>

#include "base/time.h"
#include "tcp/ack_context.h"
#include "tcp/connection.h"

namespace mtcp::tcp::congestion {

// What a reduction must remember to be taken back (RFC 4015, RFC 9438 §4.9): recovery keeps it.
struct Window {
    std::uint32_t cwnd = 0;
    std::uint32_t ssthresh = 0;
};
[[nodiscard]] inline Window window_of(const Tcb& tcb) { return {tcb.cwnd, tcb.ssthresh}; }

// Slow start does not end before the first loss.
inline constexpr std::uint32_t kSsthreshInitial = 0x7fff'ffff;
// RFC 6928.
[[nodiscard]] std::uint32_t initial_window(const Configuration& configuration, std::uint16_t mss);

// The handshake is over: the initial window, or one segment if the SYN had to be sent again
// (RFC 5681 §3.1).
void begin(Environment& env, Tcb& tcb, Instant now);
// RFC 8257 §3.3: every ACK counts, also those of a recovery, in which on_ack() is not called.
void watch_marks(Environment& env, Tcb& tcb, const AckContext& ack, Instant now);
// Precondition: ack.acked > 0 or ack.newly_sacked > 0 or ack.duplicate.
void on_ack(Environment& env, Tcb& tcb, const AckContext& ack, Instant now);
// `flight`: bytes that were in flight when the loss showed.
void on_loss(Environment& env, Tcb& tcb, std::uint32_t flight, Instant now);
void on_recovered(Environment& env, Tcb& tcb, Instant now);
// RFC 5681 §3.1: ssthresh is set by the first time-out of a segment, not again by further ones.
enum class Timeout : std::uint8_t { first, repeated };
void on_timeout(Environment& env, Tcb& tcb, Timeout which, Instant now);
// Nothing had been lost since `prior` was taken.
void on_undo(Environment& env, Tcb& tcb, const Window& prior, Instant now);
// For every ACK with ECE of a connection that agreed on ECN. Yes: the window was reduced, and the
// next new data carries CWR (RFC 3168 §6.1.2).
enum class Reduced : std::uint8_t { no, yes };
Reduced on_ecn_echo(Environment& env, Tcb& tcb, const AckContext& ack, Instant now);
// Has a mark of the window of data at SND.UNA reduced cwnd already? Then what is lost of that
// window does not reduce it further (RFC 3168 §6.1.2), except with DCTCP, whose answer to marks is
// a small one (RFC 8257 §3.5).
[[nodiscard]] bool has_answered_marks(const Tcb& tcb);
// Data is about to be sent, and nothing is in flight (RFC 5681 §4.1).
void on_idle_restart(Environment& env, Tcb& tcb, Instant now);
// TCP_CONGESTION is about to be set on a live connection: the new algorithm starts from the window
// as it is. Settings::congestion is still the old one.
void on_algorithm_change(Environment& env, Tcb& tcb);
void release_record(Environment& env, Tcb& tcb);

// Does the algorithm set cwnd in fast recovery as well? Then PRR and window inflation do not.
[[nodiscard]] bool governs_recovery(const Tcb& tcb);
// The model, when BBR has one; else nullptr.
[[nodiscard]] const Bbr* bbr_of(const Environment& env, const Tcb& tcb);
[[nodiscard]] const Dctcp* dctcp_of(const Environment& env, const Tcb& tcb);

}  // namespace mtcp::tcp::congestion
