// SPDX-License-Identifier: Apache-2.0
// Counting inside tcp/: only what tcp/ alone can see. Segments, resets and drops are counted by the
// caller, which sees them pass.
#pragma once

#include "base/counters.h"
#include "tcp/connection.h"

namespace mtcp::tcp {

inline void count(const Environment& env, std::uint64_t Counters::*counter) {
    if (env.counters != nullptr) ++(env.counters->*counter);
}

}  // namespace mtcp::tcp
