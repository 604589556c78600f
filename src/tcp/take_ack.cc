// SPDX-License-Identifier: Apache-2.0
// The pipeline behind the fifth step: AckContext is built, then RTT, recovery and congestion read
// it.
#include "tcp/take_ack.h"

#include "tcp/ack_context.h"
#include "tcp/path/ecn.h"
#include "tcp/recovery/loss_recovery.h"
#include "tcp/recovery/rtt_estimator.h"
#include "tcp/timers.h"

namespace mtcp::tcp {
namespace {

using wire::Flags;
using wire::SequenceNumber;

// RFC 9293 §3.10.7.4: only a segment that is not older than the last one may set the window. One
// that acknowledges more is newer also when it carries a retransmission, whose number is lower.
void update_send_window(Tcb& tcb, const wire::Segment& seg, std::uint32_t window) {
    const bool newer = tcb.snd.wl1 < seg.seq || tcb.snd.wl2 < seg.ack ||
                       (tcb.snd.wl1 == seg.seq && tcb.snd.wl2 == seg.ack);
    if (!newer) return;
    tcb.snd.wnd = window;
    tcb.snd.wl1 = higher(tcb.snd.wl1, seg.seq);
    tcb.snd.wl2 = higher(tcb.snd.wl2, seg.ack);
    if (window > tcb.max_wnd) tcb.max_wnd = window;
}

// RFC 6298 §3, §4 with RFC 7323 §4. The timed segment gives microseconds; after a retransmission
// only a timestamp can tell which copy was acknowledged.
std::uint32_t sample_rtt(Arrival& a, bool repairing) {
    Tcb& tcb = a.tcb;
    const Configuration& configuration = a.env.configuration;
    if (tcb.flags.timing) {
        if (a.seg.ack < tcb.timed_seq) return 0;
        tcb.flags.timing = false;
        const std::uint32_t rtt_us = to_us(a.now) - tcb.timed_us;
        take_rtt_sample(tcb, rtt_us, configuration);
        tcb.backoff = 0;
        return rtt_us;
    }
    if (!repairing || !tcb.flags.timestamps || !a.seg.options.timestamps) return 0;
    const std::uint32_t rtt_ms = to_ms(a.now) + tcb.ts_offset - a.seg.options.ts_echo;
    if (rtt_ms > to_ms(configuration.rto_max)) return 0;  // nothing we sent
    take_rtt_sample(tcb, rtt_ms * 1000, configuration);
    tcb.backoff = 0;
    return rtt_ms * 1000;
}

// SND.UNA moves to SEG.ACK.
void advance_una(Arrival& a, AckContext& ack) {
    Tcb& tcb = a.tcb;
    const SequenceNumber old = tcb.snd.una;
    const bool repairing =
        tcb.phase >= Phase::fast_recovery || tcb.backoff > 0 || tcb.retransmissions > 0;
    tcb.snd.una = a.seg.ack;
    const SequenceNumber data_end = lower(a.seg.ack, tcb.snd.end);
    if (data_end > old) {
        a.reaction.acked_bytes += data_end - old;
        a.reaction.events |= Events::writable;
    }
    if (((old.raw ^ a.seg.ack.raw) >> 30) != 0) fold_totals(tcb);
    if (tcb.recovery != kNoIndex) advance(a.env.recoveries[tcb.recovery], a.seg.ack);
    // As in Linux, MSG_MORE holds back until the next ACK, TCP_CORK for as long as it is set.
    tcb.pending.loosen = tcb.flags.more_follows && !tcb.flags.cork && bytes_unsent(tcb) > 0;
    if (tcb.flags.send_urgent && tcb.send_up <= a.seg.ack) tcb.flags.send_urgent = false;
    ack.rtt_us = sample_rtt(a, repairing);
    tcb.retransmissions = 0;
    if (tcb.flags.user_timeout) tcb.progress_ms = to_ms(a.now);
    // RFC 6298 §5.2, §5.3.
    if (tcb.snd.una == tcb.snd.nxt) {
        disarm(tcb, Timer::retransmit);
        tcb.pending.retransmit = false;
    } else {
        arm_retransmission(tcb, a.env.configuration.rto_max, a.now);
    }
}

// Bytes above SND.UNA that duplicate ACKs have told of: by SACK, or else one segment each.
std::uint32_t reported_bytes(const Environment& env, const Tcb& tcb) {
    return tcb.recovery != kNoIndex ? env.recoveries[tcb.recovery].sacked_bytes
                                    : std::uint32_t{tcb.dup_acks} * tcb.mss;
}

}  // namespace

void take_ack(Arrival& a) {
    Tcb& tcb = a.tcb;
    const wire::Segment& seg = a.seg;
    if (seg.ack < tcb.snd.una) return;  // old: its text may still be new
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
    update_send_window(tcb, seg, window);
    if (ack.acked > 0) {
        const std::uint32_t reported = reported_bytes(a.env, tcb);
        advance_una(a, ack);
        const std::uint32_t left = tcb.recovery != kNoIndex ? reported_bytes(a.env, tcb) : 0;
        ack.reported = reported - left < ack.acked ? reported - left : ack.acked;
    }
    bool duplicate = repeats;
    if (seg.options.sack_count > 0 && tcb.flags.selective_ack && ack.flight_before > 0) {
        ack.newly_sacked = take_sack(a.env, tcb, seg.options);
        // RFC 6675 §2: with SACK a duplicate is an ACK that reports something new. A D-SACK alone
        // only says that we sent too much. Without a record plausible blocks have to do.
        duplicate = tcb.recovery != kNoIndex ? ack.newly_sacked > 0
                                             : repeats && is_plausible(tcb, seg.options.sack[0]);
    }
    if (duplicate) ack.duplicate = AckContext::Duplicate::yes;
    if (echoes_mark(tcb, seg)) react_to_echo(a.env, tcb, ack, a.now);
    if (ack.acked > 0 || duplicate || ack.newly_sacked > 0) {
        const bool repairing = tcb.phase >= Phase::fast_recovery;
        recover_on_ack(a.env, tcb, ack, a.now);
        if (!repairing && tcb.phase >= Phase::fast_recovery) queue_cwr(tcb);
    }
}

void take_ack_of_syn(Arrival& a) {
    Tcb& tcb = a.tcb;
    tcb.snd.una = a.seg.ack;
    sample_rtt(a, tcb.retransmissions > 0);
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
    if (tcb.phase < Phase::fast_recovery && tcb.snd.una > tcb.recover) {
        tcb.recover = tcb.snd.una - 1;
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
