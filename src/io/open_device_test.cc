// SPDX-License-Identifier: Apache-2.0
// Words become devices, or problems that say which word was wrong.
#include "io/open_device.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <array>
#include <cerrno>

namespace mtcp::io {
namespace {

Problem problem_of(const DeviceConfig& config) {
    const auto device = open_device(config);
    EXPECT_FALSE(device.ok());
    return device.ok() ? Problem{} : device.error();
}

TEST(OpenDevice, JoinsTheTwoEndsOfALinkWithItsOptions) {
    const DeviceConfig config{
        .kind = "link", .name = "open", .queues = 2, .options = {{"layer", "ip"}, {"mtu", "1000"}}};
    auto a = open_device(config);
    auto b = open_device(config);
    ASSERT_TRUE(a.ok()) << a.error().text();
    ASSERT_TRUE(b.ok()) << b.error().text();
    EXPECT_EQ((*a)->queue_count(), 2u);
    EXPECT_EQ((*a)->queue(0).capabilities().layer, Layer::ip);
    EXPECT_EQ((*a)->queue(0).capabilities().mtu, 1000u);
    EXPECT_NE((*b)->description().find("link open (b)"), std::string::npos);
    std::array<Frame, 1> frame;
    ASSERT_EQ((*a)->queue(1).allocate(frame), 1u);
    frame[0].length = 20;
    ASSERT_EQ((*a)->queue(1).transmit(frame, {}), 1u);
    ASSERT_EQ((*b)->queue(1).receive(frame, {}), 1u);
    (*b)->queue(1).release(frame);
}

TEST(OpenDevice, NamesTheAllowedKinds) {
    const Problem problem = problem_of({.kind = "wifi"});
    EXPECT_NE(problem.what.find("wifi"), std::string::npos);
    EXPECT_NE(problem.mend.find("af_xdp, tap, tun, memif, link"), std::string::npos);
}

TEST(OpenDevice, NamesWhatTakesThePlaceOfTheOriginalsBackEnds) {
    for (const char* kind : {"dpdk", "psio", "netmap", "onvm"}) {
        const Problem problem = problem_of({.kind = kind});
        EXPECT_NE(problem.what.find(kind), std::string::npos);
        EXPECT_TRUE(problem.mend.find("af_xdp") != std::string::npos ||
                    problem.mend.find("memif") != std::string::npos);
    }
}

TEST(OpenDevice, NamesTheOptionThatDoesNotExist) {
    const Problem problem = problem_of({.kind = "tap", .name = "t0", .options = {{"mtuu", "1"}}});
    EXPECT_NE(problem.what.find("mtuu"), std::string::npos);
    EXPECT_NE(problem.mend.find("mtu=BYTES"), std::string::npos);
    EXPECT_EQ(problem.error, EINVAL);
}

TEST(OpenDevice, NamesTheOptionWhoseValueIsBad) {
    const DeviceConfig bad[] = {
        {.kind = "tap", .options = {{"mtu", "15x"}}},
        {.kind = "tap", .options = {{"mtu", "-1"}}},
        {.kind = "tun", .options = {{"offload", "yes"}}},
        {.kind = "memif", .options = {{"role", "boss"}}},
        {.kind = "memif", .options = {{"mac", "02:00:00:00:00:0g"}}},
        {.kind = "memif", .options = {{"mac", "02:00:00:00:00"}}},
        {.kind = "link", .options = {{"threads", "3"}}},
        {.kind = "af_packet", .options = {{"frames", ""}}},
    };
    for (const DeviceConfig& config : bad) {
        const Problem problem = problem_of(config);
        EXPECT_NE(problem.what.find("for " + config.options[0].first), std::string::npos)
            << problem.text();
        EXPECT_EQ(problem.error, EINVAL);
    }
}

TEST(OpenDevice, TellsThatAnInterfaceIsMissing) {
    EXPECT_EQ(problem_of({.kind = "af_packet", .name = "nowhere0"}).error, ENODEV);
    EXPECT_EQ(problem_of({.kind = "af_packet", .name = "much_too_long_a_name_for_it"}).error,
              ENODEV);
    EXPECT_EQ(problem_of({.kind = "af_packet", .name = "lo", .queues = 2}).error, EINVAL);
    EXPECT_NE(problem_of({.kind = "af_xdp", .name = "nowhere0"}).error, 0);
}

TEST(OpenDevice, ListsTheOptionsOfEveryKind) {
    for (const char* kind : {"af_xdp", "tap", "tun", "memif", "link", "af_packet"}) {
        EXPECT_FALSE(device_options(kind).empty()) << kind;
    }
    EXPECT_EQ(device_options("wifi"), "");
}

TEST(ParseDevice, ReadsKindNameAndOptions) {
    const auto device = parse_device("memif:/run/a.sock,role=master,queues=4,id=7");
    ASSERT_TRUE(device.ok());
    EXPECT_EQ(device->kind, "memif");
    EXPECT_EQ(device->name, "/run/a.sock");
    EXPECT_EQ(device->queues, 4u);
    ASSERT_EQ(device->options.size(), 2u);
    EXPECT_EQ(device->options[1], (std::pair<std::string, std::string>{"id", "7"}));
}

TEST(ParseDevice, TakesABareNameForAnInterface) {
    const auto device = parse_device("eth0");
    ASSERT_TRUE(device.ok());
    EXPECT_EQ(device->kind, "af_packet");
    EXPECT_EQ(device->name, "eth0");
}

TEST(ParseDevice, RefusesWhatItCannotRead) {
    EXPECT_FALSE(parse_device("wifi:x").ok());
    EXPECT_FALSE(parse_device("tap:x,mtu").ok());
    EXPECT_FALSE(parse_device("tap:x,=1").ok());
    EXPECT_FALSE(parse_device("tap:x,queues=many").ok());
}

TEST(OpenDevice, AMemifThatIsOpenedAgainHasTheSameMac) {
    const auto mac_of = [](const std::string& role, std::uint8_t host) {
        DeviceConfig config{.kind = "memif", .name = "@mac" + std::to_string(::getpid())};
        config.options = {{"role", role}};
        config.prefixes = {{.address = {10, 0, 0, host}, .length = 24}};
        const auto device = open_device(config);
        EXPECT_TRUE(device.ok());
        return (*device)->mac();
    };
    const MacAddress mac = mac_of("master", 1);
    EXPECT_EQ(mac.octet[0], 0x02);
    EXPECT_EQ(mac, mac_of("master", 1));
    EXPECT_FALSE(mac == mac_of("master", 2));
    EXPECT_FALSE(mac == mac_of("slave", 1));
}

}  // namespace
}  // namespace mtcp::io
