// SPDX-License-Identifier: Apache-2.0
// TIME-WAIT as a compact record (RFC 9293 §3.10.7.4, RFC 1337, RFC 6191).
#pragma once

#include <cstdint>

#include "base/time.h"
#include "tcp/connection.h"
#include "wire/segment.h"

namespace mtcp::tcp {

struct TimeWait {
    wire::FlowKey key;  // 36 bytes
    wire::SequenceNumber snd_nxt;
    wire::SequenceNumber rcv_nxt;
    std::uint32_t ts_recent;
    std::uint32_t expires_ms;  // milliseconds since 0
    std::uint16_t window;      // as last advertised, scaled for the header
    std::uint16_t timestamps : 1;
    std::uint16_t window_shift : 4;
    std::uint16_t acks_sent : 6;  // duplicates answered; limits reply loops
};
static_assert(sizeof(TimeWait) <= 56, "64 with the links of stack::TimeWaitRecord");

// Made from a TCB that reported Events::time_wait.
[[nodiscard]] TimeWait make_time_wait(const Environment&, const Tcb&, Instant now);

enum class TimeWaitVerdict : std::uint8_t {
    ack,     // send `reply`; `restart`: the 2 MSL clock starts again
    reopen,  // a new SYN that may take the tuple over (RFC 6191): drop the record, give the segment
             // to the listener
    drop,    // count `drop`
};
struct TimeWaitDecision {
    TimeWaitVerdict verdict = TimeWaitVerdict::drop;
    Drop drop = Drop::tcp_time_wait;
    bool restart = false;
    wire::OutgoingSegment reply;
};
[[nodiscard]] TimeWaitDecision on_time_wait_segment(const Environment&, TimeWait&,
                                                    const wire::Segment&, Instant now);
// May an active open take the tuple over now (RFC 6191, outgoing)? Needs timestamps and a second.
[[nodiscard]] bool may_reuse(const Environment&, const TimeWait&, Instant now);

}  // namespace mtcp::tcp
