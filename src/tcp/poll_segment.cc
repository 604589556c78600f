// SPDX-License-Identifier: Apache-2.0
// What leaves: writes the planned segment and accounts it as sent.
#include "tcp/congestion/controller.h"
#include "tcp/connection.h"
#include "tcp/counting.h"
#include "tcp/handshake/fast_open.h"
#include "tcp/path/ecn.h"
#include "tcp/path/path_search.h"
#include "tcp/receive/ack_policy.h"
#include "tcp/receive/receive_window.h"
#include "tcp/receive/sack_report.h"
#include "tcp/recovery/rtt_estimator.h"
#include "tcp/recovery/side_record.h"
#include "tcp/recovery/tail_loss_probe.h"
#include "tcp/recovery/undo.h"
#include "tcp/send/limit_clock.h"
#include "tcp/send/pacer.h"
#include "tcp/send/record_marks.h"
#include "tcp/send/segmenter.h"
#include "tcp/send/waiting.h"
#include "tcp/timers.h"

namespace mtcp::tcp {
namespace {

using wire::Flags;
using wire::OutgoingSegment;

void write_timestamps(const Tcb& tcb, Instant now, wire::Options& options) {
    options.timestamps = true;
    options.ts_value = to_ms(now) + tcb.ts_offset;
    options.ts_echo = tcb.ts_recent;
}

// What the peer takes, though nothing follows: SND.NXT, or the edge of a window that was taken back
// below it. Beyond that a peer drops a segment, and with it what it acknowledges. Less than a unit
// of the window field was only rounded off.
wire::SequenceNumber acceptable_number(const Tcb& tcb) {
    const wire::SequenceNumber edge = tcb.snd.una + (syn_is_unacked(tcb) ? 1u : 0u) + tcb.snd.wnd;
    return edge + (1u << tcb.send_window_shift) > tcb.snd.nxt ? tcb.snd.nxt : edge;
}

// Everything but the sequence number and the payload.
// RFC 9293 MUST-65: the options of a SYN stay on SYNs.
void write_header(const Environment& env, Tcb& tcb, Instant now, OutgoingSegment& out) {
    out.options.clear();
    if (tcb.flags.timestamps) write_timestamps(tcb, now, out.options);
    out.ack = tcb.rcv.nxt;
    out.window = advertise_window(env, tcb);
    out.urgent = 0;
    out.flags = {static_cast<std::uint8_t>(Flags::ack | ecn_echo(tcb))};
    out.ecn = EcnField::not_capable;
    out.segment_size = 0;
    out.data_offset = 0;
    out.data_length = 0;
    note_ack_sent(tcb);
}

void write_reset(Tcb& tcb, Instant now, OutgoingSegment& out) {
    out = {};
    // RFC 7323 §3.2: a reset should carry them too.
    if (tcb.flags.timestamps) write_timestamps(tcb, now, out.options);
    // In window for the peer whatever it has received: RFC 5961 §3.2 wants the exact number.
    out.seq = acceptable_number(tcb);
    out.ack = tcb.rcv.nxt;
    // Nobody sends into it; those who watch the path see no window closed that was open.
    out.window = offered_field(tcb);
    out.flags = {Flags::rst | Flags::ack};
    tcb.pending.reset = false;
}

// RFC 9293 §3.10.7.3, §3.10.7.4: <SEQ=SEG.ACK><CTL=RST> for an ACK that cannot be ours.
void write_stray_reset(Tcb& tcb, OutgoingSegment& out) {
    out = {};
    out.seq = tcb.stray_ack;
    out.flags = {Flags::rst};
    tcb.pending.stray_reset = false;
}

void write_syn(Environment& env, Tcb& tcb, Instant now, OutgoingSegment& out) {
    const bool answers = tcb.state == State::syn_received;
    out = {};
    out.seq = tcb.iss;
    out.flags = {Flags::syn};
    out.window = static_cast<std::uint16_t>(tcb.rcv.wnd < 0xffff ? tcb.rcv.wnd : 0xffff);
    out.options.mss = tcb.advertised_mss;
    out.options.sack_permitted = tcb.flags.selective_ack;
    if (tcb.flags.window_scaling) out.options.window_shift = tcb.receive_window_shift;
    if (tcb.flags.timestamps) write_timestamps(tcb, now, out.options);
    if (answers) {
        out.flags = {Flags::syn | Flags::ack};
        out.ack = tcb.rcv.nxt;
        note_ack_sent(tcb);
    }
    out.flags.bits |= ecn_of_syn(tcb);
    tcb.pending.syn = false;
    if (tcb.snd.nxt == tcb.iss) {
        // RFC 7413 §4.2.1: only the first SYN carries the option and data.
        if (tcb.fast_open.wanted) out.data_length = write_fast_open(env, tcb, now, out);
        tcb.snd.nxt = tcb.iss + 1 + out.data_length;
        start_timing(tcb, tcb.iss + 1, to_us(now));
    } else {
        tcb.flags.timing = false;  // Karn
    }
    if (!is_armed(tcb, Timer::retransmit)) {
        arm_retransmission(tcb, env.configuration.rto_max, now);
    }
}

// RFC 9293 MUST-62: the pointer names the octet after the urgent data. One that is too far ahead
// for the field is said to be where nothing was sent yet, or not at all: a reader would stop there.
void write_urgent(const Tcb& tcb, OutgoingSegment& out) {
    constexpr std::uint32_t kFarthest = 0xffff;
    if (!tcb.flags.send_urgent || tcb.send_up <= out.seq) return;
    const std::uint32_t ahead = tcb.send_up - out.seq;
    if (ahead > kFarthest && out.seq + kFarthest <= tcb.snd.nxt) return;
    out.urgent = static_cast<std::uint16_t>(ahead < kFarthest ? ahead : kFarthest);
    out.flags.bits |= Flags::urg;
}

void write_payload(const Environment& env, Tcb& tcb, const SendPlan& plan, Instant now,
                   OutgoingSegment& out) {
    const bool sack_due = tcb.pending.ack && has_sack_to_report(env, tcb);
    note_ride(tcb);
    write_header(env, tcb, now, out);
    tcb.pending.ack = tcb.pending.ack || sack_due;  // blocks have no room beside data
    out.seq = plan.seq;
    out.data_offset = plan.seq - tcb.snd.una - (syn_is_unacked(tcb) ? 1u : 0u);
    out.data_length = plan.length;
    const bool train = plan.length > tcb.mss && !plan.path_probe;
    if (train) out.segment_size = tcb.mss;
    if (plan.fin) out.flags.bits |= Flags::fin;
    // RFC 9293 MUST-61: pushed where the queue ends. A train of segments is pushed too (on its
    // last, as whoever cuts it does): a receiver that joins segments then hands the train up at
    // once. What the program said more would follow is not.
    // RFC 9293 SHLD-27: one PSH for however many writes.
    const bool pushed = !tcb.flags.more_follows || tcb.flags.push_now;
    const bool ends_queue = plan.length > 0 && plan.seq + plan.length == tcb.snd.end;
    const bool ends_record =
        tcb.flags.records && is_mark(env, tcb, plan.seq + plan.length);  // MSG_EOR
    // What a SYN carried (RFC 7413) is what the server waits for, also when it goes again.
    const bool ends_early = plan.what == Send::repair && tcb.syn_bytes != 0 &&
                            plan.seq + plan.length == tcb.iss + 1 + tcb.syn_bytes;
    if ((ends_queue && pushed) || ends_record || ends_early || train) out.flags.bits |= Flags::psh;
    write_urgent(tcb, out);
}

// The same, for a plan of plan_expected(): nothing is repaired, urgent or held back.
void write_expected(const Environment& env, Tcb& tcb, std::uint32_t length, bool fin, Instant now,
                    OutgoingSegment& out) {
    note_ride(tcb);
    out.seq = tcb.snd.nxt;
    out.ack = tcb.rcv.nxt;
    out.window = advertise_window(env, tcb);
    out.urgent = 0;
    out.ecn = EcnField::not_capable;
    out.segment_size = 0;
    out.data_offset = tcb.snd.nxt - tcb.snd.una;
    out.data_length = length;
    out.options.clear();
    if (tcb.flags.timestamps) write_timestamps(tcb, now, out.options);
    out.flags = {static_cast<std::uint8_t>(
        Flags::ack | ecn_echo(tcb) | (length != 0 ? Flags::psh : 0u) | (fin ? Flags::fin : 0u))};
    tcb.rcv.acked = tcb.rcv.nxt;
    disarm(tcb, Timer::delayed_ack);
    tcb.pending.ack = false;
    mark_new_data(tcb, out);
}

// With more than one segment in flight each is logged, if the pool has a record.
void note_sent(Environment& env, Tcb& tcb, const SendPlan& plan, wire::SequenceNumber end,
               Instant now) {
    const bool several = tcb.snd.una != tcb.snd.nxt || plan.length > tcb.mss;
    Recovery* r = several ? take_record(env, tcb, now) : record_of(env, tcb);
    if (r != nullptr) {
        log_new_data(tcb, *r, end, now);
    } else {
        start_timing(tcb, end, to_us(now));
    }
}

void account_new_data(Environment& env, Tcb& tcb, const SendPlan& plan, Instant now) {
    const wire::SequenceNumber end = plan.seq + plan.length + (plan.fin ? 1u : 0u);
    note_sent(env, tcb, plan, end, now);
    if (plan.length > 0 && is_paced(tcb)) note_departure(env, tcb, plan.length, now);
    tcb.snd.nxt = end;
    if (tcb.pending.tail_probe) [[unlikely]] {
        note_probe(tcb, ProbeKind::new_data);
    } else if (!is_armed(tcb, Timer::retransmit) || tcb.waits_for == WaitsFor::tail_probe) {
        await_answer(env, tcb, Since::sending, now);
    }
    tcb.last_sent_ms = to_ms(now);
    const bool whole = plan.length == tcb.mss ||
                       (plan.length > tcb.mss && (plan.path_probe || plan.length % tcb.mss == 0));
    if (plan.path_probe) [[unlikely]]
        note_path_probe(env, tcb, plan.seq, end);
    if (plan.length > 0 && !whole) {
        tcb.small_end = end;
        tcb.flags.push_now = false;  // an override is for one small segment: RFC 9293 MUST-38
    }
    if (end > tcb.snd.end || plan.seq + plan.length == tcb.snd.end) {
        tcb.flags.push_now = false;
        tcb.pending.loosen = false;
    }
}

void account_repair(Environment& env, Tcb& tcb, const SendPlan& plan, Instant now) {
    if (is_paced(tcb)) note_departure(env, tcb, plan.length, now);
    // RFC 9293 MUST-18.
    tcb.flags.timing = false;  // Karn: the ACK could be for either copy
    tcb.pending.retransmit = false;
    const wire::SequenceNumber end = plan.seq + plan.length + (plan.fin ? 1u : 0u);
    tcb.last_sent_ms = to_ms(now);
    tcb.bytes_retransmitted += plan.length;
    ++tcb.total_retransmissions;
    count(env, &Counters::segments_retransmitted);
    note_resent(tcb, 1, now);
    if (tcb.path_search) [[unlikely]]
        note_sent_again(env, tcb, plan.seq, end);
    if (Recovery* r = record_of(env, tcb)) {
        log_repair(tcb, *r, {plan.seq, end}, now);
    } else {
        tcb.high_rxt = higher(tcb.high_rxt, end);
    }
    if (plan.what == Send::tail) {
        note_probe(tcb, ProbeKind::again);
    } else if (plan.seq == tcb.snd.una && tcb.waits_for != WaitsFor::reordering) {
        arm_retransmission(tcb, env.configuration.rto_max, now);  // RFC 6298 §5.1
    }
}

// One below SND.UNA and empty: outside every window, so every peer answers with an ACK (RFC 9293
// §3.8.4, §3.8.6.1; the zero-window form is Linux's: nothing has to be taken back when it is lost).
// RFC 9293 SHLD-12: without data.
void write_probe(const Environment& env, Tcb& tcb, Instant now, OutgoingSegment& out) {
    write_header(env, tcb, now, out);
    out.seq = tcb.snd.una - 1;
    write_urgent(tcb, out);
    tcb.pending.probe = false;
}

// What came before the marks changed, answered as it was marked (RFC 8257 §3.2).
void write_earlier_ack(const Environment& env, Tcb& tcb, Instant now, OutgoingSegment& out) {
    const std::uint32_t later = tcb.rcv.nxt - tcb.stray_ack;
    write_header(env, tcb, now, out);
    out.seq = acceptable_number(tcb);
    out.ack = tcb.stray_ack;
    out.flags.bits ^= Flags::ece;
    const std::uint32_t window = (tcb.rcv.wnd + later) >> tcb.receive_window_shift;  // same edge
    out.window = static_cast<std::uint16_t>(window < 0xffff ? window : 0xffff);
    tcb.rcv.acked = tcb.stray_ack;
    tcb.ecn.split = false;
    tcb.pending.ack = true;
}

void write_ack(const Environment& env, Tcb& tcb, Instant now, OutgoingSegment& out) {
    if (tcb.ecn.split) {
        write_earlier_ack(env, tcb, now, out);
        return;
    }
    const bool last_of_many = tcb.owed_acks <= 1;
    write_header(env, tcb, now, out);
    out.seq = acceptable_number(tcb);
    report_sack(env, tcb, out.options);
    if (last_of_many) tcb.pending.ack = false;
}

// Is nothing in flight, timed, backed off, paced, repaired, urgent or held back, and does nothing
// but an ACK wait for more than the data? Joined by | and not by ||: nearly always all of it is
// asked.
bool is_quiet(const Tcb& tcb) {
    const auto flags = bits_of<std::uint16_t>(tcb.flags);
    const auto careful = bits_of<std::uint16_t>(ConnectionFlags{.cork = true,
                                                                .more_follows = true,
                                                                .timing = true,
                                                                .records = true,
                                                                .send_urgent = true,
                                                                .dsack = true,
                                                                .user_timeout = true});
    const auto split = bits_of<std::uint8_t>(EcnState{.split = true});
    const auto bare_ack = bits_of<std::uint8_t>(Pending{.ack = true});
    constexpr unsigned kTimers = Timer::retransmit | Timer::persist | Timer::cork | Timer::pacing;
    const unsigned other = (tcb.snd.nxt.raw ^ tcb.snd.una.raw) | (flags & careful) |
                           (tcb.armed & kTimers) |
                           (bits_of<std::uint8_t>(tcb.pending) & ~unsigned{bare_ack}) |
                           (bits_of<std::uint8_t>(tcb.ecn) & split) | tcb.owed_acks | tcb.backoff |
                           static_cast<unsigned>(tcb.phase) | ~(tcb.recovery & tcb.reassembly) |
                           static_cast<unsigned>(is_paced(tcb));
    return other == 0;
}

// What requests and answers are: one small segment, a FIN, or both in one, while nothing else is in
// flight. plan_expected() plans the same then, nothing waits behind it, and of account_new_data()
// and of the end of poll_segment() this is what is left.
bool send_alone(const Environment& env, Tcb& tcb, Instant now, OutgoingSegment& out) {
    const std::uint32_t unsent = tcb.snd.end - tcb.snd.nxt;  // beyond all bounds: FIN is out
    const bool fin = tcb.flags.fin_queued;
    const bool fits = unsent < tcb.mss && unsent <= tcb.cwnd && unsent < tcb.snd.wnd;
    if (!fits || (unsent == 0 && !fin) || !is_quiet(tcb) || !is_one_of(tcb.state, kSending)) {
        return false;
    }
    write_expected(env, tcb, unsent, fin, now, out);
    const wire::SequenceNumber end = tcb.snd.end + (fin ? 1u : 0u);
    start_timing(tcb, end, to_us(now));
    tcb.snd.nxt = end;
    await_only_answer(env.configuration, tcb, now);
    tcb.last_sent_ms = to_ms(now);
    if (unsent != 0) tcb.small_end = end;
    tcb.flags.push_now = false;
    note_limit(tcb, now);
    tcb.last_event = now;
    return true;
}

}  // namespace

Polled poll_segment(Environment& env, Tcb& tcb, Instant now, const OutputBudget& budget,
                    OutgoingSegment& out) {
    const bool predicts = env.configuration.header_prediction == Configuration::Use::on;
    if (predicts && send_alone(env, tcb, now, out)) return Polled::last;
    const SendPlan plan = plan_send(env, tcb, budget.payload_max);
    switch (plan.what) {
        case Send::nothing:
            await_permission(env, tcb, plan.hold, now);
            note_limit(tcb, now);
            tcb.last_event = now;
            return Polled::nothing;
        case Send::reset: write_reset(tcb, now, out); break;
        case Send::stray_reset: write_stray_reset(tcb, out); break;
        case Send::syn: write_syn(env, tcb, now, out); break;
        case Send::repair:
        case Send::tail:
            write_payload(env, tcb, plan, now, out);
            account_repair(env, tcb, plan, now);
            break;
        case Send::data:
            if (tcb.flags.user_timeout && tcb.snd.una == tcb.snd.nxt) tcb.progress_ms = to_ms(now);
            if (plan.expected) {
                write_expected(env, tcb, plan.length, plan.fin, now, out);
            } else {
                write_payload(env, tcb, plan, now, out);
                mark_new_data(tcb, out);
            }
            account_new_data(env, tcb, plan, now);
            break;
        case Send::ack: write_ack(env, tcb, now, out); break;
        case Send::probe: write_probe(env, tcb, now, out); break;
    }
    tcb.last_event = now;
    if (!nothing_waits(tcb)) return Polled::segment;
    await_permission(env, tcb, Hold::none, now);
    note_limit(tcb, now);
    return Polled::last;
}

std::uint8_t pending_work(const Environment& env, const Tcb& tcb, Instant) {
    return work_of(plan_send(env, tcb, 0));
}

}  // namespace mtcp::tcp
