// SPDX-License-Identifier: Apache-2.0
// ICMP errors and our own network layer's (RFC 9293 §3.9.2.2, RFC 5927, RFC 1191).
#include <array>
#include <cerrno>

#include "tcp/clock.h"
#include "tcp/connection.h"
#include "tcp/counting.h"
#include "tcp/path/mss.h"
#include "tcp/path/path_search.h"
#include "tcp/recovery/loss_recovery.h"
#include "tcp/settle.h"

namespace mtcp::tcp {
namespace {

// RFC 5927 §7.2 believes at once only what no ACK contradicts. Paths do change while data flows,
// so one more such claim is believed; and a path has few narrow hops.
constexpr std::uint8_t kBelievedAtOnce = 3;
constexpr std::uint8_t kBelievedAgainstAcks = 1;

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

// Has the peer acknowledged segments of the present size? Behind the last small one all were.
bool size_is_proven(const Tcb& tcb, const PathSearch& search) {
    const wire::SequenceNumber from = higher(tcb.small_end, search.sized_from);
    return tcb.snd.una > from && tcb.snd.una - from >= tcb.mss;
}

bool may_believe_at_once(const Environment& env, const Tcb& tcb, PathSearch& search, Instant now) {
    if (search.claims == 0 || has_aged(env, search.claims_since_s, now)) {
        search.claims = 0;
        search.claims_since_s = to_s(now);
    }
    const std::uint8_t most = size_is_proven(tcb, search) ? kBelievedAgainstAcks : kBelievedAtOnce;
    if (search.claims >= most) return false;
    ++search.claims;
    return true;
}

// RFC 5927 §7.2: until the segment that it quotes times out. The larger of two claims is the one to
// try first: if it is not small enough, there will be another.
void hold_back(PathSearch& search, const Tcb& tcb, std::uint16_t mtu, wire::SequenceNumber seq) {
    const bool valid = search.claim != 0 && search.claim_seq >= tcb.snd.una;
    if (valid && search.claim >= mtu) return;
    search.claim = mtu;
    search.claim_seq = seq;
}

// Below the floor segments become no smaller: all that is left is to let them be cut.
bool changes_nothing(const Environment& env, const Tcb& tcb, std::uint16_t mtu) {
    if (mtu >= tcb.path_mtu) return true;
    if (tcb.path_mtu > kPathMtuFloor) return false;
    return !gives_way_to_path(tcb) || may_be_cut(env, tcb);
}

enum class Claim : std::uint8_t {
    stale,
    narrower,  // what is in flight must go again
    noted,     // for later
};

Claim take_claim(Environment& env, Tcb& tcb, std::uint16_t mtu, wire::SequenceNumber seq,
                 Instant now) {
    if (!heeds_path(tcb)) return Claim::stale;
    if (mtu == 0) mtu = plateau_below(tcb.path_mtu);
    if (mtu < kPathMtuLeast) mtu = kPathMtuLeast;
    if (changes_nothing(env, tcb, mtu)) {  // RFC 1191 §3: never raised by ICMP
        return note_claim_of_probe(env, tcb, mtu, seq) ? Claim::noted : Claim::stale;
    }
    PathSearch* const search = take_search(env, tcb, now);
    if (search == nullptr && tcb.path_mtu <= kPathMtuFloor) return Claim::stale;  // nothing learns
    if (search != nullptr && !may_believe_at_once(env, tcb, *search, now)) {
        hold_back(*search, tcb, mtu, seq);
        count(env, &Counters::path_claims_held);
        return Claim::noted;
    }
    settle_path_mtu(env, tcb, search, mtu, now);
    return Claim::narrower;
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
        const Claim claim = take_claim(env, tcb, mtu, seq, now);
        if (claim == Claim::stale) {
            reaction.drop = Drop::icmp_stale;
        } else if (claim == Claim::noted) {
            // The time-out decides.
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
            tcb.soft_error = static_cast<std::uint8_t>(errno_of(error));
        }
    }
    settle(env, tcb, reaction, now);
    return reaction;
}

}  // namespace mtcp::tcp
