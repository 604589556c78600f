// SPDX-License-Identifier: Apache-2.0
// Building a host and running it.
#include "sim/host.h"

#include <cstdio>
#include <cstdlib>
#include <utility>

namespace mtcp::sim {
namespace {

// Turns of one instant. A core that wants more of them would never let time pass.
constexpr int kTurnsPerInstant = 20'000;

net::NetworkConfiguration network_of(const HostConfig& config) {
    net::NetworkConfiguration network;
    network.interfaces.push_back({.name = "sim0",
                                  .layer = config.port.layer,
                                  .kind = net::InterfaceKind::network,
                                  .partial_checksums = net::PartialChecksums::rejected,
                                  .mac = config.mac,
                                  .mtu = config.port.mtu,
                                  .addresses = {{config.address, config.prefix_length}}});
    if (!config.gateway.is_unspecified()) {
        network.routes.push_back(
            {.destination = {wire::IpAddress::v4(0), 0}, .gateway = config.gateway});
    }
    network.announcement = net::Announcement::silent;
    return network;
}

[[noreturn]] void give_up(const Problem& problem) {
    std::fprintf(stderr, "mtcp_sim: %s\n", problem.text().c_str());
    std::abort();
}

}  // namespace

Host::Host(World& world, Findings& findings, const HostConfig& config, FramePort::Sink sink,
           stack::CoreLinks links)
    : world_(world), findings_(findings), config_(config), sink_(std::move(sink)) {
    power_on(std::move(links));
    world.add(*this);
}

void Host::power_on(stack::CoreLinks links) {
    port_ = std::make_unique<FramePort>(config_.port, sink_);
    counters_ = Counters{};
    auto core = stack::Core::create({.configuration = config_.stack,
                                     .network = network_of(config_),
                                     .queues = {port_.get()},
                                     .links = std::move(links),
                                     .seed = config_.seed,
                                     .counters = &counters_,
                                     .now = world_.now()});
    if (!core) give_up(core.error());
    core_ = std::move(core).value();
    auto application = socket::Application::create(core_->view(*this),
                                                   {.descriptors = config_.stack.max_concurrency,
                                                    .port_first = config_.stack.port_first,
                                                    .port_last = config_.stack.port_last,
                                                    .seed = config_.seed + 1});
    if (!application) give_up(application.error());
    application_ = std::move(application).value();
}

void Host::power_off() {
    program_ = nullptr;
    application_.reset();
    core_.reset();
    delivered_before_ += port_->frames_delivered();
}

void Host::power_on_again(stack::CoreLinks links) {
    config_.seed += 2;  // another boot: other secrets
    power_on(std::move(links));
    next_turn_ = program_at_ = world_.now();
    kicked_ = false;
}

Instant Host::due() const {
    Instant when = next_turn_;
    if (port_->frames_waiting() != 0 || kicked_ || has_handoffs())
        when = earlier(when, world_.now());
    if (program_ != nullptr) when = earlier(when, earlier(program_at_, program_->due()));
    return when;
}

void Host::turn() {
    kicked_ = false;
    const stack::TurnResult result = core_->turn(world_.now());
    next_turn_ = config_.sabotage == Sabotage::lost_timer ? kNever : result.next_deadline;
}

bool Host::turn_wanted(Instant now) {
    // What the core sent to itself waits in its last queue.
    return kicked_ || core_->has_requests() || has_handoffs() || next_turn_ <= now ||
           port_->frames_waiting() != 0 || !core_->queues().back()->prepare_wait();
}

bool Host::program_wanted() const {
    return program_ != nullptr && earlier(program_at_, program_->due()) <= world_.now();
}

void Host::step(Instant now) {
    for (int i = 0; turn_wanted(now) || program_wanted(); ++i) {
        if (turn_wanted(now)) turn();
        if (has_events() && program_at_ == kNever) program_at_ = now + config_.program_delay;
        if (program_wanted()) {
            program_at_ = kNever;
            program_->run(now);
        }
        if (i >= kTurnsPerInstant) {
            findings_.add("liveness",
                          config_.name + ": the core wants turn after turn at one instant");
            std::fprintf(stderr, "%s spins\n", config_.name.c_str());
            next_turn_ = now + milliseconds(1);
            return;
        }
    }
}

Host::Wake Host::wait(Instant deadline) {
    if (waiter_) return waiter_(deadline);
    if (deadline <= world_.now()) {
        turn();
        return has_events() ? Wake::events : Wake::deadline;
    }
    std::fprintf(stderr, "mtcp_sim: a call of a program on %s blocks\n", config_.name.c_str());
    std::abort();
}

}  // namespace mtcp::sim
