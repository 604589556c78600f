// SPDX-License-Identifier: Apache-2.0
// Building a core, showing it to the application side, and ending it.
#include "stack/core.h"

#include <algorithm>
#include <new>

namespace mtcp::stack {
namespace {

SecretKey secret(Random& random) { return {.k0 = random.next(), .k1 = random.next()}; }

std::int32_t in_seconds(Duration d) { return static_cast<std::int32_t>(d.milliseconds() / 1000); }

Problem refused(const char* what) {
    return {.what = std::string("cannot reserve memory for ") + what,
            .why = "the system refused the mapping",
            .mend =
                "lower max_concurrency or the chunk counts, or raise the address-space limit "
                "(ulimit -v)",
            .error = ENOMEM};
}

}  // namespace

Core::Core(CoreSetup setup)
    : configuration_(std::move(setup.configuration)),
      links_(std::move(setup.links)),
      counters_(setup.counters != nullptr ? setup.counters : &own_counters_),
      random_(setup.seed),
      flow_secret_(secret(random_)),
      port_secret_(secret(random_)),
      queues_(std::move(setup.queues)),
      network_configuration_(std::move(setup.network)),
      loopback_addresses_(std::move(setup.loopback_addresses)),
      now_(setup.now),
      frames_per_turn_(configuration_.drive == Drive::paired ? io::kBurst : kFramesPerTurn) {
    tcp_.configuration = configuration_.tcp;
    tcp_.isn_key = secret(random_);
    tcp_.cookie_key = secret(random_);
    tcp_.counters = counters_;
    destination_secret_ = secret(random_);
    choose_fast_open_keys();
}

// A core of many is given them, since all must agree.
void Core::choose_fast_open_keys() {
    tcp::FastOpenKeys& keys = tcp_.configuration.fast_open_keys;
    if (!keys.chosen) keys = {.primary = secret(random_), .backup = {}, .chosen = true};
    configuration_.tcp.fast_open_keys = keys;
}

Result<std::unique_ptr<Core>, Problem> Core::create(CoreSetup setup) {
    std::unique_ptr<Core> core(new (std::nothrow) Core(std::move(setup)));
    if (core == nullptr) return failure(refused("a core"));
    if (auto reserved = core->reserve(); !reserved) return failure(reserved.error());
    return core;
}

Result<Done, Problem> Core::reserve() {
    const Pages pages = configuration_.huge_pages ? Pages::huge_if_available : Pages::normal;
    connection_grant_target_ = std::min<std::uint32_t>(socket::kConnectionGrantRing,
                                                       configuration_.max_concurrency / 8 + 1);
    const std::uint32_t connections = configuration_.max_concurrency + connection_grant_target_;
    const std::uint64_t flows =
        std::uint64_t{connections} + configuration_.half_open_max + configuration_.time_wait_max;
    if (!chunks_.reserve(configuration_.chunks, pages)) return failure(refused("chunks"));
    if (!connections_.reserve(connections, pages)) return failure(refused("connections"));
    if (!half_open_.reserve(configuration_.half_open_max, pages))
        return failure(refused("half-open records"));
    if (!time_wait_.reserve(configuration_.time_wait_max, pages))
        return failure(refused("TIME-WAIT records"));
    if (!flows_.reserve(flows, pages)) return failure(refused("the flow table"));
    if (!wheel_.reserve(connections, pages)) return failure(refused("timers"));
    if (!tcp_.recoveries.reserve(configuration_.recoveries_max) ||
        !tcp_.reassemblies.reserve(configuration_.reassemblies_max) ||
        !tcp_.path_searches.reserve(
            std::min(configuration_.recoveries_max, tcp::kPathSearchesMax)) ||
        !tcp_.marks.reserve(std::min(configuration_.recoveries_max, tcp::kMarkListsMax)) ||
        !tcp_.controllers.reserve(
            std::min(configuration_.controllers_max, tcp::congestion::kRecordsMax))) {
        return failure(refused("loss-recovery records"));
    }
    if (!tcp_.destinations.reserve(configuration_.destinations_max, destination_secret_)) {
        return failure(refused("what is known of other hosts"));
    }
    if (!unposted_.grow(std::size_t{connections} + 64)) return failure(refused("events"));
    wheel_.start(now_);
    chunk_bytes_total_ = chunks_.available_bytes();

    loopback_ = io::LoopbackQueue::create({});
    if (loopback_ == nullptr) return failure(refused("the loopback interface"));
    queues_.push_back(loopback_.get());
    network_configuration_.interfaces.push_back(
        {.name = "lo",
         .layer = io::Layer::ip,
         .kind = net::InterfaceKind::loopback,
         .partial_checksums = net::PartialChecksums::accepted,
         .mac = {},
         .mtu = loopback_->capabilities().mtu,
         .addresses = loopback_addresses_});
    refused_.resize(kWorkLists * queues_.size());
    network_configuration_.core = {.number = static_cast<std::uint32_t>(links_.self),
                                   .of = static_cast<std::uint32_t>(links_.cores)};
    auto network = net::Network::create(network_configuration_, *counters_, random_);
    if (!network) return failure(network.error());
    network_ = std::move(network).value();
    for (std::size_t i = 0; i < queues_.size(); ++i) {
        queues_[i]->set_counters(counters_);
        network_->attach(i, *queues_[i]);
    }
    refill_grants();
    if (links_.cores > 1) {
        // What was meant for an earlier core of this number.
        for (HandoffRing* ring : links_.from) {
            while (ring != nullptr && ring->front() != nullptr)
                ring->pop();
        }
        links_.shared->running.add(links_.self);
    }
    return Done{};
}

Core::~Core() {
    if (links_.cores > 1) links_.shared->running.remove(links_.self);
    counters_->connections = counters_->half_open = counters_->time_wait = 0;
    counters_->chunks_used = 0;
    for (socket::Listener* listener : listeners_.all())
        delete listener;
}

socket::CoreView Core::view(socket::Driver& driver) {
    return {.channel = &channel_,
            .chunks = &chunks_,
            .streams = {&connections_.data()->stream, sizeof(Connection)},
            .connection_capacity = connections_.capacity(),
            .pages = configuration_.huge_pages ? Pages::huge_if_available : Pages::normal,
            .driver = &driver,
            .defaults = configuration_.tcp.defaults,
            .syn_retries = configuration_.tcp.syn_retries,
            .fin_wait_2_s = in_seconds(configuration_.tcp.fin_wait_2),
            .core = this,
            .key =
                [](void* core, std::uint32_t index) {
                    return static_cast<Core*>(core)->connections_[index].tcb.key;
                },
            .is_local =
                [](void* core, const wire::IpAddress& address) {
                    return static_cast<Core*>(core)->network_->is_local(address);
                },
            .has_route =
                [](void* core, const wire::IpAddress& address) {
                    return static_cast<Core*>(core)->network_->has_route(address);
                }};
}

void Core::shut_down(Instant now, std::uint64_t how) {
    take_requests(now);
    for (socket::Listener* listener : listeners_.all()) {
        if (listener != nullptr) unlisten(*listener, now);
    }
    for (std::uint32_t index = 0; index < connections_.touched(); ++index) {
        Connection& connection = connections_[index];
        if (connection.attached) close(index, how, now);
    }
    while (time_wait_order_.first != kNoIndex)
        drop_time_wait(time_wait_order_.first);
}

Core::Closing Core::closing_connections() const {
    Closing closing;
    for (std::uint32_t index = 0; index < connections_.touched(); ++index) {
        const Connection& connection = connections_[index];
        if (!connection.alive || connection.attached) continue;
        ++closing.all;
        if (connection.tcb.state != tcp::State::fin_wait_2) ++closing.undelivered;
    }
    return closing;
}

void Core::abandon_closing(Instant now) {
    for (std::uint32_t index = 0; index < connections_.touched(); ++index) {
        if (connections_[index].alive) {
            react(index, tcp::on_abort(tcp_, connections_[index].tcb, now), nullptr, now);
        }
    }
    // Those that ended in order meanwhile: their entries in the shared tables go with them.
    while (time_wait_order_.first != kNoIndex)
        drop_time_wait(time_wait_order_.first);
}

void Core::reconfigure(const tcp::Configuration& configuration) {
    configuration_.tcp = tcp_.configuration = configuration;
    choose_fast_open_keys();
}

Core::Levels Core::levels() const {
    return {.connections = connections_.used(),
            .half_open = half_open_.used(),
            .time_wait = time_wait_.used(),
            .chunks = chunks_.used_total(),
            .flows = flows_.size(),
            .recoveries = tcp_.recoveries.used(),
            .path_searches = tcp_.path_searches.used(),
            .reassemblies = tcp_.reassemblies.used()};
}

}  // namespace mtcp::stack
