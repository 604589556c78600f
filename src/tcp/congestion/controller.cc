// SPDX-License-Identifier: Apache-2.0
// Who answers, and what is the same for all of them.
#include "tcp/congestion/controller.h"

#include <algorithm>

#include "tcp/clock.h"
#include "tcp/congestion/bbr/bbr.h"
#include "tcp/congestion/cubic.h"
#include "tcp/congestion/dctcp.h"
#include "tcp/congestion/new_reno.h"
#include "tcp/counting.h"

namespace mtcp::tcp::congestion {
namespace {

using Algorithm = CongestionAlgorithm;

bool has_record(const Tcb& tcb) { return tcb.controller < kNoRecord; }

Record* record_of(Environment& env, const Tcb& tcb) {
    return has_record(tcb) ? &env.controllers[tcb.controller] : nullptr;
}

void begin_record(Record& record, Tcb& tcb, Instant now, std::uint32_t delivered) {
    switch (tcb.settings.congestion) {
        case Algorithm::cubic: cubic::begin(record.cubic, tcb, now); break;
        case Algorithm::dctcp: dctcp::begin(record.dctcp, tcb); break;
        case Algorithm::bbr: bbr::begin(record.bbr, tcb, delivered, now); break;
        case Algorithm::new_reno: break;
    }
}

// nullptr: NewReno, or the pool was empty when this connection asked.
Record* take_record(Environment& env, Tcb& tcb, Instant now, std::uint32_t delivered = 0) {
    if (has_record(tcb)) return &env.controllers[tcb.controller];
    if (tcb.controller == kNoRecord || tcb.settings.congestion == Algorithm::new_reno) {
        return nullptr;
    }
    const std::uint32_t index = env.controllers.take();
    tcb.controller = index < kRecordsMax ? static_cast<std::uint16_t>(index) : kNoRecord;
    if (tcb.controller == kNoRecord) {
        count(env, &Counters::congestion_unrecorded);
        return nullptr;
    }
    Record& record = env.controllers[tcb.controller];
    begin_record(record, tcb, now, delivered);
    return &record;
}

void grow(Environment& env, Tcb& tcb, const AckContext& ack, Instant now) {
    // In fast recovery the window is recovery's; what tells of congestion is no reason to grow.
    if (ack.acked == 0 || ack.phase_before == Phase::fast_recovery ||
        tcb.phase == Phase::fast_recovery || ack.ecn_echo == AckContext::EcnEcho::yes ||
        tcb.cwnd >= kWindowMax || !was_used(tcb, ack)) {
        return;
    }
    Record* const record = take_record(env, tcb, now);
    if (record != nullptr && tcb.settings.congestion == Algorithm::cubic) {
        cubic::grow(record->cubic, tcb, ack, env.configuration.hystart, now);
    } else {
        new_reno::grow(tcb, ack);
    }
}

// The window of a loss-based algorithm after a loss. In ssthresh.
void reduce(Environment& env, Tcb& tcb, std::uint32_t flight, Instant now) {
    tcb.acked_in_avoidance = 0;
    if (tcb.settings.congestion == Algorithm::cubic) {
        if (Record* const record = take_record(env, tcb, now); record != nullptr) {
            cubic::reduce(record->cubic, tcb);
            return;
        }
    }
    tcb.ssthresh = new_reno::half_of(tcb, flight);
}

Bbr* model(Environment& env, const Tcb& tcb) {
    const bool any = tcb.settings.congestion == Algorithm::bbr && has_record(tcb);
    return any ? &env.controllers[tcb.controller].bbr : nullptr;
}

}  // namespace

std::uint32_t initial_window(const Configuration& configuration, std::uint16_t mss) {
    // RFC 6928 §2: min(10 * MSS, max(2 * MSS, 14600)), with the configured count in place of 10.
    const std::uint32_t count = configuration.initial_window_segments;
    const std::uint32_t segments = count * mss;
    const std::uint32_t bytes = count * 1460;
    const std::uint32_t limit = bytes > 2u * mss ? bytes : 2u * mss;
    const std::uint32_t window = segments < limit ? segments : limit;
    return window > mss ? window : mss;
}

void begin(Environment& env, Tcb& tcb, Instant) {
    // RFC 6928 §2: a single loss of a SYN may have many reasons, a second one is congestion.
    const bool syn_was_lost_again = tcb.retransmissions > 1;
    tcb.cwnd = syn_was_lost_again ? tcb.mss : initial_window(env.configuration, tcb.mss);
}

void watch_marks(Environment& env, Tcb& tcb, const AckContext& ack, Instant now) {
    if (tcb.settings.congestion != Algorithm::dctcp) return;
    if (ack.ecn_echo == AckContext::EcnEcho::yes) take_record(env, tcb, now);
    if (Record* const record = record_of(env, tcb); record != nullptr)
        dctcp::observe(record->dctcp, tcb, ack);
}

void on_ack(Environment& env, Tcb& tcb, const AckContext& ack, Instant now) {
    Record* record = nullptr;
    switch (tcb.settings.congestion) {
        case Algorithm::new_reno:
        case Algorithm::cubic: break;
        case Algorithm::dctcp: watch_marks(env, tcb, ack, now); break;
        case Algorithm::bbr:
            record = record_of(env, tcb);
            if (record == nullptr && (tcb.phase >= Phase::fast_recovery || was_used(tcb, ack))) {
                record = take_record(env, tcb, now, ack.total_delivered);
            }
            if (record == nullptr) break;
            bbr::on_ack(record->bbr, tcb, ack, now);
            return;
    }
    grow(env, tcb, ack, now);
}

void on_loss(Environment& env, Tcb& tcb, std::uint32_t flight, Instant now) {
    if (Bbr* const b = model(env, tcb); b != nullptr) {
        bbr::on_loss(*b, tcb);
        return;
    }
    reduce(env, tcb, flight, now);
}

void on_recovered(Environment& env, Tcb& tcb, Instant) {
    if (Bbr* const b = model(env, tcb); b != nullptr) bbr::on_recovered(*b, tcb);
}

void on_timeout(Environment& env, Tcb& tcb, Timeout which, Instant now) {
    if (Bbr* const b = model(env, tcb); b != nullptr) {
        bbr::on_timeout(*b, tcb);
    } else if (which == Timeout::first) {
        reduce(env, tcb, tcb.snd.nxt - tcb.snd.una, now);
    }
    if (tcb.settings.congestion == Algorithm::cubic && has_record(tcb)) {
        cubic::forget(env.controllers[tcb.controller].cubic, tcb, now);
    }
    tcb.cwnd = tcb.mss;
    tcb.acked_in_avoidance = 0;
}

void on_undo(Environment& env, Tcb& tcb, const Window& prior, Instant) {
    if (Bbr* const b = model(env, tcb); b != nullptr) bbr::on_undo(*b);
    if (tcb.settings.congestion == Algorithm::cubic && has_record(tcb)) {
        cubic::undo(env.controllers[tcb.controller].cubic);
    }
    tcb.cwnd = std::max(tcb.cwnd, prior.cwnd);
    tcb.ssthresh = std::max(tcb.ssthresh, prior.ssthresh);
}

Reduced on_ecn_echo(Environment& env, Tcb& tcb, const AckContext& ack, Instant now) {
    // RFC 3168 §6.1.2: one reduction answers all marks, and losses, of one window of data. That of
    // the last loss ends with `recover`, also when it has been repaired.
    const bool answered = tcb.snd.una <= tcb.reduced_until || tcb.snd.una == tcb.recover;
    if (answered || tcb.phase >= Phase::fast_recovery) return Reduced::no;
    tcb.reduced_until = tcb.snd.nxt;
    if (model(env, tcb) != nullptr) return Reduced::yes;  // its model has seen the mark
    if (const Dctcp* const d = dctcp_of(env, tcb); d != nullptr) {
        tcb.acked_in_avoidance = 0;
        tcb.ssthresh = dctcp::after_mark(*d, tcb);
    } else {
        reduce(env, tcb, ack.flight_before, now);
    }
    tcb.cwnd = std::min(tcb.cwnd, tcb.ssthresh);
    return Reduced::yes;
}

bool has_answered_marks(const Tcb& tcb) {
    return tcb.snd.una < tcb.reduced_until && tcb.settings.congestion != Algorithm::dctcp &&
           !governs_recovery(tcb);
}

void on_idle_restart(Environment& env, Tcb& tcb, Instant now) {
    if (Bbr* const b = model(env, tcb); b != nullptr) {  // it restarts at its rate, paced
        bbr::on_idle_restart(*b, tcb, now);
        return;
    }
    if (env.configuration.restart_after_idle == Configuration::Use::off) return;
    const std::uint32_t idle_ms = to_ms(now) - tcb.last_sent_ms;
    const std::uint32_t rto_ms = std::max(tcb.rto_us / 1000, 1u);
    if (idle_ms <= rto_ms) return;
    const std::uint32_t restart = initial_window(env.configuration, tcb.mss);
    if (tcb.cwnd <= restart) return;
    // RFC 2861 §3.1: what the path once carried is remembered in ssthresh, and the window fades by
    // half for each RTO of silence instead of being lost after the first.
    tcb.ssthresh = std::max(tcb.ssthresh, tcb.cwnd / 4 * 3);
    const std::uint32_t halvings = std::min(idle_ms / rto_ms, 31u);
    tcb.cwnd = std::max(tcb.cwnd >> halvings, restart);
}

void on_algorithm_change(Environment& env, Tcb& tcb) {
    // Recovery will bring cwnd to ssthresh from here on, which meant nothing to BBR.
    if (governs_recovery(tcb) && tcb.phase == Phase::fast_recovery) {
        tcb.ssthresh = std::min(tcb.ssthresh, tcb.cwnd);
    }
    release_record(env, tcb);
    tcb.acked_in_avoidance = 0;
}

void release_record(Environment& env, Tcb& tcb) {
    if (has_record(tcb)) env.controllers.give_back(tcb.controller);
    tcb.controller = kNoController;
}

bool governs_recovery(const Tcb& tcb) {
    return tcb.settings.congestion == Algorithm::bbr && has_record(tcb);
}

const Bbr* bbr_of(const Environment& env, const Tcb& tcb) {
    const bool any = tcb.settings.congestion == Algorithm::bbr && has_record(tcb);
    return any ? &env.controllers[tcb.controller].bbr : nullptr;
}

const Dctcp* dctcp_of(const Environment& env, const Tcb& tcb) {
    const bool any = tcb.settings.congestion == Algorithm::dctcp && has_record(tcb);
    return any ? &env.controllers[tcb.controller].dctcp : nullptr;
}

}  // namespace mtcp::tcp::congestion
