// SPDX-License-Identifier: Apache-2.0
// mtcp_sim: runs seeded worlds and says which of them failed, with a line that replays it.
#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <memory>
#include <sstream>
#include <string>
#include <string_view>
#include <vector>

#include "sim/simulation.h"

namespace mtcp::sim {
namespace {

enum class TraceKind : std::uint8_t { none, text, pcapng };

struct Options {
    std::uint64_t first = 1;
    std::uint64_t count = 1;
    std::string world;  // empty: each seed chooses
    TraceKind trace = TraceKind::none;
    std::string file;         // of the trace; empty: standard output
    bool describe = false;    // print the plan
    std::string regressions;  // a file of "WORLD SEED" lines to run first
};

constexpr const char* kUsage =
    "usage: mtcp_sim --seed N | --seeds N [--first M]  [--world NAME] [--trace=text|pcapng "
    "[FILE]]\n"
    "       mtcp_sim --regressions FILE               replay the worlds named in FILE\n"
    "       --describe prints what is in the world, --list the names of worlds\n";

// The world a seed stands for when none is named. The canary is asked for by name only.
std::string_view world_of(std::uint64_t seed) {
    constexpr std::array<std::string_view, 8> kCycle{"mixed", "short", "mixed", "healthy",
                                                     "bulk",  "mixed", "storm", "scarce"};
    return kCycle[seed % kCycle.size()];
}

RunResult run_world(const WorldPlan& plan, Observer* observer) {
    return Simulation(plan, observer).run();
}

// The same world must look the same on the wire whatever does not change behaviour.
void compare_with_prediction_turned(const WorldPlan& plan, RunResult& result) {
    using Use = tcp::Configuration::Use;
    WorldPlan turned = plan;
    for (HostConfig& host : turned.hosts) {
        Use& use = host.stack.tcp.header_prediction;
        use = use == Use::on ? Use::off : Use::on;
    }
    const RunResult twin = run_world(turned, nullptr);
    if (twin.trace_hash != result.trace_hash) {
        result.findings.push_back("header prediction: the wire looks different without it");
    }
}

RunResult run_traced(const WorldPlan& plan, const Options& options) {
    if (options.trace == TraceKind::none) return run_world(plan, nullptr);
    std::FILE* out = options.file.empty() ? stdout : std::fopen(options.file.c_str(), "wb");
    if (out == nullptr) {
        std::perror(options.file.c_str());
        std::exit(2);
    }
    std::unique_ptr<Observer> trace;
    if (options.trace == TraceKind::text) {
        trace = std::make_unique<TextTrace>(out, plan.layer);
    } else {
        trace = std::make_unique<PcapTrace>(out, plan.layer);
    }
    RunResult result = run_world(plan, trace.get());
    if (out != stdout) std::fclose(out);
    return result;
}

struct Totals {
    std::uint64_t passed = 0;
    std::uint64_t failed = 0;
    std::uint64_t segments = 0;
    Duration virtual_time{};
};

void run_one(std::string_view world, std::uint64_t seed, const Options& options, Totals& totals) {
    const WorldPlan plan = draw_world(world, seed);
    if (options.describe) std::printf("%s", plan.text().c_str());
    RunResult result = run_traced(plan, options);
    const bool compare = seed % 4 == 0 && !plan.canary && result.findings.empty();
    if (compare) compare_with_prediction_turned(plan, result);
    if (plan.canary) {  // it must fail: an oracle that sees nothing is the failure
        if (result.findings.empty()) {
            result.findings.push_back("canary: corrupted bytes reached an application unnoticed");
        } else {
            result.findings.clear();
        }
    }
    totals.segments += result.segments;
    totals.virtual_time = totals.virtual_time + result.virtual_time;
    if (result.findings.empty()) {
        ++totals.passed;
        return;
    }
    ++totals.failed;
    std::printf("%sFAILED: ./dev sim --seed %llu --world %s\n", isatty(2) != 0 ? "\r\033[K" : "",
                static_cast<unsigned long long>(seed), plan.name.c_str());
    for (const std::string& finding : result.findings)
        std::printf("    %s\n", finding.c_str());
    std::fflush(stdout);
}

void show_progress(std::uint64_t done, const Options& options, const Totals& totals) {
    if (isatty(2) == 0 || (done % 8 != 0 && done != options.count)) return;
    std::fprintf(stderr, "\r%llu/%llu seeds, %llu failed ", static_cast<unsigned long long>(done),
                 static_cast<unsigned long long>(options.count),
                 static_cast<unsigned long long>(totals.failed));
    if (done == options.count) std::fputc('\n', stderr);
}

bool run_regressions(const Options& options, Totals& totals) {
    std::ifstream file(options.regressions);
    if (!file) {
        std::perror(options.regressions.c_str());
        return false;
    }
    for (std::string line; std::getline(file, line);) {
        std::istringstream words(line.substr(0, line.find('#')));
        std::string world;
        std::uint64_t seed = 0;
        if (words >> world >> seed) run_one(world, seed, options, totals);
    }
    return true;
}

[[noreturn]] void usage() {
    std::fputs(kUsage, stderr);
    std::exit(2);
}

bool known_world(std::string_view name) {
    for (const std::string_view world : world_names()) {
        if (world == name) return true;
    }
    return false;
}

Options parse(int count, char** arguments) {
    Options options;
    const auto value = [&](int& i) -> const char* {
        return ++i < count ? arguments[i] : (usage(), "");
    };
    for (int i = 1; i < count; ++i) {
        const std::string_view name = arguments[i];
        if (name == "--seed") {
            options.first = std::strtoull(value(i), nullptr, 0);
        } else if (name == "--seeds") {
            options.count = std::strtoull(value(i), nullptr, 0);
        } else if (name == "--first") {
            options.first = std::strtoull(value(i), nullptr, 0);
        } else if (name == "--world") {
            options.world = value(i);
        } else if (name == "--regressions") {
            options.regressions = value(i);
            options.count = 0;
        } else if (name == "--describe") {
            options.describe = true;
        } else if (name == "--trace=text" || name == "--trace=pcapng") {
            options.trace = name == "--trace=text" ? TraceKind::text : TraceKind::pcapng;
            if (i + 1 < count && arguments[i + 1][0] != '-') options.file = arguments[++i];
        } else if (name == "--list") {
            for (const std::string_view world : world_names())
                std::printf("%s\n", world.data());
            std::exit(0);
        } else {
            usage();
        }
    }
    if (!options.world.empty() && !known_world(options.world)) usage();
    return options;
}

}  // namespace
}  // namespace mtcp::sim

