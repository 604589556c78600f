// SPDX-License-Identifier: Apache-2.0
// What is told of an interface that is changed under a running device.
#include "io/af_xdp/interface_watch.h"

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <functional>
#include <string>
#include <system_error>

#include "base/log.h"
#include "io/af_xdp/testing/af_xdp_fixture.h"

namespace mtcp::io {
namespace {

using namespace xdp_testing;  // NOLINT(google-build-using-namespace)

using InterfaceWatchTest = AfXdpTest;

std::string& told() {
    static std::string text;
    return text;
}

// What a device logs at its next look, some seconds after the last one.
std::string told_next(Queue& queue) {
    static Instant now = clock_now();
    told().clear();
    now = now + seconds(2);
    Frame none;
    EXPECT_EQ(queue.receive({&none, 1}, now), 0U);
    return told();
}

void in_watched_world(const std::function<void(Queue&)>& body) {
    in_child([&body] {
        const VethWorld world;
        const auto device = must_open(config_for(XdpMode::automatic));
        set_log_sink([](LogLevel, const char* text, void*) { told() += text; }, nullptr);
        EXPECT_EQ(told_next(device->queue(0)), "");
        body(device->queue(0));
    });
}

TEST_F(InterfaceWatchTest, ALoweredMtuIsToldOnceEachTime) {
    in_watched_world([](Queue& queue) {
        ASSERT_EQ(VethWorld::run_here("ip link set dev here0 mtu 1400"), 0);
        const std::string text = told_next(queue);
        EXPECT_NE(text.find("the MTU is now 1400"), std::string::npos) << text;
        EXPECT_NE(text.find("mend: ip link set dev here0 mtu 1500"), std::string::npos) << text;
        EXPECT_EQ(told_next(queue), "");
        ASSERT_EQ(VethWorld::run_here("ip link set dev here0 mtu 1500"), 0);
        EXPECT_EQ(told_next(queue), "") << "it was the mend";
        ASSERT_EQ(VethWorld::run_here("ip link set dev here0 mtu 1400"), 0);
        EXPECT_EQ(told_next(queue), text);
    });
}

TEST_F(InterfaceWatchTest, AnotherMacAddressIsToldOnceEachTime) {
    in_watched_world([](Queue& queue) {
        ASSERT_EQ(VethWorld::run_here("ip link set dev here0 address 02:00:00:00:00:07"), 0);
        const std::string text = told_next(queue);
        EXPECT_NE(text.find("the MAC address is now 02:00:00:00:00:07"), std::string::npos) << text;
        const std::size_t mend = text.find("ip link set dev here0 address ");
        ASSERT_NE(mend, std::string::npos) << text;
        EXPECT_EQ(told_next(queue), "");
        ASSERT_EQ(VethWorld::run_here(text.substr(mend, text.find(", or", mend) - mend)), 0);
        EXPECT_EQ(told_next(queue), "") << "it was the mend";
        ASSERT_EQ(VethWorld::run_here("ip link set dev here0 address 02:00:00:00:00:07"), 0);
        EXPECT_EQ(told_next(queue), text);
    });
}

TEST_F(InterfaceWatchTest, ARenamedInterfaceIsStillWatched) {
    in_watched_world([](Queue& queue) {
        ASSERT_EQ(VethWorld::run_here("ip link set here0 down && ip link set here0 name new0 && "
                                      "ip link set new0 up && ip link set dev new0 mtu 1400"),
                  0);
        const std::string text = told_next(queue);
        EXPECT_NE(text.find("mend: ip link set dev new0 mtu 1500"), std::string::npos) << text;
    });
}

int open_sockets() {
    int count = 0;
    for (const auto& entry : std::filesystem::directory_iterator("/proc/self/fd")) {
        std::error_code gone;  // the iterator's own descriptor
        count += std::filesystem::read_symlink(entry, gone).string().starts_with("socket:") ? 1 : 0;
    }
    return count;
}

TEST_F(InterfaceWatchTest, AForkedChildKeepsNoSocketOfTheDevice) {
    in_child([] {
        const VethWorld world;
        const int before = open_sockets();
        const auto device = must_open(config_for(XdpMode::automatic));
        EXPECT_EQ(open_sockets(), before + 2);
        const int child = ::fork();
        if (child == 0) ::_exit(open_sockets() - before);
        int status = -1;
        ASSERT_EQ(::waitpid(child, &status, 0), child);
        EXPECT_EQ(status, 0);
    });
}

}  // namespace
}  // namespace mtcp::io
