// SPDX-License-Identifier: Apache-2.0
// A process that forked and was killed, while its child goes on with all it inherited.
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <csignal>

#include "io/memif/testing/ends.h"

namespace mtcp::io {
namespace {

using namespace memif::testing;

TEST(MemifFork, AChildThatOutlivesItsProcessHoldsNeitherPeerNorSocket) {
    std::array<int, 2> told{};
    ASSERT_EQ(::pipe(told.data()), 0);
    MemifConfig config{.socket = fresh_socket(), .role = MemifRole::master};
    const pid_t parent = ::fork();
    if (parent == 0) {
        ::alarm(20);
        const auto device = open_or_fail(config);
        if (!eventually([&] { return device->connected(); })) ::_exit(1);
        const pid_t child = ::fork();
        if (child == 0) ::alarm(20);  // which a child does not inherit
        if (child != 0) static_cast<void>(!::write(told[1], &child, sizeof child));
        for (;;)
            ::pause();
    }
    config.role = MemifRole::slave;
    const auto slave = open_or_fail(config);
    ::close(told[1]);
    pid_t child = 0;
    ASSERT_EQ(::read(told[0], &child, sizeof child), static_cast<ssize_t>(sizeof child));
    EXPECT_TRUE(slave->connected());
    ::kill(parent, SIGKILL);
    EXPECT_EQ(::waitpid(parent, nullptr, 0), parent);
    EXPECT_TRUE(eventually([&] { return !slave->connected(); }));
    config.role = MemifRole::master;
    const auto successor = MemifDevice::open(config);
    EXPECT_TRUE(successor.ok()) << successor.error().text();
    EXPECT_TRUE(eventually([&] { return slave->connected(); }));
    ::kill(child, SIGKILL);
    ::close(told[0]);
}

}  // namespace
}  // namespace mtcp::io
