// SPDX-License-Identifier: Apache-2.0
// The SACK option of an ACK: what the peer has (RFC 2018), and what it got twice (RFC 2883).
#pragma once

#include "tcp/connection.h"

namespace mtcp::tcp {

// Could the peer have received this above SND.UNA? Blocks at or below it are D-SACK (RFC 2883),
// above SND.NXT they are lies.
[[nodiscard]] bool is_plausible(const Tcb& tcb, const wire::SackBlock& block);
// Notes the blocks in the log.
void take_sack(const Tcb& tcb, Recovery& r, const wire::Options& options, Delivery& delivery);

struct Duplicates {
    std::uint32_t segments = 0;  // that arrived twice because we sent them twice
    bool of_probe = false;       // it was the tail loss probe
};
// Does the first block tell of something that arrived twice?
Duplicates take_dsack(Tcb& tcb, const wire::Segment& seg);

}  // namespace mtcp::tcp
