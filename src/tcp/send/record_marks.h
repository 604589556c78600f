// SPDX-License-Identifier: Apache-2.0
// MSG_EOR: ends of writes that no segment may span, neither the first time nor when it is sent
// again. TCP itself has no records; a program that asks for this wants what follows to stay apart
// (from what is timestamped, or dropped as a whole). Few connections have such marks.
#pragma once

#include <cstdint>

#include "tcp/connection.h"

namespace mtcp::tcp {

// Of `bytes` that begin at `from`: those before the next mark. Precondition: tcb.flags.records.
[[nodiscard]] std::uint32_t up_to_mark(const Environment& env, const Tcb& tcb,
                                       wire::SequenceNumber from, std::uint32_t bytes);
// Is it the end of a marked write? False without marks.
[[nodiscard]] bool is_mark(const Environment& env, const Tcb& tcb, wire::SequenceNumber seq);
// SND.UNA has advanced, or the connection ends: what lies below is forgotten.
void forget_marks(Environment& env, Tcb& tcb);
void release_marks(Environment& env, Tcb& tcb);

}  // namespace mtcp::tcp
