// SPDX-License-Identifier: Apache-2.0
// Verdicts and traces.
#include "sim/runner.h"

#include <algorithm>
#include <array>
#include <cstdio>
#include <filesystem>
#include <memory>

#include "sim/simulation.h"

namespace mtcp::sim {
namespace {

constexpr std::uint64_t kTwinEvery = 4;

// The same world must look the same on the wire whatever does not change behaviour.
void compare_with_prediction_turned(const WorldPlan& plan, RunResult& result) {
    using Use = tcp::Configuration::Use;
    WorldPlan turned = plan;
    for (HostConfig& host : turned.hosts) {
        Use& use = host.stack.tcp.header_prediction;
        use = use == Use::on ? Use::off : Use::on;
    }
    if (plan.sabotage == Sabotage::different_twin) turned.hosts[0].seed += 2;
    const RunResult twin = Simulation(turned, nullptr).run();
    if (twin.trace_hash != result.trace_hash) {
        result.findings.push_back("header prediction: the wire looks different without it");
    }
}

// It must fail: an oracle that sees nothing is the failure.
void judge_canary(const WorldPlan& plan, RunResult& result) {
    const Canary& canary = canary_of(plan.seed);
    const bool found =
        std::any_of(result.findings.begin(), result.findings.end(), [&](const std::string& text) {
            return text.compare(0, canary.oracle.size(), canary.oracle) == 0;
        });
    if (found) {
        result.findings.clear();
        return;
    }
    result.findings.insert(result.findings.begin(), "canary: " + std::string(canary.name) +
                                                        " was not found by the oracle " +
                                                        std::string(canary.oracle));
}

}  // namespace

std::string WorldName::replay() const {
    std::string text =
        "./dev sim --seed " + std::to_string(seed) + " --world " + std::string(world);
    if (vintage != kVintage) text += " --vintage " + std::to_string(vintage);
    return text;
}

std::string_view world_of(std::uint64_t seed) {
    constexpr std::array<std::string_view, 12> kCycle{"mixed", "short",   "mixed",   "healthy",
                                                      "bulk",  "mixed",   "storm",   "scarce",
                                                      "mixed", "hostile", "restart", "path"};
    // A fair world takes as long as ten others.
    return seed % 48 == 8 ? "fair" : kCycle[seed % kCycle.size()];
}

Verdict judge(const WorldName& name) {
    const WorldPlan plan = draw_world(name.world, name.seed, name.vintage);
    RunResult result = Simulation(plan, nullptr).run();
    // (Not in step with the cycle of worlds.)
    const bool twin =
        (name.seed + name.seed / 12) % kTwinEvery == 0 || plan.sabotage == Sabotage::different_twin;
    if (twin && result.findings.empty()) compare_with_prediction_turned(plan, result);
    if (plan.is_canary()) judge_canary(plan, result);
    return {.findings = std::move(result.findings),
            .segments = result.segments,
            .virtual_time = result.virtual_time};
}

bool write_trace(const WorldName& name, TraceKind kind, const std::string& file) {
    std::FILE* out = file.empty() ? stdout : std::fopen(file.c_str(), "wb");
    if (out == nullptr) return false;
    const WorldPlan plan = draw_world(name.world, name.seed, name.vintage);
    std::unique_ptr<Observer> trace;
    if (kind == TraceKind::text) {
        std::fprintf(out, "# %s\n%s", name.replay().c_str(), plan.text().c_str());
        trace = std::make_unique<TextTrace>(out, plan.layer);
    } else {
        trace = std::make_unique<PcapTrace>(out, plan.layer);
    }
    const RunResult result = Simulation(plan, trace.get()).run();
    if (kind == TraceKind::text) {
        for (const std::string& finding : result.findings)
            std::fprintf(out, "# %s\n", finding.c_str());
    }
    const bool good = std::ferror(out) == 0;
    if (out != stdout) std::fclose(out);
    return good;
}

std::string keep_traces(const WorldName& name, const std::string& folder) {
    std::error_code error;
    std::filesystem::create_directories(folder, error);
    const std::string stem =
        folder + "/" + std::string(name.world) + "-" + std::to_string(name.seed);
    if (!write_trace(name, TraceKind::text, stem + ".txt") ||
        !write_trace(name, TraceKind::pcapng, stem + ".pcapng")) {
        return "no traces: " + folder + " cannot be written";
    }
    return "traces: " + stem + ".txt, " + stem + ".pcapng";
}

}  // namespace mtcp::sim
