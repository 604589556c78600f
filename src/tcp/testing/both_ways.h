// SPDX-License-Identifier: Apache-2.0
// A segment taken, and the next one planned, with header prediction and without it.
#pragma once

#include "tcp/connection.h"

namespace mtcp::tcp::testing {

// on_segment(). What header prediction takes goes through the eight steps as well, and both must
// leave the same: each byte of the TCB, and the reaction.
Reaction on_segment_both_ways(Environment& env, Tcb& tcb, const wire::Segment& seg, Instant now);
// How many segments header prediction has taken so far that came in `state`.
[[nodiscard]] std::uint64_t predicted_in(State state);

// Where plan_expected() answers, plan_waiting() answers the same.
void expect_one_plan(const Environment& env, const Tcb& tcb, std::uint32_t payload_max);

}  // namespace mtcp::tcp::testing
