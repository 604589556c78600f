// SPDX-License-Identifier: Apache-2.0
// `mtcp stat` beside processes of others, who choose their names as they like.
#include "stat.h"

#include <gtest/gtest.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <csignal>
#include <nlohmann/json.hpp>
#include <string>

#include "base/telemetry.h"

namespace mtcp::tools {
namespace {

// A process of this name with a counters file, for as long as the test lasts.
class Stranger {
  public:
    explicit Stranger(const char* name) {
        std::array<int, 2> told{};
        EXPECT_EQ(::pipe(told.data()), 0);
        pid = ::fork();
        if (pid == 0) {
            ::prctl(PR_SET_PDEATHSIG, SIGKILL);
            ::prctl(PR_SET_NAME, name);
            const auto file = TelemetryFile::create(1);
            static_cast<void>(!::write(told[1], "", 1));
            for (;;)
                ::pause();
        }
        char ready = 0;
        EXPECT_EQ(::read(told[0], &ready, 1), 1);
        ::close(told[0]);
        ::close(told[1]);
    }
    ~Stranger() {
        std::string path;
        if (const auto view = TelemetryView::open(pid)) path = view->path();
        ::kill(pid, SIGKILL);
        ::waitpid(pid, nullptr, 0);
        ::unlink(path.c_str());
    }
    pid_t pid = 0;
};

std::string output_of(const StatOptions& options) {
    testing::internal::CaptureStdout();
    const int status = run_stat(options);
    std::string output = testing::internal::GetCapturedStdout();
    EXPECT_EQ(status, 0) << output;
    return output;
}

// Also of an honest process: the kernel cuts a name in the middle of a letter.
constexpr const char* kNoText = "\xd1\x81\xd0\x1b[2J\xff";

TEST(Stat, TellsJsonOfAProcessWhoseNameIsNoText) {
    const Stranger stranger(kNoText);
    for (const pid_t pid : {stranger.pid, 0}) {
        const std::string output = output_of({.pid = pid, .json = true});
        EXPECT_FALSE(nlohmann::json::parse(output, nullptr, false).is_discarded()) << output;
    }
}

TEST(Stat, GivesTheTerminalNoOrdersOfAProcess) {
    const Stranger stranger(kNoText);
    for (const pid_t pid : {stranger.pid, 0}) {
        const std::string output = output_of({.pid = pid});
        EXPECT_NE(output.find(std::to_string(stranger.pid)), std::string::npos);
        EXPECT_EQ(output.find('\x1b'), std::string::npos);
    }
}

}  // namespace
}  // namespace mtcp::tools
