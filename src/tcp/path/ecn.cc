// SPDX-License-Identifier: Apache-2.0
// RFC 3168 §6.
#include "tcp/path/ecn.h"

#include "tcp/congestion/controller.h"
#include "tcp/counting.h"
#include "tcp/receive/ack_policy.h"
#include "tcp/recovery/undo.h"

namespace mtcp::tcp {

using wire::Flags;

namespace {

using Ecn = Configuration::Ecn;

bool needs_ecn(const Settings& settings) {
    return settings.congestion == CongestionAlgorithm::dctcp;
}

}  // namespace

bool offers_ecn(const Configuration& configuration, const Settings& settings) {
    return configuration.ecn == Ecn::request ||
           (configuration.ecn == Ecn::accept && needs_ecn(settings));
}

bool accepts_ecn(const Configuration& configuration, const Settings& settings,
                 const wire::Segment& syn) {
    return configuration.ecn != Ecn::off && syn.flags.all(Flags::ece | Flags::cwr) &&
           (syn.ecn == EcnField::not_capable || needs_ecn(settings));
}

void agree_on_ecn(const Configuration& configuration, Tcb& tcb, const wire::Segment& seg) {
    const bool setup = seg.flags.has(Flags::ack)
                           ? seg.flags.has(Flags::ece) && !seg.flags.has(Flags::cwr)
                           : accepts_ecn(configuration, tcb.settings, seg);
    tcb.ecn.agreed = tcb.ecn.agreed && setup;
}

std::uint8_t ecn_of_syn(const Tcb& tcb) {
    if (!tcb.ecn.agreed) return 0;
    return tcb.state == State::syn_sent ? Flags::ece | Flags::cwr : Flags::ece;
}

bool withdraw_ecn_offer(Tcb& tcb) {
    const bool offered = tcb.ecn.agreed;
    tcb.ecn.agreed = false;
    return offered;
}

namespace {

// RFC 8257 §3.2: where the mark changes, what came before is acknowledged on its own, with its own
// answer; a delayed ACK could not tell the two apart.
void note_change(Tcb& tcb, bool marked) {
    if (tcb.rcv.nxt != tcb.rcv.acked && !tcb.ecn.split) {
        tcb.ecn.split = true;
        tcb.stray_ack = tcb.rcv.nxt;
    }
    tcb.ecn.echo = marked;
    acknowledge_now(tcb);
}

}  // namespace

void note_mark(Arrival& a) {
    Tcb& tcb = a.tcb;
    if (!tcb.ecn.agreed) return;
    const bool marked = a.seg.ecn == EcnField::marked;
    if (marked) {
        tcb.ecn.seen = true;
        count(a.env, &Counters::ecn_marks_in);
    }
    if (tcb.ecn.exact) {
        if (marked != tcb.ecn.echo) note_change(tcb, marked);
        return;
    }
    // RFC 3168 §6.1.3: ECE on every ACK until CWR comes. A segment with CWR may itself be marked.
    if (a.seg.flags.has(Flags::cwr)) {
        tcb.ecn.echo = false;
        acknowledge_now(tcb);
    }
    if (!marked) return;
    if (!tcb.ecn.echo) acknowledge_now(tcb);
    tcb.ecn.echo = true;
}

void queue_cwr(Tcb& tcb) {
    if (tcb.ecn.agreed) tcb.ecn.cwr = true;
}

void react_to_echo(Environment& env, Tcb& tcb, AckContext& ack, Instant now) {
    ack.ecn_echo = AckContext::EcnEcho::yes;
    if (congestion::on_ecn_echo(env, tcb, ack, now) == congestion::Reduced::no) return;
    count(env, &Counters::ecn_reductions);
    forget_undo(tcb);  // of an earlier loss: this reduction stays (as Linux)
    queue_cwr(tcb);
}

void mark_new_data(Tcb& tcb, wire::OutgoingSegment& out) {
    if (!tcb.ecn.agreed || out.data_length == 0) return;
    out.ecn = EcnField::capable_0;
    if (!tcb.ecn.cwr) return;
    out.flags.bits |= Flags::cwr;
    tcb.ecn.cwr = false;
}

}  // namespace mtcp::tcp
