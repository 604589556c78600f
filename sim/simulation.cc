// SPDX-License-Identifier: Apache-2.0
// The two phases of a world, and the reckoning.
#include "sim/simulation.h"

#include <algorithm>
#include <string>
#include <utility>

#include "sim/liveness.h"

namespace mtcp::sim {
namespace {

constexpr std::array<Side, 2> kSides{Side::a, Side::b};
// A world that takes more steps than this runs in circles.
constexpr std::uint64_t kStepsMax = 2'000'000;
constexpr std::size_t kStashMax = 2 * io::kBurst;
// Among equal flows, how much more the first may have than the last.
constexpr std::uint64_t kFairnessMost = 20;

// For whoever reads about a failure: what the stack itself says it discarded.
std::string drops_of(const Machine& host) {
    const Counters counters = host.counters();
    std::string text = "  dropped at " + host.name() + ":";
    for (std::size_t i = 0; i < kDropCount; ++i) {
        const std::uint64_t count = counters.dropped[i];
        if (count == 0) continue;
        text += std::string(" ") + drop_name(static_cast<Drop>(i)) + " " + std::to_string(count);
    }
    return text;
}

// Each frame that came in is a segment, an ARP packet, an ICMP message, or was dropped before it
// counted as one: once, under one name. (A segment that another core gave us counts again.)
std::uint64_t frames_known(const Counters& counters) {
    const auto dropped = [&counters](Drop from, Drop to) {
        std::uint64_t sum = 0;
        for (auto i = static_cast<std::size_t>(from); i < static_cast<std::size_t>(to); ++i)
            sum += counters.dropped[i];
        return sum;
    };
    const std::uint64_t early = dropped(Drop::ethernet_short, Drop::arp_conflict) +
                                dropped(Drop::ip_short, Drop::icmp_malformed);
    return counters.segments_in - counters.handoffs_in + counters.arp_in + counters.icmp_in + early;
}

}  // namespace

Simulation::Simulation(const WorldPlan& plan, Observer* observer)
    : plan_(plan),
      wire_(world_, plan.layer, plan.wire[0], plan.wire[1]),
      oracle_(findings_, plan.layer, plan.hosts[0].port.mtu, {ways_of(Side::a), ways_of(Side::b)}),
      attacker_(world_, wire_, plan.layer, plan.seed),
      saboteurs_{Saboteur(plan.sabotage, plan.layer), Saboteur(plan.sabotage, plan.layer)} {
    wire_.watch(oracle_);
    wire_.watch(hash_);
    if (observer != nullptr) wire_.watch(*observer);
    for (const Side side : kSides) {
        hosts_[index(side)] = std::make_unique<Machine>(
            world_, findings_, plan.hosts[index(side)],
            [this, side](std::span<const std::byte> frame, Instant now) {
                wire_.send(side, saboteurs_[index(side)].apply(frame), now);
            });
        attach(side, {});
    }
    if (plan.sabotage == Sabotage::unfair_wire || plan.sabotage == Sabotage::late_end) {
        wire_.lose_also([this](Side from, std::span<const std::byte> frame) {
            return saboteurs_[index(from)].loses(frame, world_.now());
        });
    }
    if (plan.attack_interval.ns != 0) {
        wire_.watch(attacker_);
        attacker_.begin(plan.attack_interval, World::kStart + plan.faults_end);
    }
    if (plan.restart.at.ns != 0) {
        restart_waits_ = true;
        world_.at(World::kStart + plan.restart.at, [this] { restart(plan_.restart.side); });
    }
}

WireOracle::Ways Simulation::ways_of(Side side) const {
    return {.cookies = plan_.hosts[index(side)].may_send_cookies(),
            .held_segments = [this, side] { return hosts_[index(side)]->has_refused(); }};
}

void Simulation::attach(Side side, Duration from) {
    wire_.attach(side, host(side));
    for (std::size_t i = 0; i < host(side).size(); ++i) {
        Host& core = host(side).core(i);
        programs_[index(side)].push_back(std::make_unique<PeerProgram>(
            core, PeerProgram::Place{.side = side, .core = i, .from = from}, plan_, findings_));
        core.set_program(programs_[index(side)].back().get());
    }
}

void Simulation::restart(Side side) {
    restart_waits_ = false;
    programs_[index(side)].clear();
    host(side).restart();
    oracle_.forget();
    attach(side, world_.elapsed());
}

RunResult Simulation::run() {
    run_until_ended();
    if (findings_.none()) wind_down();
    if (findings_.none()) {
        for (const Side side : kSides) {
            for (std::size_t i = 0; i < host(side).size(); ++i)
                check_nothing_left(host(side).core(i));
            check_conservation(side);
        }
    }
    std::vector<std::string> findings = findings_.texts();
    if (!findings.empty()) {
        for (const Side side : kSides)
            findings.push_back(drops_of(host(side)));
    }
    return {.findings = std::move(findings),
            .trace_hash = hash_.value(),
            .segments = oracle_.segments(),
            .steps = world_.steps(),
            .virtual_time = world_.elapsed()};
}

bool Simulation::ended() const {
    bool all = !restart_waits_;
    for_each_program([&all](const PeerProgram& program) { all = all && program.idle(); });
    return all;
}

// Safety under faults, then liveness without them.
void Simulation::run_until_ended() {
    const Instant heal_at = World::kStart + plan_.faults_end;
    const Instant last = heal_at + plan_.bound;
    if (plan_.sabotage != Sabotage::dead_wire) world_.at(heal_at, [this] { wire_.heal(); });
    for (const SessionPlan& session : plan_.sessions) {
        const Duration bound = time_to_end(plan_, session);
        const Instant from = later(heal_at, World::kStart + session.start);
        world_.at(from + bound, [this, &session, bound] { expect_ended(session, bound); });
    }
    while (findings_.none() && !ended() && world_.steps() < kStepsMax) {
        if (!world_.advance(last)) {
            findings_.add("liveness", "not ended " +
                                          std::to_string(plan_.bound.ns / 1'000'000'000) +
                                          " s after the last fault");
        }
        check_after_step();
    }
    if (world_.steps() >= kStepsMax) findings_.add("liveness", "runs in circles");
    if (!ended()) explain_what_runs();
}

void Simulation::expect_ended(const SessionPlan& session, Duration bound) {
    for_each_program([&](const PeerProgram& program) {
        program.for_each([&](const Endpoint& endpoint) {
            if (endpoint.plan() == nullptr || endpoint.plan()->id != session.id) return;
            findings_.add("liveness", "session " + std::to_string(session.id) + " has not ended " +
                                          std::to_string(bound.milliseconds()) +
                                          " ms after the last fault: " + endpoint.text());
        });
    });
}

// When the first of equal flows is through, the others must not have been starved.
void Simulation::judge_fairness() {
    const PeerProgram& receiver = *programs_[index(Side::b)][0];
    if (receiver.finished() == 0) return;
    judged_ = true;
    std::size_t running = 0;
    std::uint64_t least = UINT64_MAX;
    receiver.for_each([&](const Endpoint& endpoint) {
        ++running;
        least = std::min(least, endpoint.received());
    });
    if (running + receiver.finished() < plan_.sessions.size()) least = 0;
    const std::uint64_t bytes = plan_.sessions[0].up_bytes;
    if (least == UINT64_MAX || least >= bytes / kFairnessMost) return;
    findings_.add("fairness", "one of " + std::to_string(plan_.sessions.size()) +
                                  " equal flows got " + std::to_string(least) +
                                  " bytes while another got " + std::to_string(bytes));
}

void Simulation::explain_what_runs() {
    for_each_program([this](const PeerProgram& program) {
        for (const std::string& text : program.unfinished())
            findings_.add("  still there", text);
    });
}

// A sender whose data is unacknowledged and that waits for nothing waits for ever. One that gave up
// after a user time-out says nothing on the wire, so after the first of these nothing is known.
void Simulation::check_after_step() {
    if (plan_.fair && !judged_) judge_fairness();
    for (const Side side : kSides) {
        if (host(side).stack_deadline() != kNever || host(side).due() <= world_.now()) continue;
        const bool gave_up = host(side).counters().connections_timed_out != 0;
        if (gave_up) continue;
        if (const std::string what = oracle_.outstanding(side); !what.empty()) {
            findings_.add("deadline",
                          host(side).name() + ": data is outstanding and no timer runs: " + what);
        }
    }
}

// Lets TIME-WAIT and all that is orphaned pass; the services go.
void Simulation::wind_down() {
    wire_.heal();
    const Instant end = world_.now() + plan_.bound;
    while (world_.advance(end)) {
        // A late connection may still be accepted; its service gives it up.
        const bool quiet = ended() && host(Side::a).flows() == 0 && host(Side::b).flows() == 0 &&
                           wire_.counts(Side::a).in_flight == 0 &&
                           wire_.counts(Side::b).in_flight == 0;
        if (quiet || !findings_.none()) break;
    }
    for_each_program([](PeerProgram& program) { program.shut_down(); });
    const Instant closed = world_.now() + seconds(1);
    while (world_.advance(closed)) {
    }
}

void Simulation::check_nothing_left(Host& host) {
    stack::Core& core = host.core();
    socket::Channel& channel = core.channel();
    const stack::Core::Levels levels = core.levels();
    // What the application may hold: chunks granted to it. Taking them all counts them.
    std::uint64_t chunks = channel.returned_chunks.size();
    socket::ChunkCache& cache = host.application().cache();
    while (cache.has_any() && cache.take(socket::ChunkClass::small) != socket::kNoChunk)
        ++chunks;
    const auto expect = [&](const char* what, std::uint64_t level, std::uint64_t wanted) {
        if (level == wanted) return;
        findings_.add("no leak", host.name() + ": " + what + " " + std::to_string(level) +
                                     ", not " + std::to_string(wanted));
    };
    expect("chunks", levels.chunks, chunks);
    expect("connections", levels.connections, channel.granted_connections.size());
    expect("half-open records", levels.half_open, 0);
    expect("TIME-WAIT records", levels.time_wait, 0);
    expect("flows", levels.flows, 0);
    expect("recovery records", levels.recoveries, 0);
    expect("path search records", levels.path_searches, 0);
    expect("reassembly records", levels.reassemblies, 0);
    expect("descriptors", host.application().table().used(), 0);
    if (host.port().frames_on_loan() > kStashMax) {
        findings_.add("no leak", host.name() + ": " + std::to_string(host.port().frames_on_loan()) +
                                     " frames on loan");
    }
}

// No silent drop: every frame is somewhere, and every discarded one was counted.
void Simulation::check_conservation(Side side) {
    const WireCounts& wire = wire_.counts(other(side));
    const std::uint64_t came = wire.sent + wire.copies - wire.lost - wire.in_flight;
    const bool adds_up =
        came == wire.delivered && wire.delivered + wire.injected == host(side).frames_delivered();
    const Counters counters = host(side).counters();
    bool received_all = true;
    for (std::size_t i = 0; i < host(side).size(); ++i) {
        const FramePort& port = host(side).core(i).port();
        received_all = received_all &&
                       port.frames_delivered() == port.frames_received() + port.frames_waiting() &&
                       port.frames_received() <= host(side).core(i).core().counters().frames_in;
    }
    if (!adds_up || !received_all) {
        findings_.add("no silent drop", host(side).name() +
                                            ": frames sent, delivered, received "
                                            "and counted do not add up");
    }
    const std::uint64_t known = frames_known(counters);
    if (known != counters.frames_in) {
        findings_.add("no silent drop", host(side).name() + ": " +
                                            std::to_string(counters.frames_in) + " frames in, " +
                                            std::to_string(known) + " accounted for");
    }
}

}  // namespace mtcp::sim
