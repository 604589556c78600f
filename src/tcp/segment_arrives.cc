// SPDX-License-Identifier: Apache-2.0
// RFC 9293 §3.10.7: SEGMENT ARRIVES. Header prediction, SYN-SENT, then the eight steps of
// §3.10.7.4. CLOSED and LISTEN are passive_open.h's; TIME-WAIT is time_wait.h's.
#include <cerrno>

#include "tcp/arrival.h"
#include "tcp/clock.h"
#include "tcp/closing/challenge_ack.h"
#include "tcp/handshake/birth.h"
#include "tcp/handshake/fast_open.h"
#include "tcp/handshake/syn_sent.h"
#include "tcp/header_prediction.h"
#include "tcp/path/ecn.h"
#include "tcp/receive/accept_text.h"
#include "tcp/receive/acceptability.h"
#include "tcp/receive/ack_policy.h"
#include "tcp/settle.h"
#include "tcp/take_ack.h"
#include "tcp/timers.h"

namespace mtcp::tcp {
namespace {

using wire::Flags;
using wire::SequenceNumber;

// --- second: reset ---

// What the application hears, if it has not let go. In CLOSING and LAST-ACK, too: what it sent may
// be lost.
int reset_error(const Tcb& tcb) {
    switch (tcb.state) {
        case State::syn_received: return tcb.active_open ? ECONNREFUSED : ECONNRESET;
        case State::close_wait: return EPIPE;  // as Linux: all that the peer sent has come
        case State::time_wait: return 0;
        default: return ECONNRESET;
    }
}

// RFC 9293 SHLD-2: text in a reset is not looked at.
Step check_reset(Arrival& a) {
    if (!a.seg.flags.has(Flags::rst)) return Step::next;
    // RFC 5961 §3.2: only the exact number resets; elsewhere in the window it must be proven.
    if (!is_reset_point(a.tcb, a.seg.seq)) {
        // RFC 7413 §7.3: somebody on the way has lost track of a connection that began with data.
        if (a.tcb.fast_open.asked && a.tcb.state == State::established &&
            total_received(a.tcb) == 0) {
            pause_fast_open(a.env, a.now);
        }
        challenge_ack(a.env, a.tcb, a.now);
        return a.discard(Drop::tcp_challenge_ack);
    }
    end_connection(a.tcb, a.reaction, reset_error(a.tcb));
    return Step::done;
}

// --- third: security and compartment are not supported (RFC 9293 Appendix A.1 allows it) ---

// --- fourth: SYN ---

Step check_syn(Arrival& a) {
    if (!a.seg.flags.has(Flags::syn) || a.seq != a.seg.seq) return Step::next;  // crossing SYN-ACK
    // RFC 5961 §4.2: never trusted on a synchronised connection, whatever its number.
    challenge_ack(a.env, a.tcb, a.now);
    return a.discard(Drop::tcp_challenge_ack);
}

// --- fifth: ACK ---

// SYN-RECEIVED: the ACK that completes the handshake.
Step acknowledge_our_syn(Arrival& a) {
    Tcb& tcb = a.tcb;
    if (a.seg.ack <= tcb.snd.una || a.seg.ack > tcb.snd.nxt) {
        tcb.pending.stray_reset = true;
        tcb.stray_ack = a.seg.ack;
        return a.discard(Drop::tcp_bad_ack);
    }
    take_ack_of_syn(a);
    become_established(a.env, tcb, a.reaction, a.now);
    return Step::next;
}

// RFC 5961 §5.2, and no further back than what was ever acknowledged: before the first byte there
// is nothing, and with a large window a guess would else be right every fourth time (as Linux).
SequenceNumber oldest_ack(const Tcb& tcb) {
    const std::uint32_t fin = tcb.snd.una > tcb.snd.end ? 1 : 0;
    const std::uint64_t acked = total_acked(tcb) + fin;
    return tcb.snd.una - (acked < tcb.max_wnd ? static_cast<std::uint32_t>(acked) : tcb.max_wnd);
}

Step check_ack(Arrival& a) {
    Tcb& tcb = a.tcb;
    if (!a.seg.flags.has(Flags::ack)) return a.discard(Drop::tcp_bad_flags);
    if (tcb.state == State::syn_received) {
        if (acknowledge_our_syn(a) == Step::done) return Step::done;
        note_timestamp(a.tcb, a.seg, a.now);
        if (tcb.fast_open.early) take_ack(a);  // of data sent behind the SYN-ACK: SACK, window
    } else {
        // RFC 5961 §5.2 (RFC 9293 MAY-12): neither from the future nor from long ago.
        if (a.seg.ack > tcb.snd.nxt || (a.seg.ack < tcb.snd.una && a.seg.ack < oldest_ack(tcb))) {
            challenge_ack(a.env, tcb, a.now);
            return a.discard(Drop::tcp_bad_ack);
        }
        // Not sooner: a forged segment would else make PAWS refuse all that is true.
        note_timestamp(a.tcb, a.seg, a.now);
        take_ack(a);
    }
    if (tcb.snd.una <= tcb.snd.end) return Step::next;
    return after_fin_acked(tcb, a.seg.ack, a.now, a.reaction);
}

// --- sixth: URG ---

constexpr std::uint16_t kReceiving = static_cast<std::uint16_t>(
    bit(State::established) | bit(State::fin_wait_1) | bit(State::fin_wait_2));

// RFC 9293 MUST-30, MUST-31: however long it is.
// RFC 9293 §3.10.7.4, sixth; RFC 6093 §3: the bytes stay in the stream, the mark is reported.
void check_urgent(Arrival& a) {
    Tcb& tcb = a.tcb;
    if (!a.seg.flags.has(Flags::urg) || a.seg.urgent == 0 || !is_one_of(tcb.state, kReceiving)) {
        return;
    }
    const SequenceNumber up = a.seg.seq + a.seg.urgent;
    const SequenceNumber read = tcb.rcv.nxt - tcb.rcv.unread;
    if (up <= read || (tcb.flags.receive_urgent && up <= tcb.receive_up)) return;
    tcb.flags.receive_urgent = true;  // RFC 9293 MUST-32
    tcb.receive_up = up;
    a.reaction.events |= Events::urgent;
}

// --- seventh: text ---

Step process_text(Arrival& a) {
    Tcb& tcb = a.tcb;
    if (a.length == 0) return Step::next;
    if (!is_one_of(tcb.state, kReceiving)) {  // after the peer's FIN: its mistake
        acknowledge_now(tcb);
        return a.discard(Drop::tcp_outside_window);
    }
    if (tcb.flags.let_go || tcb.reading_over != 0) {
        // RFC 9293 §3.6.1, SHLD-3: nobody will read it, and the peer must learn that it is lost.
        // SEG.ACK is what the peer expects next, also when our FIN was lost (RFC 5961 §3.2).
        tcb.pending.stray_reset = true;
        tcb.stray_ack = a.seg.ack;
        end_connection(tcb, a.reaction, tcb.flags.let_go ? 0 : ECONNRESET);
        return a.discard(Drop::tcp_after_close);
    }
    note_mark(a);
    accept_text(a);
    return Step::next;
}

// --- eighth: FIN ---

void check_fin(Arrival& a) {
    if (!is_one_of(a.tcb.state, kReceiving) || !fin_is_next(a)) return;
    take_fin(a.tcb, a.reaction);
    release_reassembly(a.env, a.tcb);
}

void eight_steps(Arrival& a) {
    if (check_sequence(a) == Step::done) return;
    if (check_reset(a) == Step::done) return;
    if (check_syn(a) == Step::done) return;
    const Step acked = check_ack(a);
    // Of CLOSING, too, where the peer repeats its FIN because our ACK of it was lost.
    const bool repeats = a.reaction.drop == Drop::tcp_duplicate;
    const bool closes = repeats && a.tcb.state == State::time_wait;
    if (a.answer_at_once && (acked == Step::next || closes)) acknowledge_now(a.tcb);
    if (acked == Step::done) return;
    check_urgent(a);
    if (process_text(a) == Step::done) return;
    check_fin(a);
}

// --- header prediction, second try ---

// In order, on a connection that repairs or keeps a record: what take_predicted() refused. Each
// line names what would need the eight steps; what remains of them is take_ack() and accept_text().
bool is_in_order(const Arrival& a) {
    const Tcb& tcb = a.tcb;
    const wire::Segment& seg = a.seg;
    const wire::Options& options = seg.options;
    bool slow = tcb.state != State::established;             // closing, opening
    slow |= (seg.flags.bits & ~Flags::psh) != Flags::ack;    // SYN, FIN, RST, URG, ECN
    slow |= seg.seq != tcb.rcv.nxt;                          // out of order, duplicate
    slow |= mark_is_news(tcb, seg);                          // congestion on the way here
    slow |= a.length > tcb.rcv.wnd;                          // beyond the window
    slow |= seg.ack < tcb.snd.una || seg.ack > tcb.snd.nxt;  // old, or from the future
    slow |= options.timestamps && tcb.flags.timestamps &&    // PAWS
            static_cast<std::int32_t>(options.ts_value - tcb.ts_recent) < 0;
    return !slow;
}

void in_order(Arrival& a) {
    note_timestamp(a.tcb, a.seg, a.now);
    take_ack(a);
    if (a.length > 0) accept_text(a);
    check_fin(a);  // one that arrived early may be due now
}

}  // namespace

Step after_fin_acked(Tcb& tcb, SequenceNumber ack, Instant now, Reaction& reaction) {
    switch (tcb.state) {
        case State::fin_wait_1:
            transition(tcb, State::fin_wait_2);
            reaction.events |= Events::send_closed;
            if (!tcb.flags.let_go) return Step::next;
            if (tcb.fin_wait_2_ms == 0) {  // TCP_LINGER2: nobody waits, and the peer learns so
                tcb.pending.stray_reset = true;
                tcb.stray_ack = ack;
                end_connection(tcb, reaction, 0);
                return Step::done;
            }
            arm(tcb, Timer::fin_wait_2, now + milliseconds(tcb.fin_wait_2_ms));
            return Step::next;
        case State::closing:
            transition(tcb, State::time_wait);
            reaction.events |= Events::send_closed | Events::time_wait;
            disarm(tcb, tcb.armed);
            return Step::done;
        case State::last_ack:
            reaction.events |= Events::send_closed;
            end_connection(tcb, reaction, 0);
            return Step::done;
        default: return Step::next;
    }
}

void take_fin(Tcb& tcb, Reaction& reaction) {
    tcb.rcv.nxt += 1;
    if (tcb.rcv.wnd > 0) --tcb.rcv.wnd;
    tcb.flags.fin_received = true;
    tcb.pending.ack = true;
    reaction.events |= Events::peer_closed;
    switch (tcb.state) {
        case State::established: transition(tcb, State::close_wait); break;
        case State::fin_wait_1:  // our FIN is not acknowledged, or this were FIN-WAIT-2
            transition(tcb, State::closing);
            break;
        case State::fin_wait_2:
            transition(tcb, State::time_wait);
            reaction.events |= Events::time_wait;
            disarm(tcb, tcb.armed);
            break;
        default: break;
    }
}

Reaction on_segment(Environment& env, Tcb& tcb, const wire::Segment& seg, Instant now) {
    Reaction reaction;
    const bool predicts = env.configuration.header_prediction == Configuration::Use::on;
    if (predicts && predict(env, tcb, seg, now, reaction)) return reaction;
    Arrival arrival(env, tcb, seg, now, reaction);
    if (tcb.state == State::closed || tcb.state == State::time_wait) [[unlikely]] {
        reaction.drop = Drop::tcp_after_close;  // the caller is about to free the TCB
        return reaction;
    }
    tcb.unanswered_probes = 0;
    if (tcb.state == State::syn_sent) {
        segment_arrives_in_syn_sent(arrival);
        if (reaction.drop == Drop::count_ && is_one_of(tcb.state, kReceiving)) {
            check_urgent(arrival);
            cut_to_window(arrival);
            if (process_text(arrival) == Step::next) check_fin(arrival);
        }
    } else if (predicts && is_in_order(arrival)) {
        in_order(arrival);
    } else {
        eight_steps(arrival);
    }
    tcb.last_received_ms = to_ms(now);
    settle(env, tcb, reaction, now);
    return reaction;
}

}  // namespace mtcp::tcp
