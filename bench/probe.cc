// SPDX-License-Identifier: Apache-2.0
// What the machine is at this moment: how long a cache line takes from one CPU to another and back
// (on virtual machines this flips by itself between two levels), how fast the time-stamp counter
// counts, and, asked for so many megabytes, how long a line takes that lies anywhere in them. One
// line of JSON.
#include <pthread.h>
#include <sched.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <thread>
#include <vector>

#include "base/cache_line.h"
#include "base/memory.h"
#include "base/random.h"
#include "report.h"
#include "ticks.h"

namespace bench {
namespace {

constexpr std::uint32_t kRounds = 20'000;
constexpr std::uint32_t kWarmUp = 2'000;

bool pin(int cpu) {
    cpu_set_t set;
    CPU_ZERO(&set);
    CPU_SET(static_cast<unsigned>(cpu), &set);
    return pthread_setaffinity_np(pthread_self(), sizeof set, &set) == 0;
}

// Ticks of every round trip, sorted. `patience_ns` for all of them: the other CPU may be busy.
std::vector<std::uint64_t> ping_pong(int here, int there, std::uint64_t patience_ns) {
    alignas(128) std::atomic<std::uint32_t> ball{0};  // odd: on its way there
    std::atomic<bool> over{false};
    std::thread other([&] {
        if (!pin(there)) return;
        for (std::uint32_t wanted = 1; !over.load(std::memory_order_relaxed);) {
            if (ball.load(std::memory_order_acquire) != wanted) continue;
            ball.store(wanted + 1, std::memory_order_release);
            wanted += 2;
        }
    });
    std::vector<std::uint64_t> trips;
    if (pin(here)) {
        const std::uint64_t end = monotonic_ns() + patience_ns;
        for (std::uint32_t i = 0; i < kRounds + kWarmUp; ++i) {
            const std::uint64_t begin = ticks();
            ball.store(2 * i + 1, std::memory_order_release);
            std::uint32_t spins = 0;
            bool late = false;
            while (ball.load(std::memory_order_acquire) != 2 * i + 2) {
                if ((++spins & 0xffff) == 0 && (late = monotonic_ns() > end)) break;
            }
            if (late) break;
            if (i >= kWarmUp) trips.push_back(ticks() - begin);
        }
    }
    over.store(true);
    other.join();
    std::sort(trips.begin(), trips.end());
    return trips;
}

// Nanoseconds for a line somewhere in `memory`, of `together` that are asked for before the first
// of them is written; `lines` neighbours of each are written, too.
double line_anywhere(const mtcp::Region& memory, std::size_t bytes, std::size_t together,
                     std::size_t lines) {
    constexpr std::size_t kLooks = 1'000'000;
    constexpr std::size_t kTogetherMax = 32;
    const std::size_t places = bytes / (lines * mtcp::kCacheLine);
    mtcp::Random random{1};
    std::array<std::byte*, kTogetherMax> at{};
    std::uint64_t last = 0;  // of one by one: where the next lies depends on what this one holds
    const std::uint64_t begin = ticks();
    for (std::size_t done = 0; done < kLooks; done += together) {
        for (std::size_t i = 0; i < together; ++i) {
            const std::size_t place = (random.next() + last) % places;
            at[i] = memory.data() + place * lines * mtcp::kCacheLine;
            if (together > 1) mtcp::prefetch_lines_for_write(at[i], lines * mtcp::kCacheLine);
        }
        for (std::size_t i = 0; i < together; ++i) {
            for (std::size_t line = 0; line < lines; ++line)
                at[i][line * mtcp::kCacheLine] ^= std::byte{1};
            if (together == 1) last = static_cast<std::uint64_t>(at[0][1]);
        }
    }
    return static_cast<double>(ticks() - begin) / kLooks;
}

}  // namespace
}  // namespace bench

int main(int argc, char** argv) {
    const int here = argc > 1 ? std::atoi(argv[1]) : 0;
    const int there = argc > 2 ? std::atoi(argv[2]) : 1;
    const double rate = bench::ticks_per_second();
    bench::Report report;
    report.set("ticks_per_second", rate);
    if (std::thread::hardware_concurrency() > 1 && here != there) {
        const auto trips = bench::ping_pong(here, there, 2'000'000'000);
        if (!trips.empty()) {
            const double ns = 1e9 / rate;
            report.set("ping_pong_p5_ns", static_cast<double>(trips[trips.size() / 20]) * ns);
            report.set("ping_pong_p50_ns", static_cast<double>(trips[trips.size() / 2]) * ns);
        }
    }
    if (argc > 3) {
        const std::size_t bytes = std::strtoull(argv[3], nullptr, 10) << 20;
        const auto memory = mtcp::Region::map(bytes, mtcp::Pages::huge_if_available);
        if (bytes == 0 || memory.data() == nullptr || !bench::pin(here)) {
            std::fprintf(stderr, "bench_probe: no %s MB on CPU %d\n", argv[3], here);
            return 1;
        }
        for (std::size_t at = 0; at < bytes; at += 4096)
            memory.data()[at] = std::byte{1};
        const double ns = 1e9 / rate;
        report.set("line_alone_ns", bench::line_anywhere(memory, bytes, 1, 1) * ns);
        report.set("line_of_32_ns", bench::line_anywhere(memory, bytes, 32, 1) * ns);
        report.set("four_lines_of_32_ns", bench::line_anywhere(memory, bytes, 32, 4) * ns);
    }
    report.print();
    return 0;
}
