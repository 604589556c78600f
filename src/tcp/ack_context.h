// SPDX-License-Identifier: Apache-2.0
// What one ACK taught us: built once by take_ack(), completed by loss recovery, read by recovery
// and congestion control.
#pragma once

#include <cstdint>

#include "tcp/status.h"

namespace mtcp::tcp {

struct AckContext {
    std::uint32_t flight_before = 0;  // SND.NXT - SND.UNA before this ACK
    std::uint32_t acked = 0;          // sequence numbers newly acknowledged, FIN included
    std::uint32_t reported = 0;       // bytes of `acked` that duplicate ACKs had told of before
    std::uint32_t newly_sacked = 0;   // bytes newly reported by SACK
    std::uint32_t lost = 0;           // bytes that recovery has just begun to deem lost
    std::uint32_t rtt_us = 0;         // of a segment sent once and delivered by this ACK; 0: none
    enum class Duplicate : std::uint8_t { no, yes } duplicate = Duplicate::no;  // RFC 5681 §2
    enum class EcnEcho : std::uint8_t { no, yes } ecn_echo = EcnEcho::no;       // RFC 3168, agreed
    Phase phase_before = Phase::open;  // of recovery, when the ACK arrived

    // Bytes that this ACK says have left the network on the other side.
    [[nodiscard]] std::uint32_t delivered() const { return acked - reported + newly_sacked; }
};

}  // namespace mtcp::tcp
