// SPDX-License-Identifier: Apache-2.0
// What the machine did meanwhile: the time its CPUs were idle.
#pragma once

#include <cstdint>
#include <vector>

namespace bench {

struct CpuTimes {
    std::uint64_t idle = 0;  // clock ticks of the system, waiting for a device included
    std::uint64_t total = 0;
};

// Of every CPU, by its number (/proc/stat).
[[nodiscard]] std::vector<CpuTimes> cpu_times();

// As many open files as the system lets this process have.
void allow_descriptors();

[[nodiscard]] inline double idle_share(const CpuTimes& before, const CpuTimes& after) {
    const std::uint64_t total = after.total - before.total;
    return total == 0 ? 0
                      : static_cast<double>(after.idle - before.idle) / static_cast<double>(total);
}

}  // namespace bench
