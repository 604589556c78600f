// SPDX-License-Identifier: Apache-2.0
// How many bytes may leave as one train of full segments (TSO, or software that cuts).
#pragma once

#include <cstdint>

#include "tcp/connection.h"

namespace mtcp::tcp {

// At least one segment, at most `device_max` bytes, what the device cuts.
[[nodiscard]] std::uint32_t longest_train(const Environment& env, const Tcb& tcb,
                                          std::uint32_t device_max);

}  // namespace mtcp::tcp
