// SPDX-License-Identifier: Apache-2.0
// BBR, version 3 (draft-ietf-ccwg-bbr): a model of the path (how fast it delivers, how long it
// takes) and a cycle of states that keeps the model true. Rates are bytes a second, windows bytes.
//
//   bbr.cc         one ACK: model, state, then pacing rate and cwnd; loss, time-out, undo
//   bbr_model.cc   what ACKs teach: rates, bounds, aggregation
//   bbr_states.cc  startup -> drain -> probe_down -> cruise -> refill -> up -> probe_down ...,
//                  probe_rtt between
#pragma once

#include <cstdint>

#include "base/time.h"
#include "tcp/ack_context.h"
#include "tcp/congestion/record.h"
#include "tcp/tcb.h"

namespace mtcp::tcp::congestion::bbr {

// `delivered`: bytes so far, as AckContext::total_delivered.
void begin(Bbr& b, Tcb& tcb, std::uint32_t delivered, Instant now);
void on_ack(Bbr& b, Tcb& tcb, const AckContext& ack, Instant now);
// Fast recovery or the phase `loss` begins.
void on_loss(Bbr& b, const Tcb& tcb);
void on_timeout(Bbr& b, const Tcb& tcb);
void on_recovered(Bbr& b, Tcb& tcb);
void on_undo(Bbr& b);
void on_idle_restart(Bbr& b, Tcb& tcb, Instant now);

// --- between the files ---

// Fractions of kUnit.
inline constexpr std::uint32_t kUnit = 256;
inline constexpr std::uint32_t kBeta = 180;         // 0.7: what is left after loss
inline constexpr std::uint32_t kHeadroom = 38;      // 0.15
inline constexpr std::uint32_t kLossThreshold = 5;  // 2 %
inline constexpr std::uint32_t kMinWindowSegments = 4;

// One ACK on its way through the model.
struct Step {
    Bbr& b;
    Tcb& tcb;
    const AckContext& ack;
    Instant now;
    std::uint64_t bw;  // of this ACK's sample; 0: none
    bool app_limited;
};

[[nodiscard]] std::uint64_t max_bw(const Bbr& b);
[[nodiscard]] std::uint64_t bandwidth(const Bbr& b);  // max_bw() and what loss says
// gain * bw * min_rtt
[[nodiscard]] std::uint32_t bdp(const Bbr& b, const Tcb& tcb, std::uint64_t bw, std::uint32_t gain);
// ...with room for the bursts of the sender.
[[nodiscard]] std::uint32_t inflight(const Bbr& b, const Tcb& tcb, std::uint64_t bw,
                                     std::uint32_t gain);
[[nodiscard]] std::uint32_t inflight_with_headroom(const Bbr& b, const Tcb& tcb);
[[nodiscard]] bool is_probing_bandwidth(const Bbr& b);
[[nodiscard]] bool is_too_high(const Step& s);

// bbr_model.cc
void update_round(Step& s);
void update_congestion_signals(Step& s);
void update_ack_aggregation(Step& s);
void advance_latest_signals(Step& s);
void reset_congestion_signals(Bbr& b);
void reset_lower_bounds(Bbr& b);
void reset_full_bw(Bbr& b);

// bbr_states.cc
void check_startup(Step& s);
void check_drain(Step& s);
void update_probe_bw(Step& s);
void update_min_rtt(Step& s);
void check_probe_rtt_done(Bbr& b, Tcb& tcb, Instant now);

}  // namespace mtcp::tcp::congestion::bbr
