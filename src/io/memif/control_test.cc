// SPDX-License-Identifier: Apache-2.0
// What the control thread tells people.
#include <gtest/gtest.h>
#include <unistd.h>

#include <atomic>

#include "base/log.h"
#include "io/memif/memif_device.h"
#include "io/memif/testing/ends.h"

namespace mtcp::io {
namespace {

using namespace memif::testing;

TEST(MemifControl, ASlaveThatFindsNoMasterSaysOnceThatItWaits) {
    static std::atomic<int> lines{0};
    set_log_sink([](LogLevel, const char*, void*) { ++lines; }, nullptr);
    const auto slave = open_or_fail({.socket = fresh_socket()});
    EXPECT_TRUE(eventually([&] { return lines > 0; }));
    ::usleep(100'000);
    EXPECT_EQ(lines, 1);
    set_log_sink(nullptr, nullptr);
}

}  // namespace
}  // namespace mtcp::io
