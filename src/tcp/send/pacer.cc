// SPDX-License-Identifier: Apache-2.0
// Departure times (draft-ietf-ccwg-bbr §5.6.2; the factors for window-based control are Linux's).
#include "tcp/send/pacer.h"

#include "tcp/congestion/controller.h"
#include "tcp/timers.h"

namespace mtcp::tcp {
namespace {

// A window is sent in half a round trip while it doubles, else in 1/1.2 of one: faster than it is
// acknowledged, or pacing would keep the window from being used.
constexpr std::uint64_t kSlowStartPercent = 200;
constexpr std::uint64_t kAvoidancePercent = 120;
// A core's timer fires up to two ticks late; what was missed in that time may follow at once.
constexpr std::int32_t kCreditUs = 2'000;
constexpr std::int32_t kAheadUs = 1'000;
// The longest that one departure makes the next wait: an estimate may be wrong, and is soon better,
// but a limit is kept however low it is.
constexpr std::uint64_t kWaitMaxUs = 500'000;
constexpr std::uint64_t kWaitAtLimitMaxUs = 60'000'000;

std::uint64_t rate_of_window(const Tcb& tcb) {
    if (tcb.srtt_us == 0) return 0;
    const std::uint64_t percent =
        tcb.cwnd < tcb.ssthresh / 2 ? kSlowStartPercent : kAvoidancePercent;
    return std::max<std::uint64_t>(tcb.cwnd * (percent * 10'000) / tcb.srtt_us, 1);
}

// The first window leaves at once: nothing is known of the path yet (RFC 6928 §4).
bool is_first_window(const Environment& env, const Tcb& tcb) {
    return tcb.bytes_acked == 0 &&
           tcb.snd.nxt - tcb.iss <= congestion::initial_window(env.configuration, tcb.mss);
}

}  // namespace

std::uint64_t pacing_rate(const Environment& env, const Tcb& tcb) {
    std::uint64_t rate = 0;
    if (!is_first_window(env, tcb)) {
        const congestion::Bbr* bbr = congestion::bbr_of(env, tcb);
        if (bbr != nullptr) {
            rate = bbr->pacing_rate;
        } else if (tcb.settings.max_pacing_rate != 0) {
            rate = rate_of_window(tcb);
        }
    }
    const std::uint32_t limit = tcb.settings.max_pacing_rate;
    if (limit != 0 && limit != kPacedByWindow && (rate == 0 || limit < rate)) rate = limit;
    return rate;
}

void note_departure(const Environment& env, Tcb& tcb, std::uint32_t bytes, Instant now) {
    const std::uint64_t rate = pacing_rate(env, tcb);
    if (rate == 0) return;
    const std::uint32_t now_us = to_us(now);
    const auto ahead = static_cast<std::int32_t>(tcb.departure_us - now_us);
    // Time in which nothing was sent is lost, but for the credit; the clock may have wrapped since,
    // where a departure lies ahead and nothing waits for it.
    const bool wrapped = ahead > kAheadUs && !is_armed(tcb, Timer::pacing);
    if (ahead < -kCreditUs || wrapped) tcb.departure_us = now_us - kCreditUs;
    const std::uint64_t takes_us = std::uint64_t{bytes} * 1'000'000 / rate;
    const bool at_limit = rate == tcb.settings.max_pacing_rate;
    tcb.departure_us +=
        static_cast<std::uint32_t>(std::min(takes_us, at_limit ? kWaitAtLimitMaxUs : kWaitMaxUs));
    const auto wait = static_cast<std::int32_t>(tcb.departure_us - now_us);
    if (wait > kAheadUs) arm(tcb, Timer::pacing, now + microseconds(wait));
}

}  // namespace mtcp::tcp
