// SPDX-License-Identifier: Apache-2.0
// One question a line.
#include "tcp/invariants.h"

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

const char* check_scoreboard(const Environment& env, const Tcb& tcb) {
    if (tcb.recovery == kNoIndex) return nullptr;
    const Recovery& s = env.recoveries[tcb.recovery];
    if (!is_sorted_and_disjoint(s.range.data(), s.count)) return "scoreboard is out of order";
    std::uint32_t sum = 0;
    for (std::size_t i = 0; i < s.count; ++i)
        sum += s.range[i].length();
    if (sum != s.sacked_bytes) return "scoreboard miscounts";
    if (s.count > 0 && s.range[0].begin < tcb.snd.una) return "scoreboard reaches below SND.UNA";
    if (s.count > 0 && highest_sacked(s) > tcb.snd.nxt) return "scoreboard reaches above SND.NXT";
    return nullptr;
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
    if (const char* broken = check_scoreboard(env, tcb)) return broken;
    if (const char* broken = check_reassembly(env, tcb)) return broken;
    const bool waiting = bytes_unsent(tcb) > 0 && !is_one_of(tcb.state, bit(State::syn_received));
    if (waiting && tcb.armed == 0) return "unsent data and no timer";
    return nullptr;
}

}  // namespace mtcp::tcp
