// SPDX-License-Identifier: Apache-2.0
// The passive side of the handshake without a TCB: listener and half-open records (RFC 9293
// §3.10.7.2, SYN-RECEIVED of §3.10.7.4; RFC 4987). Records are compact; stack/ owns the tables.
#pragma once

#include <cstdint>
#include <optional>

#include "base/time.h"
#include "tcp/connection.h"
#include "wire/segment.h"

namespace mtcp::tcp {

// A connection between SYN and the ACK that completes it: at most 64 bytes, room for IPv6.
struct HalfOpen {
    wire::FlowKey key;  // 36 bytes
    wire::SequenceNumber irs;
    wire::SequenceNumber iss;
    std::uint32_t ts_recent;
    std::uint32_t ts_offset;    // added to our clock to make TSval
    std::uint32_t deadline_ms;  // of the next SYN-ACK retransmission, milliseconds since 0
    std::uint16_t send_mss;     // what the peer can take, already limited
    std::uint16_t sent_us;      // low bits of when the first SYN-ACK left; once `acked`, the
                                // first one's round trip, in units of 32 us; 0: not known
    std::uint8_t window_shift;  // peer's, or wire::kNoWindowShift
    std::uint8_t retransmissions : 4;
    std::uint8_t ecn : 1;  // RFC 3168, agreed
    std::uint8_t timestamps : 1;
    std::uint8_t selective_ack : 1;
    std::uint8_t acked : 1;  // the completing ACK came, but the accept queue was full,
                             // TCP_DEFER_ACCEPT waits for data, or the record was made of a cookie
    std::uint16_t listener;  // index of the listener in its core
};
static_assert(sizeof(HalfOpen) <= 64);

enum class Backlog : std::uint8_t { has_room, full };

// Fast Open of a listener (RFC 7413 §5.1): off, or may one more SYN bring data?
enum class FastOpenQueue : std::uint8_t { off, has_room, full };

struct ListenerSettings {
    Settings settings;  // for connections born here
    std::uint16_t path_mtu = 1500;
    std::uint16_t defer_accept_s = 0;  // TCP_DEFER_ACCEPT
    FastOpenQueue fast_open = FastOpenQueue::off;
    const FastOpenKeys* fast_open_keys = nullptr;  // nullptr: the core's
    // What the connection of the same four numbers before this one sent, if its TIME-WAIT made way.
    std::optional<wire::SequenceNumber> sent_before{};
};

enum class ListenVerdict : std::uint8_t {
    record,  // keep `half_open`, send `reply` (SYN-ACK)
    open,    // the SYN's data may pass: promote_early(), then send `reply`; as `record` if there is
             // no TCB left
    cookie,  // send `reply` (SYN-ACK with a cookie), keep nothing
    reset,   // send `reply`
    drop,    // count `drop`
};
struct ListenDecision {
    ListenVerdict verdict = ListenVerdict::drop;
    Drop drop = Drop::tcp_bad_flags;
    HalfOpen half_open;
    wire::OutgoingSegment reply;
};
// §3.10.7.2: a segment without SYN-cookie meaning arrived for a listener and no record exists.
[[nodiscard]] ListenDecision on_listen_segment(const Environment&, const ListenerSettings&,
                                               const wire::FlowKey&, const wire::Segment&, Backlog,
                                               Instant now);

// No cookie is good for longer.
inline constexpr Duration kCookieLife = seconds(128);
// An ACK for a listener without any record: is it the answer to one of our cookies? True:
// `half_open` is as it would have been kept, ready for promote(). False: send a reset.
[[nodiscard]] bool check_cookie(const Environment&, const ListenerSettings&, const wire::FlowKey&,
                                const wire::Segment&, Instant now, HalfOpen& half_open);

enum class HalfOpenVerdict : std::uint8_t {
    keep,     // nothing to do (count `drop` if set)
    reply,    // send `reply` (SYN-ACK again, challenge ACK), keep the record
    promote,  // make a TCB with promote(), then give it the same segment with on_segment()
    reset,    // send `reply`, drop the record
    drop,     // drop the record silently (valid reset arrived)
};
struct HalfOpenDecision {
    HalfOpenVerdict verdict = HalfOpenVerdict::keep;
    Drop drop = Drop::count_;
    wire::OutgoingSegment reply;
};
[[nodiscard]] HalfOpenDecision on_half_open_segment(const Environment&, const ListenerSettings&,
                                                    HalfOpen&, const wire::Segment&, Instant now);
// The ACK that completes the handshake has come, and has to wait here.
void keep_waiting(const Environment&, HalfOpen&, Instant now);
// Call when half_open.deadline_ms has passed: reply (SYN-ACK again) or drop (given up).
[[nodiscard]] HalfOpenDecision on_half_open_deadline(const Environment&, const ListenerSettings&,
                                                     HalfOpen&, Instant now);
// An ICMP error that quotes `seq`: is the record to be dropped? (Nobody could be told of the error
// later: POSIX does not want errors of the network from accept().)
[[nodiscard]] bool is_ended_by(const HalfOpen&, PathError, wire::SequenceNumber seq);
// `tcb` is raw memory; it becomes a connection in SYN-RECEIVED that the completing ACK will take to
// ESTABLISHED.
void promote(Environment&, const ListenerSettings&, const HalfOpen&, Tcb& tcb, Instant now);

// As promote(), for ListenVerdict::open. The data of the SYN is placed, `reply` acknowledges it,
// and Events::connected says that the application may have the connection now (RFC 7413 §4.2.2).
[[nodiscard]] Reaction promote_early(Environment&, const ListenerSettings&, ListenDecision&,
                                     Tcb& tcb, const wire::Segment& syn, Instant now);

// The answer to a segment that belongs to nothing (RFC 9293 §3.10.7.1). False: send nothing.
[[nodiscard]] bool reset_for(const wire::Segment&, wire::OutgoingSegment& reply);

}  // namespace mtcp::tcp
