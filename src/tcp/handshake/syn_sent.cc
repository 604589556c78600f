// SPDX-License-Identifier: Apache-2.0
// The active side of the handshake.
#include "tcp/handshake/syn_sent.h"

#include <cerrno>

#include "tcp/clock.h"
#include "tcp/counting.h"
#include "tcp/handshake/birth.h"
#include "tcp/handshake/fast_open.h"
#include "tcp/path/ecn.h"
#include "tcp/receive/ack_policy.h"
#include "tcp/settle.h"
#include "tcp/take_ack.h"
#include "tcp/timers.h"

namespace mtcp::tcp {
namespace {

using wire::Flags;

bool is_in_flight(const Tcb& tcb, wire::SequenceNumber ack) {
    return ack > tcb.iss && ack <= tcb.snd.nxt;
}

// SEG.ACK must be for our SYN, and an echoed timestamp must be one we have sent on it: both are
// proof that the peer saw this SYN and not one of an earlier life.
bool acknowledges_our_syn(const Arrival& a) {
    const Tcb& tcb = a.tcb;
    if (!is_in_flight(tcb, a.seg.ack)) return false;
    const wire::Options& options = a.seg.options;
    if (!tcb.flags.timestamps || !options.timestamps || options.ts_echo == 0) return true;
    const std::uint32_t first = tcb.progress_ms + tcb.ts_offset;
    const std::uint32_t latest = to_ms(a.now) + tcb.ts_offset;
    return options.ts_echo - first <= latest - first;
}

void note_peer_syn(Arrival& a) {
    Tcb& tcb = a.tcb;
    tcb.irs = a.seg.seq;
    tcb.rcv.nxt = a.seg.seq + 1;
    tcb.rcv.acked = tcb.irs;
    tcb.counted_nxt = tcb.rcv.nxt;
    agree_on_options(a.env, tcb, a.seg.options);
    agree_on_ecn(a.env.configuration, tcb, a.seg);
    if (tcb.flags.timestamps) {
        tcb.ts_recent = a.seg.options.ts_value;
        tcb.ts_recent_s = to_s(a.now);
    }
    a.seq += 1;
}

// Simultaneous open (RFC 9293 MUST-10): both SYNs crossed.
void enter_syn_received(Arrival& a) {
    Tcb& tcb = a.tcb;
    tcb.snd.wnd = a.seg.window;
    tcb.max_wnd = tcb.snd.wnd;
    tcb.snd.wl1 = a.seg.seq;
    tcb.snd.wl2 = tcb.iss;
    transition(tcb, State::syn_received);
    tcb.pending.syn = true;
    arm_retransmission(tcb, a.env.configuration.rto_max, a.now);
}

void send_syn_again(Arrival& a) {
    Tcb& tcb = a.tcb;
    tcb.pending.syn = true;
    count(a.env, &Counters::segments_retransmitted);
    ++tcb.total_retransmissions;
    arm_retransmission(tcb, a.env.configuration.rto_max, a.now);
}

// The reset ends what sent this (RFC 9293 §3.5.1, figure 9). Where the peer still has a connection
// of an earlier life, or remembers it in TIME-WAIT, a SYN right behind the reset finds a listener;
// once (as Linux), for it may be a forger who asks.
void refuse_earlier_life(Arrival& a) {
    Tcb& tcb = a.tcb;
    tcb.pending.stray_reset = true;
    tcb.stray_ack = a.seg.ack;
    const bool numbers_of_another = !is_in_flight(tcb, a.seg.ack);
    if (numbers_of_another && tcb.total_retransmissions == 0 && !tcb.pending.syn) send_syn_again(a);
}

}  // namespace

void segment_arrives_in_syn_sent(Arrival& a) {
    Tcb& tcb = a.tcb;
    const Flags flags = a.seg.flags;
    const bool has_ack = flags.has(Flags::ack);
    if (has_ack && !acknowledges_our_syn(a)) {  // first
        if (!flags.has(Flags::rst)) refuse_earlier_life(a);
        a.reaction.drop = Drop::tcp_bad_ack;
        return;
    }
    if (flags.has(Flags::rst)) {  // second
        // RFC 3168 §6.1.1.1: some old firewalls refuse the two bits; once more without them.
        if (has_ack && withdraw_ecn_offer(tcb)) {
            send_syn_again(a);
            a.reaction.drop = Drop::tcp_ecn_refused;
        } else if (has_ack) {
            end_connection(tcb, a.reaction, ECONNREFUSED);
        } else {
            a.reaction.drop = Drop::tcp_stray_reset;
        }
        return;
    }
    if (!flags.has(Flags::syn)) {  // fourth and fifth
        a.reaction.drop = Drop::tcp_bad_flags;
        return;
    }
    note_peer_syn(a);
    if (!has_ack) {
        enter_syn_received(a);
        return;
    }
    learn_from_syn_ack(a);
    take_ack_of_syn(a);
    become_established(a.env, tcb, a.reaction, a.now);
    if (tcb.flags.more_follows) {  // the rest of what went with the SYN will carry the ACK
        arm(tcb, Timer::delayed_ack, a.now + kQuickWait);
    } else {
        tcb.pending.ack = true;  // data or FIN may carry it
    }
}

}  // namespace mtcp::tcp
