// SPDX-License-Identifier: Apache-2.0
// What a program may change about a socket while bytes are under way.
#pragma once

#include <cstdint>

#include "base/random.h"
#include "sim/sockets.h"

namespace mtcp::sim {

// The smallest buffer that a socket is given, bytes: room for a segment of the largest MTU.
inline constexpr std::uint32_t kLeastBuffer = 16'384;
// The lowest rate (SO_MAX_PACING_RATE), bytes a second.
inline constexpr std::uint32_t kLeastRate = 250'000;

// Sets one of them, by the dice. Answers what setsockopt() did.
[[nodiscard]] long change_a_setting(Sockets& sockets, int fd, Random& dice);

// An option that is an int.
[[nodiscard]] long set_number(Sockets& sockets, int fd, int level, int name, std::uint32_t value);

}  // namespace mtcp::sim
