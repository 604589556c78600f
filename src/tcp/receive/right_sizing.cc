// SPDX-License-Identifier: Apache-2.0
// Once a round trip: twice of what was read in it, as the sender may double its window in the next
// (RFC 5681 §3.1), and more while the rate is rising.
#include "tcp/receive/right_sizing.h"

#include <algorithm>

#include "tcp/clock.h"

namespace mtcp::tcp {
namespace {

constexpr std::uint32_t kSlackSegments = 16;
constexpr std::uint32_t kRoundTripMinUs = 1'000;
// Who only receives has the handshake's; not even that after a SYN cookie.
constexpr std::uint32_t kRoundTripUnknownUs = 100'000;

}  // namespace

void right_size(const Environment& env, Tcb& tcb, std::uint32_t bytes, Instant now) {
    if (tcb.settings.receive_fixed != 0) return;
    const std::uint32_t round_trip_us = tcb.srtt_us != 0 ? tcb.srtt_us : kRoundTripUnknownUs;
    if (tcb.read_bytes == 0 && tcb.read_most == 0) tcb.read_since_us = to_us(now);
    tcb.read_bytes += bytes;
    if (to_us(now) - tcb.read_since_us < std::max(round_trip_us, kRoundTripMinUs)) return;
    const std::uint32_t read = tcb.read_bytes;
    tcb.read_since_us = to_us(now);
    tcb.read_bytes = 0;
    if (read <= tcb.read_most) return;
    const std::uint64_t before = tcb.read_most;
    tcb.read_most = read;
    if (env.memory == Environment::Memory::low) return;
    std::uint64_t wanted = 2 * std::uint64_t{read} + kSlackSegments * tcb.advertised_mss;
    // A sender in slow start is ahead of what was measured.
    if (before != 0) wanted += 2 * (wanted * (read - before) / before);
    // The window field must be able to say it.
    const std::uint64_t field = std::uint64_t{0xffff} << tcb.receive_window_shift;
    const std::uint64_t limit =
        std::min<std::uint64_t>(env.configuration.receive_buffer_max, field);
    wanted = std::min(wanted, limit);
    if (wanted > tcb.settings.receive_buffer) {
        tcb.settings.receive_buffer = static_cast<std::uint32_t>(wanted);
    }
}

}  // namespace mtcp::tcp
