// SPDX-License-Identifier: Apache-2.0
// What loss recovery and the delivery rate need to know of a connection beyond its TCB; see
// side_record.h for who has one.
#pragma once

#include <cstdint>

#include "tcp/ack_context.h"
#include "tcp/recovery/transmission_log.h"

namespace mtcp::tcp {

struct Recovery {
    // draft-cheng-iccrg-delivery-rate-estimation-02 §3.1
    std::uint32_t delivered_us;       // C.delivered_time
    std::uint32_t first_sent_us;      // C.first_sent_time
    std::uint32_t app_limited_until;  // C.app_limited, valid with app_limited
    std::uint32_t lost_total;         // bytes marked lost, ever
    std::uint32_t lost_told;          // of these, congestion control was told by an ACK
    std::uint32_t clear_from;         // what was sent after so much was delivered gives samples...
    RateSample rate;                  // the latest, for tools
    // RFC 8985 §5.2: the segment sent last of those known to have arrived
    std::uint32_t rack_sent_us;
    std::uint32_t rack_rtt_us;
    wire::SequenceNumber rack_end;
    // Without SACK: bytes that duplicate ACKs told of, one segment each.
    std::uint32_t reno_sacked;
    // RFC 9937 §6
    std::uint32_t recover_fs;  // RecoverFS: what may be delivered until this recovery is over
    std::uint32_t prr_delivered;
    std::uint32_t prr_out;
    bool app_limited;
    bool unclear;  // ...while this is set
    bool rack_known;
    bool rack_advanced;  // something arrived that was sent later: look for losses
    TransmissionLog log;
};

}  // namespace mtcp::tcp
