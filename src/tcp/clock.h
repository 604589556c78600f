// SPDX-License-Identifier: Apache-2.0
// The caller's clock as the compact values a TCB keeps (tcb.h says why they may wrap).
#pragma once

#include <cstdint>

#include "base/time.h"

namespace mtcp::tcp {

// The origin lies in the past, so that an Instant is never negative: a division without a sign is
// the cheaper one, and every event does some.
[[nodiscard]] constexpr std::uint32_t to_ms(Instant t) {
    return static_cast<std::uint32_t>(static_cast<std::uint64_t>(t.ns) / 1'000'000);
}
[[nodiscard]] constexpr std::uint32_t to_us(Instant t) {
    return static_cast<std::uint32_t>(static_cast<std::uint64_t>(t.ns) / 1'000);
}
[[nodiscard]] constexpr std::uint32_t to_s(Instant t) {
    return static_cast<std::uint32_t>(static_cast<std::uint64_t>(t.ns) / 1'000'000'000);
}
[[nodiscard]] constexpr std::uint32_t to_ms(Duration d) {
    return static_cast<std::uint32_t>(d.ns / 1'000'000);
}
// The first whole millisecond not before t: a timer never fires early.
[[nodiscard]] constexpr std::uint32_t to_ms_rounded_up(Instant t) {
    return static_cast<std::uint32_t>((static_cast<std::uint64_t>(t.ns) + 999'999) / 1'000'000);
}
// Is `at` not after `now`? Both within kTimerMaxMs of each other.
[[nodiscard]] constexpr bool has_come(std::uint32_t at_ms, std::uint32_t now_ms) {
    return static_cast<std::int32_t>(now_ms - at_ms) >= 0;
}

}  // namespace mtcp::tcp
