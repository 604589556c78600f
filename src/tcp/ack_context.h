// SPDX-License-Identifier: Apache-2.0
// What one ACK taught us: built once by take_ack(), read by recovery and congestion control.
#pragma once

#include <cstdint>

namespace mtcp::tcp {

struct AckContext {
    std::uint32_t flight_before = 0;  // SND.NXT - SND.UNA before this ACK
    std::uint32_t acked = 0;          // sequence numbers newly acknowledged, FIN included
    std::uint32_t reported = 0;       // bytes of `acked` that duplicate ACKs had told of before
    std::uint32_t newly_sacked = 0;   // bytes newly reported by SACK
    enum class Duplicate : std::uint8_t { no, yes } duplicate = Duplicate::no;  // RFC 5681 §2
};

}  // namespace mtcp::tcp
