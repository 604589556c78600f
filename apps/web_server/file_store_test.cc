// SPDX-License-Identifier: Apache-2.0
// No path leads out of the directory; what changed on disk is noticed; the cache keeps its bound.
#include "web_server/file_store.h"

#include <gtest/gtest.h>
#include <sys/resource.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>

namespace web {
namespace {

using Outcome = FileStore::Outcome;
using std::chrono::seconds;

class FileStoreTest : public ::testing::Test {
  protected:
    FileStoreTest() {
        char name[] = "/tmp/file_store_test.XXXXXX";
        base_ = ::mkdtemp(name);
        std::filesystem::create_directories(root() + "/docs");
        put("index.html", "top");
        put("docs/index.html", "docs");
        std::ofstream{base_ + "/secret"} << "secret";
        std::filesystem::create_symlink("../secret", root() + "/out");
        std::filesystem::create_symlink(base_ + "/secret", root() + "/absolute");
        std::filesystem::create_symlink("index.html", root() + "/in");
    }
    ~FileStoreTest() override { std::filesystem::remove_all(base_); }

    [[nodiscard]] std::string root() const { return base_ + "/www"; }
    void put(const std::string& name, const std::string& text) const {
        std::ofstream{root() + "/" + name, std::ios::trunc} << text;
    }

    std::string base_;
    std::chrono::steady_clock::time_point now_{seconds{1000}};
};

TEST_F(FileStoreTest, FindsFilesAndIndexPages) {
    FileStore store{root(), 1U << 20U, 1U << 16U};
    EXPECT_EQ(store.find("", now_).file->content, "top");
    EXPECT_EQ(store.find("docs/", now_).file->content, "docs");
    EXPECT_EQ(store.find("docs", now_).outcome, Outcome::is_directory);
    EXPECT_EQ(store.find("in", now_).file->content, "top");
    EXPECT_EQ(store.find("none", now_).outcome, Outcome::missing);
}

TEST_F(FileStoreTest, RefusesEveryWayOut) {
    FileStore store{root(), 1U << 20U, 1U << 16U};
    for (const char* path : {"../secret", "docs/../../secret", "out", "absolute", "docs/../out"}) {
        EXPECT_EQ(store.find(path, now_).outcome, Outcome::missing) << path;
    }
}

TEST_F(FileStoreTest, NoticesAChangeAfterASecond) {
    FileStore store{root(), 1U << 20U, 1U << 16U};
    EXPECT_EQ(store.find("index.html", now_).file->content, "top");
    put("index.html", "changed");
    EXPECT_EQ(store.find("index.html", now_).file->content, "top");
    EXPECT_EQ(store.find("index.html", now_ + seconds{2}).file->content, "changed");
    std::filesystem::remove(root() + "/index.html");
    EXPECT_EQ(store.find("index.html", now_ + seconds{4}).outcome, Outcome::missing);
}

TEST_F(FileStoreTest, KeepsLargeFilesOnDiskAndForgetsTheLeastUsed) {
    put("a", std::string(2000, 'a'));
    put("b", std::string(2000, 'b'));
    put("large", std::string(5000, 'l'));
    FileStore store{root(), 4000, 4000};
    EXPECT_FALSE(store.find("large", now_).file->in_memory());
    EXPECT_EQ(store.find("large", now_).file->size, 5000U);
    const auto a = store.find("a", now_).file;
    const auto b = store.find("b", now_).file;
    EXPECT_EQ(store.find("b", now_).file, b);  // kept
    EXPECT_NE(store.find("a", now_).file, a);  // had to go, and lives on while it is in use
    EXPECT_EQ(a->content, std::string(2000, 'a'));
}

TEST_F(FileStoreTest, KeepsAsManyFilesOpenAsItMay) {
    constexpr int kFiles = 20;
    FileStore store{root(), 1U << 20U, 1, 4};
    const auto open_files = [] {
        const std::filesystem::directory_iterator all{"/proc/self/fd"};
        return std::distance(begin(all), end(all));
    };
    const auto before = open_files();
    for (int i = 0; i < kFiles; ++i) {
        const std::string name = "large" + std::to_string(i);
        put(name, "larger than is kept");
        EXPECT_EQ(store.find(name, now_).outcome, Outcome::found);
    }
    EXPECT_LE(open_files() - before, 4);
}

TEST_F(FileStoreTest, WhatItKnowsItStillServesWhenNothingCanBeOpened) {
    FileStore store{root(), 1U << 20U, 1U << 16U};
    EXPECT_EQ(store.find("index.html", now_).file->content, "top");
    rlimit limit{};
    ASSERT_EQ(getrlimit(RLIMIT_NOFILE, &limit), 0);
    const rlimit none{.rlim_cur = 0, .rlim_max = limit.rlim_max};
    ASSERT_EQ(setrlimit(RLIMIT_NOFILE, &none), 0);
    const auto known = store.find("index.html", now_ + seconds{2});
    const auto other = store.find("docs/index.html", now_ + seconds{2});
    ASSERT_EQ(setrlimit(RLIMIT_NOFILE, &limit), 0);
    ASSERT_EQ(known.outcome, Outcome::found);
    EXPECT_EQ(known.file->content, "top");
    EXPECT_EQ(other.outcome, Outcome::overloaded);
}

TEST(DecodeTarget, GivesThePathOrRefuses) {
    struct Row {
        const char* target;
        bool accepted;
        const char* path;
    };
    for (const Row& row : {
             Row{"/", true, ""},
             Row{"/a%20b?x=/../..", true, "a b"},
             Row{"//a", true, "a"},
             Row{"/a/../b", true, "a/../b"},
             Row{"http://host/a", true, "a"},
             Row{"http://host", true, ""},
             Row{"/%2e%2e/etc", false, ""},
             Row{"/..%2fetc", false, ""},
             Row{"/a/../../b", false, ""},
             Row{"/%", false, ""},
             Row{"/%4", false, ""},
             Row{"/%zz", false, ""},
             Row{"/a%00b", false, ""},
             Row{"a", false, ""},
             Row{"*", false, ""},
         }) {
        std::string path;
        EXPECT_EQ(decode_target(row.target, path), row.accepted) << row.target;
        if (row.accepted) {
            EXPECT_EQ(path, row.path) << row.target;
        }
    }
}

}  // namespace
}  // namespace web
