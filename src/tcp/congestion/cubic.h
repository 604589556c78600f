// SPDX-License-Identifier: Apache-2.0
// CUBIC (RFC 9438) in integers: windows in bytes, times in milliseconds.
#pragma once

#include <cstdint>

#include "base/time.h"
#include "tcp/ack_context.h"
#include "tcp/congestion/record.h"
#include "tcp/settings.h"
#include "tcp/tcb.h"

namespace mtcp::tcp::congestion::cubic {

void begin(Cubic& c, const Tcb& tcb, Instant now);
// New data was acknowledged outside of fast recovery, and the window was in use.
void grow(Cubic& c, Tcb& tcb, const AckContext& ack, Configuration::HyStart hystart, Instant now);
// §4.6, §4.7: sets ssthresh.
void reduce(Cubic& c, Tcb& tcb);
// §4.8: after a time-out nothing of the past is believed.
void forget(Cubic& c, const Tcb& tcb, Instant now);
// §4.9: the reduction was a mistake: the curve goes on as if it had not been.
void undo(Cubic& c);

// §4.2, figure 1, for tests: the window at `t_ms` after the epoch began.
[[nodiscard]] std::uint32_t w_cubic(const Cubic& c, std::uint32_t t_ms, std::uint32_t mss);
[[nodiscard]] std::uint32_t cube_root(std::uint64_t x);

}  // namespace mtcp::tcp::congestion::cubic
