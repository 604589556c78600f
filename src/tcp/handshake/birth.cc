// SPDX-License-Identifier: Apache-2.0
// The first and the third segment of a handshake, seen from the TCB.
#include "tcp/handshake/birth.h"

#include <cstring>

#include "tcp/congestion/controller.h"
#include "tcp/handshake/isn.h"
#include "tcp/path/ecn.h"
#include "tcp/path/mss.h"
#include "tcp/path/path_search.h"
#include "tcp/receive/ack_policy.h"
#include "tcp/recovery/loss_recovery.h"
#include "tcp/recovery/rack.h"
#include "tcp/recovery/side_record.h"
#include "tcp/timers.h"

namespace mtcp::tcp {
namespace {

// RFC 6298 §5.7: the time-out after a handshake that needed retransmission and gave no sample.
constexpr std::uint32_t kRtoAfterLostSynUs = 3'000'000;

bool is_on(Configuration::Use use) { return use == Configuration::Use::on; }

void set_offer(const Configuration& configuration, Tcb& tcb) {
    tcb.flags.timestamps = is_on(configuration.timestamps);
    tcb.flags.selective_ack = is_on(configuration.selective_ack);
    tcb.flags.window_scaling = is_on(configuration.window_scaling);
    const std::uint8_t shift = configuration.window_shift < wire::kWindowShiftMax
                                   ? configuration.window_shift
                                   : wire::kWindowShiftMax;
    tcb.receive_window_shift = tcb.flags.window_scaling ? shift & 15 : 0;
    tcb.ecn.agreed = offers_ecn(configuration, tcb.settings);
}

}  // namespace

void initialise(const Environment& env, Tcb& tcb, const Birth& birth, Instant now) {
    std::memset(static_cast<void*>(&tcb), 0, sizeof tcb);
    tcb.key = birth.key;
    tcb.settings = birth.settings;
    tcb.state = birth.state;
    tcb.last_event = now;
    tcb.iss = birth.numbers.iss;
    tcb.ts_offset = birth.numbers.ts_offset;
    tcb.snd.una = tcb.iss;
    tcb.snd.nxt = tcb.iss;
    tcb.snd.end = tcb.iss + 1;
    tcb.small_end = tcb.iss;
    tcb.recover = tcb.iss;
    tcb.high_rxt = tcb.iss;
    tcb.counted_una = tcb.iss + 1;
    tcb.recovery = kNoIndex;
    tcb.controller = congestion::kNoController;
    tcb.departure_us = to_us(now);
    tcb.reassembly = kNoIndex;
    tcb.reordering = kDupThresh;
    tcb.window_steps = 1;
    tcb.path_mtu = birth.path_mtu;
    set_peer_mss(tcb, default_send_mss(birth.key.remote));
    tcb.advertised_mss = mss_to_advertise(tcb.settings, tcb.path_mtu, tcb.key.remote);
    set_offer(env.configuration, tcb);
    mirror_settings(tcb);
    // The window field of a SYN is not scaled (RFC 7323 §2.2).
    tcb.rcv.wnd = tcb.settings.receive_buffer < 0xffff ? tcb.settings.receive_buffer : 0xffff;
    tcb.rto_us = static_cast<std::uint32_t>(env.configuration.rto_initial.microseconds());
    tcb.ssthresh = congestion::kSsthreshInitial;
    tcb.reduced_until = tcb.iss;
    tcb.progress_ms = to_ms(now);
    tcb.last_received_ms = to_ms(now);
    tcb.last_sent_ms = to_ms(now);
    tcb.challenge_at_ms = to_ms(now);
}

void assume_default_mss(const Environment& env, Tcb& tcb) {
    update_effective_mss(tcb);
    tcb.cwnd = congestion::initial_window(env.configuration, tcb.mss);
}

void agree_on_options(const Environment& env, Tcb& tcb, const wire::Options& options) {
    tcb.flags.timestamps = tcb.flags.timestamps && options.timestamps;
    tcb.flags.selective_ack = tcb.flags.selective_ack && options.sack_permitted;
    tcb.flags.window_scaling =
        tcb.flags.window_scaling && options.window_shift != wire::kNoWindowShift;
    tcb.send_window_shift = tcb.flags.window_scaling ? options.window_shift & 15 : 0;
    if (!tcb.flags.window_scaling) tcb.receive_window_shift = 0;
    set_peer_mss(tcb, mss_of_peer(env.configuration, options.mss, tcb.key.remote));
    update_effective_mss(tcb);
}

namespace {

// Sent before the handshake was over and not acknowledged with it (RFC 7413).
void take_over_early_data(Environment& env, Tcb& tcb, Instant now) {
    if (tcb.snd.una == tcb.snd.nxt) {
        tcb.small_end = tcb.snd.una;
        return;
    }
    // What rode on our SYN was not taken: the server, or somebody on the way, ignored it. What a
    // server sent behind its SYN-ACK is simply in flight.
    if (!tcb.fast_open.early) {
        static_cast<void>(take_record(env, tcb, now));  // to see should the copy be lost
        resend_all(env, tcb);
    }
    if (tcb.snd.wnd == 0) tcb.pending.retransmit = false;  // the time-out will ask for room
    arm_retransmission(tcb, env.configuration.rto_max, now);
}

}  // namespace

void become_established(Environment& env, Tcb& tcb, Reaction& reaction, Instant now) {
    disarm(tcb, Timer::retransmit);
    if (tcb.snd.end == tcb.iss + 1) {  // a SYN alone is not work: see send/limit_clock.h
        tcb.limit = SendLimit::idle;
        tcb.busy_ms = 0;
    }
    if (env.configuration.path_probing == Configuration::PathProbing::always) {
        begin_search(env, tcb, now);
    }
    congestion::begin(env, tcb, now);
    choose_echo(tcb);
    if (tcb.retransmissions > 0 && tcb.srtt_us == 0) tcb.rto_us = kRtoAfterLostSynUs;
    tcb.retransmissions = 0;
    tcb.backoff = 0;
    tcb.quick_acks = tcb.settings.quick_start ? kQuickAcks : std::uint8_t{0};
    tcb.recover = tcb.snd.una;
    tcb.recover.raw -= 1;  // RFC 6582: the first duplicates count
    tcb.high_rxt = tcb.snd.una;
    tcb.progress_ms = to_ms(now);
    tcb.soft_error = 0;
    // Simultaneous open: both of the peer's segments came before our SYN-ACK left; an ACK is left
    // to say.
    if (tcb.pending.syn) tcb.pending.ack = true;
    tcb.pending.syn = false;
    transition(tcb, State::established);
    if (!tcb.fast_open.early) reaction.events |= Events::connected;  // or it was told before
    take_over_early_data(env, tcb, now);
    arm_keepalive(env, tcb, now);
    if (tcb.flags.fin_queued) transition(tcb, State::fin_wait_1);
}

void mirror_settings(Tcb& tcb) {
    tcb.flags.no_delay = tcb.settings.no_delay != 0;
    tcb.flags.cork = tcb.settings.cork != 0;
    tcb.flags.user_timeout = tcb.settings.user_timeout_ms != 0;
    if (tcb.settings.user_timeout_ms > kTimerMaxMs) tcb.settings.user_timeout_ms = kTimerMaxMs;
}

void arm_keepalive(const Environment& env, Tcb& tcb, Instant now) {
    Duration wait = kNever - Instant{};
    if (tcb.settings.keepalive != 0) wait = seconds(tcb.settings.keepalive_idle_s);
    const Duration idle = env.configuration.idle_timeout;
    if (idle.ns > 0 && idle < wait) wait = idle;
    disarm(tcb, Timer::keepalive);
    if (wait < milliseconds(kTimerMaxMs)) arm(tcb, Timer::keepalive, now + wait);
}

}  // namespace mtcp::tcp
