// SPDX-License-Identifier: Apache-2.0
// The pipeline behind the fifth step: AckContext is built, then RTT, recovery and congestion read
// it.
#include "tcp/take_ack.h"

#include <algorithm>
#include <optional>

#include "tcp/ack_context.h"
#include "tcp/congestion/controller.h"
#include "tcp/path/ecn.h"
#include "tcp/path/path_search.h"
#include "tcp/recovery/loss_recovery.h"
#include "tcp/recovery/rack.h"
#include "tcp/recovery/rtt_estimator.h"
#include "tcp/recovery/sack_input.h"
#include "tcp/recovery/side_record.h"
#include "tcp/recovery/tail_loss_probe.h"
#include "tcp/recovery/without_record.h"
#include "tcp/send/record_marks.h"
#include "tcp/send/send_window.h"
#include "tcp/timers.h"

namespace mtcp::tcp {
namespace {

using wire::Flags;
using wire::SequenceNumber;

// RFC 7323 §4.1: milliseconds since the clock showed the echoed timestamp. Nothing: there is none,
// or nothing we sent bore it.
std::optional<std::uint32_t> age_of_echo_ms(const Arrival& a) {
    if (!a.tcb.flags.timestamps || !a.seg.options.timestamps) return {};
    const std::uint32_t age_ms = to_ms(a.now) + a.tcb.ts_offset - a.seg.options.ts_echo;
    if (age_ms > to_ms(a.env.configuration.rto_max)) return {};
    return age_ms;
}

// Which copy was acknowledged. 0: nothing we sent. Within one tick of the clock it took a tick at
// most (as Linux): a minimum of none would leave no time for reordering ever after.
std::uint32_t rtt_of_timestamp_us(const Arrival& a) {
    const auto rtt_ms = age_of_echo_ms(a);
    return rtt_ms ? 1000 * std::max(*rtt_ms, 1u) : 0;
}

// Microseconds ago the clock ticked past the echoed timestamp: what left since was not there yet.
// That is so of what fills the hole at SND.UNA; a segment above it is answered with the echo of an
// earlier one (RFC 7323 §4.3).
std::uint32_t time_since_echo_us(const Arrival& a) {
    const std::uint32_t age_ms = age_of_echo_ms(a).value_or(0);
    if (age_ms == 0) return 0;
    const auto tick_us = static_cast<std::uint32_t>(a.now.ns % 1'000'000 / 1'000);
    return (age_ms - 1) * 1'000 + tick_us;
}

// RFC 6298 §3, §4 without a log: one timed segment gives microseconds; after a retransmission only
// a timestamp can tell. Returns the sample, 0 for none.
std::uint32_t sample_rtt(Arrival& a, bool repairing) {
    Tcb& tcb = a.tcb;
    std::uint32_t rtt_us = 0;
    if (tcb.flags.timing) {
        if (a.seg.ack < tcb.timed_seq) return 0;
        tcb.flags.timing = false;
        rtt_us = to_us(a.now) - tcb.timed_us;
        if (rtt_us == 0) rtt_us = 1;
    } else if (repairing) {
        rtt_us = rtt_of_timestamp_us(a);
    }
    if (rtt_us == 0) return 0;
    take_rtt_sample(tcb, rtt_us, a.env.configuration, a.now);
    tcb.backoff = 0;
    return rtt_us;
}

// The same with a log: it knows when each segment left and which went twice (Karn). The estimator
// takes one sample a round trip (RFC 6298 §3); whoever else wants them gets all.
std::uint32_t sample_rtt(Arrival& a, const Delivery& delivery, bool repairing) {
    Tcb& tcb = a.tcb;
    // Originals that an ACK takes along with what filled the hole before them have waited for that
    // at the peer; as in Linux, only a timestamp tells then. But they came, so that the time-out
    // need not stay doubled until one does.
    if (delivery.resent_acked && delivery.rtt_us > 0) tcb.backoff = 0;
    std::uint32_t rtt_us = delivery.resent_acked ? 0 : delivery.rtt_us;
    const bool of_log = rtt_us > 0;
    if (!of_log && (repairing || delivery.resent_acked)) rtt_us = rtt_of_timestamp_us(a);
    if (rtt_us == 0) return 0;
    if (!of_log || delivery.original_end > tcb.timed_seq) {
        take_rtt_sample(tcb, rtt_us, a.env.configuration, a.now);
        tcb.timed_seq = tcb.snd.nxt;
    } else {
        note_rtt_minimum(tcb, rtt_us, a.now);
    }
    note_measured(tcb);
    tcb.backoff = 0;
    return rtt_us;
}

// SND.UNA moves to SEG.ACK.
void advance_una(Arrival& a) {
    Tcb& tcb = a.tcb;
    const SequenceNumber old = tcb.snd.una;
    tcb.snd.una = a.seg.ack;
    tcb.soft_error = 0;  // it has passed
    const SequenceNumber data_end = lower(a.seg.ack, tcb.snd.end);
    if (data_end > old) {
        a.reaction.acked_bytes += data_end - old;
        a.reaction.events |= Events::writable;
    }
    if (((old.raw ^ a.seg.ack.raw) >> 30) != 0) fold_totals(tcb);
    if (tcb.flags.records) [[unlikely]]
        forget_marks(a.env, tcb);
    // As in Linux, MSG_MORE holds back until the next ACK, TCP_CORK for as long as it is set.
    tcb.pending.loosen = tcb.flags.more_follows && !tcb.flags.cork && bytes_unsent(tcb) > 0;
    if (tcb.flags.send_urgent && tcb.send_up <= a.seg.ack) tcb.flags.send_urgent = false;
    if (tcb.flags.user_timeout) tcb.progress_ms = to_ms(a.now);
}

bool is_repairing(const Tcb& tcb) {
    return tcb.phase >= Phase::fast_recovery || tcb.backoff > 0 || tcb.retransmissions > 0;
}

// draft-cheng-iccrg-delivery-rate-estimation-02 §3.3, for a flow with one timed segment: all that
// this ACK delivered took one round trip.
void rate_of_timed_segment(const Tcb& tcb, AckContext& ack) {
    if (ack.rtt_us == 0) return;
    ack.rate.delivered = ack.delivered();
    ack.rate.interval_us = ack.rtt_us;
    ack.rate.prior_delivered = ack.total_delivered - ack.delivered();
    ack.rate.tx_in_flight = ack.flight_before;
    if (ack.flight_before < tcb.cwnd) ack.rate.limit = RateSample::Limit::application;
}

std::uint32_t in_network_without_record(const Tcb& tcb) {
    return tcb.phase == Phase::loss ? without_record::pipe(tcb) : tcb.snd.nxt - tcb.snd.una;
}

// One segment in flight, or the pool is empty.
void take_ack_without_record(Arrival& a, AckContext& ack) {
    Tcb& tcb = a.tcb;
    ack.in_flight_before = in_network_without_record(tcb);
    if (ack.acked > 0) {
        const std::uint32_t told = std::uint32_t{tcb.dup_acks} * tcb.mss;
        ack.reported = told < ack.acked ? told : ack.acked;
        const bool repairing = is_repairing(tcb);
        advance_una(a);
        ack.rtt_us = sample_rtt(a, repairing);
        if (ack.rtt_us != 0) note_measured(tcb);
        tcb.retransmissions = 0;
        // RFC 6298 §5.2, §5.3.
        if (tcb.snd.una == tcb.snd.nxt) {
            disarm(tcb, Timer::retransmit);
            tcb.pending.retransmit = false;
            tcb.pending.tail_probe = false;
        } else {
            await_answer(a.env, tcb, Since::now, a.now);
        }
    }
    ack.total_delivered = tcb.snd.una - tcb.iss;
    ack.in_flight = in_network_without_record(tcb);
    rate_of_timed_segment(tcb, ack);
    if (echoes_mark(tcb, a.seg)) react_to_echo(a.env, tcb, ack, a.now);
    const bool duplicate = ack.duplicate == AckContext::Duplicate::yes;
    if (ack.acked > 0 || duplicate) without_record::recover_on_ack(a.env, tcb, ack, a.now);
}

// Something was SACKed or acknowledged out of the order in which it left (RFC 8985 §6.2 step 3).
void look_for_reordering(Tcb& tcb, const Delivery& delivery, SequenceNumber highest_before) {
    if (!tcb.flags.selective_ack || !delivery.has_original) return;
    note_reordering(tcb, delivery.lowest_original, highest_before);
}

void take_ack_with_record(Arrival& a, Recovery& r, AckContext& ack, const Duplicates& twice) {
    Tcb& tcb = a.tcb;
    ack.in_flight_before = pipe(tcb, r);
    Delivery delivery;
    delivery.now_us = to_us(a.now);
    delivery.rtt_min_us = tcb.rtt_min_us;
    delivery.recover = tcb.recover;
    const SequenceNumber highest_before = highest_sacked(r.log);
    const bool repairing = is_repairing(tcb);
    if (ack.acked > 0) advance_una(a);
    if (a.seg.options.sack_count > 0 && tcb.flags.selective_ack) {
        take_sack(tcb, r, a.seg.options, delivery);
    }
    if (ack.acked > 0) {
        if (r.log.resent_bytes > 0) delivery.not_within_us = time_since_echo_us(a);
        acknowledge(r.log, tcb.snd.una, delivery);
    }
    ack.newly_sacked = delivery.newly_sacked;
    ack.reported = ack.acked - delivery.acked;
    if (r.reno_sacked > 0 && ack.acked > tcb.mss) {
        const std::uint32_t most = ack.acked - tcb.mss;
        ack.reported = r.reno_sacked < most ? r.reno_sacked : most;
    }
    look_for_reordering(tcb, delivery, highest_before);
    if (delivery.has_newest) {
        adapt_reordering_window(tcb, delivery.newest.delivered, total_delivered(tcb, r));
    }
    if (ack.acked > 0 || ack.newly_sacked > 0) {
        ack.rtt_us = sample_rtt(a, delivery, repairing && ack.acked > 0);
        rack_advance(r, delivery);
    }
    // After F-RTO and Eifel have looked at it: see recover_on_ack().
    const bool again = ack.duplicate == AckContext::Duplicate::yes && twice.segments == 0;
    const Evidence evidence{.seg = a.seg,
                            .ack = ack,
                            .delivery = delivery,
                            .duplicate = again,
                            .dsack = twice.segments > 0,
                            .probe_twice = twice.of_probe};
    if (ack.acked > 0) tcb.retransmissions = 0;
    if (echoes_mark(tcb, a.seg)) react_to_echo(a.env, tcb, ack, a.now);
    recover_on_ack(a.env, tcb, r, evidence, a.now);
    release_idle_record(a.env, tcb);
}

// What an ACK below SND.UNA still tells: SACK, if it came late (RFC 9293 §3.10.7.4 would ignore
// it; a block is true whenever it comes).
void take_old_ack(Arrival& a) {
    Tcb& tcb = a.tcb;
    if (a.seg.options.sack_count == 0 || !tcb.flags.selective_ack) return;
    static_cast<void>(take_dsack(tcb, a.seg));
    Recovery* r = record_of(a.env, tcb);
    if (r == nullptr || r->log.count == 0) return;
    Delivery delivery;
    delivery.now_us = to_us(a.now);
    delivery.rtt_min_us = tcb.rtt_min_us;
    delivery.recover = tcb.recover;
    AckContext ack;
    ack.flight_before = tcb.snd.nxt - tcb.snd.una;
    ack.in_flight_before = pipe(tcb, *r);
    ack.phase_before = tcb.phase;
    const SequenceNumber highest_before = highest_sacked(r->log);
    take_sack(tcb, *r, a.seg.options, delivery);
    ack.newly_sacked = delivery.newly_sacked;
    look_for_reordering(tcb, delivery, highest_before);
    rack_advance(*r, delivery);
    recover_on_old_ack(a.env, tcb, *r, {.seg = a.seg, .ack = ack, .delivery = delivery}, a.now);
}

}  // namespace

void take_ack(Arrival& a) {
    Tcb& tcb = a.tcb;
    const wire::Segment& seg = a.seg;
    if (seg.ack < tcb.snd.una) {  // its text may still be new
        take_old_ack(a);
        return;
    }
    // RFC 9293 MUST-1, REC-1: unsigned, and 32 bits wide from here on.
    const std::uint32_t window = std::uint32_t{seg.window} << tcb.send_window_shift;
    AckContext ack;
    ack.flight_before = tcb.snd.nxt - tcb.snd.una;
    ack.acked = seg.ack - tcb.snd.una;
    ack.phase_before = tcb.phase;
    // RFC 5681 §2: (a) data outstanding, (b) no text, (c) no SYN or FIN, (d) ACK and (e) window
    // unchanged.
    const bool repeats = ack.flight_before > 0 && ack.acked == 0 && seg.payload.empty() &&
                         !seg.flags.has(Flags::syn | Flags::fin) && window == tcb.snd.wnd;
    if (repeats) ack.duplicate = AckContext::Duplicate::yes;
    update_send_window(tcb, seg, window);
    // RFC 5681 §4.1: the window that opens again after a long silence meets no ACK clock.
    if (is_armed(tcb, Timer::persist) && window > 0) [[unlikely]] {
        congestion::on_idle_restart(a.env, tcb, a.now);
    }
    Duplicates twice;
    const bool sack = seg.options.sack_count > 0 && tcb.flags.selective_ack;
    if (sack) twice = take_dsack(tcb, seg);
    // Something is wrong with one segment: from here on a record is needed.
    const bool wrong = repeats || (sack && ack.flight_before > 0);
    Recovery* r = wrong ? take_record(a.env, tcb, a.now) : record_of(a.env, tcb);
    if (r != nullptr) {
        take_ack_with_record(a, *r, ack, twice);
        return;
    }
    if (sack && repeats && !is_plausible(tcb, seg.options.sack[0])) {
        ack.duplicate = AckContext::Duplicate::no;  // RFC 6675 §2
    }
    take_ack_without_record(a, ack);
    if (tcb.path_search) [[unlikely]]
        search_on_ack(a.env, tcb, nullptr, a.now);
    if (probe_is_out(tcb) || twice.segments > 0) [[unlikely]] {
        const ProbeEvidence probe{.advanced = ack.acked > 0,
                                  .duplicate = repeats && twice.segments == 0,
                                  .told_twice = twice.of_probe};
        judge_without_record(a.env, tcb, probe, a.now);
    }
}

void take_ack_of_syn(Arrival& a) {
    Tcb& tcb = a.tcb;
    // Data may have gone with the SYN or right behind it (RFC 7413).
    const SequenceNumber data_end = lower(a.seg.ack, tcb.snd.end);
    if (data_end > tcb.iss + 1) {
        a.reaction.acked_bytes += data_end - (tcb.iss + 1);
        a.reaction.events |= Events::writable;
    }
    tcb.snd.una = a.seg.ack;
    forget_marks(a.env, tcb);
    // Sent again without a time-out, too (syn_sent.cc).
    const bool again = tcb.retransmissions > 0 || tcb.total_retransmissions > 0;
    if (Recovery* r = record_of(a.env, tcb)) {  // of what left behind the SYN
        Delivery delivery;
        delivery.now_us = to_us(a.now);
        delivery.rtt_min_us = tcb.rtt_min_us;
        acknowledge(r->log, tcb.snd.una, delivery);
        static_cast<void>(sample_rtt(a, delivery, again));
        release_idle_record(a.env, tcb);
    } else {
        static_cast<void>(sample_rtt(a, again));
    }
    // The window of a SYN is not scaled (RFC 7323 §2.2).
    const std::uint8_t shift = a.seg.flags.has(Flags::syn) ? 0 : tcb.send_window_shift;
    tcb.snd.wnd = std::uint32_t{a.seg.window} << shift;
    tcb.snd.wl1 = a.seg.seq;
    tcb.snd.wl2 = a.seg.ack;
    tcb.max_wnd = tcb.snd.wnd;
    disarm(tcb, Timer::retransmit);
}

void fold_totals(Tcb& tcb) {
    tcb.bytes_acked = total_acked(tcb);
    tcb.bytes_received = total_received(tcb);
    if (tcb.snd.una > tcb.counted_una) tcb.counted_una = lower(tcb.snd.una, tcb.snd.end);
    tcb.counted_nxt = tcb.rcv.nxt - (tcb.flags.fin_received ? 1u : 0u);
    if (tcb.snd.una > tcb.small_end) tcb.small_end = tcb.snd.una;
    if (tcb.snd.una > tcb.reduced_until) tcb.reduced_until = tcb.snd.una - 1;
    if (tcb.snd.una > tcb.most_until) tcb.most_until = tcb.snd.una - 1;
    if (tcb.phase < Phase::fast_recovery && tcb.snd.una > tcb.recover) {
        tcb.recover = tcb.snd.una - 1;
        tcb.repair.undoable = false;
    }
    const std::uint32_t acked = tcb.snd.una - tcb.iss;
    if (static_cast<std::int32_t>(acked - tcb.window_grown_at) > 0) {
        tcb.window_grown_at = acked - 1;
    }
}

std::uint64_t total_acked(const Tcb& tcb) {
    const SequenceNumber una = lower(tcb.snd.una, tcb.snd.end);
    return tcb.bytes_acked + (una > tcb.counted_una ? una - tcb.counted_una : 0);
}

std::uint64_t total_received(const Tcb& tcb) {
    const SequenceNumber nxt = tcb.rcv.nxt - (tcb.flags.fin_received ? 1u : 0u);
    return tcb.bytes_received + (nxt > tcb.counted_nxt ? nxt - tcb.counted_nxt : 0);
}

}  // namespace mtcp::tcp
