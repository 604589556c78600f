// SPDX-License-Identifier: Apache-2.0
// What leaves next, and how it is cut: control before repair before data before a bare ACK. Decides
// only; poll_segment.cc writes and accounts.
#pragma once

#include <cstdint>

#include "tcp/connection.h"

namespace mtcp::tcp {

enum class Send : std::uint8_t {
    nothing,
    reset,
    stray_reset,
    syn,     // or SYN-ACK
    repair,  // sent before: a retransmission
    tail,    // the last segment as a tail loss probe (RFC 8985 §7.3)
    data,    // new data, or FIN alone
    ack,
    probe,  // zero-window or keep-alive
};

// Why unsent data stays where it is, when Send is nothing or ack.
enum class Hold : std::uint8_t {
    none,
    nagle,      // an ACK or more data will release it
    cork,       // TCP_CORK, MSG_MORE: the application, or the 200 ms bound, will
    window,     // of the peer or of congestion
    pacing,     // Timer::pacing will release it
    undecided,  // something else goes first
};

struct SendPlan {
    Send what = Send::nothing;
    Hold hold = Hold::none;
    bool fin = false;          // FIN rides along
    bool path_probe = false;   // one packet, larger than the MSS (RFC 4821 §7.5)
    bool expected = false;     // of plan_expected()
    std::uint32_t length = 0;  // payload bytes
    wire::SequenceNumber seq;  // of repair, tail, data
};

// `payload_max`: OutputBudget::payload_max.
[[nodiscard]] SendPlan plan_waiting(const Environment& env, const Tcb& tcb,
                                    std::uint32_t payload_max);

// The states in which data and FIN leave.
inline constexpr std::uint16_t kSending = static_cast<std::uint16_t>(
    bit(State::established) | bit(State::close_wait) | bit(State::fin_wait_1) |
    bit(State::last_ack) | bit(State::fin_wait_2) | bit(State::closing));

// The plan that most have, without loss or order to repair: an ACK, or what was written and fits in
// one small segment that nothing holds back. False: plan_waiting() has to think; where both answer,
// they answer the same.
[[nodiscard]] inline bool plan_expected(const Tcb& tcb, SendPlan& plan) {
    const auto replies = bits_of<std::uint8_t>(tcb.pending);
    const auto flags = bits_of<std::uint16_t>(tcb.flags);
    const auto bare_ack = bits_of<std::uint8_t>(Pending{.ack = true});
    const auto careful = bits_of<std::uint16_t>(ConnectionFlags{
        .cork = true, .more_follows = true, .records = true, .send_urgent = true, .dsack = true});
    // In TIME-WAIT the last ACK is left.
    constexpr auto kAnswering = static_cast<std::uint16_t>(kSending | bit(State::time_wait));
    // Joined by | and not by ||: nearly always all of it is asked, and without a jump each.
    const unsigned slow = (replies & ~unsigned{bare_ack}) | (flags & careful) | tcb.owed_acks |
                          (tcb.armed & Timer::pacing) |  // data may wait for its time
                          static_cast<unsigned>(tcb.phase) |
                          ~(tcb.recovery & tcb.reassembly);  // neither record is held
    static_assert(kNoIndex == ~0u && static_cast<unsigned>(Phase::open) == 0);
    if (slow != 0 || tcb.ecn.split || !is_one_of(tcb.state, kAnswering)) return false;
    const std::uint32_t unsent = tcb.snd.end - tcb.snd.nxt;
    if (unsent == 0 && tcb.flags.fin_queued) {  // FIN alone
        if (tcb.snd.nxt - tcb.snd.una >= tcb.snd.wnd) return false;
        plan.what = Send::data;
        plan.seq = tcb.snd.nxt;
        plan.fin = true;
        return true;
    }
    if (unsent == 0 || tcb.snd.nxt > tcb.snd.end) {
        plan.what = tcb.pending.ack ? Send::ack : Send::nothing;
        return true;
    }
    const std::uint32_t in_flight = tcb.snd.nxt - tcb.snd.una;
    const bool fits =
        unsent < tcb.mss && in_flight + unsent <= tcb.cwnd && in_flight + unsent < tcb.snd.wnd;
    const bool may_leave = tcb.flags.fin_queued || tcb.flags.no_delay || in_flight == 0 ||
                           tcb.small_end <= tcb.snd.una;
    if (!fits || !may_leave) return false;
    plan.what = Send::data;
    plan.seq = tcb.snd.nxt;
    plan.length = unsent;
    plan.fin = tcb.flags.fin_queued;
    return true;
}
[[nodiscard]] inline SendPlan plan_send(const Environment& env, const Tcb& tcb,
                                        std::uint32_t payload_max) {
    SendPlan plan;
    if (nothing_waits(tcb)) return plan;
    if (env.configuration.header_prediction == Configuration::Use::on && plan_expected(tcb, plan)) {
        plan.expected = true;
        return plan;
    }
    return plan_waiting(env, tcb, payload_max);
}
[[nodiscard]] inline std::uint8_t work_of(const SendPlan& plan) {
    switch (plan.what) {
        case Send::nothing: return 0;
        case Send::reset:
        case Send::stray_reset:
        case Send::syn: return Work::control;
        case Send::ack: return Work::ack;
        case Send::data: return plan.length == 0 ? Work::control : Work::data;
        case Send::repair:
        case Send::tail:
        case Send::probe: return Work::data;
    }
    return 0;
}

}  // namespace mtcp::tcp
