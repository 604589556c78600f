// SPDX-License-Identifier: Apache-2.0
// The loop of `mtcp bridge`: one thread, asleep when nothing moves.
#include "bridge.h"

#include <fmt/format.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cmath>
#include <csignal>
#include <cstdint>
#include <cstring>
#include <ctime>
#include <memory>
#include <optional>
#include <string>

#include "base/counters.h"
#include "io/middleware/bridge.h"
#include "io/middleware/fault_injector.h"
#include "io/open_device.h"
#include "io/wait.h"
#include "print_error.h"

namespace mtcp::tools {
namespace {

volatile std::sig_atomic_t stopped = 0;
// Readable once a signal came: also one that comes after the last look at `stopped` ends the wait.
int stop_event = -1;

void on_stop(int) {
    const int error = errno;
    stopped = 1;
    const std::uint64_t one = 1;
    static_cast<void>(!::write(stop_event, &one, sizeof one));
    errno = error;
}

bool catch_signals() {
    stop_event = ::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (stop_event < 0) {
        print_error(
            "mtcp bridge: cannot make an event descriptor: {} (mend: raise the "
            "limit, ulimit -n)\n",
            std::strerror(errno));
        return false;
    }
    struct sigaction action {};
    action.sa_handler = on_stop;
    ::sigaction(SIGINT, &action, nullptr);
    ::sigaction(SIGTERM, &action, nullptr);
    return true;
}

Instant clock_now() {
    timespec time{};
    ::clock_gettime(CLOCK_MONOTONIC, &time);
    return Instant{} + seconds(time.tv_sec) + nanoseconds(time.tv_nsec);
}

void complain(const Problem& problem) { print_error("mtcp bridge: {}\n", problem.text()); }

// A device and what stands before its transmit side.
struct Port {
    std::unique_ptr<io::Device> device;
    std::unique_ptr<io::FaultInjectorQueue> injector;  // only with faults
    bool marks = false;

    [[nodiscard]] io::Queue& queue() { return injector ? *injector : device->queue(0); }
};

// What can be opened but not bridged.
std::optional<Problem> refuse(const io::DeviceConfig& device) {
    if (device.kind == "af_xdp") {
        return Problem{.what = "cannot bridge af_xdp:" + device.name,
                       .why = "it takes only what is sent to addresses of ours, and has none here",
                       .mend = "use the interface's name alone: " + device.name,
                       .error = EINVAL};
    }
    if (device.queues != 1) {
        return Problem{.what = "cannot bridge " + device.kind + ":" + device.name,
                       .why = std::to_string(device.queues) + " queues, and one is served",
                       .mend = "leave queues= out",
                       .error = EINVAL};
    }
    return std::nullopt;
}

// `faults` befall what is sent through the port. False after a complaint.
bool open_port(const std::string& name, const std::string& faults, Port& port) {
    const auto parsed = io::parse_faults(faults);
    if (!parsed) return complain(parsed.error()), false;
    const auto config = io::parse_device(name);
    if (!config) return complain(config.error()), false;
    if (const auto refused = refuse(*config)) return complain(*refused), false;
    auto device = io::open_device(*config);
    if (!device) return complain(device.error()), false;
    port.device = std::move(device).value();
    if (parsed->any()) {
        auto injector =
            io::FaultInjectorQueue::create(port.device->queue(0), {.transmit = *parsed});
        if (!injector) return complain(injector.error()), false;
        port.injector = std::move(injector).value();
        port.marks = parsed->mark_bytes != 0;
    }
    print_error("{}{}\n", port.device->description(),
                parsed->any() ? "; frames out: " + to_text(*parsed) : "");
    return true;
}

// What goes one way, and what was discarded of it on either side.
struct Direction {
    const char* name;
    Port& to;
    Counters counters{};
};

std::string summary(const Direction& direction) {
    const Counters& counters = direction.counters;
    const Port& to = direction.to;
    // Not what was given to the bad wire: what came out of it.
    const std::uint64_t frames = to.injector ? to.injector->sent().frames : counters.frames_out;
    const std::uint64_t bytes = to.injector ? to.injector->sent().bytes : counters.bytes_out;
    std::string text = fmt::format("{}: {} frames in, {} out, {} bytes out", direction.name,
                                   counters.frames_in, frames, bytes);
    for (std::size_t i = 0; i < kDropCount; ++i) {
        const auto reason = static_cast<Drop>(i);
        if (counters.drops(reason) == 0) continue;
        text += fmt::format(", {} {}", drop_name(reason), counters.drops(reason));
    }
    if (to.injector) {
        const io::FaultCounts& counts = to.injector->transmit_counts();
        text += fmt::format(
            " | wire: {} lost, {} over queue, {} duplicated, {} reordered, {} corrupted, {} held",
            counts.lost, counts.over_queue, counts.duplicated, counts.reordered, counts.corrupted,
            to.injector->frames_held());
        if (to.marks) text += fmt::format(", {} marked", counts.marked);
    }
    return text;
}

void print_summary(const Direction& there, const Direction& back) {
    fmt::print("{}\n{}\n", summary(there), summary(back));
    static_cast<void>(std::fflush(stdout));
}

void move_until(Port& a, Port& b, Instant end, bool stats) {
    Direction a_to_b{"A to B", b};
    Direction b_to_a{"B to A", a};
    io::BridgeDirection there(a.queue(), b.queue(), a_to_b.counters);
    io::BridgeDirection back(b.queue(), a.queue(), b_to_a.counters);
    const std::array<io::Queue*, 2> queues{&a.queue(), &b.queue()};
    const std::array<int, 1> wakers{stop_event};
    Instant now = clock_now();
    Instant next_stats = stats ? now + seconds(1) : kNever;
    while (stopped == 0 && now < end) {
        there.send_due(now);
        back.send_due(now);
        const std::size_t moved = there.move(now) + back.move(now);
        if (now >= next_stats) {
            print_summary(a_to_b, b_to_a);
            next_stats = next_stats + seconds(1);
        }
        if (moved == 0) {
            static_cast<void>(io::wait_until(queues, wakers, now, earlier(end, next_stats)));
        }
        now = clock_now();
    }
    print_summary(a_to_b, b_to_a);
}

}  // namespace

int run_bridge(const BridgeOptions& options) {
    if (!catch_signals()) return 1;
    Port a;
    Port b;
    if (!open_port(options.device_a, options.faults_back, a)) return 1;
    if (!open_port(options.device_b, options.faults, b)) return 1;
    if (a.queue().capabilities().layer != b.queue().capabilities().layer) {
        print_error("mtcp bridge: one device carries Ethernet frames, the other IP packets\n");
        return 1;
    }
    const auto limit = nanoseconds(std::llround(options.seconds * 1e9));
    move_until(a, b, limit.ns == 0 ? kNever : clock_now() + limit, options.stats);
    return 0;
}

}  // namespace mtcp::tools
