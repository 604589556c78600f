// SPDX-License-Identifier: Apache-2.0
// Waiting for the peer's window or for more data.
#include "tcp/send/waiting.h"

#include "tcp/recovery/rtt_estimator.h"
#include "tcp/timers.h"

namespace mtcp::tcp {
namespace {

constexpr Duration kCorkBound = milliseconds(200);  // as Linux documents for TCP_CORK

}  // namespace

void arm_for_hold(const Environment& env, Tcb& tcb, Hold hold, Instant now) {
    if (hold == Hold::cork) {
        if (!is_armed(tcb, Timer::cork)) arm(tcb, Timer::cork, now + kCorkBound);
    } else if (is_armed(tcb, Timer::cork)) {
        disarm(tcb, Timer::cork);
    }
    // With anything in flight its ACK will bring the window; only silence needs a probe.
    const bool silent = hold == Hold::window && tcb.snd.una == tcb.snd.nxt;
    if (!silent) {
        if (is_armed(tcb, Timer::persist)) {
            disarm(tcb, Timer::persist);
            tcb.backoff = 0;
        }
        return;
    }
    if (is_armed(tcb, Timer::persist | Timer::retransmit)) return;
    // RFC 9293 SHLD-29: the first probe after one RTO; SHLD-30: then at growing intervals.
    const Duration wait = backed_off_rto(tcb, env.configuration.persist_max);
    if (tcb.backoff == 0) tcb.progress_ms = to_ms(now);
    arm(tcb, Timer::persist, now + within_user_timeout(tcb, wait, now));
}

}  // namespace mtcp::tcp
