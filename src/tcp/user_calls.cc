// SPDX-License-Identifier: Apache-2.0
// RFC 9293 §3.10.1 to §3.10.6: what the application asks for.
#include <cerrno>

#include "tcp/clock.h"
#include "tcp/congestion/controller.h"
#include "tcp/connection.h"
#include "tcp/counting.h"
#include "tcp/handshake/birth.h"
#include "tcp/handshake/fast_open.h"
#include "tcp/path/ecn.h"
#include "tcp/path/path_search.h"
#include "tcp/receive/accept_text.h"
#include "tcp/receive/receive_window.h"
#include "tcp/receive/right_sizing.h"
#include "tcp/recovery/delivery_rate.h"
#include "tcp/recovery/side_record.h"
#include "tcp/send/pacer.h"
#include "tcp/send/record_marks.h"
#include "tcp/settle.h"
#include "tcp/timers.h"

namespace mtcp::tcp {
namespace {

// A reset for the peer, and the end here.
void reset_and_end(Tcb& tcb, Reaction& reaction) {
    tcb.pending.reset = true;
    end_connection(tcb, reaction, 0);
}

// RFC 9293 §3.10.5. In CLOSING and LAST-ACK the peer has all, or it is sent: but by the RFC a
// connection is not there yet while data waits for a window, and what nobody has read is lost (RFC
// 9293 SHLD-3).
void abort_connection(Tcb& tcb, Reaction& reaction) {
    constexpr std::uint16_t kPeerMustHear = static_cast<std::uint16_t>(
        bit(State::syn_received) | bit(State::established) | bit(State::fin_wait_1) |
        bit(State::fin_wait_2) | bit(State::close_wait));
    constexpr auto kFinQueued =
        static_cast<std::uint16_t>(bit(State::closing) | bit(State::last_ack));
    const bool lost = tcb.snd.nxt <= tcb.snd.end || tcb.rcv.unread > 0;
    tcb.pending.reset =
        is_one_of(tcb.state, kPeerMustHear) || (lost && is_one_of(tcb.state, kFinQueued));
    end_connection(tcb, reaction, 0);
}

// The FIN goes behind the last byte queued; the state changes at once (RFC 9293 §3.10.4), except
// during the handshake, which comes first.
void queue_fin(Tcb& tcb) {
    if (tcb.flags.fin_queued) return;
    tcb.flags.fin_queued = true;
    tcb.flags.more_follows = false;
    if (tcb.state == State::established) {
        transition(tcb, State::fin_wait_1);
    } else if (tcb.state == State::close_wait) {
        transition(tcb, State::last_ack);
    }
}

// Nobody will read what the peer still sends, so its FIN is not waited for for ever.
void wait_for_fin(Tcb& tcb, Reaction& reaction, Instant now) {
    if (tcb.fin_wait_2_ms == 0) {
        reset_and_end(tcb, reaction);
    } else {
        arm(tcb, Timer::fin_wait_2, now + milliseconds(tcb.fin_wait_2_ms));
    }
}

bool has_ended(const Tcb& tcb) {
    return tcb.state == State::closed || tcb.state == State::time_wait;
}

}  // namespace

Reaction on_open(Environment& env, Tcb& tcb, const OpenRequest& request, Instant now) {
    Reaction reaction;
    initialise(env, tcb,
               {.key = request.key,
                .settings = request.settings,
                .numbers = initial_numbers(env.isn_key, request.key, now),
                .path_mtu = request.path_mtu,
                .state = State::syn_sent},
               now);
    assume_default_mss(env, tcb);
    if (env.destinations.knows_paths(now)) [[unlikely]]
        begin_on_known_path(env, tcb, now);
    tcb.active_open = true;
    tcb.fast_open.wanted = request.fast_open != FastOpenWish::none;
    tcb.fast_open.without_cookie = request.fast_open == FastOpenWish::without_cookie;
    tcb.pending.syn = true;
    settle(env, tcb, reaction, now);
    return reaction;
}

Reaction on_send(Environment& env, Tcb& tcb, std::uint32_t bytes, SendHint hint, Instant now) {
    Reaction reaction;
    // The connection may have ended while the request was on its way.
    if (!can_send(tcb)) return reaction;
    if (tcb.snd.una == tcb.snd.nxt && tcb.snd.nxt == tcb.snd.end && bytes > 0) {
        congestion::on_idle_restart(env, tcb, now);
    }
    if (Recovery* r = record_of(env, tcb); r != nullptr && bytes > 0) {
        note_application_limit(tcb, *r);
    }
    tcb.snd.end += bytes;
    tcb.flags.more_follows = hint == SendHint::more_follows;
    tcb.pending.loosen = false;
    if (hint == SendHint::urgent) {
        tcb.flags.send_urgent = true;  // RFC 9293 §3.8.5: a later mark replaces an earlier one
        tcb.send_up = tcb.snd.end;
    }
    settle(env, tcb, reaction, now);
    return reaction;
}

WindowUpdate take_consumed(Environment& env, Tcb& tcb, std::uint32_t bytes, Instant now) {
    tcb.rcv.unread -= bytes < tcb.rcv.unread ? bytes : tcb.rcv.unread;
    if (has_ended(tcb)) return WindowUpdate::not_due;
    if (tcb.flags.receive_urgent) {
        const std::uint32_t fin = tcb.flags.fin_received ? 1 : 0;
        const wire::SequenceNumber read = tcb.rcv.nxt - fin - tcb.rcv.unread;
        if (read >= tcb.receive_up) tcb.flags.receive_urgent = false;
    }
    right_size(env, tcb, bytes, now);
    // After the peer's FIN no window matters any more.
    const bool due = !tcb.flags.fin_received && window_update_is_due(env, tcb);
    return due ? WindowUpdate::due : WindowUpdate::not_due;
}

Reaction on_window_update_due(Tcb& tcb) {
    // Reading changes nothing else: whatever waits was scheduled by what made it wait.
    Reaction reaction;
    tcb.pending.ack = true;
    reaction.work = Work::ack;
    return reaction;
}

Reaction on_consume(Environment& env, Tcb& tcb, std::uint32_t bytes, Instant now) {
    if (take_consumed(env, tcb, bytes, now) == WindowUpdate::not_due) return {};
    return on_window_update_due(tcb);
}

Reaction on_shutdown(Environment& env, Tcb& tcb, Instant now, Reading reading) {
    Reaction reaction;
    if (has_ended(tcb)) return reaction;
    if (reading == Reading::over) tcb.reading_over = 1;
    queue_fin(tcb);
    settle(env, tcb, reaction, now);
    return reaction;
}

Reaction on_close(Environment& env, Tcb& tcb, Instant now) {
    return on_close(env, tcb, now, env.configuration.fin_wait_2);
}

// RFC 9293 MAY-1: nobody reads any more; SHLD-3.
Reaction on_close(Environment& env, Tcb& tcb, Instant now, Duration fin_wait_2) {
    Reaction reaction;
    if (has_ended(tcb) || tcb.flags.let_go) return reaction;
    // RFC 9293 §3.10.4: nothing to tell anyone, but for bytes that go with the SYN (RFC 7413), of
    // which the program was told that they are sent.
    if (tcb.state == State::syn_sent && tcb.snd.end == tcb.iss + 1) {
        end_connection(tcb, reaction, 0);
        return reaction;
    }
    tcb.flags.let_go = true;
    tcb.fin_wait_2_ms = to_ms(fin_wait_2);
    judge_fast_open(env, tcb, now);
    if (tcb.rcv.unread > 0) {
        // RFC 9293 SHLD-3: the peer's data is lost, and it must know. Of what lies beyond a gap it
        // was never told that it had come; process_text() resets should more of it come (as Linux).
        reset_and_end(tcb, reaction);
    } else {
        release_reassembly(env, tcb);
        tcb.owed_acks = 0;
        queue_fin(tcb);
        if (tcb.state == State::fin_wait_2) wait_for_fin(tcb, reaction, now);
    }
    settle(env, tcb, reaction, now);
    return reaction;
}

Reaction on_abort(Environment& env, Tcb& tcb, Instant now) {
    Reaction reaction;
    if (has_ended(tcb)) return reaction;
    abort_connection(tcb, reaction);
    settle(env, tcb, reaction, now);
    return reaction;
}

// RFC 9293 SHLD-21: also in the middle of a connection.
Reaction on_settings(Environment& env, Tcb& tcb, const Settings& settings, Instant now,
                     HeldBytes held) {
    Reaction reaction;
    const bool keepalive_changed =
        settings.keepalive != tcb.settings.keepalive ||
        settings.keepalive_idle_s != tcb.settings.keepalive_idle_s ||
        settings.keepalive_interval_s != tcb.settings.keepalive_interval_s;
    const bool timeout_set = settings.user_timeout_ms != 0 && !tcb.flags.user_timeout;
    const std::uint32_t grown = tcb.settings.receive_buffer;
    const bool other_algorithm = settings.congestion != tcb.settings.congestion;
    const bool other_rate = settings.max_pacing_rate != tcb.settings.max_pacing_rate;
    if (other_algorithm) congestion::on_algorithm_change(env, tcb);
    tcb.settings = settings;
    // What has grown by itself the application does not know of.
    if (settings.receive_fixed == 0 && grown > settings.receive_buffer) {
        tcb.settings.receive_buffer = grown;
    }
    const bool buffer_changed = tcb.settings.receive_buffer != grown;
    mirror_settings(tcb);
    if (has_ended(tcb)) return reaction;
    if (other_algorithm) choose_echo(tcb);
    if (other_rate || !is_paced(tcb)) disarm(tcb, Timer::pacing);
    constexpr std::uint16_t kOpening =
        static_cast<std::uint16_t>(bit(State::syn_sent) | bit(State::syn_received));
    const bool opening = is_one_of(tcb.state, kOpening);
    // A handshake's time runs since its first SYN, also for timestamps that come back.
    if (timeout_set && !opening) tcb.progress_ms = to_ms(now);
    // tcp(7): setting TCP_NODELAY flushes what waits, even when TCP_CORK is set.
    if (held == HeldBytes::leave && tcb.flags.no_delay && bytes_unsent(tcb) > 0) {
        tcb.flags.push_now = !tcb.flags.more_follows;
        tcb.pending.loosen = tcb.flags.more_follows;
    }
    if (tcb.settings.quick_start == 0) tcb.quick_acks = 0;
    if (tcb.settings.quick_ack && is_armed(tcb, Timer::delayed_ack)) tcb.pending.ack = true;
    if (!opening) {
        if (keepalive_changed) arm_keepalive(env, tcb, now);
        const bool tell = buffer_changed && !tcb.flags.fin_received;
        if (tell && window_update_is_due(env, tcb)) tcb.pending.ack = true;
    }
    settle(env, tcb, reaction, now);
    return reaction;
}

void release(Environment& env, Tcb& tcb) {
    // Mostly there is no side record.
    const bool none = (tcb.recovery & tcb.reassembly) == kNoIndex && !tcb.flags.records &&
                      !tcb.path_search && tcb.controller == congestion::kNoController;
    if (none) return;
    release_reassembly(env, tcb);
    release_marks(env, tcb);
    end_search(env, tcb);
    congestion::release_record(env, tcb);
    if (tcb.recovery != kNoIndex) {
        env.recoveries.give_back(tcb.recovery);
        tcb.recovery = kNoIndex;
    }
}

}  // namespace mtcp::tcp
