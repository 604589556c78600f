// SPDX-License-Identifier: Apache-2.0
// mtcp_sim: runs seeded worlds and says which of them failed, with a line that replays it.
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <sstream>
#include <string>
#include <string_view>
#include <vector>

#include "sim/runner.h"
#include "sim/workers.h"

namespace mtcp::sim {
namespace {

struct Options {
    std::uint64_t first = 1;
    std::uint64_t count = 1;
    std::string world;  // empty: each seed chooses
    std::uint32_t vintage = kVintage;
    TraceKind trace = TraceKind::none;
    std::string file;         // of the trace; empty: standard output
    bool describe = false;    // print the plan
    bool canaries = false;    // run them all
    std::string regressions;  // a file of "WORLD SEED VINTAGE" lines to run first
    WorkOrder order;
};

constexpr const char* kUsage =
    "usage: mtcp_sim --seeds N [--first M] [--world NAME] [--jobs N] [--traces FOLDER]\n"
    "       mtcp_sim --seed N [--world NAME] [--vintage N] [--describe] [--trace=text|pcapng "
    "[FILE]]\n"
    "       mtcp_sim --canaries                       worlds that must fail, all of them\n"
    "       mtcp_sim --regressions FILE               replay the worlds named in FILE\n"
    "       --list prints the names of worlds\n";

struct Regression {
    std::string world;
    std::uint64_t seed = 0;
    std::uint32_t vintage = kVintage;
};

std::vector<Regression> read_regressions(const std::string& path) {
    std::ifstream file(path);
    if (!file) {
        std::perror(path.c_str());
        std::exit(2);
    }
    std::vector<Regression> list;
    for (std::string line; std::getline(file, line);) {
        std::istringstream words(line.substr(0, line.find('#')));
        Regression one;
        if (!(words >> one.world)) continue;
        if (!(words >> one.seed >> one.vintage)) {
            std::fprintf(stderr, "%s: not WORLD SEED VINTAGE: %s\n", path.c_str(), line.c_str());
            std::exit(2);
        }
        list.push_back(one);
    }
    if (list.empty()) {
        std::fprintf(stderr, "%s: names no world\n", path.c_str());
        std::exit(2);
    }
    return list;
}

[[noreturn]] void usage() {
    std::fputs(kUsage, stderr);
    std::exit(2);
}

bool known_world(std::string_view name) {
    const auto& names = world_names();
    return std::find(names.begin(), names.end(), name) != names.end();
}

class Arguments {
  public:
    Arguments(int count, char** arguments) : count_(count), arguments_(arguments) {}
    [[nodiscard]] bool next() { return ++at_ < count_; }
    [[nodiscard]] std::string_view word() const { return arguments_[at_]; }
    [[nodiscard]] const char* value() { return next() ? arguments_[at_] : (usage(), ""); }
    [[nodiscard]] std::uint64_t number() {
        const char* const text = value();
        char* end = nullptr;
        errno = 0;
        const std::uint64_t number = std::strtoull(text, &end, 0);
        if (end == text || *end != '\0' || *text == '-' || errno != 0) usage();
        return number;
    }
    [[nodiscard]] bool value_follows() const {
        return at_ + 1 < count_ && arguments_[at_ + 1][0] != '-';
    }

  private:
    int count_;
    char** arguments_;
    int at_ = 0;
};

void list_worlds() {
    for (const std::string_view world : world_names())
        std::printf("%s\n", world.data());
    std::exit(0);
}

Options parse(int count, char** arguments) {
    Options options;
    options.order.jobs = static_cast<std::uint32_t>(std::max(1L, ::sysconf(_SC_NPROCESSORS_ONLN)));
    for (Arguments a(count, arguments); a.next();) {
        const std::string_view name = a.word();
        if (name == "--seed" || name == "--first") {
            options.first = a.number();
        } else if (name == "--seeds") {
            options.count = a.number();
        } else if (name == "--world") {
            options.world = a.value();
        } else if (name == "--vintage") {
            options.vintage = static_cast<std::uint32_t>(a.number());
        } else if (name == "--jobs") {
            options.order.jobs = std::max(1u, static_cast<std::uint32_t>(a.number()));
        } else if (name == "--traces") {
            options.order.traces = a.value();
        } else if (name == "--canaries") {
            options.canaries = true;
            options.count = 0;
        } else if (name == "--regressions") {
            options.regressions = a.value();
            options.count = 0;
        } else if (name == "--describe") {
            options.describe = true;
        } else if (name == "--trace=text" || name == "--trace=pcapng") {
            options.trace = name == "--trace=text" ? TraceKind::text : TraceKind::pcapng;
            if (a.value_follows()) options.file = a.value();
        } else if (name == "--list") {
            list_worlds();
        } else {
            usage();
        }
    }
    if (!options.world.empty() && !known_world(options.world)) usage();
    const bool unknown = options.vintage == 0 || options.vintage > kVintage;
    const bool nothing = options.count == 0 && !options.canaries && options.regressions.empty();
    if (unknown || nothing) usage();
    return options;
}

WorldName name_of(const Options& options, std::uint64_t seed) {
    return {.world = options.world.empty() ? world_of(seed) : std::string_view(options.world),
            .seed = seed,
            .vintage = options.vintage};
}

Totals operator+(const Totals& a, const Totals& b) {
    return {.passed = a.passed + b.passed,
            .failed = a.failed + b.failed,
            .segments = a.segments + b.segments,
            .virtual_time = a.virtual_time + b.virtual_time};
}

Totals run_all(const Options& options) {
    Totals totals;
    if (!options.regressions.empty()) {
        const auto list = read_regressions(options.regressions);
        totals = run_worlds(list.size(), options.order, [&](std::uint64_t i) {
            return WorldName{list[i].world, list[i].seed, list[i].vintage};
        });
    }
    totals = totals + run_worlds(options.count, options.order, [&](std::uint64_t i) {
                 return name_of(options, options.first + i);
             });
    // The oracles must be alive: a world broken in their way has to fail.
    if (options.canaries || (options.count > 1 && options.world.empty())) {
        totals = totals + run_worlds(kCanaries.size(), options.order, [&](std::uint64_t i) {
                     return WorldName{.world = "canary", .seed = i};
                 });
    }
    return totals;
}

}  // namespace
}  // namespace mtcp::sim

int main(int count, char** arguments) {
    using namespace mtcp::sim;
    const Options options = parse(count, arguments);
    const auto begun = std::chrono::steady_clock::now();
    const WorldName one = name_of(options, options.first);
    if (options.describe)
        std::printf("%s", draw_world(one.world, one.seed, one.vintage).text().c_str());
    if (options.trace != TraceKind::none && !write_trace(one, options.trace, options.file)) {
        std::perror(options.file.c_str());
        return 2;
    }
    const Totals totals = run_all(options);
    const double took =
        std::chrono::duration<double>(std::chrono::steady_clock::now() - begun).count();
    const std::uint64_t worlds = totals.passed + totals.failed;
    std::printf("%llu worlds, %llu segments, %.0f s of virtual time in %.1f s (%.1f ms a world)\n",
                static_cast<unsigned long long>(worlds),
                static_cast<unsigned long long>(totals.segments),
                static_cast<double>(totals.virtual_time.ns) / 1e9, took,
                worlds == 0 ? 0.0 : took * 1e3 / static_cast<double>(worlds));
    std::printf("%llu passed, %llu failed\n", static_cast<unsigned long long>(totals.passed),
                static_cast<unsigned long long>(totals.failed));
    return totals.failed == 0 ? 0 : 1;
}
