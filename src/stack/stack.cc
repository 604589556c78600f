// SPDX-License-Identifier: Apache-2.0
// Opening the devices, making the cores on them, and starting their drivers.
#include "stack/stack.h"

#include <sys/random.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <ctime>
#include <memory>
#include <mutex>
#include <new>
#include <optional>
#include <span>
#include <thread>
#include <vector>

#include "base/log.h"
#include "base/signal_pointer.h"
#include "base/telemetry.h"
#include "io/middleware/capture.h"
#include "io/middleware/fault_injector.h"
#include "io/open_device.h"
#include "stack/core.h"
#include "stack/core_mesh.h"
#include "stack/drivers.h"
#include "stack/stat_print.h"

namespace mtcp::stack {
namespace {

constexpr std::size_t kHandoffRingBytes = std::size_t{4} << 20;
// How long stop_core() waits for connections the application had closed to end in order.
constexpr Duration kClosingGrace = seconds(2);
// How long the end of the program waits for peers that have acknowledged all and need only close;
// then they get a reset, as from a host that has forgotten the connection.
constexpr Duration kPartingGrace = milliseconds(100);

// What waits in a device that no core served for longer than this was sent again or given up by
// who sent it; to answer it would reset or open what is long over, and ask or believe neighbours
// of then. After shorter pauses, as when a context follows another, nothing is lost.
constexpr Duration kStaleAfter = seconds(1);
// More may come than is discarded, so that it has to end somewhere: eight times a ring by default.
constexpr std::size_t kStaleBursts = 512;

// Threads that the end of the program overtakes may still read what mtcp_recv_in_place() lent them.
std::array<Core*, kCoresMax> cores_at_exit{};

Problem wrong(std::string what, std::string why, std::string mend, int error) {
    return {
        .what = std::move(what), .why = std::move(why), .mend = std::move(mend), .error = error};
}

struct Interface {
    InterfaceConfiguration configuration;
    std::unique_ptr<io::Device> device;
    std::shared_ptr<io::CaptureFile> capture;
    std::vector<std::unique_ptr<io::Queue>> middleware;  // around the device's queues
    std::vector<io::Queue*> queues;                      // one a core, the outermost layer
};

struct CoreSlot {
    std::unique_ptr<Core> core;
    std::unique_ptr<CoreDriver> driver;
    Doorbell doorbell;
    SignalPointer<CoreDriver> interruptible;
    enum class Use : std::uint8_t { none, relay, application, ending } use = Use::none;
    Instant unserved_since = monotonic_now();  // while in no use

    [[nodiscard]] bool has_application() const {
        return use == Use::application || use == Use::ending;
    }
};

// Of a core without an application, which holds no connection.
StackConfiguration relaying(StackConfiguration configuration) {
    constexpr std::uint32_t kFew = 16;
    configuration.max_concurrency = kFew;
    configuration.half_open_max = configuration.time_wait_max = kFew;
    configuration.recoveries_max = configuration.controllers_max = kFew;
    configuration.reassemblies_max = configuration.destinations_max = kFew;
    configuration.chunks.count = {kFew, kFew, kFew};
    configuration.huge_pages = false;
    return configuration;
}

io::DevicePrefix device_prefix(const Prefix& p) {
    // An interface takes what is sent to the address itself, not to its whole network.
    io::DevicePrefix prefix;
    if (p.address.is_v4()) {
        std::copy(p.address.octet.begin() + 12, p.address.octet.end(), prefix.address.begin());
        return prefix;
    }
    prefix.family = io::DevicePrefix::Family::ipv6;
    prefix.address = p.address.octet;
    prefix.length = 128;
    return prefix;
}

std::uint64_t system_random() {
    std::uint64_t value = 0;
    if (::getrandom(&value, sizeof value, 0) != sizeof value) {
        value = static_cast<std::uint64_t>(monotonic_now().ns) ^
                static_cast<std::uint64_t>(::getpid()) << 32;
    }
    return value;
}

}  // namespace

struct Stack::Implementation {
    StackConfiguration configuration;
    std::vector<Interface> interfaces;
    net::NetworkConfiguration network;
    std::vector<net::Prefix> loopback_addresses;
    CoreMesh mesh;
    std::optional<TelemetryFile> telemetry;
    std::vector<Counters> own_counters;
    std::vector<std::unique_ptr<CoreSlot>> cores;
    std::unique_ptr<StatPrinter> stat_printer;
    std::mutex mutex;  // start_core and stop_core come from several application threads
    bool ending = false;

