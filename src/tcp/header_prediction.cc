// SPDX-License-Identifier: Apache-2.0
// The conditions all at once, then each number moved on once.
#include "tcp/header_prediction.h"

#include "tcp/arrival.h"
#include "tcp/handshake/birth.h"
#include "tcp/path/ecn.h"
#include "tcp/receive/acceptability.h"
#include "tcp/receive/ack_policy.h"
#include "tcp/recovery/rtt_estimator.h"
#include "tcp/recovery/tail_loss_probe.h"
#include "tcp/send/limit_clock.h"
#include "tcp/send/segmenter.h"
#include "tcp/send/send_window.h"
#include "tcp/send/waiting.h"
#include "tcp/take_ack.h"
#include "tcp/timers.h"

namespace mtcp::tcp {
namespace {

using wire::Flags;
using wire::SequenceNumber;

// Nothing but an exchange of data goes on, its beginning, or its end: no repair, no probe, no mark,
// no hole, nothing urgent, nothing held back. Joined by | and not by ||: nearly always all of it is
// asked.
bool is_undisturbed(const Tcb& tcb) {
    const auto flags = bits_of<std::uint16_t>(tcb.flags);
    const auto careful = bits_of<std::uint16_t>(ConnectionFlags{.cork = true,
                                                                .more_follows = true,
                                                                .records = true,
                                                                .send_urgent = true,
                                                                .receive_urgent = true,
                                                                .dsack = true,
                                                                .user_timeout = true});
    const auto agreed = bits_of<std::uint8_t>(EcnState{.agreed = true, .exact = true});
    const auto bare_ack = bits_of<std::uint8_t>(Pending{.ack = true});
    constexpr unsigned kHolding = Timer::persist | Timer::cork | Timer::pacing;
    const unsigned disturbed =
        (flags & careful) | (bits_of<std::uint8_t>(tcb.ecn) & ~unsigned{agreed}) |
        (bits_of<std::uint8_t>(tcb.pending) & ~unsigned{bare_ack}) | (tcb.armed & kHolding) |
        static_cast<unsigned>(tcb.phase) | static_cast<unsigned>(tcb.probe) |
        static_cast<unsigned>(tcb.path_search) | tcb.retransmissions | tcb.backoff | tcb.dup_acks |
        tcb.owed_acks | ~(tcb.recovery & tcb.reassembly);
    return disturbed == 0;
}

// Would congestion control have a use for an ACK of `acked` bytes, `flight` having been out?
// A flow of small messages that does not fill its window is none of its business.
bool interests_congestion_control(const Tcb& tcb, std::uint32_t flight, std::uint32_t acked) {
    return acked >= tcb.mss || 2 * flight > tcb.cwnd || flight + tcb.mss >= tcb.cwnd ||
           tcb.settings.congestion == CongestionAlgorithm::bbr ||
           tcb.settings.congestion == CongestionAlgorithm::dctcp;  // both look at every ACK
}

void acknowledge_sent(Environment& env, Tcb& tcb, SequenceNumber ack, Instant now,
                      Reaction& reaction) {
    const SequenceNumber old = tcb.snd.una;
    tcb.snd.una = ack;
    tcb.soft_error = 0;
    tcb.high_rxt = higher(tcb.high_rxt, ack);
    reaction.acked_bytes = ack - old;
    reaction.events |= Events::writable;
    if (tcb.flags.timing && ack >= tcb.timed_seq) {
        tcb.flags.timing = false;
        const std::uint32_t rtt_us = to_us(now) - tcb.timed_us;
        take_rtt_sample(tcb, rtt_us, env.configuration, now);
    }
    // RFC 6298 §5.2, §5.3.
    if (ack == tcb.snd.nxt) {
        disarm(tcb, Timer::retransmit);
    } else {
        await_answer(env, tcb, Since::now, now);
    }
    if (((old.raw ^ ack.raw) >> 30) != 0) [[unlikely]]
        fold_totals(tcb);
}

void take_text(Environment& env, Tcb& tcb, std::uint32_t length, Instant now, Reaction& reaction) {
    const SequenceNumber old = tcb.rcv.nxt;
    tcb.rcv.nxt += length;
    tcb.rcv.wnd -= length;
    tcb.rcv.unread += length;
    reaction.placements[0] = {.stream_offset = 0, .payload_offset = 0, .length = length};
    reaction.placement_count = 1;
    reaction.received_bytes = length;
    reaction.events |= Events::readable;
    if (((old.raw ^ tcb.rcv.nxt.raw) >> 30) != 0) [[unlikely]]
        fold_totals(tcb);
    acknowledge_in_order(env, tcb, length, now);
}

// settle() where all is sent and acknowledged: nothing but an ACK can wait.
void settle_idle(Tcb& tcb, Instant now, Reaction& reaction) {
    reaction.work = tcb.pending.ack ? Work::ack : std::uint8_t{0};
    change_limit(tcb, SendLimit::idle, now);
    tcb.last_event = now;
}

// PAWS (RFC 7323 §5.3).
bool timestamp_is_old(const Tcb& tcb, const wire::Options& options) {
    return options.timestamps && static_cast<std::int32_t>(options.ts_value - tcb.ts_recent) < 0;
}

// --- the end of a connection ---

constexpr std::uint16_t kAwaitsFin =
    static_cast<std::uint16_t>(bit(State::fin_wait_1) | bit(State::fin_wait_2));

// The peer has all that we sent, the FIN at the end of it too.
void acknowledge_fin(Environment& env, Tcb& tcb, const wire::Segment& seg, Instant now,
                     Reaction& reaction) {
    const SequenceNumber old = tcb.snd.una;
    tcb.snd.una = tcb.snd.nxt;
    tcb.soft_error = 0;
    tcb.high_rxt = higher(tcb.high_rxt, tcb.snd.una);
    if (tcb.snd.end > old) {
        reaction.acked_bytes = tcb.snd.end - old;
        reaction.events |= Events::writable;
    }
    if (tcb.flags.timing) {  // all that was sent is acknowledged: what is timed, too
        tcb.flags.timing = false;
        take_rtt_sample(tcb, to_us(now) - tcb.timed_us, env.configuration, now);
    }
    disarm(tcb, Timer::retransmit);
    if (((old.raw ^ tcb.snd.una.raw) >> 30) != 0) [[unlikely]]
        fold_totals(tcb);
    static_cast<void>(after_fin_acked(tcb, seg.ack, now, reaction));  // no step is left
}

}  // namespace

bool take_predicted(Environment& env, Tcb& tcb, const wire::Segment& seg, Instant now,
                    Reaction& reaction) {
    const auto length = static_cast<std::uint32_t>(seg.payload.size());
    const std::uint32_t flight = tcb.snd.nxt - tcb.snd.una;
    const std::uint32_t acked = seg.ack - tcb.snd.una;
    const wire::Options& options = seg.options;
    const bool timestamps = options.timestamps;
    const bool fin = seg.flags.has(Flags::fin);
    unsigned other = (seg.flags.bits & ~unsigned{Flags::psh | Flags::fin}) ^ Flags::ack;
    other |= seg.seq.raw ^ tcb.rcv.nxt.raw;
    other |= static_cast<unsigned>(length + (fin ? 1u : 0u) > tcb.rcv.wnd);
    other |= static_cast<unsigned>(acked > flight);
    other |= options.sack_count | static_cast<unsigned>(timestamps != tcb.flags.timestamps);
    other |= static_cast<unsigned>(seg.ecn == EcnField::marked);
    other |= static_cast<unsigned>((acked | length) == 0 && !fin);  // a duplicate, or the window
    if (other != 0 || !is_undisturbed(tcb)) return false;
    if (timestamp_is_old(tcb, options)) return false;
    if (acked != 0 && interests_congestion_control(tcb, flight, acked)) return false;

    tcb.unanswered_probes = 0;
    note_timestamp(tcb, seg, now);
    update_send_window(tcb, seg, std::uint32_t{seg.window} << tcb.send_window_shift);
    if (acked != 0) acknowledge_sent(env, tcb, seg.ack, now, reaction);
    if (length != 0) take_text(env, tcb, length, now, reaction);
    if (fin) take_fin(tcb, reaction);
    tcb.last_received_ms = to_ms(now);

    // settle(), for whom nothing but an ACK can wait when all is sent.
    if (tcb.snd.nxt == tcb.snd.end) {
        reaction.work = tcb.pending.ack ? Work::ack : std::uint8_t{0};
    } else {
        const SendPlan plan = plan_send(env, tcb, 0);
        await_permission(env, tcb, plan.hold, now);
        reaction.work = work_of(plan);
    }
    note_limit(tcb, now);
    tcb.last_event = now;
    return true;
}

bool take_predicted_end(Environment& env, Tcb& tcb, const wire::Segment& seg, Instant now,
                        Reaction& reaction) {
    const std::uint32_t flight = tcb.snd.nxt - tcb.snd.una;
    const wire::Options& options = seg.options;
    const bool fin = seg.flags.has(Flags::fin);
    unsigned other = (seg.flags.bits & ~unsigned{Flags::psh | Flags::fin}) ^ Flags::ack;
    other |= seg.seq.raw ^ tcb.rcv.nxt.raw;
    other |= seg.ack.raw ^ tcb.snd.nxt.raw;
    other |= tcb.snd.nxt.raw ^ (tcb.snd.end.raw + 1);  // or the FIN still waits
    other |= static_cast<unsigned>(!seg.payload.empty());
    other |= static_cast<unsigned>(fin && !is_one_of(tcb.state, kAwaitsFin));
    other |= options.sack_count | static_cast<unsigned>(options.timestamps != tcb.flags.timestamps);
    if (other != 0 || !is_undisturbed(tcb) || timestamp_is_old(tcb, options)) return false;
    if (flight != 0 && interests_congestion_control(tcb, flight, flight)) return false;
    // TCP_LINGER2 may want no FIN-WAIT-2 at all, and resets.
    if (tcb.state == State::fin_wait_1 && tcb.flags.let_go && tcb.fin_wait_2_ms == 0) return false;

    tcb.unanswered_probes = 0;
    note_timestamp(tcb, seg, now);
    update_send_window(tcb, seg, std::uint32_t{seg.window} << tcb.send_window_shift);
    if (flight != 0) acknowledge_fin(env, tcb, seg, now, reaction);
    if (fin) take_fin(tcb, reaction);
    tcb.last_received_ms = to_ms(now);

    settle_idle(tcb, now, reaction);
    return true;
}

bool take_predicted_opening(Environment& env, Tcb& tcb, const wire::Segment& seg, Instant now,
                            Reaction& reaction) {
    const auto length = static_cast<std::uint32_t>(seg.payload.size());
    const wire::Options& options = seg.options;
    unsigned other = (seg.flags.bits & ~unsigned{Flags::psh}) ^ Flags::ack;
    other |= seg.seq.raw ^ tcb.rcv.nxt.raw;
    other |= seg.ack.raw ^ (tcb.iss.raw + 1);
    other |= seg.ack.raw ^ tcb.snd.nxt.raw;  // no data of ours has left, ...
    other |= seg.ack.raw ^ tcb.snd.end.raw;  // ... nor waits
    other |= static_cast<unsigned>(length > tcb.rcv.wnd);
    other |= options.sack_count | static_cast<unsigned>(options.timestamps != tcb.flags.timestamps);
    other |= static_cast<unsigned>(seg.ecn == EcnField::marked);
    other |= static_cast<unsigned>(tcb.fast_open.early);
    other |= static_cast<unsigned>(tcb.flags.fin_queued);
    other |= static_cast<unsigned>(env.configuration.path_probing ==
                                   Configuration::PathProbing::always);  // a search begins
    if (other != 0 || !is_undisturbed(tcb) || timestamp_is_old(tcb, options)) return false;

    tcb.unanswered_probes = 0;
    Arrival arrival(env, tcb, seg, now, reaction);
    take_ack_of_syn(arrival);
    become_established(env, tcb, reaction, now);
    note_timestamp(tcb, seg, now);
    if (length != 0) take_text(env, tcb, length, now, reaction);
    tcb.last_received_ms = to_ms(now);
    settle_idle(tcb, now, reaction);
    return true;
}

}  // namespace mtcp::tcp
