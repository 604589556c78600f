// SPDX-License-Identifier: Apache-2.0
// RFC 9293 §3.10.6: a copy of all that tools and TCP_INFO show about a connection.
#pragma once

#include <cstdint>

#include "base/time.h"
#include "tcp/state_machine.h"
#include "wire/ip_address.h"
#include "wire/sequence_number.h"

namespace mtcp::tcp {

// What loss recovery is doing; RFC 5681, RFC 6675. Values as Linux's tcpi_ca_state,
// which has 2 for a reduction that ECN asks for.
enum class Phase : std::uint8_t {
    open = 0,           // nothing suspicious
    disorder = 1,       // duplicate ACKs, fewer than the threshold (limited transmit)
    fast_recovery = 3,  // repairing after duplicate ACKs or SACK
    loss = 4,           // repairing after a retransmission time-out
};

struct Status {
    wire::FlowKey key;
    State state = State::closed;
    Phase phase = Phase::open;
    std::uint8_t retransmissions = 0;  // consecutive time-outs of the oldest segment
    std::uint8_t probes = 0;           // unanswered zero-window or keep-alive probes
    std::uint8_t backoff = 0;          // RTO is doubled this often
    std::uint8_t send_window_shift = 0;
    std::uint8_t receive_window_shift = 0;
    bool timestamps = false;
    bool selective_ack = false;
    bool window_scaling = false;
    bool ecn = false;
    bool ecn_seen = false;
    bool ecn_reduced = false;  // cwnd came down for marks, no more than a round trip ago
    bool syn_data = false;     // the SYN's data was taken (RFC 7413)
    std::uint16_t syn_bytes = 0;
    int soft_error = 0;         // last ICMP error (RFC 9293 MUST-47), errno
    std::uint32_t rto_us = 0;   // with backoff
    std::uint32_t srtt_us = 0;  // 0: not measured
    std::uint32_t rttvar_us = 0;
    std::uint32_t rtt_min_us = 0;
    std::uint16_t send_mss = 0;     // payload bytes of a full segment
    std::uint16_t receive_mss = 0;  // what we advertised
    std::uint16_t path_mtu = 0;
    std::uint32_t cwnd_bytes = 0;
    std::uint32_t ssthresh_bytes = 0;
    const char* congestion = "reno";    // as in TCP_CONGESTION
    std::uint64_t pacing_rate = 0;      // bytes/s; 0: not paced
    std::uint64_t max_pacing_rate = 0;  // SO_MAX_PACING_RATE; 0: no limit
    std::uint64_t bbr_bandwidth = 0;    // bytes/s; 0: no model
    std::uint32_t bbr_min_rtt_us = 0;
    std::uint32_t dctcp_alpha = 0;  // of 1024, with dctcp_active
    bool dctcp_active = false;
    std::uint32_t send_window = 0;
    std::uint32_t receive_window = 0;
    std::uint32_t flight_bytes = 0;  // SND.NXT - SND.UNA
    std::uint32_t sacked_bytes = 0;
    std::uint32_t lost_bytes = 0;           // deemed lost, with those sent again
    std::uint32_t retransmitted_bytes = 0;  // sent again, not yet acknowledged
    std::uint32_t unsent_bytes = 0;
    std::uint32_t unread_bytes = 0;  // in order, not consumed
    std::uint32_t out_of_order_bytes = 0;
    std::uint32_t total_retransmissions = 0;  // segments
    std::uint32_t reordering = 0;             // segments: duplicates that mean loss
    std::uint32_t reorderings = 0;            // times that reordering was seen
    std::uint32_t duplicates = 0;             // segments that D-SACK told of
    std::uint32_t delivered_bytes = 0;        // acknowledged or SACKed, modulo 2^32
    std::uint64_t delivery_rate = 0;          // bytes a second, the latest sample; 0: none
    bool rate_app_limited = false;
    std::uint64_t bytes_acked = 0;
    std::uint64_t bytes_received = 0;
    std::uint64_t bytes_retransmitted = 0;
    std::uint32_t since_last_send_ms = 0;
    std::uint32_t since_last_receive_ms = 0;
    std::uint32_t busy_ms = 0;            // with something queued
    std::uint32_t window_limited_ms = 0;  // of that: held back by the peer's window
    std::uint32_t buffer_limited_ms = 0;  // ...by the send buffer, which its keeper knows
    wire::SequenceNumber iss, irs, snd_una, snd_nxt, rcv_nxt;
};

}  // namespace mtcp::tcp
