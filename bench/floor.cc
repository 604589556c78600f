// SPDX-License-Identifier: Apache-2.0
// The floor under every result over a wire: frames of 64 bytes, no TCP. `echo` sends back what it
// receives, in place where the device can; `source` keeps a number of frames on their way and
// counts those that come back. One line of JSON.
#include <poll.h>
#include <pthread.h>
#include <sched.h>

#include <CLI/CLI.hpp>
#include <array>
#include <atomic>
#include <csignal>
#include <cstdio>
#include <cstring>
#include <span>
#include <string>

#include "io/open_device.h"
#include "report.h"
#include "ticks.h"

namespace bench {
namespace {

using mtcp::Instant;
using mtcp::io::Frame;
using mtcp::io::Queue;

std::atomic<bool> stop{false};
void on_signal(int) { stop.store(true); }

struct Options {
    std::string device;
    std::uint32_t bytes = 64;
    std::uint32_t in_flight = 1024;
    double seconds = 1;
    int cpu = -1;
};

Instant now() { return Instant{static_cast<std::int64_t>(monotonic_ns())}; }

// Sends all that it can; gives up what is left after some tries (the other end is away).
std::size_t send_all(Queue& queue, std::span<Frame> frames, Instant at) {
    std::size_t sent = 0;
    for (int tries = 0; sent < frames.size() && tries < 1000; ++tries)
        sent += queue.transmit(frames.subspan(sent), at);
    if (sent < frames.size()) queue.release(frames.subspan(sent));
    return sent;
}

std::uint64_t echo(Queue& queue) {
    std::array<Frame, mtcp::io::kBurst> received;
    std::array<Frame, mtcp::io::kBurst> answers;
    std::uint64_t count = 0;
    Instant at = now();
    for (std::uint32_t turn = 0; !stop.load(std::memory_order_relaxed); ++turn) {
        if ((turn & 255) == 0) at = now();
        const std::size_t got = queue.receive(received, at);
        if (got == 0) continue;
        const std::size_t room = queue.allocate(std::span(answers).first(got));
        for (std::size_t i = 0; i < room; ++i) {
            const std::uint32_t length = std::min(received[i].length, answers[i].capacity);
            std::memcpy(answers[i].data, received[i].data, length);
            answers[i].length = length;
        }
        queue.release(std::span(received).first(got));
        count += send_all(queue, std::span(answers).first(room), at);
    }
    return count;
}

struct SourceResult {
    std::uint64_t back = 0;
    double seconds = 0;
};

void send_new(Queue& queue, std::size_t wanted, std::uint32_t bytes, std::uint64_t& on_their_way,
              Instant at) {
    std::array<Frame, mtcp::io::kBurst> frames;
    const std::size_t room =
        queue.allocate(std::span(frames).first(std::min(wanted, frames.size())));
    for (std::size_t i = 0; i < room; ++i) {
        std::memset(frames[i].data, 0x5a, bytes);
        frames[i].length = bytes;
    }
    on_their_way += send_all(queue, std::span(frames).first(room), at);
}

SourceResult source(Queue& queue, const Options& options) {
    std::array<Frame, mtcp::io::kBurst> received;
    std::uint64_t on_their_way = 0;
    SourceResult result;
    const std::uint64_t warm_until = monotonic_ns() + 300'000'000;
    const std::uint64_t until = warm_until + static_cast<std::uint64_t>(options.seconds * 1e9);
    std::uint64_t begun = 0;
    std::uint64_t last_seen = monotonic_ns();
    for (std::uint64_t t = last_seen; t < until && !stop.load(); t = monotonic_ns()) {
        if (begun == 0 && t >= warm_until) {
            begun = t;
            result.back = 0;
        }
        const Instant at{static_cast<std::int64_t>(t)};
        // One clock reading for a few bursts: it is no cheaper than one of them.
        for (int burst = 0; burst < 8; ++burst) {
            const std::size_t got = queue.receive(received, at);
            queue.release(std::span(received).first(got));
            on_their_way -= std::min<std::uint64_t>(got, on_their_way);
            result.back += got;
            if (got != 0) last_seen = t;
            if (on_their_way < options.in_flight) {
                send_new(queue, options.in_flight - on_their_way, options.bytes, on_their_way, at);
            }
        }
        if (t - last_seen > 20'000'000) on_their_way = 0;  // lost while nobody listened
        if (begun != 0) result.seconds = static_cast<double>(t - begun) * 1e-9;
    }
    return result;
}

void pin(int cpu) {
    cpu_set_t set;
    CPU_ZERO(&set);
    CPU_SET(static_cast<unsigned>(cpu), &set);
    static_cast<void>(pthread_setaffinity_np(pthread_self(), sizeof set, &set));
}

int run(int argc, char** argv) {
    Options options;
    std::string mode;
    CLI::App app{"frames of one size back and forth, with no TCP"};
    app.add_option("mode", mode)->required()->check(CLI::IsMember({"echo", "source"}));
    app.add_option("device", options.device, "as for `mtcp bridge`: memif:NAME,role=master,...")
        ->required();
    app.add_option("--bytes", options.bytes, "of a frame")->check(CLI::Range(60, 1514));
    app.add_option("--in-flight", options.in_flight, "frames on their way");
    app.add_option("--seconds", options.seconds, "to measure");
    app.add_option("--cpu", options.cpu, "to run on");
    CLI11_PARSE(app, argc, argv);
    std::signal(SIGTERM, on_signal);
    std::signal(SIGINT, on_signal);
    const auto config = mtcp::io::parse_device(options.device);
    if (!config) {
        std::fprintf(stderr, "bench_floor: %s\n", config.error().text().c_str());
        return 2;
    }
    auto device = mtcp::io::open_device(*config);
    if (!device) {
        std::fprintf(stderr, "bench_floor: %s\n", device.error().text().c_str());
        return 1;
    }
    if (options.cpu >= 0) pin(options.cpu);
    Queue& queue = (*device)->queue(0);
    Report report;
    if (mode == "echo") {
        std::printf("ready\n");
        std::fflush(stdout);
        report.set("frames", echo(queue));
    } else {
        const SourceResult result = source(queue, options);
        if (result.back == 0 || result.seconds <= 0) {
            std::fprintf(stderr, "bench_floor: nothing came back\n");
            return 1;
        }
        report.set("round_trips_per_second", static_cast<double>(result.back) / result.seconds);
        report.set("frames_per_second", 2 * static_cast<double>(result.back) / result.seconds);
    }
    report.print();
    return 0;
}

}  // namespace
}  // namespace bench

int main(int argc, char** argv) { return bench::run(argc, argv); }
