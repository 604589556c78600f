// SPDX-License-Identifier: Apache-2.0
// `mtcp stat [PID]`: the counters of a running stack, read from its shared file.
#pragma once

#include <cstdint>

namespace mtcp::tools {

struct StatOptions {
    int pid = 0;         // 0: list the running stacks
    bool watch = false;  // again every second, with rates
    bool json = false;
    bool per_core = false;
    std::uint64_t rounds = 0;  // of watching; 0: until a signal or the stack's end
};

// Returns the exit status.
int run_stat(const StatOptions& options);

}  // namespace mtcp::tools
