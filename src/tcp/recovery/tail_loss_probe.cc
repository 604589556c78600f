// SPDX-License-Identifier: Apache-2.0
// RFC 8985 §7, with Linux's lengths: 2 SRTT, and for a single segment the minimum RTO on top in
// place of the worst delayed ACK.
#include "tcp/recovery/tail_loss_probe.h"

#include "tcp/recovery/rtt_estimator.h"
#include "tcp/recovery/side_record.h"
#include "tcp/timers.h"

namespace mtcp::tcp {

using wire::SequenceNumber;

namespace {

constexpr Duration kProbeSlack = milliseconds(2);  // two ticks

// RFC 8985 §7.2: SACK is there to tell what the probe found, and no recovery is under way.
bool may_probe(const Configuration& configuration, const Tcb& tcb) {
    constexpr std::uint16_t kOpening =
        static_cast<std::uint16_t>(bit(State::syn_sent) | bit(State::syn_received));
    return configuration.tail_loss_probe == Configuration::Use::on && tcb.flags.selective_ack &&
           tcb.phase == Phase::open && !is_one_of(tcb.state, kOpening);
}

enum class InFlight : std::uint8_t { one_segment, more };

// Small segments that did not leave at once have runs of their own.
InFlight in_flight(const Environment& env, const Tcb& tcb) {
    if (tcb.snd.nxt - tcb.snd.una > tcb.mss) return InFlight::more;
    const Recovery* r = record_of(env, tcb);
    return r != nullptr && r->log.count > 1 ? InFlight::more : InFlight::one_segment;
}

Duration probe_timeout(const Configuration& configuration, const Tcb& tcb, InFlight in_flight) {
    if (tcb.srtt_us == 0) return configuration.rto_initial;
    const Duration two_rtts = microseconds(std::int64_t{2} * tcb.srtt_us);
    return two_rtts + (in_flight == InFlight::one_segment ? configuration.rto_min : kProbeSlack);
}

}  // namespace

Duration time_left(const Environment& env, const Tcb& tcb, Instant now) {
    const Duration rto = backed_off_rto(tcb, env.configuration.rto_max);
    std::uint32_t sent_us = to_us(now);
    if (const Recovery* r = record_of(env, tcb); r != nullptr && r->log.count > 0) {
        sent_us = begin_of(r->log)->sent_us;
    } else if (tcb.flags.timing) {
        sent_us = tcb.timed_us;
    }
    const Duration left = rto - microseconds(to_us(now) - sent_us);
    return left > microseconds(1) ? left : microseconds(1);
}

void await_answer(const Environment& env, Tcb& tcb, Since since, Instant now) {
    const bool was_other = is_armed(tcb, Timer::retransmit) && tcb.waits_for != WaitsFor::timeout;
    const bool probing = may_probe(env.configuration, tcb);
    const Duration timeout = since == Since::sending || (was_other && !probing)
                                 ? time_left(env, tcb, now)
                                 : backed_off_rto(tcb, env.configuration.rto_max);
    if (probing) {
        const Duration probe = probe_timeout(env.configuration, tcb, in_flight(env, tcb));
        arm_repair(tcb, WaitsFor::tail_probe, probe < timeout ? probe : timeout, now);
    } else {
        arm_repair(tcb, WaitsFor::timeout, timeout, now);
    }
}

void await_only_answer(const Configuration& configuration, Tcb& tcb, Instant now) {
    const bool probing = may_probe(configuration, tcb);
    const Duration rto = microseconds(tcb.rto_us);
    Duration wait = rto < configuration.rto_max ? rto : configuration.rto_max;
    if (probing) {
        const Duration probe = probe_timeout(configuration, tcb, InFlight::one_segment);
        if (probe < wait) wait = probe;
    }
    tcb.waits_for = probing ? WaitsFor::tail_probe : WaitsFor::timeout;
    arm(tcb, Timer::retransmit, now + wait);
}

bool on_probe_timeout(Environment& env, Tcb& tcb, Instant now) {
    // RFC 8985 §7.3: one at a time; and not another before a round trip was measured, as the copies
    // themselves keep it from being measured (Karn) should it have become longer.
    if (tcb.probe != 0) return false;
    const Recovery* r = take_record(env, tcb, now);
    if (r == nullptr || r->log.count == 0) return false;
    // RFC 9293 SHLD-16: not beyond the window, unless it is the oldest segment.
    const SequenceNumber begin = last_segment(tcb, *r).begin;
    const bool in_window = begin < tcb.snd.una + tcb.snd.wnd || begin == tcb.snd.una;
    tcb.pending.tail_probe = in_window;
    return in_window;
}

SequenceRange last_segment(const Tcb& tcb, const Recovery& r) {
    const Run& run = *(end_of(r.log) - 1);
    const std::uint32_t fin = tcb.snd.nxt > tcb.snd.end ? 1 : 0;
    const std::uint32_t data = tcb.snd.nxt - run.begin - fin;
    const std::uint32_t odd = data % tcb.mss;
    std::uint32_t length = odd != 0 ? odd : std::uint32_t{tcb.mss};
    if (length > data) length = data;
    return {tcb.snd.nxt - fin - length, tcb.snd.nxt};
}

void note_probe(Tcb& tcb, ProbeKind kind) {
    tcb.pending.tail_probe = false;
    tcb.probe = TailProbe::out | TailProbe::unmeasured;
    tcb.repair.probe_resent = kind == ProbeKind::again;
    tcb.probe_end = tcb.snd.nxt;
}

HiddenLoss judge_probe(Tcb& tcb, const ProbeEvidence& evidence) {
    if (!probe_is_out(tcb) || tcb.snd.una < tcb.probe_end) return HiddenLoss::no;
    if (!tcb.repair.probe_resent || evidence.told_twice) {
        forget_probe(tcb);
    } else if (tcb.snd.una > tcb.probe_end) {
        forget_probe(tcb);
        return HiddenLoss::yes;
    } else if (evidence.duplicate) {
        forget_probe(tcb);  // both copies arrived
    }
    return HiddenLoss::no;
}

}  // namespace mtcp::tcp
