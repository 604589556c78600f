// SPDX-License-Identifier: Apache-2.0
// Making a core, driving it inline, and putting a context of the C API on it.
#include "island.h"

#include "api/process.h"
#include "socket/application.h"

namespace bench {
namespace {

using mtcp::wire::IpAddress;

mtcp::net::NetworkConfiguration network_of(const IslandSetup& setup) {
    const mtcp::io::Capabilities& capabilities = setup.queue->capabilities();
    mtcp::net::NetworkConfiguration network;
    mtcp::net::InterfaceConfiguration interface;
    interface.name = "wire";
    interface.layer = capabilities.layer;
    interface.mac = setup.mac;
    interface.mtu = capabilities.mtu;
    for (const std::uint32_t address : setup.addresses)
        interface.addresses.push_back({IpAddress::v4(address), 16});
    network.interfaces.push_back(std::move(interface));
    for (const std::uint32_t address : setup.neighbours) {
        if (capabilities.layer != mtcp::io::Layer::ethernet) break;  // nobody to tell apart
        network.neighbours.push_back({IpAddress::v4(address), setup.neighbour_mac, 0});
    }
    network.announcement = mtcp::net::Announcement::silent;
    return network;
}

}  // namespace

std::unique_ptr<Island> Island::make(const IslandSetup& setup, std::string& problem) {
    std::unique_ptr<Island> island(new Island);
    mtcp::stack::CoreSetup core;
    core.configuration = setup.configuration;
    core.network = network_of(setup);
    core.queues = {setup.queue};
    const std::uint64_t seed = static_cast<std::uint64_t>(setup.number) + 1;
    core.seed = seed;
    core.counters = &island->counters_;
    core.now = mtcp::stack::monotonic_now();
    auto made = mtcp::stack::Core::create(std::move(core));
    if (!made) {
        problem = made.error().text();
        return nullptr;
    }
    island->core_ = std::move(made).value();
    if (!island->doorbell_.open()) {
        problem = "no descriptor for a doorbell";
        return nullptr;
    }
    auto driver = mtcp::stack::make_inline_driver(*island->core_, island->doorbell_);
    if (!driver) {
        problem = driver.error().text();
        return nullptr;
    }
    island->driver_ = std::move(driver).value();
    auto application = mtcp::socket::Application::create(
        island->core_->view(*island->driver_),
        {.descriptors = setup.configuration.max_concurrency, .seed = seed});
    if (!application) {
        problem = application.error().text();
        return nullptr;
    }
    mtcp_context& context = mtcp::api::process().contexts[static_cast<std::size_t>(setup.number)];
    context.cpu = setup.number;
    context.application = std::move(application).value();
    context.counters = &island->counters_;
    context.owner.store(nullptr);
    context.state.store(mtcp::api::ContextState::alive);
    island->context_ = &context;
    return island;
}

Island::~Island() {
    if (context_ == nullptr) return;
    context_->state.store(mtcp::api::ContextState::vacant);
    context_->application.reset();
}

}  // namespace bench
