// SPDX-License-Identifier: Apache-2.0
// Reading /proc/stat; limits.
#include "machine.h"

#include <sys/resource.h>

#include <fstream>
#include <sstream>
#include <string>

namespace bench {

void allow_descriptors() {
    rlimit limit{};
    if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
    limit.rlim_cur = limit.rlim_max;
    ::setrlimit(RLIMIT_NOFILE, &limit);
}

std::vector<CpuTimes> cpu_times() {
    std::vector<CpuTimes> times;
    std::ifstream stat("/proc/stat");
    std::string line;
    while (std::getline(stat, line)) {
        // "cpu3 user nice system idle iowait irq softirq steal ..."; "cpu" alone is the sum.
        if (line.size() < 4 || line.compare(0, 3, "cpu") != 0 || line[3] == ' ') continue;
        std::istringstream words(line.substr(3));
        std::size_t number = 0;
        words >> number;
        CpuTimes cpu;
        std::uint64_t value = 0;
        for (int column = 0; column < 8 && words >> value; ++column) {
            cpu.total += value;
            if (column == 3 || column == 4) cpu.idle += value;
        }
        if (number >= times.size()) times.resize(number + 1);
        times[number] = cpu;
    }
    return times;
}

}  // namespace bench
