// SPDX-License-Identifier: Apache-2.0
// Client and server in one process, joined by the in-memory link.
//
//   bench_both_ends                 one thread runs both ends: the metric to steer by, because no
//                                   cache line moves between two CPUs
//   bench_both_ends --pairs 2       two such threads, each with a client and a server of its own
//   bench_both_ends --threads 2     one thread an end
//   bench_both_ends --messages 0 --concurrency 1000000 --in-flight 64     established connections
#include <pthread.h>
#include <sched.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <array>
#include <atomic>
#include <cstdio>
#include <fstream>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "base/counters.h"
#include "io/link/link.h"
#include "island.h"
#include "load/client.h"
#include "load/forms.h"
#include "load/plan.h"
#include "load/plan_options.h"
#include "load/server.h"
#include "report.h"
#include "socket/descriptor_table.h"
#include "stack/records.h"
#include "ticks.h"

namespace bench {
namespace {

struct Options {
    Plan plan;
    PlanWords words;
    int threads = 1;
    int pairs = 1;
    int cpu = 0;                         // of the first thread
    std::uint64_t warm_up = 1'100'000;   // completions (of messages, without end) not counted
    double warm_up_limit = 0;            // seconds; 0: as long as it takes
    std::uint64_t measured = 1'000'000;  // completions that are
    double seconds = 0;                  // measure for so long instead
    std::uint32_t time_wait_max = 1'000'000;
    bool checksums = true;
    std::string layer = "ethernet";
};

constexpr std::uint32_t kOtherSockets = 64;           // listener, epoll
constexpr std::uint32_t kFlowsPerServer = 1'500'000;  // of the 64 x 55,536 that there are
constexpr std::uint32_t kServerBase = 0x0a4e0001;     // 10.78.0.1
constexpr std::uint32_t kClientBase = 0x0a4e0101;     // 10.78.1.1

// One client and one server, joined.
struct Pair {
    mtcp::io::LinkPair link;
    std::unique_ptr<Island> client_island;
    std::unique_ptr<Island> server_island;
    std::unique_ptr<Client> client;
    std::unique_ptr<Server> server;
    Tally client_base, server_base, client_done, server_done;
    std::uint64_t ticks_taken = 0;
    std::uint64_t cpu_ns = 0;  // of the thread that ran both ends
    std::uint64_t turns_base = 0, turns = 0, frames_base = 0, frames = 0;
    std::uint64_t retransmitted_base = 0, retransmitted = 0;
    std::array<std::uint64_t, mtcp::kDropCount> dropped_base{}, dropped{};
    load::Histogram latency;
    std::string problem;
    std::uint64_t resident_begin = 0;  // bytes, before the first connection
    std::uint64_t resident_end = 0;    // after the warm-up
};

std::uint64_t resident_bytes() {
    std::ifstream statm("/proc/self/statm");
    std::uint64_t total = 0, resident = 0;
    statm >> total >> resident;
    return resident * static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE));
}

