// SPDX-License-Identifier: Apache-2.0
// Packetization layer path MTU discovery (RFC 4821): a segment larger than the path is known to
// take is sent among others; its loss alone says that it was too large, and costs no congestion
// window.
#pragma once

#include "tcp/clock.h"
#include "tcp/connection.h"

namespace mtcp::tcp {

// Does what is known of the path's MTU decide the size of segments?
[[nodiscard]] inline bool heeds_path(const Tcb& tcb) {
    const unsigned how = tcb.settings.path_discovery;
    return how >= 1 && how <= 3;  // IP_PMTUDISC_WANT, _DO, _PROBE: packets may not be cut
}
// IP_PMTUDISC_WANT: may its packets be cut where the path is narrower than the floor?
[[nodiscard]] inline bool gives_way_to_path(const Tcb& tcb) {
    return tcb.settings.path_discovery == 1;
}
// Is what was learnt then too old to hold (RFC 1191 §6.3)? `since_s`: seconds of the caller's
// clock.
[[nodiscard]] inline bool has_aged(const Environment& env, std::uint32_t since_s, Instant now) {
    return seconds(to_s(now) - since_s) >= env.configuration.path_mtu_lifetime;
}
// nullptr: the path is not in doubt.
[[nodiscard]] inline PathSearch* search_of(Environment& env, const Tcb& tcb) {
    return tcb.path_search ? &env.path_searches[tcb.search] : nullptr;
}
[[nodiscard]] inline const PathSearch* search_of(const Environment& env, const Tcb& tcb) {
    return tcb.path_search ? &env.path_searches[tcb.search] : nullptr;
}
// The record, taken now if there is none, with Tcb::path_mtu as what the first hop takes; nullptr:
// the pool is empty.
PathSearch* take_search(Environment& env, Tcb& tcb, Instant now);
void end_search(Environment& env, Tcb& tcb);

// A connection is born: not larger than what others to that host have found.
void begin_on_known_path(Environment& env, Tcb& tcb, Instant now);
// A connection is established: searches from the start where that is configured.
void begin_search(Environment& env, Tcb& tcb, Instant now);

// Bytes.
struct ProbeRoom {
    std::uint32_t congestion;  // that cwnd lets out now
    std::uint32_t window;      // that the peer takes
    std::uint32_t unsent;
};
// Neither: no probe now.
struct ProbePlan {
    std::uint32_t length = 0;  // what comes next is a probe of so many bytes
    bool waits = false;        // it is, as soon as cwnd has room
};
[[nodiscard]] ProbePlan plan_path_probe(const PathSearch& search, const Tcb& tcb,
                                        const ProbeRoom& room);
// It has left.
void note_path_probe(Environment& env, Tcb& tcb, wire::SequenceNumber begin,
                     wire::SequenceNumber end);

// The following three are for connections with a record.
// [begin, end) is sent again: for a probe still out, its ACK will prove nothing.
void note_sent_again(Environment& env, Tcb& tcb, wire::SequenceNumber begin,
                     wire::SequenceNumber end);
// Something was acknowledged or SACKed; `r` may be nullptr. Before losses are looked for.
void search_on_ack(Environment& env, Tcb& tcb, const Recovery* r, Instant now);
// Something was found lost. Yes: it was the probe and nothing else, and the path is to blame
// (RFC 4821 §7.6.2).
enum class LossIs : std::uint8_t { congestion, the_probe };
[[nodiscard]] LossIs judge_path_loss(Environment& env, Tcb& tcb, Recovery& r, Instant now);
// For any: the retransmission time-out expired for the `times`th time in a row.
void search_on_timeout(Environment& env, Tcb& tcb, unsigned times, Instant now);

// ICMP says that the probe, which `seq` is in, was larger than `mtu`, and that is not less than
// what is in use. False: no such probe.
bool note_claim_of_probe(Environment& env, Tcb& tcb, std::uint16_t mtu, wire::SequenceNumber seq);

// --- shared with path_error.cc ---

// Few IPv4 paths are narrower (as Linux's min_pmtu), and an attacker would like one that is:
// segments become no smaller. Of IP_PMTUDISC_WANT routers may cut them then.
inline constexpr std::uint16_t kPathMtuFloor = 552;
inline constexpr std::uint16_t kPathMtuLeast = 68;  // of any IPv4 path (RFC 791 §3.2)

// The path takes `mtu`: segments fit it from now on.
void use_path_mtu(Tcb& tcb, PathSearch* search, std::uint16_t mtu);
// It takes no more than that: segments fit it, or are cut.
void settle_path_mtu(Environment& env, Tcb& tcb, PathSearch* search, std::uint16_t mtu,
                     Instant now);

}  // namespace mtcp::tcp
