// SPDX-License-Identifier: Apache-2.0
// RFC 9293 §3.10.8: TIMEOUTS. One function per timer.
#include <algorithm>
#include <cerrno>

#include "tcp/connection.h"
#include "tcp/counting.h"
#include "tcp/handshake/fast_open.h"
#include "tcp/path/ecn.h"
#include "tcp/path/path_search.h"
#include "tcp/recovery/loss_recovery.h"
#include "tcp/recovery/rtt_estimator.h"
#include "tcp/recovery/tail_loss_probe.h"
#include "tcp/settle.h"
#include "tcp/timers.h"

namespace mtcp::tcp {
namespace {

constexpr std::uint16_t kOpening =
    static_cast<std::uint16_t>(bit(State::syn_sent) | bit(State::syn_received));

// RFC 9293 §3.10.8: a peer that does not answer is left alone; one that is merely idle is told.
enum class Farewell : std::uint8_t { none, reset };

// RFC 9293 §3.8.3: R2, or the user's limit.
void give_up(Environment& env, Tcb& tcb, Farewell farewell, Reaction& reaction) {
    count(env, &Counters::connections_timed_out);
    // What ICMP told us explains more than "timed out" (RFC 9293 SHLD-25).
    const int error = tcb.soft_error != 0 ? tcb.soft_error : ETIMEDOUT;
    tcb.pending.reset = farewell == Farewell::reset && !is_one_of(tcb.state, kOpening);
    end_connection(tcb, reaction, tcb.flags.let_go ? 0 : error);
}

// RFC 9293 MUST-21.
bool user_timeout_passed(const Tcb& tcb, Instant now) {
    return tcb.flags.user_timeout && to_ms(now) - tcb.progress_ms >= tcb.settings.user_timeout_ms;
}

// RFC 9293 SHLD-11: R2.
std::uint8_t retries_allowed(const Configuration& configuration, const Tcb& tcb) {
    if (tcb.state == State::syn_sent) {
        const std::uint8_t retries =
            tcb.settings.syn_retries != 0 ? tcb.settings.syn_retries : configuration.syn_retries;
        return tcb.flags.let_go ? std::min(retries, configuration.orphan_retries) : retries;
    }
    if (tcb.state == State::syn_received) return configuration.syn_ack_retries;
    // Nobody waits for a connection that was let go: it may not occupy memory for R2 (as Linux's
    // tcp_orphan_retries), whether the peer is silent or keeps its window closed for ever.
    const bool orphan = tcb.flags.let_go && configuration.retries_2 > configuration.orphan_retries;
    return orphan ? configuration.orphan_retries : configuration.retries_2;
}

// RFC 9293 MUST-19, MUST-22: doubled each time, for SYNs as well.
// RFC 6298 §5.4 to §5.6.
void on_retransmission_timeout(Environment& env, Tcb& tcb, Reaction& reaction, Instant now) {
    const Configuration& configuration = env.configuration;
    const bool opening = is_one_of(tcb.state, kOpening);
    // RFC 9293 SHLD-17: data beyond a window that the peer took back does not time the connection
    // out while the peer answers and somebody waits for it.
    const bool shrunk =
        !opening && !tcb.flags.let_go && tcb.snd.wnd == 0 && tcb.unanswered_probes == 0;
    const bool exhausted =
        !tcb.flags.user_timeout && tcb.retransmissions >= retries_allowed(configuration, tcb);
    const bool over = user_timeout_passed(tcb, now) || (exhausted && !shrunk);
    note_timeout(env, tcb, over ? Expired::yes : Expired::no, now);
    if (over) {
        give_up(env, tcb, Farewell::none, reaction);
        return;
    }
    count(env, &Counters::retransmission_timeouts);
    if (opening) {
        tcb.pending.syn = true;
        if (tcb.path_search) search_on_timeout(env, tcb, 0, now);
        if (tcb.state == State::syn_sent) withdraw_ecn_offer(tcb);
        count(env, &Counters::segments_retransmitted);
        ++tcb.total_retransmissions;
    } else {
        search_on_timeout(env, tcb, tcb.retransmissions + 1u, now);
        enter_loss(env, tcb, now);
        queue_cwr(tcb);
    }
    if (tcb.retransmissions < UINT8_MAX) ++tcb.retransmissions;
    if (tcb.unanswered_probes < UINT8_MAX) ++tcb.unanswered_probes;
    if (tcb.backoff < UINT8_MAX) ++tcb.backoff;
    // RFC 9293 MUST-20 (b): the way there may have changed.
    if (tcb.retransmissions == configuration.retries_1) {
        reaction.events |= Events::path_doubtful;
    }
    arm_retransmission(tcb, configuration.rto_max, now);
}

void on_repair_timer(Environment& env, Tcb& tcb, Reaction& reaction, Instant now) {
    switch (tcb.waits_for) {
        case WaitsFor::timeout: on_retransmission_timeout(env, tcb, reaction, now); break;
        case WaitsFor::reordering: on_reordering_timeout(env, tcb, now); break;
        case WaitsFor::tail_probe:
            if (on_probe_timeout(env, tcb, now)) {
                arm_retransmission(tcb, env.configuration.rto_max, now);
            } else {
                arm_repair(tcb, WaitsFor::timeout, time_left(env, tcb, now), now);
            }
            break;
    }
}

// RFC 9293 §3.8.6.1. Small but open windows are overridden, closed ones are probed.
// RFC 9293 MUST-35, MUST-36.
void on_persist_timeout(Environment& env, Tcb& tcb, Reaction& reaction, Instant now) {
    const bool closed = tcb.snd.wnd == 0 || tcb.snd.una + tcb.snd.wnd <= tcb.snd.nxt;
    if (!closed) {
        tcb.flags.push_now = true;
        tcb.backoff = 0;
        return;
    }
    const bool orphan_exhausted =
        tcb.flags.let_go && tcb.backoff >= env.configuration.orphan_retries;
    const bool silent =
        !tcb.flags.user_timeout && tcb.unanswered_probes >= env.configuration.retries_2;
    // RFC 9293 MUST-37: as long as probes are answered, the connection stays.
    if (orphan_exhausted || silent || user_timeout_passed(tcb, now)) {
        give_up(env, tcb, Farewell::none, reaction);
        return;
    }
    tcb.pending.probe = true;
    if (tcb.unanswered_probes < UINT8_MAX) ++tcb.unanswered_probes;
    if (tcb.backoff < UINT8_MAX) ++tcb.backoff;
    count(env, &Counters::zero_window_probes);
}

// RFC 9293 MUST-29: one answer that does not come is not enough.
bool keepalive_exhausted(const Tcb& tcb, std::uint32_t silent_ms) {
    if (tcb.flags.user_timeout) {
        return tcb.unanswered_probes > 0 && silent_ms >= tcb.settings.user_timeout_ms;
    }
    return tcb.unanswered_probes >= tcb.settings.keepalive_count;
}

// RFC 9293 §3.8.4, and the core's idle time-out. The timer is lazy: traffic does not touch it, it
// looks when it fires.
void on_keepalive_timeout(Environment& env, Tcb& tcb, Reaction& reaction, Instant now) {
    const std::uint32_t silent_ms = to_ms(now) - tcb.last_received_ms;
    const std::uint32_t unsent_ms = to_ms(now) - tcb.last_sent_ms;
    const std::uint32_t idle_ms = silent_ms < unsent_ms ? silent_ms : unsent_ms;
    const Duration idle_timeout = env.configuration.idle_timeout;
    Duration next = kNever - Instant{};
    if (idle_timeout.ns > 0) {
        if (milliseconds(idle_ms) >= idle_timeout) {
            give_up(env, tcb, Farewell::reset, reaction);
            return;
        }
        next = idle_timeout - milliseconds(idle_ms);
    }
    if (tcb.settings.keepalive != 0) {
        const std::uint32_t idle_limit_ms = 1000u * tcb.settings.keepalive_idle_s;
        Duration wait = seconds(tcb.settings.keepalive_interval_s);
        if (tcb.snd.una != tcb.snd.nxt || is_armed(tcb, Timer::persist)) {
            wait = milliseconds(idle_limit_ms);  // RFC 9293 MUST-26: other timers are at work
        } else if (silent_ms < idle_limit_ms) {
            wait = milliseconds(idle_limit_ms - silent_ms);
        } else if (keepalive_exhausted(tcb, silent_ms)) {
            give_up(env, tcb, Farewell::reset, reaction);
            return;
        } else {
            tcb.pending.probe = true;
            if (tcb.unanswered_probes < UINT8_MAX) ++tcb.unanswered_probes;
            count(env, &Counters::keepalives);
        }
        if (wait < next) next = wait;
    }
    if (next < milliseconds(kTimerMaxMs)) arm(tcb, Timer::keepalive, now + next);
}

}  // namespace

Reaction on_deadline(Environment& env, Tcb& tcb, Instant now) {
    Reaction reaction;
    if (is_due(tcb, Timer::delayed_ack, now)) {
        disarm(tcb, Timer::delayed_ack);
        tcb.pending.ack = true;
        tcb.waited_in_vain = true;
    }
    if (is_due(tcb, Timer::cork, now)) {
        disarm(tcb, Timer::cork);
        tcb.flags.push_now = true;
    }
    if (is_due(tcb, Timer::pacing, now)) disarm(tcb, Timer::pacing);
    if (is_due(tcb, Timer::fin_wait_2, now)) {
        // As Linux: an orphan in FIN-WAIT-2 just goes; a late FIN gets a reset.
        end_connection(tcb, reaction, 0);
    }
    if (is_due(tcb, Timer::keepalive, now)) {
        disarm(tcb, Timer::keepalive);
        on_keepalive_timeout(env, tcb, reaction, now);
    }
    if (is_due(tcb, Timer::persist, now)) {
        disarm(tcb, Timer::persist);
        on_persist_timeout(env, tcb, reaction, now);
    }
    if (is_due(tcb, Timer::retransmit, now)) {
        disarm(tcb, Timer::retransmit);
        on_repair_timer(env, tcb, reaction, now);
    }
    if (tcb.state == State::closed && !reaction.has(Events::closed)) return reaction;
    settle(env, tcb, reaction, now);
    return reaction;
}

}  // namespace mtcp::tcp
