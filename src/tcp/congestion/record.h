// SPDX-License-Identifier: Apache-2.0
// What an algorithm remembers beyond cwnd and ssthresh. A record comes from the core's pool with
// the first ACK that shows the window in use, so a connection of one request and one reply never
// touches one; when the pool is empty the connection goes on as NewReno.
#pragma once

#include <array>
#include <cstdint>

#include "wire/sequence_number.h"

namespace mtcp::tcp::congestion {

// When slow start ends before a loss; see hystart.h.
struct HyStart {
    wire::SequenceNumber round_end;
    std::uint32_t round_min_us;  // kNoRtt: no sample yet
    std::uint32_t last_round_min_us;
    std::uint32_t baseline_us;  // of conservative slow start
    std::uint32_t min_us;       // of the connection
    std::uint32_t round_start_us;
    std::uint32_t last_ack_us;
    std::uint8_t samples;              // of the round, saturating
    std::uint8_t conservative_rounds;  // 0: not in conservative slow start
};

struct CubicCurve {       // RFC 9438 §4.1.2; windows in bytes
    std::uint32_t w_max;  // 0: not known
    std::uint32_t cwnd_prior;
    std::uint32_t origin;  // the plateau of this epoch
    std::uint32_t k_ms;
    std::uint32_t epoch_start_ms;
    std::uint32_t w_est;
    std::uint32_t w_est_acked;  // bytes acknowledged towards the next step of w_est
    bool in_epoch;
};

struct Cubic : CubicCurve {
    CubicCurve before;  // the last reduction, to undo it (§4.9)
    HyStart hystart;
    std::uint32_t grow_every;    // bytes acknowledged for each segment of growth
    std::uint32_t updated_cwnd;  // cwnd and time when grow_every was computed
    std::uint32_t updated_ms;
    std::uint32_t used_ms;  // last ACK that found the window in use
};

struct Dctcp {  // RFC 8257 §3.3
    wire::SequenceNumber window_end;
    std::uint32_t acked;   // bytes of this observation window
    std::uint32_t marked;  // ...of these, marked
    std::uint32_t alpha;   // of 1024
};

enum class BbrState : std::uint8_t {
    startup,
    drain,
    probe_down,
    probe_cruise,
    probe_refill,
    probe_up,
    probe_rtt
};
enum class BbrAcks : std::uint8_t { init, refilling, starting, feedback, stopping };

struct Bbr {                              // bbr/bbr.h; rates in bytes a second, windows in bytes
    std::array<std::uint64_t, 2> max_bw;  // of the previous and of this cycle
    std::uint64_t bw_lo;
    std::uint64_t bw_latest;
    std::uint64_t full_bw;
    std::uint64_t pacing_rate;
    std::uint64_t undo_bw_lo;
    std::uint32_t inflight_hi;
    std::uint32_t inflight_lo;
    std::uint32_t inflight_latest;
    std::uint32_t undo_inflight_hi;
    std::uint32_t undo_inflight_lo;
    std::uint32_t prior_cwnd;
    std::uint32_t initial_window;  // cwnd when it began
    std::uint32_t round_end;       // in bytes delivered, as AckContext::total_delivered
    std::uint32_t loss_round_end;  // the same
    std::uint32_t min_rtt_us;
    std::uint32_t min_rtt_at_ms;
    std::uint32_t probe_rtt_min_us;
    std::uint32_t probe_rtt_min_at_ms;
    std::uint32_t probe_rtt_since_ms;
    std::uint32_t cycle_start_us;
    std::uint32_t probe_wait_us;
    std::array<std::uint32_t, 2> extra_acked;
    std::uint32_t ack_epoch_start_us;
    std::uint32_t ack_epoch_acked;
    std::uint32_t probe_up_every;  // bytes delivered for each segment of inflight_hi
    std::uint32_t probe_up_acked;
    std::uint32_t random;
    BbrState state;
    BbrAcks acks;
    std::uint8_t full_bw_count;
    std::uint8_t rounds_since_probe;
    std::uint8_t extra_acked_rounds;
    std::uint8_t extra_acked_index;
    std::uint8_t probe_up_rounds;
    std::uint8_t loss_events_in_round;
    bool round_start : 1;
    bool loss_round_start : 1;
    bool loss_in_round : 1;
    bool full_bw_now : 1;
    bool full_bw_reached : 1;
    bool probe_samples : 1;    // samples of this ACK come from probing
    bool probe_too_high : 1;   // the last probe ended with too much loss
    bool stopped_risky : 1;    // the last probe ended at inflight_hi
    bool probe_rtt_waits : 1;  // probe_rtt_since_ms is valid
    bool probe_rtt_round : 1;  // a round trip has passed at the low level
    bool idle_restart : 1;
    bool repairing : 1;  // between on_loss() or on_timeout() and on_recovered()
};

// Tcb::controller of a connection that has not asked, and of one that found the pool empty.
inline constexpr std::uint16_t kNoController = 0xffff;
inline constexpr std::uint16_t kNoRecord = 0xfffe;
inline constexpr std::uint32_t kRecordsMax = kNoRecord;  // of a core
inline constexpr std::uint32_t kNoRtt = 0xffff'ffff;
inline constexpr std::uint64_t kNoRate = UINT64_MAX;
inline constexpr std::uint32_t kNoWindow = 0xffff'ffff;

union Record {
    Cubic cubic;
    Dctcp dctcp;
    Bbr bbr;
};
static_assert(sizeof(Record) <= 256);

}  // namespace mtcp::tcp::congestion
