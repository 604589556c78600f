// SPDX-License-Identifier: Apache-2.0
// Every script of tests/scripts is a test.
#include <algorithm>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>
#include <vector>

#include "tests/ladder/ladder.h"

namespace mtcp::ladder {
namespace {

std::vector<std::string> all_scripts() {
    std::vector<std::string> found;
    const std::filesystem::path root = MTCP_SCRIPTS;
    for (const auto& entry : std::filesystem::recursive_directory_iterator(root)) {
        if (entry.path().extension() != ".pkt") continue;
        found.push_back(std::filesystem::relative(entry.path(), root).string());
    }
    std::sort(found.begin(), found.end());
    return found;
}

class Script : public testing::TestWithParam<std::string> {};

TEST_P(Script, RunsAsWritten) {
    const std::filesystem::path path = std::filesystem::path(MTCP_SCRIPTS) / GetParam();
    std::ifstream file(path);
    std::ostringstream text;
    text << file.rdbuf();
    const Outcome outcome = run_ladder(text.str(), path.parent_path().string());
    EXPECT_TRUE(outcome.passed) << path << ": " << outcome.report;
}

std::string test_name(const testing::TestParamInfo<std::string>& info) {
    std::string name = info.param.substr(0, info.param.size() - 4);
    for (char& c : name) {
        if (std::isalnum(static_cast<unsigned char>(c)) == 0) c = '_';
    }
    return name;
}

INSTANTIATE_TEST_SUITE_P(Ladder, Script, testing::ValuesIn(all_scripts()), test_name);

}  // namespace
}  // namespace mtcp::ladder
