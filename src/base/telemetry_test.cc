// SPDX-License-Identifier: Apache-2.0
// The counters file: what is written is what is read, and foreign or stale files are refused.
#include "base/telemetry.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <csignal>
#include <cstdlib>
#include <fstream>

namespace mtcp {
namespace {

class Telemetry : public ::testing::Test {
  protected:
    void SetUp() override {
        char pattern[] = "/tmp/mtcp_telemetry_test.XXXXXX";
        ASSERT_NE(::mkdtemp(pattern), nullptr);
        folder_ = pattern;
    }
    void TearDown() override { ::rmdir(folder_.c_str()); }

    TelemetryFile make(int cores) {
        return std::move(TelemetryFile::create_in(folder_, cores)).value();
    }
    // Overwrites 8 bytes of the file at `offset`.
    static void damage(const std::string& path, std::streamoff offset, std::uint64_t value) {
        std::fstream file(path, std::ios::in | std::ios::out | std::ios::binary);
        file.seekp(offset);
        file.write(reinterpret_cast<const char*>(&value), sizeof value);
    }
    std::string folder_;
};

TEST_F(Telemetry, ReaderSeesWhatTheCoreCounts) {
    TelemetryFile file = make(3);
    const auto view = TelemetryView::open_file(file.path());
    ASSERT_TRUE(view.ok()) << view.error().text();
    EXPECT_EQ(view->core_count(), 3);
    EXPECT_EQ(view->pid(), ::getpid());
    EXPECT_TRUE(view->alive());
    EXPECT_GT(view->start_unix_seconds(), 0);
    EXPECT_EQ(view->core(2).frames_in, 0u);
    file.core(2).frames_in = 77;
    file.core(2).drop(Drop::tcp_bad_checksum);
    EXPECT_EQ(view->core(2).frames_in, 77u);
    EXPECT_EQ(view->core(2).drops(Drop::tcp_bad_checksum), 1u);
    EXPECT_EQ(view->core(1).frames_in, 0u);
}

TEST_F(Telemetry, GivesEveryCoreCacheLinesOfItsOwn) {
    TelemetryFile file = make(2);
    EXPECT_EQ(reinterpret_cast<std::uintptr_t>(&file.core(0)) % 64, 0u);
    EXPECT_EQ(reinterpret_cast<std::uintptr_t>(&file.core(1)) % 64, 0u);
}

TEST_F(Telemetry, RemovesItsFileAtTheEnd) {
    std::string path;
    {
        const TelemetryFile file = make(1);
        path = file.path();
        EXPECT_EQ(::access(path.c_str(), F_OK), 0);
    }
    EXPECT_NE(::access(path.c_str(), F_OK), 0);
}

TEST_F(Telemetry, GivesASecondStackOfTheSameProcessItsOwnFile) {
    const TelemetryFile first = make(1);
    const TelemetryFile second = make(1);
    EXPECT_NE(first.path(), second.path());
}

TEST_F(Telemetry, ReplacesWhatADeadProcessLeftBehind) {
    const std::string path = folder_ + "/mtcp." + std::to_string(::getpid());
    std::ofstream(path) << "left behind";
    const TelemetryFile file = make(1);
    EXPECT_EQ(file.path(), path);
    EXPECT_TRUE(TelemetryView::open_file(path).ok());
}

TEST_F(Telemetry, AChildDoesNotRemoveItsParentsFile) {
    const TelemetryFile file = make(1);
    const pid_t child = ::fork();
    if (child == 0) {
        { const TelemetryFile inherited = std::move(const_cast<TelemetryFile&>(file)); }
        ::_exit(0);
    }
    int status = 0;
    ::waitpid(child, &status, 0);
    EXPECT_EQ(::access(file.path().c_str(), F_OK), 0);
}

TEST_F(Telemetry, KnowsAFileWhoseStackWasKilled) {
    const pid_t child = ::fork();
    if (child == 0) {
        const TelemetryFile file = make(1);
        ::raise(SIGKILL);
    }
    int status = 0;
    ::waitpid(child, &status, 0);
    const std::string path = folder_ + "/mtcp." + std::to_string(child);
    const auto view = TelemetryView::open_file(path);
    ASSERT_TRUE(view.ok()) << view.error().text();
    EXPECT_FALSE(view->alive());
    ::unlink(path.c_str());
}

TEST_F(Telemetry, RemovesTheFilesOfKilledStacksAndNoOthers) {
    const TelemetryFile living = make(1);
    const std::string foreign = folder_ + "/mtcp.conf";
    std::ofstream(foreign) << "io = link\n";
    std::array<std::string, 2> dead;
    for (std::string& path : dead) {
        const pid_t child = ::fork();
        if (child == 0) {
            const TelemetryFile file = make(1);
            ::raise(SIGKILL);
        }
        ::waitpid(child, nullptr, 0);
        path = folder_ + "/mtcp." + std::to_string(child);
        EXPECT_EQ(::access(path.c_str(), F_OK), 0);
    }
    damage(dead[1], 16, 1);  // layout: of another build
    remove_leftovers_in(folder_);
    for (const std::string& path : dead)
        EXPECT_NE(::access(path.c_str(), F_OK), 0);
    EXPECT_TRUE(TelemetryView::open_file(living.path()).ok());
    EXPECT_EQ(::access(foreign.c_str(), F_OK), 0);
    ::unlink(foreign.c_str());
}

// The pid in its name says nothing: it may be one of another pid namespace.
TEST_F(Telemetry, KeepsTheFileOfALivingStackWhosePidIsNobodys) {
    const pid_t nobody = ::fork();
    if (nobody == 0) ::_exit(0);
    ::waitpid(nobody, nullptr, 0);
    const TelemetryFile living = make(1);
    const std::string elsewhere = folder_ + "/mtcp." + std::to_string(nobody);
    ASSERT_EQ(::rename(living.path().c_str(), elsewhere.c_str()), 0);
    remove_leftovers_in(folder_);
    EXPECT_EQ(::access(elsewhere.c_str(), F_OK), 0);
    ASSERT_EQ(::rename(elsewhere.c_str(), living.path().c_str()), 0);
}

TEST_F(Telemetry, AStackThatStartsRemovesWhatKilledOnesLeft) {
    ASSERT_EQ(::setenv("XDG_RUNTIME_DIR", folder_.c_str(), 1), 0);
    const pid_t child = ::fork();
    if (child == 0) {
        const TelemetryFile file = make(1);
        ::raise(SIGKILL);
    }
    ::waitpid(child, nullptr, 0);
    EXPECT_TRUE(TelemetryFile::create(1).ok());
    EXPECT_NE(::access((folder_ + "/mtcp." + std::to_string(child)).c_str(), F_OK), 0);
    ::unsetenv("XDG_RUNTIME_DIR");
}

TEST_F(Telemetry, RefusesForeignAndDamagedFiles) {
    const TelemetryFile file = make(1);
    const auto refused = [&] { return !TelemetryView::open_file(file.path()).ok(); };
    EXPECT_FALSE(refused());
    damage(file.path(), 0, 1);  // magic
    EXPECT_TRUE(refused());
    damage(file.path(), 0, kTelemetryMagic);
    EXPECT_FALSE(refused());
    damage(file.path(), 16, 1);  // layout
    EXPECT_TRUE(refused());
    damage(file.path(), 16, telemetry_layout());
    damage(file.path(), 8, std::uint64_t{100} << 32 | kTelemetryVersion);  // 100 cores
    EXPECT_TRUE(refused()) << "more cores than the file holds";
    EXPECT_FALSE(TelemetryView::open_file("/dev/null").ok());
    EXPECT_FALSE(TelemetryView::open_file(folder_).ok());
    EXPECT_FALSE(TelemetryView::open_file(folder_ + "/absent").ok());
}

TEST_F(Telemetry, ListsLivingStacksAndOpensThemByPid) {
    const auto file = TelemetryFile::create(1);
    ASSERT_TRUE(file.ok()) << file.error().text();
    const auto running = running_stacks();
    EXPECT_NE(std::find(running.begin(), running.end(), file->path()), running.end());
    EXPECT_TRUE(TelemetryView::open(::getpid()).ok());
    EXPECT_EQ(TelemetryView::open(0).error().error, ENOENT);
}

TEST_F(Telemetry, ListsStacksOfOtherVersionsApart) {
    const auto file = TelemetryFile::create(1);
    ASSERT_TRUE(file.ok()) << file.error().text();
    const auto lists = [&](const std::vector<std::string>& list) {
        return std::find(list.begin(), list.end(), file->path()) != list.end();
    };
    EXPECT_FALSE(lists(running_stacks_of_others()));
    damage(file->path(), 16, 1);  // layout
    EXPECT_TRUE(lists(running_stacks_of_others()));
    EXPECT_FALSE(lists(running_stacks()));
    damage(file->path(), 0, 1);  // magic
    EXPECT_FALSE(lists(running_stacks_of_others()));
}

// Whoever owns the file may do with it what he likes, also while it is read.
TEST_F(Telemetry, ReadsNothingBeyondAFileThatShrinks) {
    const TelemetryFile file = make(2);
    const auto view = TelemetryView::open_file(file.path());
    ASSERT_TRUE(view.ok()) << view.error().text();
    damage(file.path(), 8, std::uint64_t{1000} << 32 | kTelemetryVersion);  // cores
    EXPECT_EQ(view->core_count(), 2);
    ASSERT_EQ(::truncate(file.path().c_str(), 0), 0);
    EXPECT_EQ(view->core(1).frames_in, 0u);
    EXPECT_EQ(view->pid(), ::getpid());
}

TEST_F(Telemetry, FindsTheLivingStackBehindALeftoverOfTheSamePid) {
    ASSERT_EQ(::setenv("XDG_RUNTIME_DIR", folder_.c_str(), 1), 0);
    std::string leftover;
    {
        const TelemetryFile first = make(1);
        leftover = first.path();
        std::ofstream(leftover + "-copy", std::ios::binary)
            << std::ifstream(leftover, std::ios::binary).rdbuf();
    }
    const TelemetryFile other = make(1);  // in the way until the second one has its name
    const TelemetryFile living = make(1);
    ASSERT_EQ(::rename((leftover + "-copy").c_str(), leftover.c_str()), 0);
    const auto view = TelemetryView::open(::getpid());
    ASSERT_TRUE(view.ok()) << view.error().text();
    EXPECT_TRUE(view->alive());
    EXPECT_EQ(view->path(), living.path());
    ::unsetenv("XDG_RUNTIME_DIR");
}

TEST_F(Telemetry, RefusesAnImpossibleNumberOfCores) {
    EXPECT_FALSE(TelemetryFile::create_in(folder_, 0).ok());
    EXPECT_FALSE(TelemetryFile::create_in(folder_, 100'000).ok());
}

TEST_F(Telemetry, SaysWhichFolderCannotBeWritten) {
    const auto file = TelemetryFile::create_in("/proc", 1);
    ASSERT_FALSE(file.ok());
    EXPECT_NE(file.error().text().find("/proc/mtcp."), std::string::npos);
}

}  // namespace
}  // namespace mtcp
