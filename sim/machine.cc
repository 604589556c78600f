// SPDX-License-Identifier: Apache-2.0
// Cores side by side.
#include "sim/machine.h"

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <utility>

#include "io/middleware/software_offload.h"
#include "wire/big_endian.h"
#include "wire/ipv4.h"

namespace mtcp::sim {
namespace {

// Small enough that a crowd fills it.
constexpr std::size_t kRingBytes = std::size_t{1} << 15;
constexpr std::uint64_t kSpread = 0x9e3779b97f4a7c15u;

HostConfig config_of(const HostConfig& host, std::size_t core) {
    HostConfig config = host;
    config.seed += 1'000 * core;
    config.port.seed += core;
    // As Stack: a cookie is the client's, whichever core its next SYN comes to.
    tcp::FastOpenKeys& keys = config.stack.tcp.fast_open_keys;
    if (host.cores > 1 && !keys.chosen)
        keys = {.primary = {host.seed, ~host.seed}, .backup = {}, .chosen = true};
    return config;
}

}  // namespace

Machine::Machine(World& world, Findings& findings, const HostConfig& config, FramePort::Sink sink)
    : size_(config.cores), layer_(config.port.layer), seed_(config.seed) {
    connect_cores();
    for (std::size_t i = 0; i < size_; ++i) {
        cores_.push_back(
            std::make_unique<Host>(world, findings, config_of(config, i), sink, links_of(i)));
    }
}

void Machine::connect_cores() {
    if (mesh_.reserve(size_, kRingBytes)) return;
    std::perror("mtcp_sim: rings between cores");
    std::exit(2);
}

stack::CoreLinks Machine::links_of(std::size_t core) {
    stack::CoreLinks links = mesh_.links_of(core);
    links.context = this;
    links.ring_doorbell = [](void* context, std::size_t to) {
        static_cast<Machine*>(context)->cores_[to]->hand_off_waits();
    };
    return links;
}

void Machine::restart() {
    for (const auto& host : cores_)
        host->power_off();
    connect_cores();
    for (std::size_t i = 0; i < size_; ++i)
        cores_[i]->power_on_again(links_of(i));
}

// A flow stays on its queue, whoever owns it. What has no ports comes now here, now there.
void Machine::deliver(std::span<const std::byte> frame) {
    std::uint64_t hash = seed_ + frames_delivered();
    const io::TransportPlace place = io::find_transport(frame, layer_);
    if (place.protocol == wire::kProtocolTcp && place.transport + 4u <= frame.size())
        hash = seed_ ^ wire::load_be32(frame.data() + place.transport);
    cores_[(hash * kSpread >> 32) % size_]->port().deliver(frame);
}

std::uint64_t Machine::frames_delivered() const {
    std::uint64_t sum = 0;
    for (const auto& host : cores_)
        sum += host->frames_delivered();
    return sum;
}

bool Machine::has_refused() const {
    return std::ranges::any_of(cores_, [](const auto& host) { return host->port().has_refused(); });
}

Counters Machine::counters() const {
    Counters sum = cores_[0]->core().counters();
    for (std::size_t i = 1; i < size_; ++i) {
        const Counters& more = cores_[i]->core().counters();
#define MTCP_ADD_COUNTER(name, text) sum.name += more.name;
        MTCP_COUNTER_LIST(MTCP_ADD_COUNTER)
#undef MTCP_ADD_COUNTER
        for (std::size_t d = 0; d < kDropCount; ++d)
            sum.dropped[d] += more.dropped[d];
    }
    return sum;
}

std::uint64_t Machine::flows() const {
    std::uint64_t sum = 0;
    for (const auto& host : cores_)
        sum += host->core().levels().flows;
    return sum;
}

Instant Machine::stack_deadline() const {
    Instant first = kNever;
    for (const auto& host : cores_)
        first = earlier(first, host->stack_deadline());
    return first;
}

Instant Machine::due() const {
    Instant first = kNever;
    for (const auto& host : cores_)
        first = earlier(first, host->due());
    return first;
}

}  // namespace mtcp::sim
