// SPDX-License-Identifier: Apache-2.0
// What leaves next, and how it is cut: control before repair before data before a bare ACK. Decides
// only; poll_segment.cc writes and accounts.
#pragma once

#include <cstdint>

#include "tcp/connection.h"

namespace mtcp::tcp {

enum class Send : std::uint8_t {
    nothing,
    reset,
    stray_reset,
    syn,     // or SYN-ACK
    repair,  // sent before: a retransmission
    tail,    // the last segment as a tail loss probe (RFC 8985 §7.3)
    data,    // new data, or FIN alone
    ack,
    probe,  // zero-window or keep-alive
};

// Why unsent data stays where it is, when Send is nothing or ack.
enum class Hold : std::uint8_t {
    none,
    nagle,   // an ACK or more data will release it
    cork,    // TCP_CORK, MSG_MORE: the application, or the 200 ms bound, will
    window,  // of the peer or of congestion
};

struct SendPlan {
    Send what = Send::nothing;
    Hold hold = Hold::none;
    bool fin = false;          // FIN rides along
    std::uint32_t length = 0;  // payload bytes
    wire::SequenceNumber seq;  // of repair, tail, data
};

// `payload_max`: OutputBudget::payload_max.
[[nodiscard]] SendPlan plan_waiting(const Environment& env, const Tcb& tcb,
                                    std::uint32_t payload_max);

[[nodiscard]] inline SendPlan plan_send(const Environment& env, const Tcb& tcb,
                                        std::uint32_t payload_max) {
    return nothing_waits(tcb) ? SendPlan{} : plan_waiting(env, tcb, payload_max);
}
[[nodiscard]] std::uint8_t work_of(const SendPlan& plan);

}  // namespace mtcp::tcp
