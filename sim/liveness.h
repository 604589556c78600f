// SPDX-License-Identifier: Apache-2.0
// How long a connection may take once the wire is healthy: what its bytes, its round trips, its
// reader's pauses and the time-outs that are under way need, and a little more.
#pragma once

#include "base/time.h"
#include "sim/plan.h"

namespace mtcp::sim {

// From the last fault, or from the session's start if that is later, to its end at both ends.
[[nodiscard]] Duration time_to_end(const WorldPlan& plan, const SessionPlan& session);

}  // namespace mtcp::sim
