// SPDX-License-Identifier: Apache-2.0
// Proportional Rate Reduction (RFC 9937): while cwnd comes down, what leaves follows what arrives.
#pragma once

#include "tcp/ack_context.h"
#include "tcp/connection.h"

namespace mtcp::tcp {

// Does cwnd come down to ssthresh now?
[[nodiscard]] inline bool is_reducing(const Tcb& tcb) { return tcb.phase == Phase::fast_recovery; }

enum class Progress : std::uint8_t {
    none,
    good,  // SND.UNA advanced, and nothing was found lost: recovery goes as it should
};
// RFC 9937 §6, for every ACK of the reduction. `delivered`: bytes.
void prr_on_ack(Tcb& tcb, Recovery& r, std::uint32_t delivered, Progress progress);

}  // namespace mtcp::tcp
