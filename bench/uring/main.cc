// SPDX-License-Identifier: Apache-2.0
// bench_uring server | client: as bench_end_kernel, on io_uring.
#include <netinet/tcp.h>
#include <pthread.h>
#include <sched.h>
#include <sys/socket.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <atomic>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <string>
#include <thread>
#include <vector>

#include "load/plan_options.h"
#include "machine.h"
#include "report.h"
#include "ticks.h"
#include "uring/client.h"
#include "uring/server.h"

namespace bench::uring {
namespace {

std::atomic<bool> stop{false};
void on_signal(int) { stop.store(true); }

struct Options {
    Plan plan;
    PlanWords words;
    int cores = 1;
    double warm_up = 0.5;
    double seconds = 1;
};

struct Worker {
    std::thread thread;
    std::string problem;
    Tally tally;
};

// The n-th CPU among those that the process was given.
void pin_to_nth(int n) {
    cpu_set_t allowed;
    if (sched_getaffinity(getpid(), sizeof allowed, &allowed) != 0) return;
    for (std::size_t cpu = 0; cpu < CPU_SETSIZE; ++cpu) {
        if (!CPU_ISSET(cpu, &allowed) || n-- != 0) continue;
        cpu_set_t one;
        CPU_ZERO(&one);
        CPU_SET(cpu, &one);
        static_cast<void>(pthread_setaffinity_np(pthread_self(), sizeof one, &one));
        return;
    }
}

int make_listener(const Options& options) {
    const int listener = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    const int on = 1;
    ::setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    ::setsockopt(listener, SOL_SOCKET, SO_REUSEPORT, &on, sizeof on);
    ::setsockopt(listener, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    if (!options.plan.congestion.empty() &&
        ::setsockopt(listener, IPPROTO_TCP, TCP_CONGESTION, options.plan.congestion.data(),
                     static_cast<socklen_t>(options.plan.congestion.size())) != 0) {
        return -1;
    }
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(options.plan.port);
    if (::bind(listener, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0 ||
        ::listen(listener, options.plan.backlog) != 0) {
        return -1;
    }
    return listener;
}

void serve(const Options& options, int core, Worker& worker, std::atomic<int>& ready) {
    pin_to_nth(core);
    const int listener = make_listener(options);
    if (listener < 0) worker.problem = std::string("cannot listen: ") + std::strerror(errno);
    Server server(options.plan, listener);
    if (worker.problem.empty()) worker.problem = server.start();
    ready.fetch_add(1);
    while (worker.problem.empty() && !stop.load())
        server.step(options.plan.waiting == Waiting::spinning ? 0 : 100);
    worker.tally = server.tally();
    if (listener >= 0) ::close(listener);
}

void run_until(Client& client, int timeout, std::uint64_t end_ns) {
    while (monotonic_ns() < end_ns && !stop.load())
        client.step(timeout);
}

void load_server(const Options& options, int core, Worker& worker,
                 const std::atomic<std::uint64_t>& measure_at) {
    pin_to_nth(core);
    Plan plan = options.plan;
    plan.concurrency = std::max(1u, plan.concurrency / static_cast<unsigned>(options.cores));
    Client client(plan);
    worker.problem = client.start();
    if (!worker.problem.empty()) return;
    const int timeout = plan.waiting == Waiting::spinning ? 0 : 100;
    run_until(client, timeout, measure_at.load());
    const Tally base = client.tally();
    run_until(client, timeout,
              measure_at.load() + static_cast<std::uint64_t>(options.seconds * 1e9));
    worker.tally = client.tally() - base;
}

int finish(const char* role, std::vector<Worker>& workers, Tally& total) {
    for (Worker& worker : workers)
        worker.thread.join();
    for (const Worker& worker : workers) {
        total += worker.tally;
        if (worker.problem.empty()) continue;
        std::fprintf(stderr, "bench_uring %s: %s\n", role, worker.problem.c_str());
        return 1;
    }
    return 0;
}

int run_server(const Options& options) {
    std::vector<Worker> workers(static_cast<std::size_t>(options.cores));
    std::atomic<int> ready{0};
    for (int core = 0; core < options.cores; ++core) {
        Worker& worker = workers[static_cast<std::size_t>(core)];
        worker.thread =
            std::thread([&options, &worker, &ready, core] { serve(options, core, worker, ready); });
    }
    while (ready.load() < options.cores)
        std::this_thread::sleep_for(std::chrono::milliseconds(1));
    for (const Worker& worker : workers) {
        if (!worker.problem.empty()) stop.store(true);
    }
    if (!stop.load()) std::printf("ready\n");
    std::fflush(stdout);
    Tally total;
    if (finish("server", workers, total) != 0) return 1;
    Report report;
    report.set("stack", "kernel");
    report.set("", total);
    report.print();
    return 0;
}

int run_client(const Options& options) {
    std::vector<Worker> workers(static_cast<std::size_t>(options.cores));
    const std::atomic<std::uint64_t> measure_at{monotonic_ns() +
                                                static_cast<std::uint64_t>(options.warm_up * 1e9)};
    for (int core = 0; core < options.cores; ++core) {
        Worker& worker = workers[static_cast<std::size_t>(core)];
        worker.thread = std::thread([&options, &worker, &measure_at, core] {
            load_server(options, core, worker, measure_at);
        });
    }
    std::this_thread::sleep_for(std::chrono::duration<double>(options.warm_up));
    std::fprintf(stderr, "measuring\n");
    const std::vector<CpuTimes> before = cpu_times();
    Tally total;
    if (finish("client", workers, total) != 0) return 1;
    Report report;
    report.set("stack", "kernel");
    report.set("seconds", options.seconds);
    report.set("connections_per_second", static_cast<double>(total.completed) / options.seconds);
    report.set("messages_per_second", static_cast<double>(total.messages) / options.seconds);
    report.set("", total);
    const std::vector<CpuTimes> after = cpu_times();
    for (std::size_t i = 0; i < after.size() && i < before.size(); ++i)
        report.set("cpu" + std::to_string(i) + "_idle", idle_share(before[i], after[i]));
    report.print();
    return 0;
}

int run(int argc, char** argv) {
    Options options;
    CLI::App app{"one end of a measurement, on the kernel's io_uring"};
    app.require_subcommand(1);
    CLI::App* const server = app.add_subcommand("server", "serves until SIGTERM");
    CLI::App* const client = app.add_subcommand("client", "loads a server");
    for (CLI::App* const end : {server, client}) {
        add_plan_options(*end, options.plan, options.words);
        end->add_option("--cores", options.cores, "threads, each pinned")->check(CLI::Range(1, 64));
    }
    client->add_option("--warm-up", options.warm_up, "seconds before measuring");
    client->add_option("--seconds", options.seconds, "to measure");
    CLI11_PARSE(app, argc, argv);
    if (!take_words(options.words, options.plan)) return 2;
    if (options.plan.flow != Flow::requests || options.plan.closer == Closer::reset) {
        std::fprintf(stderr, "bench_uring: only requests, and only connections that end by FIN\n");
        return 2;
    }
    allow_descriptors();
    std::signal(SIGTERM, on_signal);
    std::signal(SIGINT, on_signal);
    std::signal(SIGPIPE, SIG_IGN);
    return *server ? run_server(options) : run_client(options);
}

}  // namespace
}  // namespace bench::uring

int main(int argc, char** argv) { return bench::uring::run(argc, argv); }
