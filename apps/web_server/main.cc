// SPDX-License-Identifier: Apache-2.0
// web_server: starts one worker per core, waits for SIGINT or SIGTERM, tells what was served.
#include <fmt/core.h>
#include <pthread.h>
#include <sys/resource.h>

#include <atomic>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstring>
#include <ctime>
#include <memory>
#include <system_error>
#include <thread>
#include <vector>

#include "sockets/say.h"
#include "sockets/sockets.h"
#include "web_server/options.h"
#include "web_server/worker.h"

namespace {

using web::Statistics;
using web::Worker;

struct Totals {
    std::uint64_t accepted = 0;
    std::uint64_t open = 0;
    std::uint64_t requests = 0;
    std::uint64_t ok = 0;
    std::uint64_t bytes_out = 0;
    std::uint64_t timed_out = 0;
    std::uint64_t broken = 0;
};

Totals sum(const std::vector<std::unique_ptr<Worker>>& workers) {
    Totals totals;
    for (const auto& worker : workers) {
        const Statistics& one = worker->statistics();
        totals.accepted += one.accepted.get();
        totals.open += one.open.get();
        totals.requests += one.requests.get();
        totals.ok += one.by_class[2].get();
        totals.bytes_out += one.bytes_out.get();
        totals.timed_out += one.timed_out.get();
        totals.broken += one.broken.get();
    }
    return totals;
}

void print_rates(const Totals& before, const Totals& now) {
    say("{} open, {} accepted/s, {} requests/s, {:.2f} Mbit/s out\n", now.open,
        now.accepted - before.accepted, now.requests - before.requests,
        static_cast<double>(now.bytes_out - before.bytes_out) * 8e-6);
}

// False when it cannot be written: a full disk, a closed pipe.
bool print_summary(const Totals& totals, double seconds) {
    rusage usage{};
    getrusage(RUSAGE_SELF, &usage);
    const auto in_seconds = [](const timeval& time) {
        return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) * 1e-6;
    };
    fmt::print(
        "web_server: {:.1f} s, {} connections, {} requests ({} with 2xx), {} bytes sent, "
        "{} idle closed, {} broken; CPU {:.2f} s user, {:.2f} s system\n",
        seconds, totals.accepted, totals.requests, totals.ok, totals.bytes_out, totals.timed_out,
        totals.broken, in_seconds(usage.ru_utime), in_seconds(usage.ru_stime));
    if (std::fflush(stdout) == 0 && std::ferror(stdout) == 0) {
        return true;
    }
    say("web_server: cannot write the output: {}\n", std::strerror(errno));
    return false;
}

// Blocked here, before any thread exists, and taken by wait_for_stop().
sigset_t block_stop_signals() {
    sigset_t signals;
    sigemptyset(&signals);
    sigaddset(&signals, SIGINT);
    sigaddset(&signals, SIGTERM);
    pthread_sigmask(SIG_BLOCK, &signals, nullptr);
    return signals;
}

void wait_for_stop(const sigset_t& signals, const web::Options& options,
                   const std::vector<std::unique_ptr<Worker>>& workers,
                   const std::atomic<int>& running) {
    Totals before;
    const timespec tick{.tv_sec = 1, .tv_nsec = 0};
    while (running.load() > 0 && sigtimedwait(&signals, nullptr, &tick) < 0) {
        if (options.stats) {
            const Totals now = sum(workers);
            print_rates(before, now);
            before = now;
        }
    }
}

int serve(const web::Options& options, const sigset_t& signals) {
    std::vector<std::unique_ptr<Worker>> workers;
    for (int core = 0; core < options.cores; ++core) {
        workers.push_back(std::make_unique<Worker>(options, core));
    }
    std::atomic<bool> stopping{false};
    std::atomic<int> ready{0};
    std::atomic<int> running{options.cores};
    std::atomic<int> failures{0};
    std::vector<std::thread> threads;
    const auto begun = std::chrono::steady_clock::now();
    for (const auto& worker : workers) {
        threads.emplace_back([&, one = worker.get()] {
            if (const std::string problem = one->run(stopping, ready); !problem.empty()) {
                if (failures.fetch_add(1) == 0) {  // the other cores have the same one
                    say("web_server: {}\n", problem);
                }
                stopping.store(true);
                ready.fetch_add(1);  // after `stopping`: nobody shall say that we listen
            }
            running.fetch_sub(1);
        });
    }
    while (ready.load() < options.cores) {
        std::this_thread::sleep_for(std::chrono::milliseconds{1});
    }
    if (!stopping.load()) {
        fmt::print("web_server: listening on {}:{}, {} core(s), stack {}\n", options.address,
                   options.port, options.cores, net::kStack);
        std::fflush(stdout);
        wait_for_stop(signals, options, workers, running);
    }
    stopping.store(true);
    for (std::thread& thread : threads) {
        thread.join();
    }
    const std::chrono::duration<double> taken = std::chrono::steady_clock::now() - begun;
    const bool told = print_summary(sum(workers), taken.count());
    return told && failures.load() == 0 ? 0 : 1;
}

}  // namespace

int main(int argc, char** argv) {
    const web::Options options = web::parse_options(argc, argv);
    const sigset_t signals = block_stop_signals();
    if (const std::string problem = net::start(options.configuration_file, options.cores);
        !problem.empty()) {
        say("web_server: {}\n", problem);
        return 1;
    }
    int status = 1;
    try {
        status = serve(options, signals);
    } catch (const std::system_error& error) {
        say("web_server: {}\n", error.what());
    }
    net::stop();
    return status;
}
