// SPDX-License-Identifier: Apache-2.0
// Virtual time for packetdrill: who may run, and when the clock moves.
#include "tests/conformance/engine.h"

#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <string>
#include <utility>

#include "tests/conformance/departing_packet.h"
#include "tests/conformance/sysctls.h"

namespace mtcp::conformance {
namespace {

// Nothing in a script takes this long: a timer that keeps a stack busy for ever ends here.
constexpr Duration kPatience = seconds(100'000);

// Small, since packetdrill locks all memory of its process.
sim::HostConfig host_configuration(const Addresses& addresses) {
    sim::HostConfig host;
    host.name = "stack";
    host.address = addresses.local;
    host.prefix_length = addresses.prefix_length;
    host.gateway = addresses.gateway;
    host.stack.drive = stack::Drive::run_inline;
    host.stack.huge_pages = false;
    host.stack.max_concurrency = 256;
    host.stack.half_open_max = 256;
    host.stack.time_wait_max = 64;
    host.stack.recoveries_max = 64;
    host.stack.reassemblies_max = 64;
    host.stack.chunks.count = {4096, 4096, 64};
    host.stack.port_first = 32'768;
    host.port.layer = io::Layer::ip;
    host.port.frames = 128;
    // Trains, cut before packetdrill sees them: as on Linux it finds PSH where a train ends.
    host.port.transmit_segmentation = 65'535;
    host.port.largest_arrival = 65'535;
    host.seed = 42;
    read_sysctls(host.stack);
    return host;
}

}  // namespace

Engine::Engine(const Addresses& addresses) : addresses_(addresses) {}

void Engine::start() {
    if (host_ != nullptr) return;
    const sim::HostConfig host = host_configuration(addresses_);
    configuration_ = host.stack;
    host_ = std::make_unique<sim::Host>(
        world_, findings_, host,
        [this](std::span<const std::byte> packet, Instant now) { depart(packet, now); });
    host_->set_waiter([this](Instant deadline) { return wait(deadline); });
    settle();
}

void Engine::follow_sysctls() {
    read_sysctls(configuration_);
    host_->core().reconfigure(configuration_.tcp);
}

void Engine::depart(std::span<const std::byte> packet, Instant when) {
    if (const char* const wrong = find_fault(packet); wrong != nullptr) {
        std::fprintf(stderr, "mtcp: the stack sent a bad packet: %s\n", wrong);
        std::exit(EXIT_FAILURE);
    }
    departures_.push_back({when, {packet.begin(), packet.end()}});
}

// --- time
// -----------------------------------------------------------------------------------------

void Engine::settle() {
    while (world_.next() <= world_.now())
        static_cast<void>(world_.advance(world_.now()));
}

Instant Engine::next_event() const {
    return earlier(world_.next(), caller_ == Caller::asleep ? caller_deadline_ : kNever);
}

void Engine::pass_time_until(Instant limit) {
    while (true) {
        settle();
        let_caller_look();
        const Instant next = next_event();
        if (next > limit) break;
        static_cast<void>(world_.advance(next));
    }
    static_cast<void>(world_.advance(limit));
}

// Gives the blocked call a chance, if anything happened since it last looked, and waits until it
// sleeps again or has returned and read the clock.
void Engine::let_caller_look() {
    while (caller_ == Caller::asleep &&
           (world_.steps() != caller_saw_ || world_.now() >= caller_deadline_)) {
        caller_ = Caller::awake;
        changed_.notify_all();
        changed_.wait(mutex_, [this] { return caller_ != Caller::awake; });
        settle();
    }
}

Instant Engine::read_clock() {
    const std::lock_guard<std::mutex> lock(mutex_);
    if (caller_ == Caller::awake) {  // everybody else waits for this
        caller_ = Caller::away;
        caller_returned_ = true;
        changed_.notify_all();
    } else {
        pass_time_until(world_.now() + microseconds(1));
    }
    return world_.now();
}

// The result of a blocking call (a descriptor) is of use to later steps of the script once
// packetdrill's other thread has stored it, which needs the lock that packetdrill gives up to
// sleep. That thread then sleeps: the sign by which packetdrill, too, knows that a call blocks.
void Engine::let_caller_file_its_result() {
    if (!caller_returned_.exchange(false)) return;
    const std::string path = "/proc/self/task/" + std::to_string(caller_thread_.load()) + "/stat";
    while (true) {
        std::ifstream file(path);
        std::string line;
        std::getline(file, line);
        const std::size_t name_end = line.rfind(") ");
        if (name_end == std::string::npos || line[name_end + 2] == 'S') return;
        std::this_thread::yield();
    }
}

void Engine::sleep(Duration span) {
    if (on_main_thread()) let_caller_file_its_result();
    const std::lock_guard<std::mutex> lock(mutex_);
    pass_time_until(world_.now() + span);
}

// --- packets
// --------------------------------------------------------------------------------------

void Engine::inject(std::span<const std::byte> packet) {
    const std::lock_guard<std::mutex> lock(mutex_);
    start();
    host_->port().deliver(packet);
    pass_time_until(world_.now());
}

bool Engine::next_departure(Departure& departure) {
    const std::lock_guard<std::mutex> lock(mutex_);
    const Instant last = world_.now() + kPatience;
    pass_time_until(world_.now());
    while (departures_.empty()) {
        const Instant next = next_event();
        if (next > last) return false;
        pass_time_until(next);
    }
    departure = std::move(departures_.front());
    departures_.pop_front();
    return true;
}

// --- blocking
// -------------------------------------------------------------------------------------

socket::Driver::Wake Engine::wait(Instant deadline) {
    using Wake = socket::Driver::Wake;
    if (on_main_thread()) return wait_on_main_thread(deadline);
    settle();
    if (host_->has_events()) return Wake::events;
    if (world_.now() >= deadline) return Wake::deadline;
    caller_deadline_ = deadline;
    caller_saw_ = world_.steps();
    caller_thread_ = ::gettid();
    caller_ = Caller::asleep;
    changed_.notify_all();
    changed_.wait(mutex_, [this] { return caller_ == Caller::awake; });
    return world_.now() >= deadline ? Wake::deadline : Wake::events;
}

// A call that the script does not mark as blocking, and which blocks all the same.
socket::Driver::Wake Engine::wait_on_main_thread(Instant deadline) {
    using Wake = socket::Driver::Wake;
    const Instant last = earlier(deadline, world_.now() + kPatience);
    while (true) {
        settle();
        if (host_->has_events()) return Wake::events;
        if (world_.now() >= deadline) return Wake::deadline;
        if (next_event() > last && last != deadline) {
            std::fprintf(stderr, "mtcp: a call blocks for ever\n");
            std::exit(EXIT_FAILURE);
        }
        static_cast<void>(world_.advance(earlier(next_event(), deadline)));
    }
}

}  // namespace mtcp::conformance
