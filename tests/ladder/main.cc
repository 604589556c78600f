// SPDX-License-Identifier: Apache-2.0
// mtcp_ladder FILE...: runs packetdrill scripts against our stack in virtual time.
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <vector>

#include "tests/ladder/interpreter.h"

namespace {

std::vector<std::filesystem::path> scripts_under(const std::filesystem::path& path) {
    if (!std::filesystem::is_directory(path)) return {path};
    std::vector<std::filesystem::path> found;
    for (const auto& entry : std::filesystem::recursive_directory_iterator(path)) {
        if (entry.path().extension() == ".pkt") found.push_back(entry.path());
    }
    std::sort(found.begin(), found.end());
    return found;
}

bool run(const std::filesystem::path& path) {
    std::ifstream file(path);
    std::ostringstream text;
    text << file.rdbuf();
    if (!file) {
        std::fprintf(stderr, "%s: cannot be read\n", path.c_str());
        return false;
    }
    const auto outcome = mtcp::ladder::run_ladder(text.str(), path.parent_path().string());
    if (!outcome.passed) std::printf("%s: %s\n", path.c_str(), outcome.report.c_str());
    return outcome.passed;
}

}  // namespace

int main(int count, char** arguments) {
    if (count < 2) {
        std::fprintf(stderr, "usage: mtcp_ladder FILE.pkt|FOLDER...\n");
        return 2;
    }
    int passed = 0;
    int failed = 0;
    for (int i = 1; i < count; ++i) {
        for (const std::filesystem::path& path : scripts_under(arguments[i])) {
            ++(run(path) ? passed : failed);
        }
    }
    std::printf("%d passed, %d failed\n", passed, failed);
    return failed == 0 && passed != 0 ? 0 : 1;
}
