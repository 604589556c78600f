// SPDX-License-Identifier: Apache-2.0
// The window test and PAWS.
#include "tcp/receive/acceptability.h"

#include "tcp/clock.h"
#include "tcp/closing/challenge_ack.h"
#include "tcp/receive/ack_policy.h"
#include "tcp/receive/sack_report.h"

namespace mtcp::tcp {
namespace {

using wire::Flags;
using wire::SequenceNumber;

constexpr std::uint32_t kPawsValidS = 24u * 24 * 3600;  // RFC 7323 §5.5: 24 days

bool timestamp_is_old(const Tcb& tcb, std::uint32_t ts_value) {
    return static_cast<std::int32_t>(ts_value - tcb.ts_recent) < 0;
}

// RFC 7323 §5.3 R1. Resets are exempt (§5.2). A segment without the option passes though the option
// was agreed: middleboxes strip it (deviation from RFC 7323 §3.2, as Linux).
bool fails_paws(const Arrival& a) {
    const Tcb& tcb = a.tcb;
    if (!tcb.flags.timestamps || !a.seg.options.timestamps) return false;
    if (a.seg.flags.has(Flags::rst)) return false;
    if (!timestamp_is_old(tcb, a.seg.options.ts_value)) return false;
    return to_s(a.now) - tcb.ts_recent_s < kPawsValidS;
}

// An unacceptable segment is answered. Data may always be answered: it is a
// lost ACK more often than an attack. Anything else only now and then (RFC 5961 §7).
Step answer_unacceptable(Arrival& a, Drop why) {
    const bool plain_data = !a.seg.payload.empty() && !a.seg.flags.has(Flags::syn);
    if (plain_data || a.fin) {
        acknowledge_now(a.tcb);
    } else {
        challenge_ack(a.env, a.tcb, a.now);
    }
    return a.discard(why);
}

// RFC 9293 §3.10.7.4: a simultaneous open answers our SYN with SYN-ACK, one below RCV.NXT; the SYN
// is known already, the rest is the ACK that we wait for. As a segment that is not acceptable it is
// answered, too: then the peer need not wait for our SYN-ACK if that was lost.
bool is_crossing_syn_ack(const Arrival& a) {
    return a.tcb.state == State::syn_received && a.seg.flags.all(Flags::syn | Flags::ack) &&
           a.seg.seq == a.tcb.irs && a.tcb.rcv.nxt == a.tcb.irs + 1 && a.seg.ack == a.tcb.snd.nxt &&
           !a.seg.flags.has(Flags::rst);
}

// The SYN that began this connection with data (RFC 7413): our SYN-ACK was lost.
bool is_repeated_syn(const Arrival& a) {
    return a.tcb.state == State::syn_received && a.tcb.fast_open.early &&
           a.seg.flags.has(Flags::syn) && !a.seg.flags.has(Flags::ack | Flags::rst) &&
           a.seg.seq == a.tcb.irs;
}

// Cuts what lies before RCV.NXT.
void trim_front(Arrival& a) {
    const std::uint32_t old = a.tcb.rcv.nxt - a.seq;
    a.payload_offset += old;
    a.length -= old;
    a.seq = a.tcb.rcv.nxt;
}

// What we have acknowledged last, or not yet, comes again: the peer had not seen our ACK, but may
// acknowledge what it saw meanwhile. Dropping that, as RFC 9293 §3.10.7.4 has it, would send it
// again for nothing (as Linux).
Step keep_only_ack(Arrival& a) {
    a.seq = a.tcb.rcv.nxt;
    a.length = 0;
    a.fin = false;
    a.answer_at_once = true;
    a.reaction.drop = Drop::tcp_duplicate;
    return Step::next;
}

}  // namespace

bool is_reset_point(const Tcb& tcb, SequenceNumber seq) {
    constexpr std::uint16_t kAfterFin = static_cast<std::uint16_t>(
        bit(State::close_wait) | bit(State::last_ack) | bit(State::closing));
    return seq == tcb.rcv.nxt || (seq + 1 == tcb.rcv.nxt && is_one_of(tcb.state, kAfterFin));
}

Step check_sequence(Arrival& a) {
    Tcb& tcb = a.tcb;
    if (fails_paws(a)) return answer_unacceptable(a, Drop::tcp_paws);
    if (is_crossing_syn_ack(a)) {
        a.seq += 1;
        note_duplicate(tcb, tcb.irs, a.seq);
        a.answer_at_once = true;
        cut_to_window(a);
        return Step::next;
    }
    if (is_repeated_syn(a)) {
        tcb.pending.syn = true;
        return a.discard(Drop::tcp_duplicate);
    }
    const SequenceNumber edge = tcb.rcv.nxt + tcb.rcv.wnd;
    if (a.seg.flags.has(Flags::rst)) {
        // RFC 5961 §3.2 looks at the number only; text does not matter, nor does a window of zero
        // (RFC 9293 MUST-66).
        const bool inside = is_reset_point(tcb, a.seq) || (a.seq > tcb.rcv.nxt && a.seq < edge);
        return inside ? Step::next : a.discard(Drop::tcp_outside_window);
    }
    const std::uint32_t text = a.seg.length();
    if (text == 0) {
        // The right edge itself passes: an ACK carries it once the peer has filled the window, and
        // refusing it could stop both directions. Table 6 would take it one earlier. So does what
        // left before text that we have not acknowledged yet, and came behind it (as Linux).
        const bool inside = a.seq >= tcb.rcv.acked && a.seq <= edge;
        return inside ? Step::next : answer_unacceptable(a, Drop::tcp_outside_window);
    }
    const SequenceNumber end = a.seq + text;
    if (end <= tcb.rcv.nxt) {
        if (!a.seg.flags.has(Flags::syn)) {
            note_duplicate(tcb, a.seq, a.seq + a.length);
            const bool was_last = end >= tcb.rcv.acked;
            if (was_last && a.seg.flags.has(Flags::ack)) return keep_only_ack(a);
        }
        return answer_unacceptable(a, Drop::tcp_duplicate);
    }
    // A closed window takes no text, but what the segment acknowledges (RFC 9293 §3.10.7.4).
    const bool only_text = tcb.rcv.wnd == 0 && !a.seg.flags.has(Flags::ack);
    if (a.seq > edge || (a.seq == edge && tcb.rcv.wnd > 0) || only_text) {
        return answer_unacceptable(a, Drop::tcp_outside_window);
    }
    if (a.seg.flags.has(Flags::syn)) return Step::next;  // the fourth step ends this
    if (a.seq < tcb.rcv.nxt) {
        note_duplicate(tcb, a.seq, tcb.rcv.nxt);
        a.answer_at_once = true;
        trim_front(a);
    }
    cut_to_window(a);
    return Step::next;
}

void cut_to_window(Arrival& a) {
    const SequenceNumber edge = a.tcb.rcv.nxt + a.tcb.rcv.wnd;
    if (a.seq + a.length + (a.fin ? 1u : 0u) <= edge) return;
    // A FIN alone takes no room. Peers that do not wait for a window to send it would else send
    // it, and we refuse it, until the application has read.
    if (a.fin && a.length == 0 && a.seq == a.tcb.rcv.nxt) return;
    a.fin = false;
    const std::uint32_t room = edge - a.seq;
    if (a.length > room) a.length = room;
    a.answer_at_once = true;
    if (a.length == 0) a.reaction.drop = Drop::tcp_outside_window;
}

void note_timestamp(Tcb& tcb, const wire::Segment& seg, Instant now) {
    if (!tcb.flags.timestamps || !seg.options.timestamps) return;
    // RFC 7323 §4.3 (2): the segment that covers the last ACK we sent, so that a delayed ACK is
    // counted in the peer's RTT.
    if (seg.seq > tcb.rcv.acked) return;
    tcb.ts_recent = seg.options.ts_value;
    tcb.ts_recent_s = to_s(now);
}

}  // namespace mtcp::tcp
