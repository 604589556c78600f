// SPDX-License-Identifier: Apache-2.0
// RFC 9293 §3.10.7.1: the answer to a segment that belongs to no connection.
#include "tcp/passive_open.h"

namespace mtcp::tcp {

bool reset_for(const wire::Segment& seg, wire::OutgoingSegment& reply) {
    using wire::Flags;
    if (seg.flags.has(Flags::rst)) return false;  // never an answer to a reset
    reply = {};
    if (seg.flags.has(Flags::ack)) {
        reply.seq = seg.ack;
        reply.flags = {Flags::rst};
    } else {
        reply.ack = seg.seq + seg.length();
        reply.flags = {Flags::rst | Flags::ack};
    }
    return true;
}

}  // namespace mtcp::tcp
