// SPDX-License-Identifier: Apache-2.0
// What RFC 9293 §3.10.7 wants of a segment that arrives in a state, written down a second time and
// as plainly as the text: no sequence number arithmetic (numbers count from the initial ones and
// never wrap), no options, no timers. Where we answer otherwise on purpose, a comment says so.
#pragma once

#include <cstdint>

#include "tcp/state_machine.h"

namespace mtcp::tcp::testing {

// A connection as the text sees it.
struct Situation {
    State state = State::closed;
    std::int64_t snd_una = 1;
    std::int64_t snd_nxt = 1;
    std::int64_t max_wnd = 65'535;  // MAX.SND.WND of RFC 5961 §5
    std::int64_t rcv_nxt = 1;
    std::int64_t rcv_wnd = 65'535;
    bool passive = false;  // SYN-RECEIVED that came from LISTEN
};

struct Event {
    bool fin = false, syn = false, rst = false, psh = false, ack_flag = false, urg = false;
    bool ece = false, cwr = false;
    std::int64_t seq = 0;
    std::int64_t ack = 0;
    std::int64_t length = 0;
};

enum class Reply : std::uint8_t { none, ack, reset, reset_with_ack, syn_ack };

struct Expected {
    Reply reply = Reply::none;
    std::int64_t seq = 0;  // of the reply
    std::int64_t ack = 0;
    State next = State::closed;
    std::int64_t snd_una = 0;
    std::int64_t rcv_nxt = 0;
    bool ack_soon = false;   // RFC 9293 MUST-40: at once or within half a second
    bool syn_again = false;  // behind the reply
};

[[nodiscard]] Expected expected_of(const Situation& situation, const Event& event);

}  // namespace mtcp::tcp::testing