int main(int count, char** arguments) {
    using namespace mtcp::sim;
    const Options options = parse(count, arguments);
    const auto begun = std::chrono::steady_clock::now();
    Totals totals;
    if (!options.regressions.empty() && !run_regressions(options, totals)) return 2;
    for (std::uint64_t i = 0; i < options.count; ++i) {
        const std::uint64_t seed = options.first + i;
        run_one(options.world.empty() ? world_of(seed) : std::string_view(options.world), seed,
                options, totals);
        show_progress(i + 1, options, totals);
    }
    // The oracles must be alive: a world that corrupts bytes behind every checksum has to fail.
    if (options.count > 1 && options.world.empty())
        run_one("canary", options.first, options, totals);
    const double took =
        std::chrono::duration<double>(std::chrono::steady_clock::now() - begun).count();
    const std::uint64_t worlds = totals.passed + totals.failed;
    std::printf("%llu worlds, %llu segments, %.0f s of virtual time in %.1f s (%.0f ms a world)\n",
                static_cast<unsigned long long>(worlds),
                static_cast<unsigned long long>(totals.segments),
                static_cast<double>(totals.virtual_time.ns) / 1e9, took,
                worlds == 0 ? 0.0 : took * 1e3 / static_cast<double>(worlds));
    std::printf("%llu passed, %llu failed\n", static_cast<unsigned long long>(totals.passed),
                static_cast<unsigned long long>(totals.failed));
    return totals.failed == 0 ? 0 : 1;
}
