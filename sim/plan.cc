// SPDX-License-Identifier: Apache-2.0
// A world in words.
#include "sim/plan.h"

#include <array>
#include <sstream>

namespace mtcp::sim {
namespace {

double in_seconds(Duration duration) { return static_cast<double>(duration.ns) / 1e9; }

void write_habits(std::ostream& out, const SessionPlan& session) {
    constexpr std::array<const char*, 3> kLeaving{"", ", leaves by closing",
                                                  ", leaves by shutting"};
    for (std::size_t end = 0; end < 2; ++end) {
        const char* const who = end == 0 ? " (client)" : " (server)";
        const Habits& habits = session.habits[end];
        const KeepAlive& keep = habits.keep_alive;
        if (keep.idle_s != 0)
            out << ", keep-alive " << keep.idle_s << " s, " << keep.count << " x "
                << keep.interval_s << " s" << who;
        if (habits.user_timeout_ms != 0)
            out << ", user time-out " << habits.user_timeout_ms << " ms" << who;
        if (habits.urgent_every != 0)
            out << ", every " << habits.urgent_every << ". byte urgent" << who;
        if (habits.resettles.ns != 0)
            out << ", resettles every " << in_seconds(habits.resettles) << " s" << who;
        if (habits.peeks) out << ", peeks" << who;
        if (habits.more) out << ", more" << who;
        if (habits.records) out << ", records" << who;
        if (session.abort_after[end].ns != 0)
            out << kLeaving[static_cast<std::size_t>(habits.leaving)] << who;
    }
}

void write_host(std::ostream& out, const HostConfig& host) {
    const tcp::Configuration& tcp = host.stack.tcp;
    using Use = tcp::Configuration::Use;
    const ServicePlan& service = host.service;
    out << "\n  service of " << host.name << ": backlog " << service.backlog;
    if (service.defer_accept_s != 0) out << ", defers accept " << service.defer_accept_s << " s";
    if (service.closes_every.ns != 0)
        out << ", closes every " << in_seconds(service.closes_every) << " s for "
            << in_seconds(service.pause) << " s";
    if (service.one_core != SIZE_MAX) out << " on core " << service.one_core << " alone";
    out << "\n  host " << host.name << ": " << host.cores << (host.cores == 1 ? " core" : " cores")
        << ", rcvbuf " << tcp.defaults.receive_buffer << ", sndbuf " << tcp.defaults.send_buffer
        << (tcp.timestamps == Use::off ? ", no timestamps" : "")
        << (tcp.selective_ack == Use::off ? ", no SACK" : "")
        << (tcp.window_scaling == Use::off ? ", no scaling" : "")
        << (tcp.ecn == tcp::Configuration::Ecn::off       ? ", no ECN"
            : tcp.ecn == tcp::Configuration::Ecn::request ? ", asks for ECN"
                                                          : "")
        << (tcp.header_prediction == Use::off ? ", no prediction" : "") << ", "
        << tcp::name_of(tcp.defaults.congestion)
        << (tcp.defaults.max_pacing_rate != 0 ? ", paced" : "")
        << (tcp.path_probing == tcp::Configuration::PathProbing::always ? ", probes the path"
            : tcp.path_probing == tcp::Configuration::PathProbing::off  ? ", no probing"
                                                                        : "")
        << (tcp.syn_cookies == tcp::Configuration::Cookies::always ? ", cookies" : "")
        << (host.port.transmit_segmentation != 0 ? ", TSO" : "")
        << (host.port.refuse_ppm != 0 ? ", refusing device" : "") << ", program "
        << host.program_delay.microseconds() << " us late";
    if (host.port.ring_frames != 0)
        out << ", ring of " << host.port.ring_frames << " frames, one leaves each "
            << host.port.frame_time.microseconds() << " us";
    for (const PortConfig::Stall& stall : host.port.stalls)
        out << ", takes nothing " << in_seconds(stall.from - World::kStart) << '-'
            << in_seconds(stall.to - World::kStart) << " s";
    out << '\n';
}

}  // namespace

std::string WorldPlan::text() const {
    std::ostringstream out;
    out << "world " << name << ", seed " << seed << ", " << (layer == io::Layer::ip ? "L3" : "L2")
        << ", mtu " << hosts[0].port.mtu << ", " << sessions.size() << " sessions, faults end at "
        << static_cast<double>(faults_end.ns) / 1e9 << " s"
        << (triggering == Triggering::edge ? ", edge-triggered" : "");
    if (attack_interval.ns != 0)
        out << ", attacked every " << static_cast<double>(attack_interval.ns) / 1e6 << " ms";
    if (restart.at.ns != 0)
        out << ", " << hosts[index(restart.side)].name << " restarts at "
            << static_cast<double>(restart.at.ns) / 1e9 << " s";
    if (is_canary()) out << ", canary: " << canary_of(seed).name;
    out << '\n';
    for (std::size_t i = 0; i < 2; ++i) {
        out << "  wire from " << hosts[i].name << ": " << io::to_text(wire[i].faults);
        for (const Episode& e : wire[i].episodes) {
            out << "; " << kEpisodeNames[static_cast<std::size_t>(e.kind)] << ' '
                << static_cast<double>(e.from.ns) / 1e9 << '-' << static_cast<double>(e.to.ns) / 1e9
                << " s";
            if (e.extra.ns != 0) out << " by " << static_cast<double>(e.extra.ns) / 1e6 << " ms";
            if (e.mtu != 0) out << " to " << e.mtu;
        }
        write_host(out, hosts[i]);
    }
    for (const SessionPlan& s : sessions) {
        constexpr std::array<const char*, 3> kEndings{"client closes", "server closes",
                                                      "half-close"};
        constexpr std::array<const char*, 3> kTargets{"", ", closed port", ", simultaneous open"};
        out << "  session " << s.id << " at " << static_cast<double>(s.start.ns) / 1e9 << " s from "
            << hosts[index(s.client)].name << " to " << hosts[index(s.server)].name << ": "
            << s.rounds << " x " << s.up_bytes << " up, " << s.down_bytes << " down"
            << (s.duplex ? ", duplex" : "") << ", " << kEndings[static_cast<std::size_t>(s.ending)]
            << kTargets[static_cast<std::size_t>(s.target)] << (s.aborts() ? ", abort" : "")
            << (s.fast_open ? ", fast open" : "");
        write_habits(out, s);
        if (s.think.ns != 0) out << ", thinks " << static_cast<double>(s.think.ns) / 1e9 << " s";
        out << '\n';
    }
    return out.str();
}

}  // namespace mtcp::sim
