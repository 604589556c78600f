// SPDX-License-Identifier: Apache-2.0
// What must hold of every TCB between two events. For tests, the simulator and the fuzzers.
#pragma once

#include "tcp/connection.h"

namespace mtcp::tcp {

// nullptr, or a sentence saying what is broken. Call after poll_segment() was drained.
[[nodiscard]] const char* check_invariants(const Environment& env, const Tcb& tcb);

}  // namespace mtcp::tcp
