// SPDX-License-Identifier: Apache-2.0
// TIME-WAIT without a TCB. It ends by time, or by a new SYN that is provably new; never by a reset
// (RFC 1337 §3 (F1)).
#include "tcp/time_wait.h"

#include "tcp/clock.h"
#include "tcp/handshake/isn.h"
#include "tcp/receive/receive_window.h"

namespace mtcp::tcp {
namespace {

using wire::Flags;
using wire::Segment;

// Two ends in TIME-WAIT could otherwise acknowledge each other's ACKs for a minute.
constexpr std::uint16_t kAcksMax = 32;

bool timestamp_is_newer(const TimeWait& record, const Segment& seg) {
    return static_cast<std::int32_t>(seg.options.ts_value - record.ts_recent) > 0;
}

// The timestamps' offset is a function of the tuple: found again, it need not be kept.
wire::OutgoingSegment ack_from(const Environment& env, const TimeWait& record, Instant now) {
    wire::OutgoingSegment reply;
    reply.seq = record.snd_nxt;
    reply.ack = record.rcv_nxt;
    reply.flags = {Flags::ack};
    reply.window = record.window;
    if (record.timestamps != 0) {
        reply.options.timestamps = true;
        reply.options.ts_value =
            to_ms(now) + initial_numbers(env.isn_key, record.key, now).ts_offset;
        reply.options.ts_echo = record.ts_recent;
    }
    return reply;
}

// RFC 9293 MAY-2, SHLD-4.
// RFC 6191 §2: a larger timestamp proves the SYN to be new; if the peer's clock has not ticked
// since, a larger number does. Without timestamps RFC 1122 §4.2.2.13 applies: its number must be
// beyond all that was received (and our next ISS beyond all we sent:
// ListenerSettings::sent_before).
bool may_reopen(const TimeWait& record, const Segment& seg) {
    const bool larger = seg.seq > record.rcv_nxt;
    if (record.timestamps != 0 && seg.options.timestamps) {
        return timestamp_is_newer(record, seg) ||
               (larger && seg.options.ts_value == record.ts_recent);
    }
    return larger;
}

}  // namespace

TimeWait make_time_wait(const Environment& env, const Tcb& tcb, Instant now) {
    TimeWait record{};
    record.key = tcb.key;
    record.snd_nxt = tcb.snd.nxt;
    record.rcv_nxt = tcb.rcv.nxt;
    record.ts_recent = tcb.ts_recent;
    record.expires_ms = to_ms_rounded_up(now + env.configuration.time_wait);
    record.window = offered_field(tcb);
    record.window_shift = tcb.receive_window_shift & 15;
    record.timestamps = tcb.flags.timestamps ? 1 : 0;
    return record;
}

TimeWaitDecision on_time_wait_segment(const Environment& env, TimeWait& record, const Segment& seg,
                                      Instant now) {
    TimeWaitDecision decision;
    if (seg.flags.has(Flags::rst)) return decision;
    if (seg.flags.has(Flags::syn) && !seg.flags.has(Flags::ack) && may_reopen(record, seg)) {
        decision.verdict = TimeWaitVerdict::reopen;
        decision.drop = Drop::count_;
        return decision;
    }
    // RFC 9293 §3.10.7.4, fifth: without ACK, what is in the window goes no further.
    const std::uint32_t window = std::uint32_t{record.window} << record.window_shift;
    const bool acceptable =
        seg.length() == 0
            ? seg.seq >= record.rcv_nxt && seg.seq <= record.rcv_nxt + window
            : seg.seq < record.rcv_nxt + window && seg.seq + seg.length() > record.rcv_nxt;
    if (acceptable && !seg.flags.has(Flags::ack | Flags::syn)) return decision;
    // An ACK of our FIN, late or again, needs no answer; anything that takes up sequence numbers
    // does.
    if (seg.length() == 0 && seg.seq == record.rcv_nxt) return decision;
    if (record.acks_sent >= kAcksMax) return decision;
    record.acks_sent = (record.acks_sent + 1u) & 63u;
    // RFC 9293 §3.10.7.4, eighth: the peer's FIN again restarts the 2 MSL.
    const bool fin_again = seg.flags.has(Flags::fin) && seg.seq + seg.length() == record.rcv_nxt;
    if (fin_again) {
        record.expires_ms = to_ms_rounded_up(now + env.configuration.time_wait);
        if (record.timestamps != 0 && seg.options.timestamps && timestamp_is_newer(record, seg)) {
            record.ts_recent = seg.options.ts_value;
        }
    }
    decision.verdict = TimeWaitVerdict::ack;
    decision.restart = fin_again;
    decision.reply = ack_from(env, record, now);
    return decision;
}

bool may_reuse(const Environment& env, const TimeWait& record, Instant now) {
    // Our timestamp clock must have ticked past all we sent: one second, as Linux's tcp_tw_reuse.
    if (record.timestamps == 0) return false;
    const std::uint32_t age_ms = to_ms(now + env.configuration.time_wait) - record.expires_ms;
    return static_cast<std::int32_t>(age_ms) >= 1000;
}

}  // namespace mtcp::tcp
