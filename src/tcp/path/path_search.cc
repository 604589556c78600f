// SPDX-License-Identifier: Apache-2.0
// RFC 4821 §7, by halves as Linux does it.
#include "tcp/path/path_search.h"

#include <algorithm>

#include "tcp/clock.h"
#include "tcp/counting.h"
#include "tcp/path/mss.h"

namespace mtcp::tcp {
namespace {

using wire::SequenceNumber;

// RFC 4821 §7.3: nearer than that the search has found what there is to find.
constexpr std::uint16_t kNearEnough = 8;
// RFC 4821 §7.4: enough in flight that the loss of one segment is seen without a time-out.
constexpr std::uint32_t kWindowForProbe = 11;  // segments

std::uint16_t headers_of(const Tcb& tcb) {
    return static_cast<std::uint16_t>(header_bytes(tcb.key.remote) +
                                      (tcb.flags.timestamps ? kTimestampsOptionLength : 0));
}

// What neither the first hop nor the peer (nor TCP_MAXSEG) allows to exceed.
std::uint16_t limit_of(const PathSearch& search, const Tcb& tcb) {
    const std::uint32_t headers = header_bytes(tcb.key.remote);
    return static_cast<std::uint16_t>(
        std::min<std::uint32_t>(search.first_hop, tcb.peer_mss + headers));
}

// RFC 1191 §6.3, RFC 8201 §5.3: paths change, and only trying tells when they grow.
void doubt_again(const Environment& env, Tcb& tcb, PathSearch& search, Instant now) {
    search.settled_s = to_s(now);
    search.high = limit_of(search, tcb);
    if (env.configuration.path_probing != Configuration::PathProbing::off && heeds_path(tcb)) {
        search.probing = true;
    } else {
        use_path_mtu(tcb, &search, search.high);
    }
}

// The middle, or at last the end itself: most often that is the MTU of the network at hand.
std::uint16_t next_size(const PathSearch& search, const Tcb& tcb) {
    const unsigned gap = search.high - tcb.path_mtu;
    const bool untried = search.high == limit_of(search, tcb);
    if (gap < 4u * kNearEnough && untried) return search.high;
    return static_cast<std::uint16_t>(tcb.path_mtu + gap / 2);
}

void look_for_more(const Environment& env, Tcb& tcb, PathSearch& search, Instant now) {
    if (has_aged(env, search.settled_s, now) && tcb.path_mtu < limit_of(search, tcb)) {
        doubt_again(env, tcb, search, now);
    }
    search.high = std::min(search.high, limit_of(search, tcb));
    if (!search.probing || search.high <= tcb.path_mtu) return;
    if (search.high - tcb.path_mtu < kNearEnough && search.high != limit_of(search, tcb)) return;
    search.size = next_size(search, tcb);
    search.probe = PathSearch::Probe::due;
}

bool has_arrived(const PathSearch& search, const Tcb& tcb, const Recovery* r) {
    if (tcb.snd.una >= search.end) return true;
    if (r == nullptr || r->log.sacked_bytes == 0) return false;
    for (const Run* run = begin_of(r->log); run != end_of(r->log); ++run) {
        if (run->is(Run::sacked) && run->begin <= search.begin &&
            search.end <= end_of(r->log, run)) {
            return true;
        }
    }
    return false;
}

void too_large(const Environment& env, PathSearch& search, Instant now) {
    // ICMP may have said how much (RFC 1191).
    search.high = std::min(search.high, static_cast<std::uint16_t>(search.size - 1));
    search.probe = PathSearch::Probe::none;
    search.settled_s = to_s(now);
    count(env, &Counters::path_probes_lost);
}

// Not less than the floor, nor more than is in use.
void use_narrower(Tcb& tcb, PathSearch* search, std::uint16_t mtu) {
    const std::uint16_t least = std::min(kPathMtuFloor, tcb.path_mtu);
    use_path_mtu(tcb, search, std::max(mtu, least));
    if (search != nullptr) search->cut = mtu < least;
}

// RFC 4821 §7.7: nothing comes through, and nobody says why.
void leave_black_hole(Environment& env, Tcb& tcb, Instant now) {
    const std::uint16_t headers = header_bytes(tcb.key.remote);
    const auto base = static_cast<std::uint16_t>(headers + env.configuration.path_base_mss);
    const std::uint16_t mtu = tcb.path_mtu > base ? base : kPathMtuFloor;
    // What would have gone as so small packets anyway has another reason not to arrive.
    const bool large = tcb.snd.nxt - tcb.snd.una + headers > mtu;
    if (!large || mtu >= tcb.path_mtu || tcb.snd.wnd < tcb.mss) return;
    PathSearch* const search = take_search(env, tcb, now);
    if (search == nullptr) return;
    count(env, &Counters::path_black_holes);
    search->probing = true;
    search->high = limit_of(*search, tcb);
    search->settled_s = to_s(now);
    use_path_mtu(tcb, search, mtu);
}

}  // namespace

PathSearch* take_search(Environment& env, Tcb& tcb, Instant now) {
    if (PathSearch* const known = search_of(env, tcb)) return known;
    const std::uint32_t index = env.path_searches.take();
    if (index == kNoIndex) return nullptr;
    tcb.search = static_cast<std::uint16_t>(index);
    tcb.path_search = true;
    PathSearch& search = env.path_searches[index];
    search = {};
    search.first_hop = tcb.path_mtu;
    search.high = tcb.path_mtu;
    search.sized_from = tcb.iss;
    search.settled_s = to_s(now);
    search.claims_since_s = to_s(now);
    return &search;
}

void end_search(Environment& env, Tcb& tcb) {
    if (!tcb.path_search) return;
    env.path_searches.give_back(tcb.search);
    tcb.path_search = false;
}

void begin_on_known_path(Environment& env, Tcb& tcb, Instant now) {
    const Destination* const known = env.destinations.find(tcb.key, now);
    if (known == nullptr || known->path_mtu == 0 || known->path_mtu >= tcb.path_mtu) return;
    if (has_aged(env, known->path_mtu_s, now)) return;
    if (PathSearch* const search = take_search(env, tcb, now)) {
        search->high = known->path_mtu;
        search->settled_s = known->path_mtu_s;
    }
    use_narrower(tcb, search_of(env, tcb), known->path_mtu);
}

void begin_search(Environment& env, Tcb& tcb, Instant now) {
    if (!heeds_path(tcb)) return;
    PathSearch* const search = take_search(env, tcb, now);
    if (search == nullptr) return;
    search->probing = true;
    const std::uint32_t base = header_bytes(tcb.key.remote) + env.configuration.path_base_mss;
    if (tcb.path_mtu > base) use_path_mtu(tcb, search, static_cast<std::uint16_t>(base));
    look_for_more(env, tcb, *search, now);
}

ProbePlan plan_path_probe(const PathSearch& search, const Tcb& tcb, const ProbeRoom& room) {
    if (search.probe != PathSearch::Probe::due || tcb.phase != Phase::open) return {};
    const std::uint32_t length = search.size - std::uint32_t{headers_of(tcb)};
    // What follows must be able to show that it was lost (RFC 4821 §7.4).
    const std::uint32_t needed = length + (tcb.reordering + 1u) * tcb.mss;
    const bool possible = length > tcb.mss && room.unsent >= needed && room.window >= needed &&
                          tcb.cwnd >= kWindowForProbe * tcb.mss && tcb.cwnd >= needed;
    if (!possible) return {};
    if (room.congestion >= length) return {.length = length};
    return {.waits = tcb.snd.una != tcb.snd.nxt};
}

void note_path_probe(Environment& env, Tcb& tcb, SequenceNumber begin, SequenceNumber end) {
    PathSearch& search = *search_of(env, tcb);
    search.probe = PathSearch::Probe::out;
    search.begin = begin;
    search.end = end;
    count(env, &Counters::path_probes);
}

void note_sent_again(Environment& env, Tcb& tcb, SequenceNumber begin, SequenceNumber end) {
    PathSearch& search = *search_of(env, tcb);
    const bool of_probe = begin < search.end && search.begin < end;
    if (search.probe == PathSearch::Probe::out && of_probe) {
        search.probe = PathSearch::Probe::none;  // RFC 4821 §7.6.4
    }
}

void search_on_ack(Environment& env, Tcb& tcb, const Recovery* r, Instant now) {
    PathSearch& search = *search_of(env, tcb);
    // RFC 5927 §7.2: the segment that it quotes has arrived. And of half the numbers ago neither
    // that nor the last change of size is to be taken for one to come.
    if (search.claim != 0 && tcb.snd.una > search.claim_seq) search.claim = 0;
    constexpr std::uint32_t kLongAgo = 1u << 30;
    if (tcb.snd.una - search.sized_from > kLongAgo && tcb.snd.una > search.sized_from) {
        search.sized_from = tcb.snd.una - kLongAgo;
    }
    if (search.probe == PathSearch::Probe::out) {
        if (!has_arrived(search, tcb, r)) return;
        search.probe = PathSearch::Probe::none;  // RFC 4821 §7.6.1
        search.settled_s = to_s(now);
        use_path_mtu(tcb, &search, search.size);
        env.destinations.note_path_mtu(
            tcb.key, search.size < limit_of(search, tcb) ? search.size : std::uint16_t{0},
            env.configuration.path_mtu_lifetime, now);
    }
    if (search.probe == PathSearch::Probe::none) look_for_more(env, tcb, search, now);
}

LossIs judge_path_loss(Environment& env, Tcb& tcb, Recovery& r, Instant now) {
    PathSearch& search = *search_of(env, tcb);
    if (search.probe != PathSearch::Probe::out) return LossIs::congestion;
    for (const Run* run = begin_of(r.log); run != end_of(r.log); ++run) {
        const bool of_probe = search.begin <= run->begin && end_of(r.log, run) <= search.end;
        if (!run->is(Run::lost) || of_probe) continue;
        search.probe = PathSearch::Probe::none;  // RFC 4821 §7.6.4: says nothing of the path
        return LossIs::congestion;
    }
    // Without SACK no more than the first segment's length was noticed.
    if (!tcb.flags.selective_ack) {
        static_cast<void>(mark_front_lost(r.log, search.end - tcb.snd.una));
    }
    too_large(env, search, now);
    return LossIs::the_probe;
}

void search_on_timeout(Environment& env, Tcb& tcb, unsigned times, Instant now) {
    if (PathSearch* const search = search_of(env, tcb)) {
        if (search->probe == PathSearch::Probe::out) {
            // RFC 4821 §7.6.3; where more than the probe is missing, §7.6.4.
            if (tcb.snd.una == search->begin) too_large(env, *search, now);
            search->probe = PathSearch::Probe::none;
        }
        if (search->claim != 0) {
            const std::uint16_t mtu = search->claim;
            search->claim = 0;
            if (tcb.snd.una <= search->claim_seq && mtu < tcb.path_mtu) {
                settle_path_mtu(env, tcb, search, mtu, now);
                return;
            }
        }
    }
    const bool asked = env.configuration.path_probing != Configuration::PathProbing::off;
    if (asked && times >= env.configuration.retries_1 && heeds_path(tcb)) {
        leave_black_hole(env, tcb, now);
    }
}

bool note_claim_of_probe(Environment& env, Tcb& tcb, std::uint16_t mtu, SequenceNumber seq) {
    PathSearch* const search = search_of(env, tcb);
    if (search == nullptr || search->probe != PathSearch::Probe::out) return false;
    if (seq < search->begin || seq >= search->end || mtu >= search->size) return false;
    search->high = std::min(search->high, mtu);
    return true;
}

bool is_cut_on_its_path(const Environment& env, const Tcb& tcb) {
    return gives_way_to_path(tcb) && search_of(env, tcb)->cut;
}

void use_path_mtu(Tcb& tcb, PathSearch* search, std::uint16_t mtu) {
    tcb.path_mtu = mtu;
    update_effective_mss(tcb);
    if (search == nullptr) return;
    search->sized_from = tcb.snd.nxt;
    search->cut = false;
}

void settle_path_mtu(Environment& env, Tcb& tcb, PathSearch* search, std::uint16_t mtu,
                     Instant now) {
    use_narrower(tcb, search, mtu);
    if (search != nullptr) {
        search->high = mtu;
        search->probe = PathSearch::Probe::none;
        search->settled_s = to_s(now);
    }
    count(env, &Counters::path_mtu_lowered);
    env.destinations.note_path_mtu(tcb.key, mtu, env.configuration.path_mtu_lifetime, now);
}

}  // namespace mtcp::tcp
