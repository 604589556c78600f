// SPDX-License-Identifier: Apache-2.0
// One end of a measurement over a wire: bench_end on mtcp, bench_end_kernel on the kernel's
// sockets, the same source. `server` says "ready" and serves until SIGTERM; `client` loads a server
// for some seconds. Each ends with one line of JSON.
#include <netinet/tcp.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstring>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "load/client.h"
#include "load/forms.h"
#include "load/plan.h"
#include "load/plan_options.h"
#include "load/server.h"
#include "machine.h"
#include "report.h"
#include "ticks.h"

#ifdef APPS_ON_KERNEL
#include "steering.h"
#endif

namespace bench {
namespace {

std::atomic<bool> stop{false};
void on_signal(int) { stop.store(true); }

struct Options {
    Plan plan;
    PlanWords words;
    std::string configuration;  // file
    int cores = 1;
    double warm_up = 0.5;  // seconds
    double seconds = 1;
    double rate = 0;  // requests a second, on a schedule; 0: as fast as answers come
    bool idle = false;
    bool hold = false;
    std::string accept = "reuseport";  // kernel: how listeners share the port
};

constexpr int kSleepMs = 100;  // so that a signal between two waits is not waited out for long

int timeout_of(const Plan& plan) { return plan.waiting == Waiting::spinning ? 0 : kSleepMs; }

// Each thread works on its own; what it found is collected after it has ended.
struct Worker {
    std::thread thread;
    std::string problem;
    Tally tally;
    std::uint64_t cpu_ns = 0;
    load::Histogram latency;
    NegotiatedOptions negotiated;
};

std::string congestion_of(net::Context context, int socket) {
    std::array<char, 16> name{};
    socklen_t size = name.size() - 1;
    if (net::getsockopt(context, socket, IPPROTO_TCP, TCP_CONGESTION, name.data(), &size) != 0) {
        return "unknown";
    }
    return name.data();
}

int listen_here(net::Context context, const Options& options, std::string& congestion) {
    const int listener = make_listener(context, options.plan, options.accept != "shared" ? 1 : 0);
    if (listener < 0) return -1;
    if (!options.plan.congestion.empty() &&
        net::setsockopt(context, listener, IPPROTO_TCP, TCP_CONGESTION,
                        options.plan.congestion.data(),
                        static_cast<socklen_t>(options.plan.congestion.size())) != 0) {
        return -1;
    }
    congestion = congestion_of(context, listener);
    return listener;
}

// --- server
// ----------------------------------------------------------------------------------------

struct Serving {
    const Options& options;
    std::atomic<int> listening{0};  // threads that have a listener, in order
    std::atomic<int> shared_listener{-1};
    std::string congestion;
};

// Listeners are made in the order of their cores: the steering program names them by number.
int listener_of(Serving& serving, net::Context context, int core) {
    while (serving.listening.load() != core) {
        if (stop.load()) return -1;
        std::this_thread::yield();
    }
    int listener = -1;
    if (serving.options.accept == "shared" && core != 0) {
        listener = serving.shared_listener.load();
    } else {
        listener = listen_here(context, serving.options, serving.congestion);
        serving.shared_listener.store(listener);
    }
#ifdef APPS_ON_KERNEL
    if (listener >= 0 && core == 0 && serving.options.accept == "affinity" &&
        !steer_by_cpu(listener)) {
        listener = -1;
    }
#endif
    serving.listening.fetch_add(1);
    return listener;
}

void serve(Serving& serving, int core, Worker& worker) {
    const net::Context context = net::open_context(core);
    if (context == nullptr) {
        worker.problem = net::last_problem();
        serving.listening.fetch_add(1);
        return;
    }
    const int listener = listener_of(serving, context, core);
    if (listener < 0) {
        worker.problem = std::string("cannot listen: ") + std::strerror(errno);
        net::close_context(context);
        return;
    }
    Server server(context, serving.options.plan, listener);
    worker.problem = server.start();
    const int timeout = timeout_of(serving.options.plan);
    while (worker.problem.empty() && !stop.load(std::memory_order_relaxed))
        server.step(timeout);
    worker.tally = server.tally();
    worker.cpu_ns = thread_cpu_ns();
    net::close_context(context);
}

int run_server(const Options& options) {
    Serving serving{.options = options};
    std::vector<Worker> workers(static_cast<std::size_t>(options.cores));
    for (int core = 0; core < options.cores; ++core) {
        Worker& worker = workers[static_cast<std::size_t>(core)];
        worker.thread = std::thread([&serving, &worker, core] { serve(serving, core, worker); });
    }
    while (serving.listening.load() < options.cores && !stop.load())
        std::this_thread::sleep_for(std::chrono::milliseconds(1));
    for (const Worker& worker : workers) {
        if (!worker.problem.empty()) stop.store(true);
    }
    if (!stop.load()) std::printf("ready %s\n", serving.congestion.c_str());
    std::fflush(stdout);
    for (Worker& worker : workers)
        worker.thread.join();
    Report report;
    Tally total;
    for (const Worker& worker : workers) {
        if (!worker.problem.empty()) {
            std::fprintf(stderr, "bench_end server: %s\n", worker.problem.c_str());
            return 1;
        }
        total += worker.tally;
    }
    report.set("stack", net::kStack);
    report.set("", total);
    report.print();
    return 0;
}

// --- client
// ----------------------------------------------------------------------------------------

// All threads measure the same stretch of time.
struct Loading {
    const Options& options;
    double tick_rate = 0;
    std::atomic<int> begun{0};
    std::atomic<int> measured{0};
    std::atomic<bool> let_go{false};           // the contexts may end
    std::atomic<std::uint64_t> measure_at{0};  // monotonic_ns
};

void run_until(Client& client, int timeout, std::uint64_t end_ns) {
    while (monotonic_ns() < end_ns && !stop.load(std::memory_order_relaxed))
        client.step(timeout);
}

// False: some failed, or it took too long.
bool establish(Client& client, std::uint64_t connections, int timeout) {
    const std::uint64_t patience = monotonic_ns() + 30'000'000'000;
    while (client.tally().connected < connections && client.tally().failed == 0 &&
           monotonic_ns() < patience && !stop.load()) {
        client.step(timeout);
    }
    return client.tally().connected >= connections;
}

void load_server(Loading& loading, int core, Worker& worker) {
    const Options& options = loading.options;
    const net::Context context = net::open_context(core);
    if (context == nullptr) {
        worker.problem = net::last_problem();
        loading.begun.fetch_add(1);
        loading.measured.fetch_add(1);
        return;
    }
    Plan plan = options.plan;
    plan.concurrency = std::max(1u, plan.concurrency / static_cast<unsigned>(options.cores));
    use_client_addresses(context, plan);
    auto client = std::make_unique<Client>(context, plan);
    worker.problem = client->start();
    const int timeout = timeout_of(plan);
    if (worker.problem.empty()) {
        // Plans that ask in turn first open everything. The others begin with one: a SYN that was
        // lost while the link came up comes again after a second.
        const bool opened = establish(*client, plan.in_flight != 0 ? plan.concurrency : 1, timeout);
        if (plan.in_flight == 0) {
            // asks as it opens
        } else if (!opened) {
            worker.problem = "not all connections could be opened";
        } else if (options.rate > 0) {
            client->start_asking_at_rate(options.rate / options.cores, loading.tick_rate);
        } else if (!options.idle) {
            client->start_asking();
        }
    }
    loading.begun.fetch_add(1);
    if (worker.problem.empty()) {
        while (loading.measure_at.load() == 0 && !stop.load())
            client->step(timeout);
        run_until(*client, timeout, loading.measure_at.load());
        const Tally base = client->tally();
        client->latency().clear();
        const std::uint64_t cpu = thread_cpu_ns();
        const auto span = static_cast<std::uint64_t>(options.seconds * 1e9);
        run_until(*client, timeout, loading.measure_at.load() + span);
        worker.tally = client->tally() - base;
        worker.cpu_ns = thread_cpu_ns() - cpu;
        worker.latency = client->latency();
        worker.negotiated = client->negotiated();
    }
    loading.measured.fetch_add(1);
    while (!loading.let_go.load())
        std::this_thread::sleep_for(std::chrono::milliseconds(1));
    net::close_context(context);
}

void report_client(const Options& options, const std::vector<Worker>& workers,
                   const std::vector<CpuTimes>& before, double tick_rate) {
    Report report;
    Tally total;
    load::Histogram latency;
    double cpu_s = 0;
    for (const Worker& worker : workers) {
        total += worker.tally;
        latency.add(worker.latency);
        cpu_s += static_cast<double>(worker.cpu_ns) * 1e-9;
    }
    report.set("stack", net::kStack);
    report.set("seconds", options.seconds);
    report.set("connections_per_second", static_cast<double>(total.completed) / options.seconds);
    report.set("messages_per_second", static_cast<double>(total.messages) / options.seconds);
    report.set("gbit_per_second", static_cast<double>(std::max(total.bytes_in, total.bytes_out)) *
                                      8e-9 / options.seconds);
    report.set("client_cpu", cpu_s / options.seconds);
    report.set("", total);
    if (options.plan.latency && latency.count() != 0) report.set_latency("", latency, tick_rate);
    const std::vector<CpuTimes> after = cpu_times();
    for (std::size_t i = 0; i < after.size() && i < before.size(); ++i) {
        report.set("cpu" + std::to_string(i) + "_idle", idle_share(before[i], after[i]));
    }
    const NegotiatedOptions& negotiated = workers.front().negotiated;
    report.set("negotiated", negotiated.text());
    report.print();
}

int run_client(const Options& options) {
    Loading loading{.options = options, .tick_rate = ticks_per_second()};
    std::vector<Worker> workers(static_cast<std::size_t>(options.cores));
    for (int core = 0; core < options.cores; ++core) {
        Worker& worker = workers[static_cast<std::size_t>(core)];
        worker.thread =
            std::thread([&loading, &worker, core] { load_server(loading, core, worker); });
    }
    const auto pause = [](double seconds) {
        std::this_thread::sleep_for(std::chrono::duration<double>(seconds));
    };
    while (loading.begun.load() < options.cores && !stop.load())
        pause(0.001);
    const auto warm_up = static_cast<std::uint64_t>(options.warm_up * 1e9);
    loading.measure_at.store(monotonic_ns() + warm_up);
    pause(options.warm_up);
    std::fprintf(stderr, "measuring\n");
    const std::vector<CpuTimes> before = cpu_times();
    while (loading.measured.load() < options.cores)
        pause(0.001);
    int status = 0;
    for (const Worker& worker : workers) {
        if (worker.problem.empty()) continue;
        std::fprintf(stderr, "bench_end client: %s\n", worker.problem.c_str());
        status = 1;
    }
    if (status == 0) report_client(options, workers, before, loading.tick_rate);
    while (status == 0 && options.hold && !stop.load())
        pause(0.001);
    loading.let_go.store(true);
    for (Worker& worker : workers)
        worker.thread.join();
    return status;
}

int run(int argc, char** argv) {
    Options options;
    CLI::App app{std::string("one end of a measurement, on the stack: ") + net::kStack};
    app.require_subcommand(1);
    CLI::App* const server = app.add_subcommand("server", "serves until SIGTERM");
    CLI::App* const client = app.add_subcommand("client", "loads a server");
    for (CLI::App* const end : {server, client}) {
        add_plan_options(*end, options.plan, options.words);
        end->add_option("-f,--config", options.configuration, "configuration file of mtcp");
        end->add_option("--cores", options.cores, "threads, each pinned, with a context of its own")
            ->check(CLI::Range(1, 64));
    }
    server->add_option("--accept", options.accept, "kernel: how listeners share the port")
        ->check(CLI::IsMember({"shared", "reuseport", "affinity"}));
    client->add_option("--warm-up", options.warm_up, "seconds before measuring");
    client->add_option("--seconds", options.seconds, "to measure");
    client->add_option("--rate", options.rate, "requests a second (with --in-flight)");
    client->add_flag("--idle", options.idle, "open connections, then be still (with --in-flight)");
    client->add_flag("--hold", options.hold, "report, then stay until SIGTERM, to be looked into");
    CLI11_PARSE(app, argc, argv);
    if (!take_words(options.words, options.plan)) return 2;
    if (options.plan.form == Form::batch && !kHasBatch) {
        std::fprintf(stderr, "this build has no calls for batches\n");
        return 2;
    }
    allow_descriptors();
    if (const std::string problem = net::start(options.configuration, options.cores);
        !problem.empty()) {
        std::fprintf(stderr, "bench_end: %s\n", problem.c_str());
        return 1;
    }
    std::signal(SIGTERM, on_signal);
    std::signal(SIGINT, on_signal);
    const int status = *server ? run_server(options) : run_client(options);
    net::stop();
    return status;
}

}  // namespace
}  // namespace bench

int main(int argc, char** argv) { return bench::run(argc, argv); }
