// SPDX-License-Identifier: Apache-2.0
// web_client: divides the load among the cores, shows progress, reports. Ends with 1 if anything
// failed.
#include <fmt/core.h>
#include <pthread.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "sockets/say.h"
#include "sockets/sockets.h"
#include "web_client/options.h"
#include "web_client/report.h"
#include "web_client/worker.h"

namespace {

using load::Options;
using load::Worker;

std::uint64_t share_of(std::uint64_t whole, int cores, int core) {
    const auto parts = static_cast<std::uint64_t>(cores);
    return whole / parts + (static_cast<std::uint64_t>(core) < whole % parts ? 1 : 0);
}

std::vector<std::unique_ptr<Worker>> make_workers(const Options& options,
                                                  const load::Expected& expected) {
    std::vector<std::unique_ptr<Worker>> workers;
    for (int core = 0; core < options.cores; ++core) {
        load::Share share{.core = core};
        share.concurrency = share_of(options.concurrency, options.cores, core);
        share.connections = share_of(options.connections, options.cores, core);
        const auto first = static_cast<std::uint32_t>(core) * options.addresses;
        share.first_address = first / static_cast<std::uint32_t>(options.cores);
        // A core with nothing to do is left out; 0 connections would mean "no limit".
        if (share.concurrency > 0 && (options.connections == 0 || share.connections > 0)) {
            workers.push_back(std::make_unique<Worker>(options, share, expected));
        }
    }
    return workers;
}

void show_progress(const std::vector<std::unique_ptr<Worker>>& workers, int second) {
    static std::uint64_t before[2] = {0, 0};
    std::uint64_t connections = 0;
    std::uint64_t requests = 0;
    std::uint64_t failed = 0;
    std::uint64_t open = 0;
    for (const auto& worker : workers) {
        const load::Progress& progress = worker->progress();
        connections += progress.connections.load(std::memory_order_relaxed);
        requests += progress.requests.load(std::memory_order_relaxed);
        failed += progress.failed.load(std::memory_order_relaxed);
        open += progress.open.load(std::memory_order_relaxed);
    }
    const auto step = [](std::uint64_t now, std::uint64_t& last) {
        const std::uint64_t grown = now >= last ? now - last : now;  // the warm-up sets it back
        last = now;
        return grown;
    };
    say("\r{:>4} s  {:>8} connections/s  {:>8} requests/s  {:>6} open  {} failed \033[K", second,
        step(connections, before[0]), step(requests, before[1]), open, failed);
}

int run(const Options& options, const load::Expected& expected, const sigset_t& signals) {
    const auto workers = make_workers(options, expected);
    std::atomic<bool> stopping{false};
    std::atomic<std::size_t> running{workers.size()};
    std::atomic<int> problems{0};
    std::vector<std::thread> threads;
    for (const auto& worker : workers) {
        threads.emplace_back([&, one = worker.get()] {
            if (const std::string problem = one->run(stopping); !problem.empty()) {
                stopping.store(true);
                if (problems.fetch_add(1) == 0) {  // the other cores have the same one
                    say("web_client: {}\n", problem);
                }
            }
            running.fetch_sub(1);
        });
    }
    const bool shown = !options.quiet && isatty(STDERR_FILENO) != 0;
    const timespec tick{.tv_sec = 0, .tv_nsec = 50'000'000};
    for (int ticks = 1; running.load() > 0; ++ticks) {
        if (sigtimedwait(&signals, nullptr, &tick) > 0) {
            stopping.store(true);
        }
        if (shown && ticks % 20 == 0) {
            show_progress(workers, ticks / 20);
        }
    }
    for (std::thread& thread : threads) {
        thread.join();
    }
    if (shown) {
        say("\r\033[K");
    }
    auto total = std::make_unique<load::Results>();
    for (const auto& worker : workers) {
        total->add(worker->results());
    }
    const auto complain = [&problems](const std::string& problem) {
        if (!problem.empty()) {
            say("web_client: {}\n", problem);
            problems.fetch_add(1);
        }
    };
    if (options.json_file != "-") {
        complain(load::print_report(options, *total));
    }
    if (!options.json_file.empty()) {
        complain(load::write_json(options, *total));
    }
    return problems.load() == 0 && total->failed() == 0 && total->requests > 0 ? 0 : 1;
}

// What every body must equal. Ends the process when it cannot be read: nothing would be compared.
std::string read_expected_body(const std::string& name) {
    std::string body;
    std::FILE* const file = std::fopen(name.c_str(), "re");
    int error = file == nullptr ? errno : 0;
    char block[4096];
    for (std::size_t got = 1; file != nullptr && got != 0;) {
        got = std::fread(block, 1, sizeof block, file);
        body.append(block, got);
        error = std::ferror(file) != 0 ? errno : 0;
    }
    if (error != 0) {
        say("web_client: cannot read {}: {} (mend: --compare a file that you may read)\n", name,
            std::strerror(error));
        std::exit(2);
    }
    static_cast<void>(std::fclose(file));
    return body;
}

}  // namespace

int main(int argc, char** argv) {
    const Options options = load::parse_options(argc, argv);
    sigset_t signals;
    sigemptyset(&signals);
    sigaddset(&signals, SIGINT);
    sigaddset(&signals, SIGTERM);
    pthread_sigmask(SIG_BLOCK, &signals, nullptr);

    load::Expected expected{.length = options.expected_length, .body = {}};
    std::string body;
    if (!options.compare_file.empty()) {
        body = read_expected_body(options.compare_file);
        expected.body = body;
    }
    if (const std::string problem = net::start(options.configuration_file, options.cores);
        !problem.empty()) {
        say("web_client: {}\n", problem);
        return 1;
    }
    const int status = run(options, expected, signals);
    net::stop();
    return status;
}
