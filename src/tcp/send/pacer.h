// SPDX-License-Identifier: Apache-2.0
// *When* data may leave: spread over the round trip, in bursts of about a millisecond, so that no
// timer is needed for each packet. What leaves moves the connection's next departure time forward;
// when that is in the future Timer::pacing is armed, and the segmenter holds data while it is.
#pragma once

#include <algorithm>
#include <cstdint>

#include "base/time.h"
#include "tcp/connection.h"

namespace mtcp::tcp {

// Does anything pace this connection? (Then pacing_rate() says how fast.)
[[nodiscard]] inline bool is_paced(const Tcb& tcb) {
    return tcb.settings.congestion == CongestionAlgorithm::bbr || tcb.settings.max_pacing_rate != 0;
}
// Bytes a second; 0: as fast as the window allows.
[[nodiscard]] std::uint64_t pacing_rate(const Environment& env, const Tcb& tcb);

// What may leave at once: the timers of a core come a millisecond apart.
[[nodiscard]] inline std::uint32_t pacing_quantum(std::uint64_t rate, std::uint32_t mss) {
    constexpr std::uint64_t kMost = 64 * 1024;
    return static_cast<std::uint32_t>(
        std::max<std::uint64_t>(std::min(rate / 1000, kMost), 2 * mss));
}

// `bytes` of payload leave now. Precondition: is_paced().
void note_departure(const Environment& env, Tcb& tcb, std::uint32_t bytes, Instant now);

}  // namespace mtcp::tcp
