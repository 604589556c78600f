// SPDX-License-Identifier: Apache-2.0
// Running one seed: its world, its twin without header prediction, the verdict, and what a person
// needs to look at a failure.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/time.h"
#include "sim/plan.h"

namespace mtcp::sim {

// A world by its names.
struct WorldName {
    std::string_view world;
    std::uint64_t seed = 0;
    std::uint32_t vintage = kVintage;

    // The command line that runs it again.
    [[nodiscard]] std::string replay() const;
};

// The world a seed stands for when none is named. The canary is asked for by name only.
[[nodiscard]] std::string_view world_of(std::uint64_t seed);

struct Verdict {
    std::vector<std::string> findings;  // empty: passed
    std::uint64_t segments = 0;
    Duration virtual_time{};
};

// A canary passes when the oracle it is meant for has found it.
[[nodiscard]] Verdict judge(const WorldName& name);

enum class TraceKind : std::uint8_t { none, text, pcapng };

// Runs the world and writes what passes on its wire; `file` empty: to standard output. False when
// the file cannot be written.
bool write_trace(const WorldName& name, TraceKind kind, const std::string& file);
// Both traces of a failed world, as FOLDER/WORLD-SEED.txt and .pcapng; returns where they are, or
// why not.
[[nodiscard]] std::string keep_traces(const WorldName& name, const std::string& folder);

}  // namespace mtcp::sim