mtcp::stack::StackConfiguration configuration_of(const Options& options, bool client) {
    mtcp::stack::StackConfiguration c;
    const std::uint32_t room = options.plan.concurrency + options.plan.concurrency / 8;
    c.max_concurrency = std::max<std::uint32_t>(10'000, room + 2048);
    c.time_wait_max = options.time_wait_max;
    c.half_open_max = std::max<std::uint32_t>(c.half_open_max, std::min(room, 1u << 20));
    if (!client)
        c.time_wait_max = options.plan.closer == Closer::server ? options.time_wait_max : 4096;
    return c;
}

std::vector<std::uint32_t> run_of(std::uint32_t first, std::uint32_t count) {
    std::vector<std::uint32_t> addresses(count);
    for (std::uint32_t i = 0; i < count; ++i)
        addresses[i] = first + i;
    return addresses;
}

bool make_pair(const Options& options, int number, Pair& pair) {
    mtcp::io::LinkConfig wire;
    wire.layer = options.layer == "ip" ? mtcp::io::Layer::ip : mtcp::io::Layer::ethernet;
    wire.threads = options.threads == 2 ? mtcp::io::LinkThreads::two : mtcp::io::LinkThreads::one;
    wire.cannot_corrupt = wire.transmit_checksum = !options.checksums;
    auto link = mtcp::io::make_link(wire);
    if (!link) {
        pair.problem = link.error().text();
        return false;
    }
    pair.link = std::move(link).value();
    Plan plan = options.plan;
    plan.server_address = kServerBase;
    plan.client_address = kClientBase;
    const auto servers = run_of(kServerBase, plan.server_addresses);
    const auto clients = run_of(kClientBase, plan.client_addresses);
    pair.client_island = Island::make({.number = 2 * number,
                                       .queue = &pair.link.a->queue(0),
                                       .mac = pair.link.a->mac(),
                                       .addresses = clients,
                                       .neighbours = servers,
                                       .neighbour_mac = pair.link.b->mac(),
                                       .configuration = configuration_of(options, true)},
                                      pair.problem);
    pair.server_island = Island::make({.number = 2 * number + 1,
                                       .queue = &pair.link.b->queue(0),
                                       .mac = pair.link.b->mac(),
                                       .addresses = servers,
                                       .neighbours = clients,
                                       .neighbour_mac = pair.link.a->mac(),
                                       .configuration = configuration_of(options, false)},
                                      pair.problem);
    if (pair.client_island == nullptr || pair.server_island == nullptr) return false;
    pair.client = std::make_unique<Client>(pair.client_island->context(), plan);
    return true;
}

// By the thread that runs the server.
bool start_server(const Options& options, Pair& pair) {
    const mctx_t context = pair.server_island->context();
    const int listener = make_listener(context, options.plan, 0);
    if (listener < 0) {
        pair.problem = "the server cannot listen";
        return false;
    }
    pair.server = std::make_unique<Server>(context, options.plan, listener);
    pair.problem = pair.server->start();
    return pair.problem.empty();
}

// By the thread that runs the client.
bool start_client(const Options& options, Pair& pair) {
    Plan plan = options.plan;
    plan.client_address = kClientBase;
    use_client_addresses(pair.client_island->context(), plan);
    pair.problem = pair.client->start();
    return pair.problem.empty();
}

std::uint64_t done(const Options& options, const Tally& tally) {
    if (options.plan.flow != Flow::requests) return tally.bytes_in + tally.bytes_out;
    return options.plan.messages == 0 ? tally.messages : tally.completed;
}

// Turn by turn, until `until` completions or `end_ns` (0: none).
[[gnu::always_inline]] inline void run_turns(Client& client, Server& server, const Options& options,
                                             std::uint64_t until, std::uint64_t end_ns) {
    while (done(options, client.tally()) < until) {
        client.step(0);
        server.step(0);
        if (end_ns != 0 && (client.tally().waits & 63) == 0 && monotonic_ns() >= end_ns) return;
    }
}

// Two functions, because callgrind's --toggle-collect counts what happens in one of them.
[[gnu::noinline]] void warming_turns(Client& client, Server& server, const Options& options,
                                     std::uint64_t until, std::uint64_t end_ns) {
    asm volatile("# not the same function as the next one");
    run_turns(client, server, options, until, end_ns);
}
[[gnu::noinline]] void measured_turns(Client& client, Server& server, const Options& options,
                                      std::uint64_t until, std::uint64_t end_ns) {
    run_turns(client, server, options, until, end_ns);
}

// 0 seconds: no end.
std::uint64_t end_after(double seconds) {
    return seconds > 0 ? monotonic_ns() + static_cast<std::uint64_t>(seconds * 1e9) : 0;
}

std::uint64_t retransmitted(const Pair& pair) {
    return pair.client_island->counters().segments_retransmitted +
           pair.server_island->counters().segments_retransmitted;
}
std::uint64_t dropped(const Pair& pair, std::size_t reason) {
    return pair.client_island->counters().dropped[reason] +
           pair.server_island->counters().dropped[reason];
}

void note_base(Pair& pair) {
    pair.client_base = pair.client->tally();
    pair.server_base = pair.server->tally();
    pair.client->latency().clear();
    const mtcp::Counters& c = pair.client_island->counters();
    const mtcp::Counters& s = pair.server_island->counters();
    pair.turns_base = c.turns + s.turns;
    pair.frames_base = c.frames_out + s.frames_out;
    pair.retransmitted_base = retransmitted(pair);
    for (std::size_t reason = 0; reason < mtcp::kDropCount; ++reason)
        pair.dropped_base[reason] = dropped(pair, reason);
}

void note_result(Pair& pair, std::uint64_t begin) {
    pair.ticks_taken = ticks() - begin;
    pair.client_done = pair.client->tally() - pair.client_base;
    pair.server_done = pair.server->tally() - pair.server_base;
    const mtcp::Counters& c = pair.client_island->counters();
    const mtcp::Counters& s = pair.server_island->counters();
    pair.turns = c.turns + s.turns - pair.turns_base;
    pair.frames = c.frames_out + s.frames_out - pair.frames_base;
    pair.retransmitted = retransmitted(pair) - pair.retransmitted_base;
    for (std::size_t reason = 0; reason < mtcp::kDropCount; ++reason)
        pair.dropped[reason] = dropped(pair, reason) - pair.dropped_base[reason];
    pair.latency = pair.client->latency();
}

// Opens all connections of a plan without end; false: they do not all come.
bool establish(Pair& pair, const Options& options) {
    // As long as there is progress: a machine that does other things too needs its time.
    constexpr std::uint64_t kPatience = 10'000'000'000;
    std::uint64_t before = 0, give_up = monotonic_ns() + kPatience;
    while (pair.client->tally().connected < options.plan.concurrency ||
           pair.server->tally().opened < options.plan.concurrency) {
        pair.client->step(0);
        pair.server->step(0);
        const std::uint64_t now = monotonic_ns();
        if (const std::uint64_t come = pair.server->tally().opened; come != before) {
            before = come;
            give_up = now + kPatience;
        }
        if (now > give_up || pair.client->tally().failed != 0) {
            const Tally& c = pair.client->tally();
            pair.problem = "of " + std::to_string(options.plan.concurrency) + " connections " +
                           std::to_string(c.opened) + " were opened, " +
                           std::to_string(c.connected) + " established, " +
                           std::to_string(pair.server->tally().opened) + " accepted, " +
                           std::to_string(c.failed + c.connect_failed) + " failed";
            return false;
        }
    }
    return true;
}

void pin(int cpu) {
    cpu_set_t set;
    CPU_ZERO(&set);
    CPU_SET(static_cast<unsigned>(cpu), &set);
    static_cast<void>(pthread_setaffinity_np(pthread_self(), sizeof set, &set));
}

// All that one thread does for a pair whose both ends it runs.
void run_in_one_thread(const Options& options, Pair& pair, std::atomic<int>& ready) {
    const bool started = start_server(options, pair) && start_client(options, pair);
    if (started) {
        // The application's own memory is there before the first connection: it is not the stack's.
        pair.client->reserve(options.plan.concurrency + kOtherSockets);
        pair.server->reserve(options.plan.concurrency + kOtherSockets);
    }
    pair.resident_begin = resident_bytes();
    if (started && options.plan.in_flight != 0 && establish(pair, options)) {
        pair.client->start_asking();
    }
    if (pair.problem.empty()) {
        warming_turns(*pair.client, *pair.server, options,
                      done(options, pair.client->tally()) + options.warm_up,
                      end_after(options.warm_up_limit));
    }
    pair.resident_end = resident_bytes();
    ready.fetch_add(1);
    while (ready.load() < options.pairs) {  // measure together
        if (pair.problem.empty()) {
            pair.client->step(0);
            pair.server->step(0);
        }
    }
    if (!pair.problem.empty()) return;
    note_base(pair);
    const std::uint64_t end = end_after(options.seconds);
    const std::uint64_t until =
        end != 0 ? UINT64_MAX : done(options, pair.client_base) + options.measured;
    const std::uint64_t cpu = thread_cpu_ns();
    const std::uint64_t begin = ticks();
    measured_turns(*pair.client, *pair.server, options, until, end);
    note_result(pair, begin);
    pair.cpu_ns = thread_cpu_ns() - cpu;
}

// One thread an end: the server's thread runs until the client's has measured.
void run_in_two_threads(const Options& options, Pair& pair) {
    std::atomic<int> phase{0};  // 1: the server is ready; 2: over
    std::thread server([&] {
        if (options.cpu >= 0) pin(options.cpu + 1);
        if (!start_server(options, pair)) {
            phase.store(2);
            return;
        }
        phase.store(1);
        while (phase.load(std::memory_order_relaxed) != 2)
            pair.server->step(0);
    });
    if (options.cpu >= 0) pin(options.cpu);
    while (phase.load() == 0) {
    }
    if (phase.load() == 1 && start_client(options, pair)) {
        Client& client = *pair.client;
        std::uint64_t end = monotonic_ns() + 300'000'000;
        while (monotonic_ns() < end)
            client.step(0);
        pair.client_base = client.tally();
        client.latency().clear();
        const std::uint64_t begin = ticks();
        end = monotonic_ns() + static_cast<std::uint64_t>(options.seconds * 1e9);
        while (monotonic_ns() < end)
            client.step(0);
        pair.ticks_taken = ticks() - begin;
        pair.client_done = client.tally() - pair.client_base;
        pair.latency = client.latency();
    }
    phase.store(2);
    server.join();
}

void report(const Options& options, const std::vector<std::unique_ptr<Pair>>& pairs) {
    const double rate = ticks_per_second();
    Report out;
    double per_second = 0, ticks_each = 0, cpu_ticks_each = 0;
    for (const auto& pair : pairs) {
        const auto completed = static_cast<double>(done(options, pair->client_done));
        const auto taken = static_cast<double>(pair->ticks_taken);
        per_second += completed * rate / taken;
        ticks_each += taken / completed / static_cast<double>(pairs.size());
        cpu_ticks_each += static_cast<double>(pair->cpu_ns) * 1e-9 * rate / completed /
                          static_cast<double>(pairs.size());
    }
    out.set("per_second", per_second);
    out.set("ticks_each", ticks_each);
    out.set("cpu_ticks_each", cpu_ticks_each);  // without what others took of the CPU
    out.set("ticks_per_second", rate);
    const Pair& first = *pairs.front();
    out.set("client_", first.client_done);
    out.set("server_", first.server_done);
    const auto completed = static_cast<double>(done(options, first.client_done));
    out.set("frames_each", static_cast<double>(first.frames) / completed);
    out.set("turns_each", static_cast<double>(first.turns) / completed);
    if (options.plan.stages) {
        const auto client = static_cast<double>(first.client_done.wait_ticks);
        const auto server = static_cast<double>(first.server_done.wait_ticks);
        out.set("client_wait_ticks_each", client / completed);
        out.set("server_wait_ticks_each", server / completed);
        out.set("calls_ticks_each",
                (static_cast<double>(first.ticks_taken) - client - server) / completed);
    }
    if (options.plan.latency) out.set_latency("", first.latency, rate);
    // What disturbed the measurement, of both ends: without it, the rate is that of the fast path.
    out.set("retransmitted", first.retransmitted);
    for (std::size_t reason = 0; reason < mtcp::kDropCount; ++reason) {
        if (first.dropped[reason] == 0) continue;
        const char* const name = mtcp::drop_name(static_cast<mtcp::Drop>(reason));
        out.set(std::string("dropped_") + name, first.dropped[reason]);
    }
    out.set("time_wait", first.client_island->counters().time_wait);
    out.set("time_wait_recycled", first.client_island->counters().time_wait_recycled);
    out.set("resident_begin", first.resident_begin);
    out.set("resident_end", first.resident_end);
    out.set("half_open_record_bytes", std::uint64_t{sizeof(mtcp::stack::HalfOpenRecord)});
    out.set("time_wait_record_bytes", std::uint64_t{sizeof(mtcp::stack::TimeWaitRecord)});
    out.set("connection_record_bytes", std::uint64_t{sizeof(mtcp::stack::Connection)});
    // With its interest; options take sizeof(DescriptorDetails) more once they are changed.
    out.set("descriptor_record_bytes", std::uint64_t{sizeof(mtcp::socket::Descriptor)});
    out.print();
}

int run(int argc, char** argv) {
    Options options;
    CLI::App app{"client and server in one process, joined by the in-memory link"};
    add_plan_options(app, options.plan, options.words);
    app.add_option("--threads", options.threads, "2: one an end")->check(CLI::Range(1, 2));
    app.add_option("--pairs", options.pairs, "client and server pairs, a thread each")
        ->check(CLI::Range(1, 64));
    app.add_option("--cpu", options.cpu, "of the first thread; -1: wherever");
    app.add_option("--warm-up", options.warm_up, "completions before measuring");
    app.add_option("--warm-up-limit", options.warm_up_limit, "seconds it may take; 0: any");
    app.add_option("--measured", options.measured, "completions that are measured");
    app.add_option("--seconds", options.seconds, "measure for so long instead");
    app.add_option("--time-wait-max", options.time_wait_max, "records in TIME-WAIT");
    app.add_option("--layer", options.layer)->check(CLI::IsMember({"ethernet", "ip"}));
    app.add_flag("!--no-checksums", options.checksums, "agree that the wire cannot corrupt");
    options.plan.client_addresses = 64;
    options.plan.concurrency = 256;
    CLI11_PARSE(app, argc, argv);
    if (!take_words(options.words, options.plan)) return 2;
    if (options.plan.form == Form::batch && !kHasBatch) {
        std::fprintf(stderr, "this build has no calls for batches\n");
        return 2;
    }
    const std::uint32_t servers = options.plan.concurrency / kFlowsPerServer + 1;
    options.plan.server_addresses = std::max(options.plan.server_addresses, servers);
    if (options.threads == 2 && options.seconds <= 0) options.seconds = 1;

    std::vector<std::unique_ptr<Pair>> pairs;
    for (int i = 0; i < options.pairs; ++i) {
        pairs.push_back(std::make_unique<Pair>());
        if (!make_pair(options, i, *pairs.back())) break;
    }
    if (pairs.back()->problem.empty()) {
        if (options.threads == 2) {
            run_in_two_threads(options, *pairs.front());
        } else {
            std::atomic<int> ready{0};
            std::vector<std::thread> threads;
            for (int i = 0; i < options.pairs; ++i) {
                threads.emplace_back([&options, &pairs, &ready, i] {
                    if (options.cpu >= 0) pin(options.cpu + i);
                    run_in_one_thread(options, *pairs[static_cast<std::size_t>(i)], ready);
                });
            }
            for (std::thread& thread : threads)
                thread.join();
        }
    }
    for (const auto& pair : pairs) {
        if (pair->problem.empty()) continue;
        std::fprintf(stderr, "bench_both_ends: %s\n", pair->problem.c_str());
        return 1;
    }
    report(options, pairs);
    return 0;
}

}  // namespace
}  // namespace bench

int main(int argc, char** argv) { return bench::run(argc, argv); }
