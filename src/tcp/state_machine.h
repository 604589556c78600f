// SPDX-License-Identifier: Apache-2.0
// The states of RFC 9293 §3.3.2, which may follow which, and the one place that writes a state.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

namespace mtcp::tcp {

enum class State : std::uint8_t {
    closed,
    listen,  // lives in listener records (passive_open.h); here for tools
    syn_sent,
    syn_received,
    established,
    fin_wait_1,
    fin_wait_2,
    close_wait,
    closing,
    last_ack,
    time_wait,  // reported once, then the TCB becomes a TIME-WAIT record
};
inline constexpr std::size_t kStateCount = 11;

[[nodiscard]] const char* state_name(State state);  // "ESTABLISHED", as the RFC writes it

[[nodiscard]] constexpr std::uint16_t bit(State s) {
    return static_cast<std::uint16_t>(1u << static_cast<unsigned>(s));
}
[[nodiscard]] constexpr bool is_one_of(State s, std::uint16_t states) {
    return (bit(s) & states) != 0;
}

// Row: from. Bits: to. The arrows of RFC 9293 Figure 5, plus those the text of §3.10.7 allows when
// one segment does several steps at once (an ACK of our FIN together with the peer's FIN, say).
inline constexpr std::array<std::uint16_t, kStateCount> kLegalTransitions = [] {
    using S = State;
    std::array<std::uint16_t, kStateCount> to{};
    const auto row = [&to](S from) -> std::uint16_t& { return to[static_cast<std::size_t>(from)]; };
    const auto any = [](auto... states) { return static_cast<std::uint16_t>((bit(states) | ...)); };
    row(S::closed) = any(S::syn_sent, S::syn_received);
    row(S::syn_sent) = any(S::established, S::syn_received, S::closed);
    row(S::syn_received) = any(S::established, S::fin_wait_1, S::close_wait, S::closed);
    row(S::established) = any(S::fin_wait_1, S::close_wait, S::closed);
    row(S::fin_wait_1) = any(S::fin_wait_2, S::closing, S::time_wait, S::closed);
    row(S::fin_wait_2) = any(S::time_wait, S::closed);
    row(S::close_wait) = any(S::last_ack, S::closed);
    row(S::closing) = any(S::time_wait, S::closed);
    row(S::last_ack) = any(S::closed);
    row(S::time_wait) = any(S::closed);
    return to;
}();

[[nodiscard]] constexpr bool is_legal_transition(State from, State to) {
    return (kLegalTransitions[static_cast<std::size_t>(from)] & bit(to)) != 0;
}

struct Tcb;
// Writes tcb.state. An illegal transition is a broken invariant: debug builds stop, others reset
// this connection.
void transition(Tcb& tcb, State to);

}  // namespace mtcp::tcp
