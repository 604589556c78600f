// SPDX-License-Identifier: Apache-2.0
// Ends with different numbers of rings: those that both have work, and what cannot send is told of.
#include <gtest/gtest.h>

#include <algorithm>
#include <mutex>
#include <string>
#include <vector>

#include "base/log.h"
#include "io/memif/memif_device.h"
#include "io/memif/testing/ends.h"

namespace mtcp::io {
namespace {

using namespace memif::testing;

// The log, while this is there.
class Warnings {
  public:
    Warnings() { set_log_sink(take, this); }
    ~Warnings() { set_log_sink(nullptr, nullptr); }
    Warnings(const Warnings&) = delete;
    Warnings& operator=(const Warnings&) = delete;

    [[nodiscard]] std::size_t with(const std::string& words) {
        const std::scoped_lock lock(mutex_);
        return static_cast<std::size_t>(
            std::count_if(lines_.begin(), lines_.end(),
                          [&](const std::string& line) { return line.find(words) != line.npos; }));
    }

  private:
    static void take(LogLevel level, const char* text, void* self) {
        if (level > LogLevel::warning) return;
        auto& warnings = *static_cast<Warnings*>(self);
        const std::scoped_lock lock(warnings.mutex_);
        warnings.lines_.emplace_back(text);
    }

    std::mutex mutex_;
    std::vector<std::string> lines_;
};

constexpr const char* kMute = "fewer rings";

TEST(MemifRings, SlaveUsesNoMoreThanTheMasterHasAndSaysSo) {
    Warnings warnings;
    MemifConfig config{.socket = fresh_socket(), .role = MemifRole::master, .rings = 2};
    const auto master = open_or_fail(config);
    config.role = MemifRole::slave;
    config.rings = 3;
    const auto slave = open_or_fail(config);
    ASSERT_TRUE(eventually([&] { return slave->connected() && master->connected(); }));
    Counters counters;
    slave->queue(2).set_counters(&counters);
    EXPECT_EQ(send(slave->queue(1), 9, 0, 3), 3u);
    EXPECT_EQ(expect_all(master->queue(1), 9, 0, 3), 3u);
    EXPECT_EQ(send(slave->queue(2), 9, 0, 3), 3u);
    EXPECT_EQ(counters.drops(Drop::io_transmit_full), 3u);
    EXPECT_EQ(expect(slave->queue(2), 9, 0, 1), 0u);
    EXPECT_TRUE(eventually([&] { return warnings.with("none for queue 2:") == 1; }));
    EXPECT_EQ(warnings.with("start the peer with 3 rings"), 1u);
    EXPECT_EQ(warnings.with(kMute), 1u) << "the master has a ring for each of its queues";
}

TEST(MemifRings, MasterSaysWhichQueuesASlaveLeavesMuteEachTimeItComes) {
    Warnings warnings;
    MemifConfig config{.socket = fresh_socket(), .role = MemifRole::master, .rings = 4};
    const auto master = open_or_fail(config);
    config.role = MemifRole::slave;
    config.rings = 1;
    for (std::size_t life = 1; life <= 2; ++life) {
        const auto slave = open_or_fail(config);
        ASSERT_TRUE(eventually([&] { return slave->connected() && master->connected(); }));
        EXPECT_TRUE(eventually([&] { return warnings.with("none for queue 1 to 3:") == life; }));
        EXPECT_TRUE(eventually([&] { return send(slave->queue(0), 9, 0, 3) == 3; }));
        EXPECT_EQ(expect_all(master->queue(0), 9, 0, 3), 3u);
    }
    EXPECT_EQ(warnings.with(kMute), 2u);
}

TEST(MemifRings, NothingIsSaidWhereEachQueueHasOne) {
    Warnings warnings;
    MemifConfig config{.socket = fresh_socket(), .role = MemifRole::master, .rings = 2};
    const auto master = open_or_fail(config);
    config.role = MemifRole::slave;
    const auto slave = open_or_fail(config);
    ASSERT_TRUE(eventually([&] { return slave->connected() && master->connected(); }));
    EXPECT_EQ(send(slave->queue(1), 9, 0, 1), 1u);
    EXPECT_EQ(expect_all(master->queue(1), 9, 0, 1), 1u);
    EXPECT_EQ(warnings.with(kMute), 0u);
}

}  // namespace
}  // namespace mtcp::io
