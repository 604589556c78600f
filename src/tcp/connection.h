// SPDX-License-Identifier: Apache-2.0
// The contract of tcp/: the only header other folders include (besides what it includes).
//
// TCP here is a pure library. Events and the time go in; a Reaction comes out. Then poll_segment()
// is drained until it has nothing, and deadline() is read to arm the connection's one timer. It
// reads no clock, allocates nothing, and never sees a frame or a byte of payload: it answers
// *placements* (where received bytes belong) and *ranges* (which bytes of the send queue a segment
// carries).
#pragma once

#include <cstdint>

#include "base/counters.h"
#include "base/index_pool.h"
#include "base/random.h"
#include "base/time.h"
#include "tcp/congestion/record.h"
#include "tcp/path/destinations.h"
#include "tcp/path/search_record.h"
#include "tcp/reaction.h"
#include "tcp/receive/reassembly.h"
#include "tcp/recovery/recovery.h"
#include "tcp/send/marks_record.h"
#include "tcp/settings.h"
#include "tcp/status.h"
#include "tcp/tcb.h"
#include "wire/segment.h"

namespace mtcp::tcp {

// What the connections of one core share. Owned by the core.
struct Environment {
    Configuration configuration;
    SecretKey isn_key;                   // RFC 6528
    SecretKey cookie_key;                // RFC 4987
    IndexPool<Recovery> recoveries;      // side records of connections with more in flight
    IndexPool<Reassembly> reassemblies;  // side records of connections with out-of-order data
    Destinations destinations;           // what connections to the same host have learnt
    FastOpenPause fast_open_pause;
    IndexPool<PathSearch> path_searches;  // side records of connections that doubt their path's MTU
    IndexPool<Marks> marks;               // side records of connections with MSG_EOR
    IndexPool<congestion::Record> controllers;  // side records of congestion control
    Counters* counters = nullptr;
    // Set by the core when its chunk pools run low: receive windows then stop growing.
    enum class Memory : std::uint8_t { plenty, low } memory = Memory::plenty;
};

// --- events in (RFC 9293 §3.10) ---

struct OpenRequest {
    wire::FlowKey key;
    Settings settings;
    std::uint16_t path_mtu = 1500;  // largest IP packet on the way out
    FastOpenWish fast_open = FastOpenWish::none;
};
// What a SYN for this request could carry now.
[[nodiscard]] FastOpenRoom fast_open_room(Environment&, const OpenRequest&, Instant now);
// §3.10.1, active OPEN. `tcb` is raw memory; it is made whole here.
Reaction on_open(Environment&, Tcb& tcb, const OpenRequest&, Instant now);

enum class SendHint : std::uint8_t { none, more_follows, urgent };
// §3.10.2: `bytes` were appended to the send queue. Also call with 0 to clear a MSG_MORE.
Reaction on_send(Environment&, Tcb&, std::uint32_t bytes, SendHint, Instant now);
// MSG_EOR: no segment shall carry both what lies before and what lies behind the first `ahead`
// bytes of the send queue. A hint: where there is no memory to remember it, nothing happens.
void mark_record(Environment&, Tcb&, std::uint32_t ahead);
// §3.10.3: the application took `bytes` of what was received. In two steps, as mostly no window
// update is due and nothing follows.
enum class WindowUpdate : std::uint8_t { not_due, due };
[[nodiscard]] WindowUpdate take_consumed(Environment&, Tcb&, std::uint32_t bytes, Instant now);
Reaction on_window_update_due(Tcb&);
// Both.
Reaction on_consume(Environment&, Tcb&, std::uint32_t bytes, Instant now);
// §3.10.4, half: no more will be sent (shutdown SHUT_WR). Reading goes on, or it is over, too
// (SHUT_RDWR): later data is answered with a reset then, and ECONNRESET for the application.
enum class Reading : std::uint8_t { goes_on, over };
Reaction on_shutdown(Environment&, Tcb&, Instant now, Reading reading = Reading::goes_on);
// §3.10.4, whole: the application let go. Unread or later data is answered with a reset
// (RFC 9293 §3.6.1); FIN-WAIT-2 is bounded.
Reaction on_close(Environment&, Tcb&, Instant now);
// TCP_LINGER2: FIN-WAIT-2 lasts no longer than that.
Reaction on_close(Environment&, Tcb&, Instant now, Duration fin_wait_2);
// §3.10.5: a reset leaves (unless the state needs none); Events::closed.
Reaction on_abort(Environment&, Tcb&, Instant now);
// §3.10.7 for states other than CLOSED and LISTEN; checksum already verified.
Reaction on_segment(Environment&, Tcb&, const wire::Segment&, Instant now);
// §3.10.8: call when now >= deadline(tcb).
Reaction on_deadline(Environment&, Tcb&, Instant now);
// Settings changed by setsockopt: takes them over and says what may leave now.
Reaction on_settings(Environment&, Tcb&, const Settings&, Instant now,
                     HeldBytes held = HeldBytes::stay);

enum class PathError : std::uint8_t {
    net_unreachable,       // ICMP 3/0, 3/5...: soft (RFC 9293 MUST-56)
    host_unreachable,      // ICMP 3/1: soft
    protocol_unreachable,  // ICMP 3/2: hard before synchronisation
    port_unreachable,      // ICMP 3/3: hard before synchronisation
    time_exceeded,         // ICMP 11: soft
    parameter_problem,     // ICMP 12: soft
    fragmentation_needed,  // ICMP 3/4: mtu is valid
    no_neighbour,          // ours: address resolution failed, EHOSTUNREACH
    no_route,              // ours: ENETUNREACH
};
// RFC 9293 §3.9.2.2, RFC 5927: `seq` is the sequence number quoted in the ICMP message; an error
// for nothing in flight is ignored (Drop::icmp_stale). no_neighbour and no_route ignore `seq`.
Reaction on_path_error(Environment&, Tcb&, PathError, std::uint16_t mtu, wire::SequenceNumber seq,
                       Instant now);

// --- actions out ---

struct OutputBudget {
    std::uint32_t payload_max =
        0;  // most payload bytes in one OutgoingSegment; 0: one MSS (no TSO)
};
// Writes the next segment to leave into `out` and accounts it as sent. The caller must send it or
// lose it as a wire would; there is no undo.
enum class Polled : std::uint8_t {
    nothing,  // to send now
    segment,
    last,  // and nothing_waits() behind it: the caller need not ask once more
};
[[nodiscard]] Polled poll_segment(Environment&, Tcb&, Instant now, const OutputBudget&,
                                  wire::OutgoingSegment& out);
// May routers cut its packets: IP_PMTUDISC_DONT, or a path narrower than segments are made for?
[[nodiscard]] bool is_cut_on_its_path(const Environment&, const Tcb&);
[[nodiscard]] inline bool may_be_cut(const Environment& env, const Tcb& tcb) {
    if (tcb.path_search) [[unlikely]]
        return tcb.settings.path_discovery == 0 || is_cut_on_its_path(env, tcb);
    return tcb.settings.path_discovery == 0;
}
// Most often nothing waits: no reply, no repair, no byte, no FIN. Then poll_segment() need not be
// asked.
[[nodiscard]] inline bool nothing_waits(const Tcb& tcb) {
    const auto replies = bits_of<std::uint8_t>(tcb.pending);
    const bool all_sent = tcb.snd.nxt == tcb.snd.end + (tcb.flags.fin_queued ? 1u : 0u);
    return replies == 0 && all_sent && tcb.phase < Phase::fast_recovery;
}
// What poll_segment would find, as Work bits; 0: nothing.
[[nodiscard]] std::uint8_t pending_work(const Environment&, const Tcb&, Instant now);
[[nodiscard]] std::uint32_t earliest_of_many_ms(const Tcb&);
// The earliest armed timer, or kNever.
[[nodiscard]] Instant deadline(const Tcb&);
// The same as milliseconds modulo 2^32 of the caller's clock. Precondition: tcb.armed != 0.
[[nodiscard]] inline std::uint32_t earliest_ms(const Tcb& tcb) {
    constexpr std::uint8_t kOne = Timer::retransmit | Timer::persist;
    if ((tcb.armed & ~kOne) == 0) return tcb.retransmit_at_ms;
    if ((tcb.armed & ~kOne) != Timer::delayed_ack) return earliest_of_many_ms(tcb);
    const auto later = static_cast<std::int32_t>(tcb.retransmit_at_ms - tcb.delayed_ack_at_ms);
    return (tcb.armed & kOne) != 0 && later < 0 ? tcb.retransmit_at_ms : tcb.delayed_ack_at_ms;
}

// --- look ---

// §3.10.6: a copy of everything tools and TCP_INFO show.
[[nodiscard]] Status status(const Environment&, const Tcb&, Instant now);
// Gives side records back; call once before the TCB's memory is reused.
void release(Environment&, Tcb&);

}  // namespace mtcp::tcp
