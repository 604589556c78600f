// SPDX-License-Identifier: Apache-2.0
// What one ACK taught us: built once by take_ack(), completed by loss recovery, read by recovery
// and congestion control. Bytes count sequence numbers, so SYN and FIN are one each.
#pragma once

#include <cstdint>

#include "tcp/status.h"

namespace mtcp::tcp {

// How fast the path delivered the newest segment that this ACK reports
// (draft-cheng-iccrg-delivery-rate-estimation-02 §3.3).
struct RateSample {
    std::uint32_t delivered = 0;    // bytes within the interval; 0: there is no sample
    std::uint32_t interval_us = 0;  // the longer of the sending and the acknowledging time
    // AckContext::total_delivered when the segment was sent: a round trip ends when this reaches
    // the total at the round trip's beginning.
    std::uint32_t prior_delivered = 0;
    std::uint32_t tx_in_flight = 0;  // bytes in the network when it was sent, itself included
    std::uint32_t lost = 0;          // bytes marked lost since then
    enum class Limit : std::uint8_t { network, application } limit = Limit::network;
};

struct AckContext {
    std::uint32_t flight_before = 0;     // SND.NXT - SND.UNA before this ACK
    std::uint32_t acked = 0;             // sequence numbers newly acknowledged, FIN included
    std::uint32_t reported = 0;          // bytes of `acked` that duplicate ACKs had told of before
    std::uint32_t newly_sacked = 0;      // bytes newly reported by SACK; without it, by a duplicate
    std::uint32_t lost = 0;              // bytes that recovery has just begun to deem lost
    std::uint32_t lost_since = 0;        // the same and what timers had found since the ACK before
    std::uint32_t total_delivered = 0;   // sum of delivered() over the connection, modulo 2^32
    std::uint32_t in_flight_before = 0;  // bytes in the network (pipe) before this ACK
    std::uint32_t in_flight = 0;         // and after it, before anything new is sent
    std::uint32_t rtt_us = 0;  // of a segment sent once and delivered by this ACK; 0: none
    RateSample rate;
    enum class Duplicate : std::uint8_t { no, yes } duplicate = Duplicate::no;  // RFC 5681 §2
    enum class EcnEcho : std::uint8_t { no, yes } ecn_echo = EcnEcho::no;       // RFC 3168, agreed
    Phase phase_before = Phase::open;  // of recovery, when the ACK arrived

    // Bytes that this ACK says have left the network on the other side, each counted once.
    [[nodiscard]] std::uint32_t delivered() const { return acked - reported + newly_sacked; }
};

}  // namespace mtcp::tcp
