// SPDX-License-Identifier: Apache-2.0
// What a core counts. One writer (the core), many readers through a shared read-only mapping
// (`mtcp stat`): a counter is a 64-bit word, written by plain aligned stores.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "base/drop.h"

namespace mtcp {

// name, what a person reads
#define MTCP_COUNTER_LIST(X)                                              \
    X(turns, "turns of the core")                                         \
    X(turns_idle, "turns that found nothing to do")                       \
    X(sleeps, "times the core slept in the kernel")                       \
    X(switches, "hand-overs between stack and application thread")        \
    X(frames_in, "frames received")                                       \
    X(bytes_in, "bytes received")                                         \
    X(frames_out, "frames sent")                                          \
    X(bytes_out, "bytes sent")                                            \
    X(handoffs_in, "frames received from other cores")                    \
    X(handoffs_out, "frames given to the core that owns the flow")        \
    X(checksum_partial, "segments accepted with a pseudo-header sum")     \
    X(arp_in, "ARP packets received")                                     \
    X(arp_out, "ARP packets sent")                                        \
    X(icmp_in, "ICMP messages received")                                  \
    X(icmp_out, "ICMP messages sent")                                     \
    X(fragments_in, "IP fragments received")                              \
    X(fragments_reassembled, "datagrams put together from fragments")     \
    X(segments_in, "TCP segments received")                               \
    X(segments_out, "TCP segments sent")                                  \
    X(segments_retransmitted, "TCP segments sent again")                  \
    X(resets_in, "resets received")                                       \
    X(resets_out, "resets sent")                                          \
    X(challenge_acks, "challenge ACKs sent")                              \
    X(active_opens, "connections opened from here")                       \
    X(passive_opens, "connections accepted")                              \
    X(connects_failed, "connection attempts that failed")                 \
    X(connections_reset, "established connections that were reset")       \
    X(connections_timed_out, "connections given up after R2")             \
    X(connections_closed, "connections that ended in order")              \
    X(fast_opens_active, "SYNs whose data the peer took (RFC 7413)")      \
    X(fast_opens_passive, "connections whose SYN brought data")           \
    X(fast_open_requests, "Fast Open cookies asked of us")                \
    X(fast_open_refused, "SYNs with a wrong Fast Open cookie")            \
    X(fast_open_overflows, "SYNs treated as usual, Fast Open queue full") \
    X(fast_open_pauses, "times Fast Open rested after a black hole")      \
    X(cookies_sent, "SYN cookies sent")                                   \
    X(cookies_accepted, "connections made from a SYN cookie")             \
    X(time_wait_reused, "TIME-WAIT records reopened (RFC 6191)")          \
    X(time_wait_recycled, "TIME-WAIT records dropped early, table full")  \
    X(retransmission_timeouts, "retransmission timer expiries")           \
    X(fast_retransmits, "fast retransmits")                               \
    X(congestion_unrecorded, "connections left to NewReno: no record")    \
    X(path_mtu_lowered, "times ICMP told of a narrower path")             \
    X(path_claims_held, "ICMP of a narrower path held until a time-out")  \
    X(path_probes, "path MTU probes sent (RFC 4821)")                     \
    X(path_probes_lost, "path MTU probes that were too large")            \
    X(path_black_holes, "times segments were made smaller unasked")       \
    X(zero_window_probes, "zero-window probes sent")                      \
    X(keepalives, "keep-alive probes sent")                               \
    X(out_of_order, "segments that arrived out of order")                 \
    X(ecn_marks_in, "segments received with a congestion mark (CE)")      \
    X(ecn_reductions, "windows reduced because of an ECN echo")           \
    X(events_posted, "events posted to the application")                  \
    X(wrong_thread, "API calls from a thread that does not own the context")

struct Counters {
#define MTCP_COUNTER_FIELD(name, text) std::uint64_t name = 0;
    MTCP_COUNTER_LIST(MTCP_COUNTER_FIELD)
#undef MTCP_COUNTER_FIELD
    // Levels, not sums.
    std::uint64_t connections = 0;
    std::uint64_t half_open = 0;
    std::uint64_t time_wait = 0;
    std::uint64_t chunks_used = 0;
    std::array<std::uint64_t, kDropCount> dropped{};

    void drop(Drop reason, std::uint64_t number = 1) {
        dropped[static_cast<std::size_t>(reason)] += number;
    }
    [[nodiscard]] std::uint64_t drops(Drop reason) const {
        return dropped[static_cast<std::size_t>(reason)];
    }
};

}  // namespace mtcp
