// SPDX-License-Identifier: Apache-2.0
// ICMP errors and our own network layer's (RFC 9293 §3.9.2.2, RFC 5927, RFC 1191).
#include <array>
#include <cerrno>

#include "tcp/connection.h"
#include "tcp/path/mss.h"
#include "tcp/recovery/loss_recovery.h"
#include "tcp/settle.h"

namespace mtcp::tcp {
namespace {

// No honest IPv4 path is narrower (as Linux's min_pmtu); an attacker would like one that is.
constexpr std::uint16_t kPathMtuFloor = 552;

constexpr std::uint16_t kOpening =
    static_cast<std::uint16_t>(bit(State::syn_sent) | bit(State::syn_received));

int errno_of(PathError error) {
    switch (error) {
        case PathError::net_unreachable:
        case PathError::no_route: return ENETUNREACH;
        case PathError::host_unreachable:
        case PathError::no_neighbour: return EHOSTUNREACH;
        case PathError::protocol_unreachable: return ENOPROTOOPT;
        case PathError::port_unreachable: return ECONNREFUSED;
        case PathError::time_exceeded: return EHOSTUNREACH;
        case PathError::parameter_problem: return EPROTO;
        case PathError::fragmentation_needed: return EMSGSIZE;
    }
    return EPROTO;
}

// RFC 5927 §4: who quotes a number that is in flight has seen our traffic.
bool quotes_flight(const Tcb& tcb, wire::SequenceNumber seq) {
    return seq >= tcb.snd.una && seq < tcb.snd.nxt;
}

// RFC 1191 §7.1: routers of old do not say the size; then the next plateau below ours.
std::uint16_t plateau_below(std::uint16_t mtu) {
    constexpr std::array<std::uint16_t, 7> kPlateaus{32000, 17914, 8166, 4352, 2002, 1492, 1006};
    for (const std::uint16_t plateau : kPlateaus) {
        if (plateau < mtu) return plateau;
    }
    return kPathMtuFloor;
}

// True if the path became narrower and what is in flight must go again.
bool narrow_path(Tcb& tcb, std::uint16_t mtu) {
    if (mtu == 0) mtu = plateau_below(tcb.path_mtu);
    if (mtu < kPathMtuFloor) mtu = kPathMtuFloor;
    if (mtu >= tcb.path_mtu) return false;  // RFC 1191 §3: never raised by ICMP
    tcb.path_mtu = mtu;
    update_effective_mss(tcb);
    return true;
}

}  // namespace

Reaction on_path_error(Environment& env, Tcb& tcb, PathError error, std::uint16_t mtu,
                       wire::SequenceNumber seq, Instant now) {
    Reaction reaction;
    const bool ours = error == PathError::no_neighbour || error == PathError::no_route;
    if (tcb.state == State::closed || (!ours && !quotes_flight(tcb, seq))) {
        reaction.drop = Drop::icmp_stale;
        return reaction;
    }
    const bool opening = is_one_of(tcb.state, kOpening);
    // RFC 5461 §4.1: before the handshake is over a soft error may count as a hard one; here for
    // connections that nobody has proven to exist but a cookie (RFC 7413).
    const bool unproven = tcb.state == State::syn_received && tcb.fast_open.early;
    if (error == PathError::fragmentation_needed) {
        if (!narrow_path(tcb, mtu)) {
            reaction.drop = Drop::icmp_stale;
        } else if (opening) {
            // Not the data of the SYN again (RFC 7413 §4.2.1), and an offer that fits the path.
            tcb.pending.syn = true;
            tcb.advertised_mss = mss_to_advertise(tcb.settings, tcb.path_mtu, tcb.key.remote);
        } else {
            resend_all(env, tcb);
        }
    } else {
        // RFC 9293 MUST-56 for soft errors; SHLD-26 for hard ones only before synchronisation,
        // since anyone on the path could forge them (RFC 5927 §5.2).
        const bool hard = ours || error == PathError::port_unreachable ||
                          error == PathError::protocol_unreachable;
        if ((hard && opening) || unproven) {
            end_connection(tcb, reaction, errno_of(error));
        } else {
            tcb.soft_error = static_cast<std::int16_t>(errno_of(error));
        }
    }
    settle(env, tcb, reaction, now);
    return reaction;
}

}  // namespace mtcp::tcp
