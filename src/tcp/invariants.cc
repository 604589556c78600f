// SPDX-License-Identifier: Apache-2.0
// One question a line.
#include "tcp/invariants.h"

#include "tcp/recovery/side_record.h"
#include "tcp/timers.h"

namespace mtcp::tcp {
namespace {

constexpr std::uint16_t kEnded =
    static_cast<std::uint16_t>(bit(State::closed) | bit(State::time_wait));

bool is_sorted_and_disjoint(const SequenceRange* range, std::size_t count) {
    for (std::size_t i = 0; i < count; ++i) {
        if (range[i].begin >= range[i].end) return false;
        if (i > 0 && range[i - 1].end >= range[i].begin) return false;
    }
    return true;
}

const char* check_send(const Tcb& tcb) {
    if (tcb.snd.una > tcb.snd.nxt) return "SND.UNA is beyond SND.NXT";
    if (tcb.snd.nxt > tcb.snd.end + 1) return "more was sent than was queued";
    if (tcb.snd.nxt > tcb.snd.end && !tcb.flags.fin_queued) return "FIN sent that nobody asked for";
    if (tcb.cwnd < tcb.mss) return "cwnd is below one segment";
    if (tcb.mss == 0) return "the effective MSS is 0";
    const bool flight = tcb.snd.una != tcb.snd.nxt;
    if (flight && !is_armed(tcb, Timer::retransmit)) return "data in flight without a timer";
    if (!flight && is_armed(tcb, Timer::retransmit)) return "retransmission timer without flight";
    if (is_armed(tcb, Timer::retransmit) && is_armed(tcb, Timer::persist)) {
        return "retransmission and persist timers together";
    }
    return nullptr;
}

const char* check_log(const Environment& env, const Tcb& tcb) {
    const Recovery* r = record_of(env, tcb);
    if (r == nullptr) return nullptr;
    const TransmissionLog& log = r->log;
    if (log.end != tcb.snd.nxt) return "the log does not end at SND.NXT";
    if (log.count == 0) return tcb.snd.una != tcb.snd.nxt ? "the log is empty" : nullptr;
    if (begin_of(log)->begin != tcb.snd.una) return "the log does not begin at SND.UNA";
    std::uint32_t sacked = 0;
    std::uint32_t lost = 0;
    std::uint32_t resent = 0;
    std::uint32_t waiting = 0;
    for (const Run* run = begin_of(log); run != end_of(log); ++run) {
        const wire::SequenceNumber end = end_of(log, run);
        if (run->begin >= end) return "the log is out of order";
        if (run->is(Run::sacked) && run->is(Run::lost | Run::resent)) return "SACKed and lost";
        if (run->is(Run::sacked)) sacked += end - run->begin;
        if (run->is(Run::lost)) lost += end - run->begin;
        if (run->is(Run::resent)) resent += end - run->begin;
        const bool waits = run->is(Run::lost) && !run->is(Run::resent);
        if (waits) waiting += end - run->begin;
        if (waits && run->begin < log.waiting_from) return "a lost run was passed over";
    }
    const bool counted = sacked == log.sacked_bytes && lost == log.lost_bytes &&
                         resent == log.resent_bytes && waiting == log.waiting_bytes;
    if (log.sacked_segments > sacked || (log.sacked_segments == 0) != (sacked == 0)) {
        return "the log miscounts segments";
    }
    return counted ? nullptr : "the log miscounts";
}

const char* check_reassembly(const Environment& env, const Tcb& tcb) {
    if (tcb.reassembly == kNoIndex) return nullptr;
    const Reassembly& r = env.reassemblies[tcb.reassembly];
    if (!is_sorted_and_disjoint(r.range.data(), r.count)) return "reassembly is out of order";
    if (r.count > 0 && r.range[0].begin <= tcb.rcv.nxt) return "reassembly touches RCV.NXT";
    if (r.count == 0 && !r.fin_known) return "empty reassembly record was kept";
    return nullptr;
}

}  // namespace

const char* check_invariants(const Environment& env, const Tcb& tcb) {
    if (tcb.state == State::listen) return "LISTEN in a TCB";
    if (is_one_of(tcb.state, kEnded)) {
        return tcb.armed != 0 ? "a timer runs after the end" : nullptr;
    }
    if (const char* broken = check_send(tcb)) return broken;
    if (const char* broken = check_log(env, tcb)) return broken;
    if (const char* broken = check_reassembly(env, tcb)) return broken;
    const bool waiting = bytes_unsent(tcb) > 0 && !is_one_of(tcb.state, bit(State::syn_received));
    if (waiting && tcb.armed == 0) return "unsent data and no timer";
    return nullptr;
}

}  // namespace mtcp::tcp
