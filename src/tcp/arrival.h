// SPDX-License-Identifier: Apache-2.0
// One arriving segment on its way through RFC 9293 §3.10.7, with the part of it that is still of
// use.
#pragma once

#include <cstdint>

#include "tcp/connection.h"

namespace mtcp::tcp {

enum class Step : std::uint8_t { next, done };

struct Arrival {
    Environment& env;
    Tcb& tcb;
    const wire::Segment& seg;
    Instant now;
    Reaction& reaction;

    // What is left after trimming to the receive window; SYN is never left beyond check_sequence.
    wire::SequenceNumber seq;
    std::uint32_t payload_offset;
    std::uint32_t length;  // payload bytes from payload_offset on
    bool fin;
    bool answer_at_once = false;  // part of the text was cut: an ACK, if SEG.ACK is good

    Arrival(Environment& e, Tcb& t, const wire::Segment& s, Instant n, Reaction& r)
        : env(e),
          tcb(t),
          seg(s),
          now(n),
          reaction(r),
          seq(s.seq),
          payload_offset(0),
          length(static_cast<std::uint32_t>(s.payload.size())),
          fin(s.flags.has(wire::Flags::fin)) {}

    // The segment goes no further, for this reason.
    Step discard(Drop why) const {
        reaction.drop = why;
        return Step::done;
    }
};

// RFC 9293 §3.10.7.4, fifth: `ack` is of our FIN. Done: the connection, or what it needed a TCB
// for, has ended.
Step after_fin_acked(Tcb& tcb, wire::SequenceNumber ack, Instant now, Reaction& reaction);
// RFC 9293 §3.10.7.4, eighth: the peer's FIN is next. In a state that receives.
void take_fin(Tcb& tcb, Reaction& reaction);

}  // namespace mtcp::tcp
