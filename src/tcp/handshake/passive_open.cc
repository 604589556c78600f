// SPDX-License-Identifier: Apache-2.0
// LISTEN and SYN-RECEIVED without a TCB (RFC 9293 §3.10.7.2, §3.10.7.4).
#include "tcp/passive_open.h"

#include <algorithm>

#include "tcp/clock.h"
#include "tcp/congestion/controller.h"
#include "tcp/counting.h"
#include "tcp/handshake/birth.h"
#include "tcp/handshake/fast_open.h"
#include "tcp/handshake/isn.h"
#include "tcp/handshake/syn_cookies.h"
#include "tcp/path/ecn.h"
#include "tcp/path/mss.h"
#include "tcp/path/path_search.h"
#include "tcp/receive/accept_text.h"
#include "tcp/receive/ack_policy.h"
#include "tcp/recovery/rtt_estimator.h"
#include "tcp/settle.h"
#include "tcp/timers.h"

namespace mtcp::tcp {
namespace {

using wire::Flags;
using wire::OutgoingSegment;
using wire::Segment;
using wire::SequenceNumber;

bool is_on(Configuration::Use use) { return use == Configuration::Use::on; }

// RFC 9293 MUST-57, MUST-63: broadcast, multicast, unspecified; and LAND, a SYN from itself.
// Directed broadcasts are the business of net/, which knows the prefixes.
bool is_single_host(const wire::IpAddress& address) {
    if (address.is_v4()) return address.v4_bits() != 0 && address.v4_bits() >> 28 < 14;
    return !address.is_unspecified() && address.octet[0] != 0xff;
}
bool addresses_are_sane(const wire::FlowKey& key) {
    if (!is_single_host(key.local) || !is_single_host(key.remote)) return false;
    return key.local != key.remote || key.local_port != key.remote_port;
}

std::uint32_t window_of_syn(const ListenerSettings& listener) {
    const std::uint32_t buffer = listener.settings.receive_buffer;
    return buffer < 0xffff ? buffer : 0xffff;
}

// RFC 7323 §2.2: behind the SYN-ACK the window is scaled; rounded up, so that it does not shrink.
std::uint16_t window_behind_syn(const Environment& env, const ListenerSettings& listener,
                                const HalfOpen& half) {
    const std::uint32_t window = window_of_syn(listener);
    if (half.window_shift == wire::kNoWindowShift) return static_cast<std::uint16_t>(window);
    const std::uint32_t unit = 1u << env.configuration.window_shift;
    return static_cast<std::uint16_t>((window + unit - 1) / unit);
}

// A segment without data from the record's end of the connection.
OutgoingSegment reply_from(const Environment& env, const ListenerSettings& listener,
                           const HalfOpen& half, Instant now) {
    OutgoingSegment reply;
    reply.seq = half.iss + 1;
    reply.ack = half.irs + 1;
    reply.flags = {Flags::ack};
    reply.window = window_behind_syn(env, listener, half);
    if (half.timestamps != 0) {
        reply.options.timestamps = true;
        reply.options.ts_value = to_ms(now) + half.ts_offset;
        reply.options.ts_echo = half.ts_recent;
    }
    return reply;
}

OutgoingSegment syn_ack_from(const Environment& env, const ListenerSettings& listener,
                             const HalfOpen& half, Instant now) {
    OutgoingSegment reply = reply_from(env, listener, half, now);
    reply.seq = half.iss;
    reply.flags = {Flags::syn | Flags::ack};
    reply.window = static_cast<std::uint16_t>(window_of_syn(listener));
    if (half.ecn != 0) reply.flags.bits |= Flags::ece;
    reply.options.mss = mss_to_advertise(listener.settings, listener.path_mtu, half.key.remote);
    reply.options.sack_permitted = half.selective_ack != 0;
    if (half.window_shift != wire::kNoWindowShift) {
        reply.options.window_shift = env.configuration.window_shift;
    }
    return reply;
}

// RFC 9293 §3.10.7.1.
OutgoingSegment reset_to(const Segment& seg) {
    OutgoingSegment reply;
    static_cast<void>(reset_for(seg, reply));
    return reply;
}

HalfOpen remember(const Environment& env, const ListenerSettings& listener,
                  const wire::FlowKey& key, const Segment& seg, Instant now) {
    const Configuration& configuration = env.configuration;
    const wire::Options& offered = seg.options;
    HalfOpen half{};
    half.key = key;
    half.irs = seg.seq;
    const InitialNumbers numbers = initial_numbers(env.isn_key, key, now);
    half.iss = numbers.iss;
    half.ts_offset = numbers.ts_offset;
    half.send_mss = mss_of_peer(configuration, offered.mss, key.remote);
    half.window_shift =
        is_on(configuration.window_scaling) ? offered.window_shift : wire::kNoWindowShift;
    half.timestamps = offered.timestamps && is_on(configuration.timestamps);
    half.selective_ack = offered.sack_permitted && is_on(configuration.selective_ack);
    half.ecn = accepts_ecn(configuration, listener.settings, seg);
    half.ts_recent = offered.timestamps ? offered.ts_value : 0;
    half.sent_us = static_cast<std::uint16_t>(to_us(now));
    half.deadline_ms = to_ms_rounded_up(now + configuration.rto_initial);
    return half;
}

// Since the first SYN-ACK left, one initial RTO before the record's deadline, which was rounded up
// to a millisecond: less than two of them too short, as the low bits of the microseconds tell.
std::uint32_t elapsed_us(const Environment& env, const HalfOpen& half, Instant now) {
    const std::uint32_t sent_ms = half.deadline_ms - to_ms(env.configuration.rto_initial);
    const std::uint32_t coarse_us = (to_ms(now) - sent_ms) * 1000;
    return coarse_us + static_cast<std::uint16_t>(to_us(now) - half.sent_us - coarse_us);
}

// The SYN-ACK with a cookie in place of a record.
OutgoingSegment cookie_syn_ack(const Environment& env, const ListenerSettings& listener,
                               HalfOpen half, Instant now) {
    const CookieStamps stamps = half.timestamps != 0 ? CookieStamps::agreed : CookieStamps::none;
    half.iss = make_cookie(env.cookie_key, half.key, half.irs, half.send_mss, stamps, now);
    if (half.timestamps == 0) {  // nowhere to remember these
        half.window_shift = wire::kNoWindowShift;
        half.selective_ack = 0;
        half.ecn = 0;
    }
    CookieOffer kept;
    kept.window_shift = half.window_shift;
    kept.selective_ack = half.selective_ack != 0;
    kept.ecn = half.ecn != 0;
    OutgoingSegment reply = syn_ack_from(env, listener, half, now);
    if (half.timestamps != 0) {
        reply.options.ts_value = cookie_timestamp(to_ms(now), kept) + half.ts_offset;
    }
    count(env, &Counters::cookies_sent);
    return reply;
}

const FastOpenKeys& keys_of(const Environment& env, const ListenerSettings& listener) {
    return listener.fast_open_keys != nullptr ? *listener.fast_open_keys
                                              : env.configuration.fast_open_keys;
}

// RFC 7413 §4.2.2, §4.1.2: may the data of this SYN pass at once, and which cookie goes back?
ListenVerdict judge_early_data(const Environment& env, const ListenerSettings& listener,
                               const Segment& seg, ListenDecision& decision) {
    const std::uint16_t enabled = env.configuration.fast_open;
    const wire::Options& offered = seg.options;
    const bool has_option = offered.fast_open_length != wire::kNoFastOpen;
    if (has_option && offered.fast_open_length == 0) count(env, &Counters::fast_open_requests);
    const bool asks = has_option || !seg.payload.empty();
    if ((enabled & FastOpen::server) == 0 || !asks || listener.fast_open == FastOpenQueue::off) {
        return ListenVerdict::record;
    }
    if (listener.fast_open == FastOpenQueue::full) {
        count(env, &Counters::fast_open_overflows);
        return ListenVerdict::record;
    }
    if ((enabled & FastOpen::server_without_cookie) != 0) return ListenVerdict::open;
    if (!has_option) return ListenVerdict::record;
    const FastOpenKeys& keys = keys_of(env, listener);
    const CookieVerdict verdict = check_fast_open_cookie(keys, decision.half_open.key, offered);
    if (verdict != CookieVerdict::current) {
        write_cookie(keys.primary, decision.half_open.key, decision.reply.options);
        decision.reply.options.fast_open_experimental = offered.fast_open_experimental;
    }
    if (verdict != CookieVerdict::wrong) return ListenVerdict::open;
    if (offered.fast_open_length > 0) count(env, &Counters::fast_open_refused);
    return ListenVerdict::record;
}

}  // namespace

ListenDecision on_listen_segment(const Environment& env, const ListenerSettings& listener,
                                 const wire::FlowKey& key, const Segment& seg, Backlog backlog,
                                 Instant now) {
    ListenDecision decision;
    if (seg.flags.has(Flags::rst)) {  // first
        decision.drop = Drop::tcp_stray_reset;
        return decision;
    }
    if (seg.flags.has(Flags::ack)) {  // second
        decision.verdict = ListenVerdict::reset;
        decision.drop = Drop::tcp_not_listening;
        decision.reply = reset_to(seg);
        return decision;
    }
    // Third. SYN with FIN means nothing here and is a scanner's trick.
    if (!seg.flags.has(Flags::syn) || seg.flags.has(Flags::fin)) {
        decision.drop = Drop::tcp_bad_flags;
        return decision;
    }
    if (!addresses_are_sane(key)) {
        decision.drop = Drop::tcp_bad_address;
        return decision;
    }
    using Cookies = Configuration::Cookies;
    const Cookies cookies = env.configuration.syn_cookies;
    const bool full = backlog == Backlog::full;
    if (full && cookies == Cookies::off) {
        decision.drop = Drop::tcp_half_open_full;
        return decision;
    }
    decision.drop = Drop::count_;
    decision.half_open = remember(env, listener, key, seg, now);
    // RFC 1122 §4.2.2.13, as Linux.
    if (listener.sent_before && decision.half_open.iss <= *listener.sent_before)
        decision.half_open.iss = *listener.sent_before + 65'537;
    if (full || (cookies == Cookies::always && !listener.sent_before)) {
        decision.verdict = ListenVerdict::cookie;
        decision.reply = cookie_syn_ack(env, listener, decision.half_open, now);
    } else {
        decision.reply = syn_ack_from(env, listener, decision.half_open, now);
        decision.verdict = judge_early_data(env, listener, seg, decision);
    }
    return decision;
}

bool check_cookie(const Environment& env, const ListenerSettings&, const wire::FlowKey& key,
                  const Segment& seg, Instant now, HalfOpen& half_open) {
    using Cookies = Configuration::Cookies;
    if (env.configuration.syn_cookies == Cookies::off) return false;
    if (!seg.flags.has(Flags::ack) || seg.flags.has(Flags::syn | Flags::rst)) return false;
    const SequenceNumber irs = seg.seq - 1;
    const SequenceNumber iss = seg.ack - 1;
    const auto mss_with = [&](CookieStamps stamps) {
        return mss_of_cookie(env.cookie_key, key, irs, iss, stamps, now);
    };
    const bool stamped = seg.options.timestamps && is_on(env.configuration.timestamps);
    std::uint16_t mss = stamped ? mss_with(CookieStamps::agreed) : std::uint16_t{0};
    const bool agreed = mss != 0;
    if (!agreed) mss = mss_with(CookieStamps::none);
    if (mss == 0) return false;
    HalfOpen half{};
    half.key = key;
    half.irs = irs;
    half.iss = iss;
    half.send_mss = mss_of_peer(env.configuration, mss, key.remote);
    half.window_shift = wire::kNoWindowShift;
    half.ts_offset = initial_numbers(env.isn_key, key, now).ts_offset;
    if (agreed) {
        const CookieOffer offer = offer_of_timestamp(seg.options.ts_echo, half.ts_offset);
        half.timestamps = 1;
        half.ts_recent = seg.options.ts_value;
        half.window_shift = offer.window_shift;
        half.selective_ack = offer.selective_ack;
        half.ecn = offer.ecn && env.configuration.ecn != Configuration::Ecn::off;
    }
    half.acked = 1;  // when the SYN-ACK left nobody remembers, so that sent_us stays 0
    half.deadline_ms = to_ms_rounded_up(now + env.configuration.rto_initial);
    half_open = half;
    count(env, &Counters::cookies_accepted);
    return true;
}

namespace {

// Seconds of TCP_DEFER_ACCEPT that have passed, counted in time-outs as the record has no birthday.
bool still_deferred(const ListenerSettings& listener, const HalfOpen& half) {
    return (1u << half.retransmissions) - 1 < listener.defer_accept_s;
}

// RFC 9293 §3.10.7.4, first; the right edge as in receive/acceptability.cc.
bool is_acceptable(const ListenerSettings& listener, const HalfOpen& half, const Segment& seg) {
    const SequenceNumber nxt = half.irs + 1;
    const SequenceNumber edge = nxt + window_of_syn(listener);
    if (seg.length() == 0) return seg.seq >= nxt && seg.seq <= edge;
    return seg.seq < edge && seg.seq + seg.length() > nxt;
}

constexpr std::uint8_t kCountMax = 15;  // a record counts no further
constexpr std::uint32_t kRoundTripUnitUs = 32;

std::uint8_t retries_of(const Environment& env) {
    return std::min(env.configuration.syn_ack_retries, kCountMax);
}

// RFC 6298 (5.4), (5.5): a SYN-ACK leaves once more.
void count_retransmission(const Environment& env, HalfOpen& half, Instant now) {
    half.retransmissions = static_cast<std::uint8_t>(half.retransmissions + 1) & kCountMax;
    const Duration wait = env.configuration.rto_initial * (std::int64_t{1} << half.retransmissions);
    const Duration limit = env.configuration.rto_max;
    half.deadline_ms = to_ms_rounded_up(now + (wait < limit ? wait : limit));
}

HalfOpenDecision keep(Drop why) {
    HalfOpenDecision decision;
    decision.drop = why;
    return decision;
}

HalfOpenDecision answer(const OutgoingSegment& reply, Drop why) {
    HalfOpenDecision decision;
    decision.verdict = HalfOpenVerdict::reply;
    decision.drop = why;
    decision.reply = reply;
    return decision;
}

HalfOpenDecision on_reset(const Environment& env, const ListenerSettings& listener,
                          const HalfOpen& half, const Segment& seg, Instant now) {
    if (seg.seq == half.irs + 1) {  // RFC 5961 §3.2
        HalfOpenDecision decision;
        decision.verdict = HalfOpenVerdict::drop;
        return decision;
    }
    const SequenceNumber nxt = half.irs + 1;
    const bool inside = seg.seq > nxt && seg.seq < nxt + window_of_syn(listener);
    if (!inside) return keep(Drop::tcp_outside_window);
    return answer(reply_from(env, listener, half, now), Drop::tcp_challenge_ack);
}

}  // namespace

HalfOpenDecision on_half_open_segment(const Environment& env, const ListenerSettings& listener,
                                      HalfOpen& half, const Segment& seg, Instant now) {
    const auto challenge = [&](Drop why) {
        return answer(reply_from(env, listener, half, now), why);
    };
    if (seg.flags.has(Flags::rst)) return on_reset(env, listener, half, seg, now);
    if (seg.flags.has(Flags::syn)) {
        if (seg.seq == half.irs && !seg.flags.has(Flags::ack)) {  // our SYN-ACK was lost
            if (half.timestamps != 0 && seg.options.timestamps) {
                half.ts_recent = seg.options.ts_value;
            }
            // As when the time-out had come first: no RTT sample (Karn), one loss more for RFC 6928
            // §2, and no other SYN-ACK right behind this one.
            if (half.retransmissions < std::max<std::uint8_t>(retries_of(env), 1)) {
                count_retransmission(env, half, now);
            }
            return answer(syn_ack_from(env, listener, half, now), Drop::count_);
        }
        return challenge(Drop::tcp_challenge_ack);  // RFC 5961 §4
    }
    const bool old_timestamp = half.timestamps != 0 && seg.options.timestamps &&
                               static_cast<std::int32_t>(seg.options.ts_value - half.ts_recent) < 0;
    if (old_timestamp) return challenge(Drop::tcp_paws);
    if (!is_acceptable(listener, half, seg)) return challenge(Drop::tcp_outside_window);
    if (!seg.flags.has(Flags::ack)) return keep(Drop::tcp_bad_flags);
    if (seg.ack !=
        half.iss + 1) {  // RFC 9293 §3.10.7.4, fifth: <SEQ=SEG.ACK><CTL=RST>, state stays
        return answer(reset_to(seg), Drop::tcp_bad_ack);
    }
    const bool bare = seg.payload.empty() && !seg.flags.has(Flags::fin);
    if (bare && still_deferred(listener, half)) {
        keep_waiting(env, half, now);
        return keep(Drop::count_);
    }
    HalfOpenDecision decision;
    decision.verdict = HalfOpenVerdict::promote;
    return decision;
}

void keep_waiting(const Environment& env, HalfOpen& half, Instant now) {
    if (half.acked != 0) return;
    half.acked = 1;
    const std::uint32_t units = elapsed_us(env, half, now) / kRoundTripUnitUs + 1;
    const bool known = half.retransmissions == 0 && units <= UINT16_MAX;  // Karn
    half.sent_us = known ? static_cast<std::uint16_t>(units) : std::uint16_t{0};
}

HalfOpenDecision on_half_open_deadline(const Environment& env, const ListenerSettings& listener,
                                       HalfOpen& half, Instant now) {
    HalfOpenDecision decision;
    // TCP_DEFER_ACCEPT may have more patience with a client that has acknowledged.
    const bool deferred = half.acked != 0 && still_deferred(listener, half);
    if (half.retransmissions >= (deferred ? kCountMax : retries_of(env))) {
        decision.verdict = HalfOpenVerdict::drop;
        return decision;
    }
    count_retransmission(env, half, now);
    // A client that has acknowledged needs no reminder before its patience with TCP_DEFER_ACCEPT
    // ends.
    if (half.acked != 0 && still_deferred(listener, half)) return decision;
    decision.verdict = HalfOpenVerdict::reply;
    decision.reply = syn_ack_from(env, listener, half, now);
    return decision;
}

bool is_ended_by(const HalfOpen& half, PathError error, SequenceNumber seq) {
    if (seq != half.iss) return false;  // RFC 5927 §4: who quotes it has seen our SYN-ACK
    return error == PathError::net_unreachable || error == PathError::host_unreachable ||
           error == PathError::time_exceeded || error == PathError::parameter_problem;
}

void promote(Environment& env, const ListenerSettings& listener, const HalfOpen& half, Tcb& tcb,
             Instant now) {
    initialise(env, tcb,
               {.key = half.key,
                .settings = listener.settings,
                .numbers = {.iss = half.iss, .ts_offset = half.ts_offset},
                .path_mtu = listener.path_mtu,
                .state = State::syn_received},
               now);
    if (env.destinations.knows_paths(now)) [[unlikely]]
        begin_on_known_path(env, tcb, now);
    wire::Options agreed;
    agreed.mss = half.send_mss;
    agreed.window_shift = half.window_shift;
    agreed.timestamps = half.timestamps != 0;
    agreed.sack_permitted = half.selective_ack != 0;
    agree_on_options(env, tcb, agreed);
    tcb.ecn.agreed = half.ecn != 0;
    tcb.irs = half.irs;
    tcb.snd.nxt = half.iss + 1;
    tcb.snd.wl1 = half.irs;
    tcb.snd.wl2 = half.iss;
    tcb.rcv.nxt = half.irs + 1;
    tcb.rcv.acked = tcb.rcv.nxt;
    tcb.counted_nxt = tcb.rcv.nxt;
    tcb.rcv.wnd = window_of_syn(listener);
    tcb.ts_recent = half.ts_recent;
    tcb.ts_recent_s = to_s(now);
    if (half.acked != 0 && half.sent_us != 0) {
        // It waited here while the record's time-outs passed, but nothing had been lost.
        take_rtt_sample(tcb, half.sent_us * kRoundTripUnitUs, env.configuration, now);
    } else {
        tcb.retransmissions = half.retransmissions;
    }
    // Of the first SYN-ACK's round trip (Karn).
    if (half.retransmissions == 0 && half.acked == 0) {
        start_timing(tcb, tcb.snd.nxt, to_us(now) - elapsed_us(env, half, now));
    }
    // The segment that completes the handshake should follow at once; if it does not, SYN-ACK goes
    // again.
    arm_retransmission(tcb, env.configuration.rto_max, now);
}

Reaction promote_early(Environment& env, const ListenerSettings& listener, ListenDecision& decision,
                       Tcb& tcb, const Segment& syn, Instant now) {
    promote(env, listener, decision.half_open, tcb, now);
    Reaction reaction;
    tcb.snd.wnd = syn.window;
    tcb.max_wnd = syn.window;
    tcb.fast_open.early = true;
    tcb.cwnd = congestion::initial_window(env.configuration, tcb.mss);  // RFC 6928: of this MSS
    // Our SYN, which is not acknowledged yet, takes room of neither window.
    ++tcb.cwnd;
    ++tcb.snd.wnd;
    tcb.fast_open.took_data = !syn.payload.empty();
    reaction.events |= Events::connected;
    Arrival arrival(env, tcb, syn, now, reaction);
    arrival.seq = syn.seq + 1;
    if (arrival.length > tcb.rcv.wnd) arrival.length = tcb.rcv.wnd;
    if (arrival.length > 0) accept_text(arrival);
    // What came with the SYN takes room of the buffer, which may have more than the field can say.
    const std::uint32_t room = tcb.settings.receive_buffer - tcb.rcv.unread;
    tcb.rcv.wnd = room < 0xffff ? room : 0xffff;
    decision.reply.ack = tcb.rcv.nxt;
    decision.reply.window = static_cast<std::uint16_t>(tcb.rcv.wnd);
    note_ack_sent(tcb);
    count(env, &Counters::fast_opens_passive);
    settle(env, tcb, reaction, now);
    return reaction;
}

}  // namespace mtcp::tcp
