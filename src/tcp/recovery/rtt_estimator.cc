// SPDX-License-Identifier: Apache-2.0
// RFC 6298 in integer microseconds.
#include "tcp/recovery/rtt_estimator.h"

namespace mtcp::tcp {
namespace {

constexpr std::uint32_t kBackoffMax = 20;  // beyond, the shift alone exceeds any rto_max

}  // namespace

void take_rtt_sample(Tcb& tcb, std::uint32_t rtt_us, const Configuration& configuration,
                     Instant now) {
    if (rtt_us == 0) rtt_us = 1;  // 0 means "not measured"
    note_rtt_minimum(tcb, rtt_us, now);
    if (tcb.srtt_us == 0) {  // RFC 6298 §2.2
        tcb.srtt_us = rtt_us;
        tcb.rttvar_us = rtt_us / 2;
    } else {  // RFC 6298 §2.3: beta = 1/4, alpha = 1/8
        const std::uint32_t error =
            rtt_us > tcb.srtt_us ? rtt_us - tcb.srtt_us : tcb.srtt_us - rtt_us;
        tcb.rttvar_us = tcb.rttvar_us - tcb.rttvar_us / 4 + error / 4;
        tcb.srtt_us = tcb.srtt_us - tcb.srtt_us / 8 + rtt_us / 8;
        if (tcb.srtt_us == 0) tcb.srtt_us = 1;
    }
    // The minimum stands for 4 * RTTVAR, not for the whole: an RTT just below it would otherwise
    // leave no room for a delayed ACK. As Linux; never less than RFC 6298 §2.3 computes.
    const std::int64_t variation = std::int64_t{4} * tcb.rttvar_us;
    const std::int64_t floor = configuration.rto_min.microseconds();
    const std::int64_t rto = tcb.srtt_us + (variation > floor ? variation : floor);
    const std::int64_t ceiling = configuration.rto_max.microseconds();
    tcb.rto_us = static_cast<std::uint32_t>(rto < ceiling ? rto : ceiling);
}

Duration backed_off_rto(const Tcb& tcb, Duration rto_max) {
    const std::uint32_t doublings = tcb.backoff < kBackoffMax ? tcb.backoff : kBackoffMax;
    const Duration rto = microseconds(std::int64_t{tcb.rto_us} << doublings);
    return rto < rto_max ? rto : rto_max;
}

}  // namespace mtcp::tcp
