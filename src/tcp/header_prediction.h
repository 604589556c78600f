// SPDX-License-Identifier: Apache-2.0
// Header prediction: what nearly all segments of an undisturbed connection are, taken at once. It
// changes nothing but speed: whatever it refuses takes the eight steps of segment_arrives.cc, which
// would have answered the same to what it takes (the simulator runs its worlds both ways).
#pragma once

#include "tcp/connection.h"

namespace mtcp::tcp {

// In ESTABLISHED, in order, with text or FIN or an ACK of news, of a connection that repairs, holds
// back and negotiates nothing.
[[nodiscard]] bool take_predicted(Environment& env, Tcb& tcb, const wire::Segment& seg, Instant now,
                                  Reaction& reaction);
// In SYN-RECEIVED: the ACK of our SYN, alone or with text.
[[nodiscard]] bool take_predicted_opening(Environment& env, Tcb& tcb, const wire::Segment& seg,
                                          Instant now, Reaction& reaction);
// When our FIN is sent: its ACK, the peer's FIN, or both in one, without text.
[[nodiscard]] bool take_predicted_end(Environment& env, Tcb& tcb, const wire::Segment& seg,
                                      Instant now, Reaction& reaction);

// Whichever the state asks for. True: the segment is taken; false: neither `tcb` nor `reaction` was
// touched.
[[nodiscard]] inline bool predict(Environment& env, Tcb& tcb, const wire::Segment& seg, Instant now,
                                  Reaction& reaction) {
    switch (tcb.state) {
        case State::established: return take_predicted(env, tcb, seg, now, reaction);
        case State::syn_received: return take_predicted_opening(env, tcb, seg, now, reaction);
        case State::fin_wait_1:
        case State::fin_wait_2:
        case State::closing:
        case State::last_ack: return take_predicted_end(env, tcb, seg, now, reaction);
        default: return false;
    }
}

}  // namespace mtcp::tcp
