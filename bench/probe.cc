// SPDX-License-Identifier: Apache-2.0
// What the machine is at this moment: how long a cache line takes from one CPU to another and back
// (on virtual machines this flips by itself between two levels), and how fast the time-stamp
// counter counts. One line of JSON.
#include <pthread.h>
#include <sched.h>

#include <algorithm>
#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <thread>
#include <vector>

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
    report.print();
    return 0;
}
