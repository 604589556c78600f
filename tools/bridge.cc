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
        fmt::print(stderr,
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

void complain(const Problem& problem) { fmt::print(stderr, "mtcp bridge: {}\n", problem.text()); }

// A device and what stands before its transmit side.
struct Port {
    std::unique_ptr<io::Device> device;
    std::unique_ptr<io::FaultInjectorQueue> injector;  // only with faults
    Counters counters;                                 // of what leaves through this port

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
    }
    port.queue().set_counters(&port.counters);
    fmt::print(stderr, "{}{}\n", port.device->description(),
               parsed->any() ? "; frames out: " + to_text(*parsed) : "");
    return true;
}

std::string summary(const char* direction, Port& to) {
    std::string text =
        fmt::format("{}: {} frames in, {} out, {} bytes out", direction, to.counters.frames_in,
                    to.counters.frames_out, to.counters.bytes_out);
    for (std::size_t i = 0; i < kDropCount; ++i) {
        const auto reason = static_cast<Drop>(i);
        if (to.counters.drops(reason) == 0) continue;
        text += fmt::format(", {} {}", drop_name(reason), to.counters.drops(reason));
    }
    if (to.injector) {
        const io::FaultCounts& counts = to.injector->transmit_counts();
        text += fmt::format(
            " | wire: {} lost, {} over queue, {} duplicated, {} reordered, {} corrupted, {} held",
            counts.lost, counts.over_queue, counts.duplicated, counts.reordered, counts.corrupted,
            to.injector->frames_held());
    }
    return text;
}

void print_summary(Port& a, Port& b) {
    fmt::print("{}\n{}\n", summary("A to B", b), summary("B to A", a));
    static_cast<void>(std::fflush(stdout));
}

void move_until(Port& a, Port& b, Instant end, bool stats) {
    io::BridgeDirection there(a.queue(), b.queue(), b.counters);
    io::BridgeDirection back(b.queue(), a.queue(), a.counters);
    const std::array<io::Queue*, 2> queues{&a.queue(), &b.queue()};
    const std::array<int, 1> wakers{stop_event};
    Instant now = clock_now();
    Instant next_stats = stats ? now + seconds(1) : kNever;
    while (stopped == 0 && now < end) {
        const std::size_t moved = there.move(now) + back.move(now);
        if (now >= next_stats) {
            print_summary(a, b);
            next_stats = next_stats + seconds(1);
        }
        if (moved == 0) {
            static_cast<void>(io::wait_until(queues, wakers, now, earlier(end, next_stats)));
        }
        now = clock_now();
    }
}

}  // namespace

int run_bridge(const BridgeOptions& options) {
    if (!catch_signals()) return 1;
    Port a;
    Port b;
    if (!open_port(options.device_a, options.faults_back, a)) return 1;
    if (!open_port(options.device_b, options.faults, b)) return 1;
    if (a.queue().capabilities().layer != b.queue().capabilities().layer) {
        fmt::print(stderr,
                   "mtcp bridge: one device carries Ethernet frames, the other IP packets\n");
        return 1;
    }
    const auto limit = nanoseconds(std::llround(options.seconds * 1e9));
    move_until(a, b, limit.ns == 0 ? kNever : clock_now() + limit, options.stats);
    print_summary(a, b);
    return 0;
}

}  // namespace mtcp::tools