    [[nodiscard]] Result<Done, Problem> open_interface(const InterfaceConfiguration& wanted);
    [[nodiscard]] Result<Done, Problem> open_capture(Interface& interface);
    [[nodiscard]] Result<Done, Problem> wrap_queues(Interface& interface);
    [[nodiscard]] Result<Done, Problem> describe_network();
    [[nodiscard]] CoreSetup setup_of(std::size_t core);
    [[nodiscard]] Result<socket::CoreView, Problem> start_for_application(std::size_t core);
    // Under the mutex: while any core has an application, those without one have a relay.
    void settle_relays();
    void start_relay(std::size_t core);
    void stop_relay(CoreSlot& slot);
    // Before a new core's first turn.
    void discard_stale(std::size_t core, Instant now);
    [[nodiscard]] Counters& counters(std::size_t core) {
        return telemetry ? telemetry->core(static_cast<int>(core)) : own_counters[core];
    }
};

Result<Done, Problem> Stack::Implementation::open_interface(const InterfaceConfiguration& wanted) {
    if (wanted.kind == "link") {  // no wire: addresses reachable inside this process only
        for (const Prefix& p : wanted.addresses)
            loopback_addresses.push_back({p.address, p.length});
        return Done{};
    }
    io::DeviceConfig device{};
    device.kind = wanted.kind;
    device.name = wanted.name;
    device.queues = configuration.cores;
    device.options = wanted.options;
    for (const Prefix& p : wanted.addresses)
        device.prefixes.push_back(device_prefix(p));
    auto opened = io::open_device(device);
    if (!opened) return failure(opened.error());
    Interface interface;
    interface.configuration = wanted;
    interface.device = std::move(opened).value();
    log(LogLevel::info, "%s", interface.device->description().c_str());
    if (interface.device->queue_count() < configuration.cores) {
        return failure(wrong(
            "interface " + wanted.name + " has " + std::to_string(interface.device->queue_count()) +
                " queues for " + std::to_string(configuration.cores) + " cores",
            "each core needs a queue of its own",
            "lower num_cores, or give the interface more queues (ethtool -L)", EINVAL));
    }
    if (auto wrapped = wrap_queues(interface); !wrapped) return failure(wrapped.error());
    interfaces.push_back(std::move(interface));
    return Done{};
}

// Interfaces that name the same file share it.
Result<Done, Problem> Stack::Implementation::open_capture(Interface& interface) {
    const std::string& path = interface.configuration.capture_file;
    if (path.empty()) return Done{};
    for (const Interface& other : interfaces) {
        if (other.configuration.capture_file == path) interface.capture = other.capture;
    }
    if (interface.capture != nullptr) return Done{};
    timespec wall;
    ::clock_gettime(CLOCK_REALTIME, &wall);
    io::CaptureConfig capture;
    capture.path = path;
    capture.bytes_max = configuration.capture_bytes_max;
    capture.snap_bytes = configuration.capture_snap_bytes;
    capture.wall_clock_offset_ns =
        std::int64_t{wall.tv_sec} * 1'000'000'000 + wall.tv_nsec - monotonic_now().ns;
    auto file = io::CaptureFile::create(std::move(capture));
    if (!file) return failure(file.error());
    interface.capture = std::move(file).value();
    return Done{};
}

Result<Done, Problem> Stack::Implementation::wrap_queues(Interface& interface) {
    const InterfaceConfiguration& wanted = interface.configuration;
    if (auto opened = open_capture(interface); !opened) return opened;
    for (std::size_t core = 0; core < configuration.cores; ++core) {
        io::Queue* queue = &interface.device->queue(core);
        if (interface.capture != nullptr) {
            interface.middleware.push_back(std::make_unique<io::CaptureQueue>(
                *queue, interface.capture, wanted.name + " queue " + std::to_string(core)));
            queue = interface.middleware.back().get();
        }
        if (wanted.faults.any()) {
            io::FaultInjectorConfig both_ways{.transmit = wanted.faults, .receive = wanted.faults};
            both_ways.transmit.seed += 2 * core;
            both_ways.receive.seed += 2 * core + 1;
            auto injector = io::FaultInjectorQueue::create(*queue, both_ways);
            if (!injector) return failure(injector.error());
            interface.middleware.push_back(std::move(injector).value());
            queue = interface.middleware.back().get();
        }
        interface.queues.push_back(queue);
    }
    return Done{};
}

Result<Done, Problem> Stack::Implementation::describe_network() {
    for (const Interface& interface : interfaces) {
        const io::Capabilities& capabilities = interface.queues[0]->capabilities();
        net::InterfaceConfiguration described{.name = interface.configuration.name,
                                              .layer = capabilities.layer,
                                              .kind = net::InterfaceKind::network,
                                              .partial_checksums = net::PartialChecksums::rejected,
                                              .mac = interface.device->mac(),
                                              .mtu = capabilities.mtu,
                                              .addresses = {}};
        for (const Prefix& p : interface.configuration.addresses) {
            described.addresses.push_back({p.address, p.length});
        }
        network.interfaces.push_back(std::move(described));
    }
    const auto find = [this](const std::string& name) {
        std::size_t i = 0;
        while (i < network.interfaces.size() && network.interfaces[i].name != name)
            ++i;
        return i;
    };
    for (const RouteConfiguration& route : configuration.routes) {
        const std::size_t i = route.interface_name.empty() ? 0 : find(route.interface_name);
        if (i >= network.interfaces.size()) {
            return failure(wrong("route through interface '" + route.interface_name + "'",
                                 "there is no such interface", "name one that `port` opens",
                                 ENODEV));
        }
        network.routes.push_back(
            {.destination = {route.destination.address, route.destination.length},
             .gateway = route.gateway,
             .interface = i});
    }
    for (const NeighbourConfiguration& neighbour : configuration.neighbours) {
        for (std::size_t i = 0; i < network.interfaces.size(); ++i) {
            if (network.interfaces[i].layer != io::Layer::ethernet) continue;
            network.neighbours.push_back(
                {.address = neighbour.address, .mac = neighbour.mac, .interface = i});
        }
    }
    loopback_addresses.push_back({wire::IpAddress::v4(0x7f000001), 8});
    return Done{};
}

CoreSetup Stack::Implementation::setup_of(std::size_t core) {
    CoreSetup setup;
    setup.configuration = configuration;
    setup.network = network;
    // One core announces our addresses for all.
    setup.network.announcement =
        core == 0 ? net::Announcement::announces : net::Announcement::silent;
    for (Interface& interface : interfaces)
        setup.queues.push_back(interface.queues[core]);
    setup.loopback_addresses = loopback_addresses;
    setup.seed = system_random();
    setup.counters = &counters(core);
    setup.now = monotonic_now();
    setup.links = mesh.links_of(core);
    setup.links.context = this;
    setup.links.ring_doorbell = [](void* context, std::size_t to) {
        static_cast<Implementation*>(context)->cores[to]->doorbell.ring();
    };
    return setup;
}

// Devices spread what arrives over the queues of all cores, whoever has made a context by now. A
// thread of ours runs a core that nobody has taken: it answers ARP and pings, and hands segments to
// the core that has their flow or listens.
void Stack::Implementation::settle_relays() {
    if (interfaces.empty()) return;
    const bool any = std::any_of(cores.begin(), cores.end(),
                                 [](const auto& slot) { return slot->has_application(); });
    for (std::size_t core = 0; core < cores.size(); ++core) {
        CoreSlot& slot = *cores[core];
        if (any && !ending && slot.use == CoreSlot::Use::none) start_relay(core);
        if (!any && slot.use == CoreSlot::Use::relay) stop_relay(slot);
    }
}

void Stack::Implementation::start_relay(std::size_t core) {
    CoreSlot& slot = *cores[core];
    CoreSetup setup = setup_of(core);
    setup.configuration = relaying(std::move(setup.configuration));
    const auto lost = [core](const Problem& problem) {
        log(LogLevel::warning, "core %zu has no context, and what arrives there is lost: %s", core,
            problem.text().c_str());
    };
    const Instant now = setup.now;
    auto made = Core::create(std::move(setup));
    if (!made) return lost(made.error());
    discard_stale(core, now);
    auto driver = make_paired_driver(**made, slot.doorbell, -1);
    if (!driver) return lost(driver.error());
    slot.core = std::move(made).value();
    slot.driver = std::move(driver).value();
    slot.use = CoreSlot::Use::relay;
    log(LogLevel::info, "core %zu has no context: what arrives there is handed to the others",
        core);
}

void Stack::Implementation::stop_relay(CoreSlot& slot) {
    slot.driver.reset();
    slot.core.reset();
    slot.use = CoreSlot::Use::none;
    slot.unserved_since = monotonic_now();
}

void Stack::Implementation::discard_stale(std::size_t core, Instant now) {
    if (now - cores[core]->unserved_since < kStaleAfter) return;
    Counters& count = counters(core);
    std::array<io::Frame, io::kBurst> frames;
    for (const Interface& interface : interfaces) {
        io::Queue& queue = *interface.queues[core];
        for (std::size_t burst = 0; burst < kStaleBursts; ++burst) {
            const std::size_t received = queue.receive(frames, now);
            if (received == 0) break;
            count.frames_in += received;
            for (const io::Frame& frame : std::span(frames).first(received)) {
                count.bytes_in += frame.length;
                count.drop(Drop::io_stale);
            }
            queue.release({frames.data(), received});
        }
    }
}

Stack::Stack(std::unique_ptr<Implementation> implementation)
    : implementation_(std::move(implementation)) {}

Result<std::unique_ptr<Stack>, Problem> Stack::open(const StackConfiguration& configuration) {
    if (configuration.cores == 0 || configuration.cores > kCoresMax) {
        return failure(wrong("num_cores = " + std::to_string(configuration.cores), "out of range",
                             "use 1 to " + std::to_string(kCoresMax), EINVAL));
    }
    auto made = std::make_unique<Implementation>();
    made->configuration = configuration;
    // A cookie is the client's address's, whichever core its next SYN comes to.
    tcp::FastOpenKeys& keys = made->configuration.tcp.fast_open_keys;
    if (!keys.chosen)
        keys = {.primary = {system_random(), system_random()}, .backup = {}, .chosen = true};
    for (const InterfaceConfiguration& wanted : configuration.interfaces) {
        if (auto opened = made->open_interface(wanted); !opened) return failure(opened.error());
    }
    if (auto described = made->describe_network(); !described) return failure(described.error());
    if (!made->mesh.reserve(configuration.cores, kHandoffRingBytes)) {
        return failure(
            wrong("cannot reserve the rings between cores", "memory refused", "", ENOMEM));
    }
    made->own_counters.resize(configuration.cores);
    if (auto file = TelemetryFile::create(static_cast<int>(configuration.cores)); file) {
        made->telemetry = std::move(file).value();
    } else {
        log(LogLevel::warning, "`mtcp stat` will not see this process: %s",
            file.error().text().c_str());
    }
    for (std::size_t i = 0; i < configuration.cores; ++i) {
        made->cores.push_back(std::make_unique<CoreSlot>());
        if (!made->cores.back()->doorbell.open()) {
            return failure(wrong("cannot make an event descriptor", "too many open files",
                                 "raise the limit (ulimit -n)", EMFILE));
        }
    }
    if (!configuration.stat_print.empty()) {
        std::vector<const Counters*> all;
        for (std::size_t i = 0; i < configuration.cores; ++i)
            all.push_back(&made->counters(i));
        made->stat_printer = std::make_unique<StatPrinter>(std::move(all));
    }
    return std::unique_ptr<Stack>(new Stack(std::move(made)));
}

Stack::~Stack() {
    if (implementation_ == nullptr) return;
    implementation_->stat_printer.reset();
    {
        const std::scoped_lock lock(implementation_->mutex);
        implementation_->ending = true;
    }
    for (std::size_t i = 0; i < implementation_->cores.size(); ++i)
        stop_core(i);
}

const StackConfiguration& Stack::configuration() const { return implementation_->configuration; }
Counters& Stack::counters(std::size_t core) { return implementation_->counters(core); }

void Stack::resize(std::uint32_t max_concurrency, const socket::ChunkStore::Sizes& chunks) {
    const std::scoped_lock lock(implementation_->mutex);
    implementation_->configuration.max_concurrency = max_concurrency;
    implementation_->configuration.chunks = chunks;
}

Result<socket::CoreView, Problem> Stack::start_core(std::size_t core) {
    const std::scoped_lock lock(implementation_->mutex);
    Implementation& all = *implementation_;
    if (core >= all.cores.size()) {
        return failure(wrong("core " + std::to_string(core),
                             "the stack has " + std::to_string(all.cores.size()) + " cores",
                             "raise num_cores", EINVAL));
    }
    CoreSlot& slot = *all.cores[core];
    if (slot.has_application()) {
        return failure(wrong("core " + std::to_string(core), "a context already exists on it",
                             "make one context a core", EBUSY));
    }
    if (slot.use == CoreSlot::Use::relay) all.stop_relay(slot);
    auto view = all.start_for_application(core);
    all.settle_relays();
    return view;
}

Result<socket::CoreView, Problem> Stack::Implementation::start_for_application(std::size_t core) {
    CoreSlot& slot = *cores[core];
    CoreSetup setup = setup_of(core);
    const Instant now = setup.now;
    auto made = Core::create(std::move(setup));
    if (!made) return failure(made.error());
    slot.core = std::move(made).value();
    discard_stale(core, now);
    const std::vector<int>& cpus = configuration.cpus;
    int cpu = core < cpus.size() ? cpus[core] : static_cast<int>(core);
    if (cpu >= static_cast<int>(std::thread::hardware_concurrency())) cpu = -1;
    const auto make_driver = [&]() -> Result<std::unique_ptr<CoreDriver>, Problem> {
        switch (configuration.drive) {
            case Drive::assisted: return make_assisted_driver(*slot.core, slot.doorbell, cpu);
            case Drive::paired: return make_paired_driver(*slot.core, slot.doorbell, cpu);
            case Drive::run_inline: break;
        }
        return make_inline_driver(*slot.core, slot.doorbell);
    };
    auto driver = make_driver();
    if (!driver) {
        slot.core.reset();
        return failure(driver.error());
    }
    slot.driver = std::move(driver).value();
    slot.interruptible.publish(slot.driver.get());
    slot.use = CoreSlot::Use::application;
    return slot.core->view(*slot.driver);
}

void Stack::stop_core(std::size_t core, Ending ending) {
    if (core >= implementation_->cores.size()) return;
    CoreSlot& slot = *implementation_->cores[core];
    {
        const std::scoped_lock lock(implementation_->mutex);
        if (slot.use != CoreSlot::Use::application) return;
        slot.use = CoreSlot::Use::ending;
    }
    // Not under the lock: the last segments may need another core, which may be stopping as well.
    slot.driver->stop();
    Instant now = monotonic_now();
    const Instant end = now + kClosingGrace;
    const Instant parting = ending == Ending::of_program ? now + kPartingGrace : end;
    slot.core->shut_down(now, ending == Ending::of_program ? socket::CloseRequest::orderly
                                                           : socket::CloseRequest::abort);
    Instant next_look = now;  // which walks over all connections, so not after each turn
    while (true) {
        const TurnResult result = slot.core->turn(now);
        const bool looks = now >= next_look;
        if (now >= end) break;
        if (looks) {
            const Core::Closing closing = slot.core->closing_connections();
            if (closing.all == 0 || (closing.undelivered == 0 && now >= parting)) break;
            next_look = monotonic_now() + milliseconds(1);
        }
        if (!result.did_work && result.next_deadline > now) {
            const Instant latest = looks ? now + milliseconds(10) : next_look;
            static_cast<void>(sleep_on(*slot.core, slot.doorbell, now,
                                       earlier(earlier(result.next_deadline, end), latest)));
        }
        now = monotonic_now();
    }
    slot.core->abandon_closing(now);
    static_cast<void>(slot.core->turn(now));
    slot.interruptible.withdraw();
    const std::scoped_lock lock(implementation_->mutex);
    slot.driver.reset();
    if (ending == Ending::of_program) {
        cores_at_exit[core] = slot.core.release();
    } else {
        slot.core.reset();
    }
    slot.use = CoreSlot::Use::none;
    slot.unserved_since = monotonic_now();
    implementation_->settle_relays();
}

void Stack::interrupt(std::size_t core) {
    if (core >= implementation_->cores.size()) return;
    implementation_->cores[core]->interruptible.follow(
        [](CoreDriver& driver) { driver.interrupt(); });
}

bool Stack::sleeps(std::size_t core) const {
    return implementation_->cores[core]->driver->sleeps();
}

void Stack::abandon_after_fork() {
    // The child has the memory but not the threads. Destroying would unmap rings, close sockets and
    // unlock files the parent lives on; leaking them costs the child nothing.
    for (auto& slot : implementation_->cores) {
        if (slot->driver != nullptr) slot->driver->abandon();
    }
    implementation_->telemetry.reset();  // its descriptor holds the lock that says "alive"
    static_cast<void>(implementation_.release());
}

}  // namespace mtcp::stack
