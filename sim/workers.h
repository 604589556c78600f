// SPDX-License-Identifier: Apache-2.0
// Many worlds on all cores: processes that take one world after the other. A world that crashes or
// never ends costs its worker, and is a failure like any other.
#pragma once

#include <cstdint>
#include <functional>
#include <string>

#include "sim/runner.h"

namespace mtcp::sim {

struct Totals {
    std::uint64_t passed = 0;
    std::uint64_t failed = 0;
    std::uint64_t segments = 0;
    Duration virtual_time{};
};

struct WorkOrder {
    std::uint32_t jobs = 1;
    std::string traces = "build/sim-failures";  // where the traces of failures go; empty: nowhere
    double patience_s = 300;                    // for one world
};

// Runs worlds 0 to count - 1, named by `name_of`. Failures go to standard output as they are found,
// each beginning with a line that replays it; progress goes to standard error when it is a
// terminal.
[[nodiscard]] Totals run_worlds(std::uint64_t count, const WorkOrder& order,
                                const std::function<WorldName(std::uint64_t)>& name_of);

}  // namespace mtcp::sim
