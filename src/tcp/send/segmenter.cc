// SPDX-License-Identifier: Apache-2.0
// Nagle (RFC 9293 §3.7.4), silly window avoidance (§3.8.6.2.1), repair, probes, segment size.
#include "tcp/send/segmenter.h"

#include "tcp/path/path_search.h"
#include "tcp/receive/sack_report.h"
#include "tcp/recovery/loss_recovery.h"
#include "tcp/recovery/side_record.h"
#include "tcp/recovery/tail_loss_probe.h"
#include "tcp/send/record_marks.h"
#include "tcp/send/train.h"
#include "tcp/timers.h"

namespace mtcp::tcp {
namespace {

using wire::SequenceNumber;

// RFC 3042: up to two segments beyond cwnd on the first two duplicates. With a record the pipe has
// already shrunk by what they told of.
std::uint32_t limited_transmit(const Tcb& tcb) {
    if (tcb.phase != Phase::disorder || tcb.recovery != kNoIndex) return 0;
    return (tcb.dup_acks < 2 ? tcb.dup_acks : 2u) * tcb.mss;
}

std::uint32_t congestion_room(const Environment& env, const Tcb& tcb) {
    const bool simple = tcb.phase == Phase::open && tcb.recovery == kNoIndex;
    const std::uint32_t in_network = simple ? tcb.snd.nxt - tcb.snd.una : pipe(env, tcb);
    const std::uint32_t allowed = tcb.cwnd + limited_transmit(tcb);
    return allowed > in_network ? allowed - in_network : 0;
}

// May be negative in truth when the peer shrank its window (RFC 9293 MUST-34): then 0.
// RFC 9293 SHLD-15.
std::uint32_t window_room(const Tcb& tcb) {
    const SequenceNumber edge = tcb.snd.una + tcb.snd.wnd;
    return edge > tcb.snd.nxt ? edge - tcb.snd.nxt : 0;
}

// Before anything is decided of new data.
SendPlan sending(Send what) {
    SendPlan plan;
    plan.what = what;
    plan.hold = Hold::undecided;
    return plan;
}

// The first segment of `range` as a retransmission, FIN included where it ends the stream.
SendPlan resending(const Tcb& tcb, SequenceRange range, Send what) {
    SendPlan plan = sending(what);
    plan.seq = range.begin;
    const SequenceNumber data_end = lower(range.end, tcb.snd.end);
    const std::uint32_t data = data_end > range.begin ? data_end - range.begin : 0;
    plan.length = data < tcb.mss ? data : tcb.mss;
    plan.fin = range.end > tcb.snd.end && plan.seq + plan.length == tcb.snd.end;
    return plan;
}

// Of a range that begins within the offered window, what lies within it. The data of a SYN may have
// been more (RFC 7413 §4.2.1), and a window may have been taken back (RFC 9293 SHLD-16).
SequenceRange within_window(const Tcb& tcb, SequenceRange range) {
    const SequenceNumber edge = tcb.snd.una + tcb.snd.wnd;
    if (range.begin < edge) range.end = lower(range.end, edge);
    return range;
}

// Of a range that is sent again, what lies before the next mark of a record.
SequenceRange within_record(const Environment& env, const Tcb& tcb, SequenceRange range) {
    if (tcb.flags.records) [[unlikely]]
        range.end = range.begin + up_to_mark(env, tcb, range.begin, range.length());
    return range;
}

// One segment whatever cwnd says, and even when the window is closed.
SendPlan plan_first_repair(const Environment& env, const Tcb& tcb) {
    SequenceRange range = next_to_repair(env, tcb);
    if (range.length() == 0) range = {tcb.snd.una, tcb.snd.nxt};
    range = within_record(env, tcb, within_window(tcb, range));
    return range.length() == 0 ? SendPlan{} : resending(tcb, range, Send::repair);
}

SendPlan plan_repair(const Environment& env, const Tcb& tcb) {
    SequenceRange range = next_to_repair(env, tcb);
    if (range.length() == 0) return {};
    // RFC 9293 SHLD-16: within the offered window; the retransmission timer sees to the rest.
    if (range.begin >= tcb.snd.una + tcb.snd.wnd) return {};
    range = within_record(env, tcb, within_window(tcb, range));
    const std::uint32_t least = range.length() < tcb.mss ? range.length() : tcb.mss;
    if (congestion_room(env, tcb) < least || is_armed(tcb, Timer::pacing)) return {};
    return resending(tcb, range, Send::repair);
}

// May a segment below one MSS leave? `length` of `unsent` bytes fit.
// RFC 9293 MUST-38, MUST-60, MAY-16: waits for more, but not for ever.
Hold hold_small(const Tcb& tcb, std::uint32_t length, std::uint32_t unsent) {
    if (length == 0) return Hold::window;
    if (tcb.flags.push_now) return Hold::none;  // RFC 9293 §3.8.6.2.1 (4): override time-out
    const bool idle = tcb.snd.una == tcb.snd.nxt;
    if (length < unsent) {
        // §3.8.6.2.1 (3): a good part of the largest window the peer ever offered.
        return idle && length >= tcb.max_wnd / 2 ? Hold::none : Hold::window;
    }
    if (tcb.flags.fin_queued || tcb.flags.send_urgent) return Hold::none;  // nothing will join it
    if ((tcb.flags.cork || tcb.flags.more_follows) && !tcb.pending.loosen) return Hold::cork;
    // Nagle as Minshall refined it and Linux does it: only a *small* segment in flight holds back,
    // or the tail of a long response would wait for a delayed ACK. RFC 9293 SHLD-7.
    if (tcb.flags.no_delay || idle || tcb.small_end <= tcb.snd.una) return Hold::none;
    return Hold::nagle;
}

// What waits to be sent, bytes.
struct Unsent {
    std::uint32_t all;
    std::uint32_t record;  // those that may share a segment with the first
    // More follows, but nothing may join the end of the record: it does not wait for that.
    [[nodiscard]] bool closes(std::uint32_t length) const {
        return length == record && record < all;
    }
};

// Cuts `sendable` bytes into what one OutgoingSegment carries.
// RFC 9293 SHLD-28.
std::uint32_t cut(const Environment& env, const Tcb& tcb, std::uint32_t sendable, Unsent unsent,
                  std::uint32_t payload_max) {
    // CWR is for one segment alone; whoever cuts a train might put it on each (RFC 3168 §6.1.2).
    // And the urgent pointer counts from the segment's own number, but would be the same in each.
    if (payload_max < 2u * tcb.mss || sendable == tcb.mss || tcb.ecn.cwr || tcb.flags.send_urgent) {
        return tcb.mss;
    }
    const std::uint32_t train = longest_train(env, tcb, payload_max);
    if (train < 2u * tcb.mss) return tcb.mss;
    std::uint32_t length = sendable < train ? sendable : train;
    const std::uint32_t tail = length % tcb.mss;
    // The last piece of a train obeys the same rules as a small segment on its own.
    if (tail == 0 || unsent.closes(length)) return length;
    const bool ends_queue = length == unsent.all;
    if (!ends_queue || hold_small(tcb, tail, tail) != Hold::none) length -= tail;
    return length;
}

SendPlan plan_new_data(const Environment& env, const Tcb& tcb, std::uint32_t payload_max) {
    SendPlan plan;
    if (tcb.snd.nxt > tcb.snd.end) return plan;  // FIN is out
    const std::uint32_t unsent = tcb.snd.end - tcb.snd.nxt;
    if (unsent == 0 && !tcb.flags.fin_queued) return plan;
    const std::uint32_t window = window_room(tcb);
    plan.seq = tcb.snd.nxt;
    if (unsent == 0) {  // FIN alone: takes one sequence number, and no room from congestion
        plan.fin = window > 0;
        plan.what = plan.fin ? Send::data : Send::nothing;
        plan.hold = plan.fin ? Hold::none : Hold::window;
        return plan;
    }
    if (is_armed(tcb, Timer::pacing)) {
        plan.hold = Hold::pacing;
        return plan;
    }
    const std::uint32_t congestion = congestion_room(env, tcb);
    Unsent waiting{unsent, unsent};
    if (tcb.flags.records) [[unlikely]]
        waiting.record = up_to_mark(env, tcb, plan.seq, unsent);
    std::uint32_t sendable = window < congestion ? window : congestion;
    if (sendable > waiting.record) sendable = waiting.record;
    if (tcb.path_search && waiting.record > tcb.mss) [[unlikely]] {
        const ProbePlan probe =
            plan_path_probe(*search_of(env, tcb), tcb, {congestion, window, waiting.record});
        if (probe.length > 0 || probe.waits) {
            plan.what = probe.waits ? Send::nothing : Send::data;
            plan.hold = probe.waits ? Hold::window : Hold::none;
            plan.length = probe.length;
            plan.path_probe = !probe.waits;
            return plan;
        }
    }
    if (sendable >= tcb.mss) {
        plan.length = cut(env, tcb, sendable, waiting, payload_max);
    } else if (waiting.closes(sendable)) {
        plan.length = sendable;
    } else {
        // Room that congestion control leaves below one MSS is not worth a small segment.
        const bool by_congestion = sendable < waiting.record && congestion < window;
        plan.hold = by_congestion ? Hold::window : hold_small(tcb, sendable, unsent);
        if (plan.hold != Hold::none) return plan;
        plan.length = sendable;
    }
    plan.what = Send::data;
    plan.fin = tcb.flags.fin_queued && plan.length == unsent && window > unsent;
    return plan;
}

// RFC 8985 §7.3: a segment of new data if there is one and the window has room, else the last
// segment again.
SendPlan plan_tail_probe(const Environment& env, const Tcb& tcb) {
    SendPlan plan;
    const std::uint32_t unsent = tcb.snd.nxt < tcb.snd.end ? tcb.snd.end - tcb.snd.nxt : 0;
    const std::uint32_t window = window_room(tcb);
    std::uint32_t length = unsent < tcb.mss ? unsent : tcb.mss;
    if (tcb.flags.records) [[unlikely]]
        length = up_to_mark(env, tcb, tcb.snd.nxt, length);
    if (length > 0 && length <= window) {
        plan.what = Send::data;
        plan.seq = tcb.snd.nxt;
        plan.length = length;
        plan.fin = tcb.flags.fin_queued && length == unsent && window > unsent;
        return plan;
    }
    const Recovery* r = record_of(env, tcb);
    if (r == nullptr || r->log.count == 0) return plan;
    SequenceRange last = last_segment(tcb, *r);
    for (SequenceRange record = within_record(env, tcb, last); record.end < last.end;
         record = within_record(env, tcb, last)) {
        last.begin = record.end;
    }
    return resending(tcb, within_window(tcb, last), Send::tail);
}

// SYN, RST: whatever else waits, these go first.
SendPlan plan_control(const Tcb& tcb) {
    if (tcb.pending.reset) return sending(Send::reset);
    if (tcb.pending.stray_reset) return sending(Send::stray_reset);
    if (tcb.pending.syn) return sending(Send::syn);
    return {};
}

constexpr std::uint16_t kUnsynchronised = static_cast<std::uint16_t>(
    bit(State::closed) | bit(State::listen) | bit(State::syn_sent) | bit(State::syn_received));

}  // namespace

SendPlan plan_waiting(const Environment& env, const Tcb& tcb, std::uint32_t payload_max) {
    SendPlan plan = plan_control(tcb);
    if (plan.what != Send::nothing) return plan;
    if (is_one_of(tcb.state, kUnsynchronised)) {
        const bool answer = tcb.state == State::syn_received && tcb.pending.ack;
        // RFC 7413 §4.2.2: a server whose client showed a cookie need not wait for its ACK.
        const bool early = tcb.state == State::syn_received && tcb.fast_open.early;
        if (!early) return answer ? sending(Send::ack) : plan;
    }
    if (tcb.pending.retransmit) {
        plan = plan_first_repair(env, tcb);
        if (plan.what != Send::nothing) return plan;
    }
    if (tcb.pending.tail_probe) {
        plan = plan_tail_probe(env, tcb);
        if (plan.what != Send::nothing) return plan;
    }
    // A duplicate ACK counts as one only without data (RFC 5681 §2), and SACK needs its room.
    const bool may_report = tcb.reassembly != kNoIndex || tcb.flags.dsack;
    if (tcb.pending.ack &&
        (tcb.owed_acks > 0 || tcb.ecn.split || (may_report && has_sack_to_report(env, tcb)))) {
        return sending(Send::ack);
    }
    const bool repairing = tcb.phase >= Phase::fast_recovery;
    const bool repairs_wait = tcb.repair.new_data_first;  // RFC 5682 §3.1 step 2b
    if (repairing && !repairs_wait) {
        plan = plan_repair(env, tcb);
        if (plan.what != Send::nothing) return plan;
    }
    SendPlan fresh = plan_new_data(env, tcb, payload_max);
    if (fresh.what != Send::nothing) return fresh;
    if (repairing && repairs_wait && tcb.snd.nxt == tcb.recover) {
        plan = plan_repair(env, tcb);
        if (plan.what != Send::nothing) return plan;
    }
    if (tcb.pending.ack) {
        fresh.what = Send::ack;
    } else if (tcb.pending.probe) {
        fresh.what = Send::probe;
    }
    return fresh;
}

}  // namespace mtcp::tcp
