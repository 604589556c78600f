// SPDX-License-Identifier: Apache-2.0
// Drawing worlds from seeds: sizes, faults, applications and settings.
#include <algorithm>
#include <array>
#include <cmath>

#include "base/assert.h"
#include "sim/plan.h"

namespace mtcp::sim {
namespace {

// Uniform in the number of digits: small values as likely as large ones.
std::uint32_t log_uniform(Random& random, std::uint32_t low, std::uint32_t high) {
    const double u = static_cast<double>(random.below(1'000'001)) / 1e6;
    const double ratio = static_cast<double>(high) / static_cast<double>(low);
    return static_cast<std::uint32_t>(static_cast<double>(low) * std::pow(ratio, u));
}
bool one_in(Random& random, std::uint32_t n) { return random.below(n) == 0; }

template <std::size_t N>
std::uint32_t pick(Random& random, const std::array<std::uint32_t, N>& values) {
    return values[random.below(N)];
}

HostConfig draw_host(Random& random, Side side, io::Layer layer) {
    const bool a = side == Side::a;
    HostConfig host;
    host.name = a ? "a" : "b";
    host.address = wire::IpAddress::v4(a ? 0x0a000001 : 0x0a000002);
    host.mac = {{0x02, 0, 0, 0, 0, static_cast<std::uint8_t>(a ? 1 : 2)}};
    host.seed = random.next();
    stack::StackConfiguration& stack = host.stack;
    stack.drive = stack::Drive::run_inline;
    stack.huge_pages = false;
    stack.max_concurrency = 128;
    stack.half_open_max = 64;
    stack.time_wait_max = 256;
    stack.recoveries_max = 64;
    stack.reassemblies_max = 64;
    stack.chunks.count = {2048, 1024, 32};
    using Use = tcp::Configuration::Use;
    stack.tcp.timestamps = one_in(random, 4) ? Use::off : Use::on;
    stack.tcp.selective_ack = one_in(random, 4) ? Use::off : Use::on;
    stack.tcp.window_scaling = one_in(random, 4) ? Use::off : Use::on;
    stack.tcp.header_prediction = one_in(random, 4) ? Use::off : Use::on;
    if (one_in(random, 16)) stack.tcp.syn_cookies = tcp::Configuration::Cookies::always;
    stack.tcp.defaults.receive_buffer =
        one_in(random, 3) ? log_uniform(random, 2'048, 65'536) : 262'144;
    stack.tcp.defaults.send_buffer =
        one_in(random, 3) ? log_uniform(random, 2'048, 65'536) : 262'144;
    stack.tcp.defaults.quick_ack = one_in(random, 8) ? 1 : 0;
    if (one_in(random, 8)) stack.tcp.time_wait = seconds(1);
    host.port.layer = layer;
    host.port.seed = random.next();
    host.port.refuse_ppm = one_in(random, 6) ? 100'000 : 0;
    host.port.transmit_checksum = one_in(random, 2);
    if (one_in(random, 4)) {
        host.port.transmit_segmentation = 16'384;
        host.port.frames = 192;
    }
    if (one_in(random, 4)) host.program_delay = microseconds(log_uniform(random, 1, 50'000));
    return host;
}

Duration milliseconds_up_to(Random& random, std::uint32_t most) {
    return microseconds(std::int64_t{log_uniform(random, 1, most)} * 1000);
}

Episode draw_episode(Random& random, Duration faults_end) {
    Episode episode;
    episode.kind = static_cast<Episode::Kind>(random.below(3));  // the first three
    const auto span_ms = static_cast<std::uint32_t>(faults_end.milliseconds());
    episode.from = milliseconds(random.below(span_ms));
    episode.to = episode.from + milliseconds_up_to(random, 8'000);
    episode.extra = milliseconds_up_to(random, 400);
    return episode;
}

// `severity` 0: a healthy wire with delay and rate; 1 to 3: ever worse.
DirectionPlan draw_direction(Random& random, std::uint32_t severity, Duration faults_end) {
    DirectionPlan plan;
    io::Faults& faults = plan.faults;
    faults.seed = random.next();
    faults.delay = microseconds(log_uniform(random, 10, 80'000));
    if (one_in(random, 2)) {
        faults.rate_bits_per_second = std::uint64_t{log_uniform(random, 500, 1'000'000)} * 1000;
        faults.queue_bytes = log_uniform(random, 8'000, 300'000);
    }
    if (severity == 0) {
        faults.queue_bytes = 4'000'000;
        return plan;
    }
    const std::uint32_t most = severity * severity * 20'000;
    if (!one_in(random, 4)) faults.loss_ppm = log_uniform(random, 500, most);
    if (one_in(random, 4)) {
        faults.good_to_bad_ppm = log_uniform(random, 500, 20'000);
        faults.bad_to_good_ppm = log_uniform(random, 50'000, 500'000);
        faults.bad_loss_ppm = 200'000 * severity;
    }
    if (one_in(random, 3)) faults.duplicate_ppm = log_uniform(random, 500, most);
    if (one_in(random, 3)) {
        faults.reorder_ppm = log_uniform(random, 1'000, most * 2);
        faults.reorder_delay = microseconds(log_uniform(random, 50, 40'000));
    }
    if (one_in(random, 3)) faults.corrupt_ppm = log_uniform(random, 200, most / 2);
    if (one_in(random, 3)) faults.jitter = microseconds(log_uniform(random, 10, 20'000));
    const std::uint32_t episodes = one_in(random, 2) ? random.below(severity + 1) : 0;
    for (std::uint32_t i = 0; i < episodes; ++i) {
        plan.episodes.push_back(draw_episode(random, faults_end));
    }
    return plan;
}

// What one kind of world bends.
struct Recipe {
    std::string_view name;
    std::uint32_t severity_min = 0;
    std::uint32_t severity_max = 3;
    std::uint32_t sessions_max = 12;
    std::uint32_t bytes_max = 200'000;
};

constexpr std::array kRecipes{
    Recipe{.name = "mixed"},
    Recipe{.name = "healthy", .severity_max = 0},
    Recipe{.name = "short", .severity_max = 2, .sessions_max = 60, .bytes_max = 2'000},
    Recipe{.name = "bulk", .severity_max = 2, .sessions_max = 3, .bytes_max = 2'000'000},
    Recipe{.name = "storm", .severity_min = 3, .sessions_max = 6, .bytes_max = 60'000},
    Recipe{.name = "scarce", .severity_max = 1, .sessions_max = 30, .bytes_max = 40'000},
    Recipe{.name = "canary", .severity_max = 0, .sessions_max = 4, .bytes_max = 200'000},
    Recipe{.name = "fair", .severity_max = 0, .sessions_max = 1, .bytes_max = 1'500'000},
    Recipe{.name = "hostile", .severity_max = 2},
    Recipe{.name = "restart", .severity_max = 2, .sessions_max = 20},
    Recipe{.name = "path", .severity_min = 1, .severity_max = 2, .sessions_max = 8},
};

SessionPlan draw_session(Random& random, std::uint32_t id, const Recipe& recipe, Duration span) {
    SessionPlan s;
    s.id = id;
    s.client = one_in(random, 4) ? Side::b : Side::a;
    s.server = one_in(random, 12) ? s.client : other(s.client);
    s.start = milliseconds(random.below(static_cast<std::uint32_t>(span.milliseconds()) / 2 + 1));
    s.rounds = one_in(random, 3) ? 1 + random.below(12) : 1;
    const std::uint32_t most = std::max(2u, recipe.bytes_max / s.rounds);
    s.up_bytes = one_in(random, 6) ? 0 : log_uniform(random, 1, most);
    s.down_bytes = one_in(random, 6) ? 0 : log_uniform(random, 1, most);
    // Rounds without an answer, or without a request, have no order to keep.
    if (s.up_bytes == 0 || s.down_bytes == 0) s.rounds = 1;
    s.ending = static_cast<Ending>(random.below(3));
    s.duplex = one_in(random, 3) && s.ending != Ending::client_half_closes;
    for (std::size_t end = 0; end < 2; ++end) {
        s.write_size[end] = one_in(random, 3) ? log_uniform(random, 1, 3'000) : 16'384;
        s.read_size[end] = one_in(random, 3) ? log_uniform(random, 1, 3'000) : 65'536;
        s.no_delay[end] = one_in(random, 3);
        s.cork[end] = one_in(random, 12);
        if (one_in(random, 8)) {  // at most some two hundred pauses
            s.read_pause[end] = milliseconds_up_to(random, 300);
            s.read_size[end] = std::max(s.read_size[end], s.rounds * most / 200 + 16);
        }
    }
    // Small pieces of large amounts only cost time.
    for (std::size_t end = 0; end < 2; ++end) {
        s.write_size[end] = std::max(s.write_size[end], s.rounds * most / 2'000 + 1);
        s.read_size[end] = std::max(s.read_size[end], s.rounds * most / 2'000 + 1);
    }
    if (one_in(random, 8)) {
        s.abort_after[random.below(2)] = microseconds(log_uniform(random, 10, 3'000'000));
    } else if (one_in(random, 10) && s.client != s.server) {
        s.target = one_in(random, 2) ? Target::closed_port : Target::each_other;
    }
    if (s.target == Target::each_other) s.may_fail = true;  // the later SYN may meet a reset
    return s;
}

void make_scarce(Random& random, WorldPlan& plan) {
    for (HostConfig& host : plan.hosts) {
        stack::StackConfiguration& stack = host.stack;
        stack.max_concurrency = 16 + random.below(32);
        stack.half_open_max = 2 + random.below(16);
        stack.time_wait_max = 2 + random.below(16);
        stack.recoveries_max = 1 + random.below(4);
        stack.reassemblies_max = 1 + random.below(4);
        stack.chunks.count = {600 + random.below(200), 500 + random.below(100),
                              24 + random.below(8)};
        host.port.frames = 160 + random.below(64);
        host.port.transmit_segmentation = 0;
    }
    for (SessionPlan& session : plan.sessions) {
        session.may_fail = true;
        session.server_may_be_reborn = plan.hosts[index(session.server)].may_send_cookies();
    }
}

Episode draw_path_episode(Random& random, const WorldPlan& plan) {
    constexpr std::array kKinds{Episode::Kind::compressed, Episode::Kind::narrow,
                                Episode::Kind::black_hole};
    Episode episode = draw_episode(random, plan.faults_end);
    episode.kind = kKinds[random.below(kKinds.size())];
    episode.extra = microseconds(log_uniform(random, 200, 100'000));
    episode.mtu = 576 + random.below(plan.hosts[0].port.mtu - 575);
    return episode;
}

// What worlds learned after the first vintage, from dice of its own: the rest of a seed's world
// stays.
void add_second_vintage(Random& random, std::uint32_t severity, WorldPlan& plan) {
    const std::string_view name = plan.name;
    if (severity > 0 && (name == "path" || one_in(random, 4))) {
        for (DirectionPlan& direction : plan.wire) {
            for (std::uint32_t i = random.below(3); i > 0; --i)
                direction.episodes.push_back(draw_path_episode(random, plan));
        }
    }
    for (DirectionPlan& direction : plan.wire) {
        if (!one_in(random, 3)) continue;
        direction.faults.mark_bytes =
            1 + random.below(static_cast<std::uint32_t>(direction.faults.queue_bytes / 2));
    }
    if (name == "hostile" || one_in(random, 8))
        plan.attack_interval = microseconds(log_uniform(random, 300, 300'000));
    if (name == "restart" || (severity > 0 && one_in(random, 12))) {
        plan.restart.side = one_in(random, 2) ? Side::a : Side::b;
        const auto span_us = static_cast<std::uint32_t>(plan.faults_end.microseconds());
        plan.restart.at = microseconds(1 + random.below(span_us));
        for (SessionPlan& session : plan.sessions)
            session.may_fail = true;
    }
}

// The third vintage: explicit congestion notification, in every combination of both ends.
void add_third_vintage(Random& random, WorldPlan& plan) {
    using Ecn = tcp::Configuration::Ecn;
    constexpr std::array kEcn{Ecn::off, Ecn::accept, Ecn::request, Ecn::request};
    for (HostConfig& host : plan.hosts)
        host.stack.tcp.ecn = kEcn[random.below(kEcn.size())];
}

void draw_congestion_control(Random& random, tcp::Configuration& tcp) {
    using Algorithm = tcp::CongestionAlgorithm;
    constexpr std::array kAlgorithms{Algorithm::cubic, Algorithm::new_reno, Algorithm::dctcp,
                                     Algorithm::bbr};
    using HyStart = tcp::Configuration::HyStart;
    constexpr std::array kHyStart{HyStart::off, HyStart::classic, HyStart::plus_plus};
    tcp.defaults.congestion = kAlgorithms[random.below(kAlgorithms.size())];
    tcp.hystart = kHyStart[random.below(kHyStart.size())];
    if (one_in(random, 4)) tcp.defaults.max_pacing_rate = tcp::kPacedByWindow;
    if (one_in(random, 4)) tcp.restart_after_idle = tcp::Configuration::Use::off;
}

void draw_path_probing(Random& random, tcp::Configuration& tcp) {
    using Probing = tcp::Configuration::PathProbing;
    constexpr std::array kProbing{Probing::off, Probing::black_hole, Probing::always};
    tcp.path_probing = kProbing[random.below(kProbing.size())];
    tcp.path_base_mss = static_cast<std::uint16_t>(log_uniform(random, 512, 1460));
    tcp.path_mtu_lifetime = seconds(log_uniform(random, 1, 600));
}

void draw_fast_open(Random& random, WorldPlan& plan) {
    using tcp::FastOpen;
    for (HostConfig& host : plan.hosts) {
        host.stack.tcp.fast_open = FastOpen::client | FastOpen::server | FastOpen::every_listener;
        if (one_in(random, 4)) host.stack.tcp.fast_open |= FastOpen::client_without_cookie;
        if (one_in(random, 4)) host.stack.tcp.fast_open |= FastOpen::server_without_cookie;
    }
    for (SessionPlan& session : plan.sessions) {
        session.fast_open = !one_in(random, 3) && session.target == Target::listener;
        // A SYN that arrives twice may be served twice (RFC 7413 §6.1).
        if (session.fast_open) session.server_may_be_reborn = true;
    }
}

// The fourth vintage: congestion control, Fast Open, buffers that grow, path MTU probing.
void add_fourth_vintage(Random& random, WorldPlan& plan) {
    for (HostConfig& host : plan.hosts) {
        tcp::Configuration& tcp = host.stack.tcp;
        draw_congestion_control(random, tcp);
        draw_path_probing(random, tcp);
        tcp.receive_buffer_max = log_uniform(random, 65'536, 6u << 20);
        tcp.send_buffer_max = log_uniform(random, 65'536, 4u << 20);
        if (one_in(random, 3)) tcp.defaults.receive_buffer = log_uniform(random, 8'192, 131'072);
        if (one_in(random, 4)) tcp.defaults.receive_fixed = 1;
        if (one_in(random, 4)) tcp.not_sent_low_water = log_uniform(random, 1'024, 262'144);
    }
    if (one_in(random, 2)) draw_fast_open(random, plan);
}

// The fifth vintage: connections that lie idle, keep-alive probes, user time-outs, urgent bytes.
void add_fifth_vintage(Random& random, std::uint32_t severity, WorldPlan& plan) {
    for (SessionPlan& session : plan.sessions) {
        if (session.rounds > 1 && !session.duplex && one_in(random, 2))
            session.think = milliseconds_up_to(random, 100'000 / session.rounds);
        for (std::size_t end = 0; end < 2; ++end) {
            if (one_in(random, 4)) {
                session.habits[end].keep_alive = {.idle_s = log_uniform(random, 1, 30),
                                                  .interval_s = log_uniform(random, 1, 10),
                                                  .count = 2 + random.below(8)};
                if (severity > 0) session.may_fail = true;  // a black-out may outlast it
            }
            if (one_in(random, 16)) {
                session.habits[end].user_timeout_ms = log_uniform(random, 200, 60'000);
                session.may_fail = true;
            }
            if (one_in(random, 8)) {
                const std::uint32_t most = session.rounds * (session.up_bytes + session.down_bytes);
                session.habits[end].urgent_every = std::max(16 + random.below(5'000), most / 50);
            }
        }
    }
}

// The sixth vintage: what programs do besides, and services that come and go.
void add_sixth_vintage(Random& random, WorldPlan& plan) {
    for (SessionPlan& session : plan.sessions) {
        for (Habits& habits : session.habits) {
            if (one_in(random, 6)) habits.resettles = milliseconds_up_to(random, 3'000);
            habits.peeks = one_in(random, 6);
            habits.more = one_in(random, 8);
            habits.records = one_in(random, 12);
            habits.leaving = static_cast<Leaving>(random.below(3));
        }
    }
    for (HostConfig& host : plan.hosts) {
        ServicePlan& service = host.service;
        if (one_in(random, 8)) service.backlog = static_cast<int>(1 + random.below(8));
        if (one_in(random, 8)) service.defer_accept_s = 1 + random.below(30);
    }
    for (SessionPlan& session : plan.sessions) {
        if (plan.hosts[index(session.server)].service.backlog >= kBacklog) continue;
        // As where half-open records are scarce.
        session.may_fail = true;
        session.server_may_be_reborn |= plan.hosts[index(session.server)].may_send_cookies();
    }
    if (!one_in(random, 16)) return;
    for (HostConfig& host : plan.hosts) {
        ServicePlan& service = host.service;
        service.closes_every = milliseconds_up_to(random, 5'000);
        service.pause = milliseconds_up_to(random, 2'000);
    }
    for (SessionPlan& session : plan.sessions)
        session.may_fail = true;
}

// The seventh vintage: hosts of several cores.
void add_seventh_vintage(Random& random, WorldPlan& plan) {
    for (HostConfig& host : plan.hosts) {
        if (one_in(random, 3)) host.cores = 2 + random.below(2);
    }
}

// The eighth vintage: rings that fill, devices that take nothing for a while, and a service that
// goes and comes back on one core while it stays on the others.
void add_eighth_vintage(Random& random, WorldPlan& plan) {
    for (HostConfig& host : plan.hosts) {
        if (one_in(random, 5)) {
            host.port.ring_frames = log_uniform(random, 1, 300);
            host.port.frame_time = microseconds(log_uniform(random, 1, 100));
        }
        for (std::uint32_t i = one_in(random, 8) ? 1 + random.below(2) : 0; i > 0; --i) {
            const Episode episode = draw_episode(random, plan.faults_end);
            host.port.stalls.push_back(
                {.from = World::kStart + episode.from,
                 .to = World::kStart + std::min(episode.to, plan.faults_end)});
        }
        if (host.port.stalls.empty()) continue;
        // Addresses are not resolved meanwhile, and keep-alive probes not answered.
        for (SessionPlan& session : plan.sessions) {
            const bool asks = session.habits[0].keep_alive.idle_s != 0 ||
                              session.habits[1].keep_alive.idle_s != 0;
            session.may_fail |= asks || plan.layer == io::Layer::ethernet;
        }
    }
    for (const Side side : {Side::a, Side::b}) {
        HostConfig& host = plan.hosts[index(side)];
        ServicePlan& service = host.service;
        if (host.cores == 1 || service.closes_every.ns != 0 || !one_in(random, 3)) continue;
        service.one_core = random.below(static_cast<std::uint32_t>(host.cores));
        service.closes_every = milliseconds_up_to(random, 3'000);
        service.pause = milliseconds_up_to(random, 2'000);
        for (SessionPlan& session : plan.sessions)
            session.may_be_refused |= session.server == side;
    }
}

// Flows of one kind, from one host to the other, over one queue.
void make_fair(Random& random, WorldPlan& plan) {
    plan.fair = true;
    const std::uint32_t flows = 2 + random.below(4);
    const std::uint32_t kilobits = log_uniform(random, 3'000, 10'000);
    const Duration delay = microseconds(log_uniform(random, 500, 30'000));
    const std::uint32_t product = static_cast<std::uint32_t>(
        std::uint64_t{kilobits} * static_cast<std::uint64_t>(delay.microseconds()) / 4'000);
    const std::uint32_t queue = std::max(30'000u, product * (50 + random.below(150)) / 100);
    // Sixty round trips or more, and some eight seconds: what one has at first shall not count.
    const std::uint32_t bytes = std::max(kilobits * 1'000, (product + queue) * 60) / flows;
    for (DirectionPlan& direction : plan.wire) {
        direction = DirectionPlan{};
        direction.faults.seed = random.next();
        direction.faults.delay = delay;
        direction.faults.jitter = nanoseconds(12'000'000'000 / kilobits);  // a frame's time
        direction.faults.rate_bits_per_second = std::uint64_t{kilobits} * 1000;
        direction.faults.queue_bytes = queue;
    }
    plan.wire[1].faults.queue_bytes = 4'000'000;
    for (HostConfig& host : plan.hosts) {
        host.stack.tcp.defaults.receive_buffer = 262'144;
        host.stack.tcp.defaults.send_buffer = 262'144;
        host.stack.tcp.defaults.quick_ack = 0;
        // Without these a burst of losses costs one flow a series of time-outs: luck, not sharing.
        host.stack.tcp.selective_ack = host.stack.tcp.timestamps = tcp::Configuration::Use::on;
        host.program_delay = {};
        host.port.mtu = 1500;
    }
    plan.sessions.clear();
    for (std::uint32_t id = 0; id < flows; ++id) {
        SessionPlan session;
        session.id = id;
        session.start = milliseconds(random.below(100));
        session.up_bytes = bytes;
        session.down_bytes = 0;
        session.read_size = {65'536, 65'536};
        session.ending = Ending::client_half_closes;
        plan.sessions.push_back(session);
    }
}

void make_canary(Random& random, WorldPlan& plan) {
    plan.sabotage = canary_of(plan.seed).sabotage;
    plan.sessions = {SessionPlan{.id = 0, .up_bytes = 100'000}};
    switch (plan.sabotage) {
        case Sabotage::hidden_corruption:
            for (DirectionPlan& direction : plan.wire) {
                direction.faults.corrupt_ppm = 50'000;
                direction.corruption = Corruption::hidden;
            }
            break;
        case Sabotage::swallowed_frames: plan.hosts[1].port.swallow_every = 5; break;
        case Sabotage::dead_wire:
            plan.wire[0].episodes.push_back({.from = milliseconds(1), .to = seconds(100'000)});
            plan.sessions[0].start = milliseconds(100);
            break;
        case Sabotage::unfair_wire: make_fair(random, plan); break;
        case Sabotage::late_end:
            plan.faults_end = seconds(1);
            for (DirectionPlan& direction : plan.wire)
                direction.faults.rate_bits_per_second = 0;
            break;
        case Sabotage::lying_epoll: plan.triggering = Triggering::level; break;
        case Sabotage::flood:
            for (HostConfig& host : plan.hosts)
                host.stack.tcp.initial_window_segments = 100;
            break;
        case Sabotage::impatience:
            plan.wire[1].episodes.push_back({.from = milliseconds(500), .to = seconds(20)});
            plan.sessions[0].start = milliseconds(490);
            plan.faults_end = seconds(20);
            plan.attack_interval = {};
            for (HostConfig& host : plan.hosts)
                host.stack.tcp.rto_max = milliseconds(300);
            break;
        case Sabotage::deaf_cores: plan.hosts[1].cores = 8; break;
        case Sabotage::lost_mark: plan.sessions[0].habits[0].urgent_every = 700; break;
        case Sabotage::backward_timestamp:
            for (HostConfig& host : plan.hosts)
                host.stack.tcp.timestamps = tcp::Configuration::Use::on;
            break;
        default: break;
    }
    for (HostConfig& host : plan.hosts)
        host.sabotage = plan.sabotage;
}

}  // namespace

const std::vector<std::string_view>& world_names() {
    static const std::vector<std::string_view> kNames = [] {
        std::vector<std::string_view> names;
        for (const Recipe& recipe : kRecipes)
            names.push_back(recipe.name);
        return names;
    }();
    return kNames;
}

WorldPlan draw_world(std::string_view name, std::uint64_t seed, std::uint32_t vintage) {
    const auto recipe = std::find_if(kRecipes.begin(), kRecipes.end(),
                                     [name](const Recipe& r) { return r.name == name; });
    MTCP_ASSERT(recipe != kRecipes.end());
    Random random(seed * 0x2545f4914f6cdd1du +
                  static_cast<std::uint64_t>(recipe - kRecipes.begin()));
    WorldPlan plan;
    plan.name = name;
    plan.seed = seed;
    plan.vintage = vintage;
    plan.layer = one_in(random, 3) ? io::Layer::ethernet : io::Layer::ip;
    plan.triggering = one_in(random, 3) ? Triggering::edge : Triggering::level;
    plan.faults_end = milliseconds(log_uniform(random, 500, 30'000));
    plan.bound = seconds(600);
    const std::uint32_t severity =
        recipe->severity_min + random.below(recipe->severity_max - recipe->severity_min + 1);
    for (const Side side : {Side::a, Side::b}) {
        plan.hosts[index(side)] = draw_host(random, side, plan.layer);
        plan.wire[index(side)] = draw_direction(random, severity, plan.faults_end);
    }
    const std::uint32_t mtu = one_in(random, 3) ? pick<4>(random, {576, 1280, 1400, 9000}) : 1500;
    for (HostConfig& host : plan.hosts)
        host.port.mtu = mtu;
    const std::uint32_t sessions = 1 + random.below(recipe->sessions_max);
    for (std::uint32_t id = 0; id < sessions; ++id) {
        plan.sessions.push_back(draw_session(random, id, *recipe, plan.faults_end));
        SessionPlan& session = plan.sessions.back();
        const HostConfig& server = plan.hosts[index(session.server)];
        session.server_may_be_reborn =
            server.stack.tcp.syn_cookies == tcp::Configuration::Cookies::always;
        // An ACK that comes before an earlier lost one is no valid cookie, and is answered with a
        // reset.
        if (session.server_may_be_reborn && severity > 0) session.may_fail = true;
        // Address resolution gives up after a few losses, as it should.
        if (plan.layer == io::Layer::ethernet && severity > 0) session.may_fail = true;
    }
    if (name == "scarce") make_scarce(random, plan);
    if (name == "fair") make_fair(random, plan);
    Random later_dice(random.next());
    if (vintage >= 2) add_second_vintage(later_dice, severity, plan);
    if (vintage >= 3) add_third_vintage(later_dice, plan);
    const bool plain = name == "fair" || name == "canary";  // there others are looked at
    if (vintage >= 4 && !plain) {
        add_fourth_vintage(later_dice, plan);
        if (vintage >= 5) add_fifth_vintage(later_dice, severity, plan);
        if (vintage >= 6) add_sixth_vintage(later_dice, plan);
        if (vintage >= 7) add_seventh_vintage(later_dice, plan);
        if (vintage >= 8) add_eighth_vintage(later_dice, plan);
    } else {
        for (HostConfig& host : plan.hosts)
            host.stack.tcp.path_probing = tcp::Configuration::PathProbing::off;
    }
    if (vintage >= 4 && name == "fair") {
        // Data that overtakes what was lost is no valid cookie, and ends the connection.
        for (HostConfig& host : plan.hosts)
            host.stack.tcp.syn_cookies = tcp::Configuration::Cookies::when_full;
    }
    if (name == "canary") make_canary(random, plan);
    return plan;
}

}  // namespace mtcp::sim
