// SPDX-License-Identifier: Apache-2.0
// The configuration file: the original's keys, ours, and what is said about mistakes.
#include "api/configuration_file.h"

#include <gtest/gtest.h>

#include <cerrno>
#include <map>

#include "api/values.h"

namespace mtcp::api {
namespace {

std::map<std::string, std::string> files;

std::optional<std::string> read_from_map(const std::string& path) {
    const auto found = files.find(path);
    if (found != files.end()) return found->second;
    errno = ENOENT;
    return std::nullopt;
}

class ConfigurationFile : public ::testing::Test {
  protected:
    void SetUp() override {
        files.clear();
        host.cpus = 4;
        host.read_file = read_from_map;
        host.interfaces = {{"lo", true, {*parse_prefix("127.0.0.1/8")}},
                           {"eth0", false, {*parse_prefix("192.0.2.7/24")}},
                           {"eth1", false, {}}};
    }
    Configuration good(const std::string& text, const Configuration& base = {}) {
        auto parsed = parse_configuration({"mtcp.conf", text}, base, host);
        EXPECT_TRUE(parsed.ok()) << (parsed.ok() ? "" : parsed.error().text());
        return parsed.ok() ? *parsed : Configuration{};
    }
    // The problem's text.
    std::string bad(const std::string& text) {
        const auto parsed = parse_configuration({"mtcp.conf", text}, {}, host);
        EXPECT_FALSE(parsed.ok());
        return parsed.ok() ? "" : parsed.error().text();
    }
    static bool has(const std::string& text, const std::string& part) {
        return text.find(part) != std::string::npos;
    }
    Host host;
};

const std::string kLink = "io = link\naddress = 10.0.0.2/24\n";

TEST_F(ConfigurationFile, ReadsTheOriginalsKeys) {
    const Configuration c = good(
        "# comment\n"
        "io = af_xdp\n"
        "num_cores = 2\n"
        "core_mask = 0xa   # CPUs 1 and 3\n"
        "num_mem_ch = 4\n"
        "port = eth0\n"
        "max_concurrency = 20000\n"
        "max_num_buffers 20000\n"
        "rcvbuf = 16k\n"
        "sndbuf = 32768\n"
        "tcp_timeout = 30\n"
        "tcp_timewait = 5\n"
        "stat_print = eth0 eth1\n"
        "multiprocess = 0\n"
        "cc = reno\n");
    EXPECT_EQ(c.stack.cores, 2u);
    EXPECT_EQ(c.stack.cpus, (std::vector<int>{1, 3}));
    EXPECT_EQ(c.stack.max_concurrency, 20'000u);
    EXPECT_EQ(c.buffers_asked, 20'000u);
    EXPECT_EQ(c.stack.tcp.defaults.receive_buffer, 16'384u);
    EXPECT_EQ(c.stack.tcp.defaults.send_buffer, 32'768u);
    EXPECT_EQ(c.stack.tcp.idle_timeout, seconds(30));
    EXPECT_EQ(c.stack.tcp.time_wait, seconds(5));
    EXPECT_EQ(c.stack.stat_print, (std::vector<std::string>{"eth0", "eth1"}));
    EXPECT_TRUE(has(c.warnings.at(0), "mtcp.conf:5: 'num_mem_ch = 4'"));
}

TEST_F(ConfigurationFile, RefusesCpusThatTheMachineDoesNotHave) {
    EXPECT_TRUE(has(bad(kLink + "core_mask = 10\n"), "no CPU 4"));
    host.cpus_configured = 8;  // four of them are offline
    EXPECT_EQ(good(kLink + "core_mask = 10\n").stack.cpus, std::vector<int>{4});
}

TEST_F(ConfigurationFile, MessagesDoNotPassOnControlCharacters) {
    const std::string line = "\x1b[2J\xff" + std::string(1000, 'x');
    EXPECT_TRUE(has(bad(line + " = 1\n"), "unknown key '?[2J?xxx"));
    for (const std::string& said : {bad(line + " = 1\n"), bad(line + "\n")}) {
        EXPECT_LT(said.size(), 400u);
        EXPECT_EQ(said.find('\x1b'), std::string::npos);
    }
}

TEST_F(ConfigurationFile, AnAddressIsOursOrTheKernels) {
    const std::string tap = "io = tap\nport = t0\naddress = 10.0.0.2/24\n";
    EXPECT_TRUE(has(bad(tap + "io.kernel_address = 10.0.0.2/24\n"), "both ends"));
    static_cast<void>(good(tap + "io.kernel_address = 10.0.0.1/24\n"));
    const Configuration c = good("port = eth0\naddress = 192.0.2.7/24\n");
    ASSERT_EQ(c.warnings.size(), 1u);
    EXPECT_TRUE(has(c.warnings[0], "the kernel has 192.0.2.7 on eth0, too"));
}

TEST_F(ConfigurationFile, StatPrintNamesPorts) {
    const Configuration c = good(kLink + "stat_print = link0 eth7\n");
    ASSERT_EQ(c.warnings.size(), 1u);
    EXPECT_TRUE(has(c.warnings[0], "there is no port eth7"));
}

TEST_F(ConfigurationFile, ACaptureHasLimits) {
    const Configuration c = good(kLink + "capture_max = 64m\ncapture_snap = 128\n");
    EXPECT_EQ(c.stack.capture_bytes_max, 64u << 20);
    EXPECT_EQ(c.stack.capture_snap_bytes, 128u);
    EXPECT_TRUE(has(bad(kLink + "capture_max = 1\n"), "out of range"));
}

TEST_F(ConfigurationFile, TimeOutsFitTheirClock) {
    EXPECT_TRUE(has(bad(kLink + "rto_max = 1801s\n"), "too long"));
    EXPECT_EQ(good(kLink + "rto_max = 30min\n").stack.tcp.rto_max, seconds(1800));
    for (const char* const key : {"rto_initial", "rto_min", "rto_max"}) {
        EXPECT_TRUE(has(bad(kLink + key + " = 0\n"), "at least 1ms")) << key;
        EXPECT_TRUE(has(bad(kLink + key + " = 999us\n"), "at least 1ms")) << key;
    }
    EXPECT_EQ(good(kLink + "rto_min = 1ms\n").stack.tcp.rto_min, milliseconds(1));
}

TEST_F(ConfigurationFile, DefaultsAreThoseOfTheHeaders) {
    const Configuration c = good(kLink);
    EXPECT_EQ(c.stack.cores, 4u);
    EXPECT_EQ(c.stack.tcp.time_wait, seconds(60));
    EXPECT_EQ(c.stack.tcp.idle_timeout.ns, 0);
    EXPECT_EQ(c.stack.drive, stack::Drive::assisted);
    EXPECT_EQ(c.stack.interfaces.at(0).name, "link0");
    EXPECT_EQ(to_text(c.stack.interfaces[0].addresses.at(0).address), "10.0.0.2");
}

TEST_F(ConfigurationFile, ReadsOurKeys) {
    const Configuration c =
        good(kLink +
             "drive = inline\nports = 20000-30000\nrto_min = 150ms\ndelayed_ack = 25\n"
             "syn_cookies = always\ntimestamps = off\nsack = off\nhuge_pages = no\n"
             "abort_on_overflow = on\n"
             "half_open_max = 77\ntime_wait_max = 88\nchunks_large = 99\nlog = debug\n"
             "capture = out.pcapng\nfaults = loss=1%\n");
    EXPECT_EQ(c.stack.drive, stack::Drive::run_inline);
    EXPECT_EQ(c.stack.port_first, 20'000);
    EXPECT_EQ(c.stack.port_last, 30'000);
    EXPECT_EQ(c.stack.tcp.rto_min, milliseconds(150));
    EXPECT_EQ(c.stack.tcp.delayed_ack, milliseconds(25));
    EXPECT_EQ(c.stack.tcp.syn_cookies, tcp::Configuration::Cookies::always);
    EXPECT_EQ(c.stack.tcp.abort_on_overflow, tcp::Configuration::Use::on);
    EXPECT_EQ(c.stack.tcp.timestamps, tcp::Configuration::Use::off);
    EXPECT_EQ(c.stack.tcp.selective_ack, tcp::Configuration::Use::off);
    EXPECT_FALSE(c.stack.huge_pages);
    EXPECT_EQ(c.stack.half_open_max, 77u);
    EXPECT_EQ(c.stack.time_wait_max, 88u);
    EXPECT_EQ(c.stack.chunks.count[2], 99u);
    EXPECT_EQ(c.log, LogLevel::debug);
    EXPECT_EQ(c.stack.interfaces[0].capture_file, "out.pcapng");
    EXPECT_EQ(c.stack.interfaces[0].faults.loss_ppm, 10'000u);
}

TEST_F(ConfigurationFile, AValueMayContainAnEqualsSign) {
    const Configuration c = good(
        "port eth0 tap0\nio.kernel_address\t10.0.0.1/24\nfaults loss=1% delay=10ms\n"
        "capture /tmp/a=b.pcap\ndevice tap0 io = tap\ndevice tap0 faults = loss=2%\n"
        "device tap0 capture=c=d.pcap\naddress=10.0.0.2/24 dev tap0\n");
    ASSERT_EQ(c.stack.interfaces.size(), 2u);
    EXPECT_EQ(c.stack.interfaces[0].faults.loss_ppm, 10'000u);
    EXPECT_EQ(c.stack.interfaces[0].faults.delay, milliseconds(10));
    EXPECT_EQ(c.stack.interfaces[0].capture_file, "/tmp/a=b.pcap");
    EXPECT_EQ(c.stack.interfaces[1].faults.loss_ppm, 20'000u);
    EXPECT_EQ(c.stack.interfaces[1].capture_file, "c=d.pcap");
    EXPECT_EQ(c.stack.interfaces[1].options.at(0).second, "10.0.0.1/24");
}

TEST_F(ConfigurationFile, OneBufferSizeIsTheSizeOfBoth) {
    const Configuration c = good(kLink + "sndbuf = 1m\n");
    EXPECT_EQ(c.stack.tcp.defaults.receive_buffer, 1u << 20);
    EXPECT_EQ(c.stack.tcp.defaults.send_buffer, 1u << 20);
}

TEST_F(ConfigurationFile, BufferMemoryIsSharedOutAmongTheChunks) {
    const Configuration c = good(kLink + "buffer_memory = 64m\n");
    std::uint64_t bytes = 0;
    for (std::size_t i = 0; i < socket::kChunkClasses; ++i) {
        EXPECT_GT(c.stack.chunks.count[i], 0u);
        bytes += std::uint64_t{c.stack.chunks.count[i]} * socket::kChunkBytes[i];
    }
    EXPECT_EQ(bytes, 64u << 20);
}

TEST_F(ConfigurationFile, WhatWasSetBeforeIsKeptUnlessTheFileSaysOtherwise) {
    Configuration base;
    base.cores_asked = 3;
    base.stack.max_concurrency = 5;
    const Configuration c = good(kLink + "max_concurrency = 6\n", base);
    EXPECT_EQ(c.stack.cores, 3u);
    EXPECT_EQ(c.stack.max_concurrency, 6u);
}

TEST_F(ConfigurationFile, TimeoutMinusOneIsOff) {
    EXPECT_EQ(good(kLink + "tcp_timeout = -1\n").stack.tcp.idle_timeout.ns, 0);
    EXPECT_EQ(good(kLink + "tcp_timeout = 0\n").stack.tcp.idle_timeout.ns, 0);
}

TEST_F(ConfigurationFile, OldBackEndsNameTheirReplacement) {
    EXPECT_TRUE(has(bad("io = dpdk\n"), "io = af_xdp"));
    EXPECT_TRUE(has(bad("io = netmap\n"), "io = af_xdp"));
    EXPECT_TRUE(has(bad("io = psio\n"), "io = af_xdp"));
    EXPECT_TRUE(has(bad("io = onvm\n"), "io = memif"));
    EXPECT_TRUE(has(bad("io = pigeon\n"), "af_xdp, tap, tun, memif, link"));
}

TEST_F(ConfigurationFile, OfMoreCpusThanThereCanBeCoresTheFirstAreUsed) {
    host.cpus = 96;
    const std::string link = "io = link\naddress = 10.0.0.2/24\n";
    EXPECT_EQ(good(link).stack.cores, 64u);
    EXPECT_EQ(good(link + "core_mask = ffffffffffffffffff\n").stack.cores, 64u);
    EXPECT_EQ(good(link + "num_cores = 64\n").stack.cores, 64u);
    EXPECT_TRUE(has(bad("num_cores = 65\n"), "from 1 to 64"));
}

TEST_F(ConfigurationFile, MistakesNameFileLineAndMend) {
    const struct {
        const char* text;
        const char* where;
        const char* part;
    } rows[] = {
        {"\n\nrcvbuf = 8x\n", "mtcp.conf:3: rcvbuf = 8x", "64k"},
        {"rcvbuf = 1\n", "mtcp.conf:1:", "from 64"},
        {"sndbuf = 0\n", "mtcp.conf:1: sndbuf = 0", "from 64 to 67108864 bytes"},
        {"rcvbuf = 1024g\n", "mtcp.conf:1:", "from 64 to 67108864 bytes"},
        {"rcvbuf_max = 3\n", "mtcp.conf:1:", "from 2048"},
        {"max_concurrency = 0\n", "mtcp.conf:1:", "from 1 to 67108864"},
        {"rcvbfu = 1\n", "mtcp.conf:1:", "did you mean 'rcvbuf'?"},
        {"zzzzzz = 1\n", "mtcp.conf:1:", "unknown key 'zzzzzz'"},
        {"num_cores = 9\n", "mtcp.conf:1:", "4 CPUs"},
        {"num_cores =\n", "mtcp.conf:1:", "no value"},
        {"= 7\n", "mtcp.conf:1:", "without a key"},
        {"core_mask = xyz\n", "mtcp.conf:1:", "hexadecimal"},
        {"tcp_timewait = soon\n", "mtcp.conf:1:", "duration"},
        {"delayed_ack = 500ms\n", "mtcp.conf:1:", "499"},
        {"cc = vegas\n", "mtcp.conf:1:", "one of reno"},
        {"multiprocess = 1\n", "mtcp.conf:1:", "multiprocess = 0"},
        {"ports = 5\n", "mtcp.conf:1:", "10000-65535"},
        {"drive = manual\n", "mtcp.conf:1:", "assisted, paired, inline"},
        {"address = 10.0.0.2\n", "mtcp.conf:1:", "10.0.0.2/24"},
        {"address = 224.0.0.2/24\n", "mtcp.conf:1:", "no host"},
        {"address = 10.0.0.2/33\n", "mtcp.conf:1:", "10.0.0.2/24"},
        {"gateway = here\n", "mtcp.conf:1:", "10.0.0.1"},
        {"route = 10.0.0.0/8\n", "mtcp.conf:1:", "via"},
        {"neighbour = 10.0.0.9\n", "mtcp.conf:1:", "02:00"},
        {"device x = 1\n", "mtcp.conf:1:", "device NAME OPTION"},
        {"device eth0 mode native\n", "mtcp.conf:1:", "device NAME OPTION"},
        {"device\n", "mtcp.conf:1:", "no value"},
        {"faults loss=lots\n", "mtcp.conf:1: faults", "\"loss=lots\" is not understood"},
        {"faults = loss=lots\n", "mtcp.conf:1: faults", "\"loss=lots\" is not understood"},
        {"device eth0 faults = delay\n", "mtcp.conf:1: device eth0", "keys are loss"},
        {"onvm_serv = 1\n", "mtcp.conf:1:", "memif"},
        {"huge_pages = perhaps\n", "mtcp.conf:1:", "on nor off"},
        {"arp_file = none.conf\nio = link\n", "mtcp.conf:1: none.conf", "No such file"},
        {"route_file = none.conf\nio = link\n", "mtcp.conf:1: none.conf", "current directory"},
        {"io = link\n", "mtcp.conf", "no address on it"},
        {"io = link\naddress = 10.0.0.2/24\nio.mtu = 9000\n", "mtcp.conf:3: io.mtu",
         "link has no options"},
        {"num_cores = 1\n", "mtcp.conf: no port", "port = NAME"},
        {"io = tap\nport = tap0\n", "mtcp.conf:2: port tap0", "address = 10.0.0.2/24 dev tap0"},
        {"port = eth9\n", "mtcp.conf:1: port eth9", "eth0, eth1"},
        {"port = eth1\n", "mtcp.conf:1: port eth1", "no address"},
        {"port = eth0 eth1\naddress = 10.0.0.2/24\n", "mtcp.conf:2:", "dev NAME"},
        {"port = eth0\naddress = 10.0.0.2/24 dev eth7\n", "mtcp.conf:2:", "no port eth7"},
        {"port = eth0\ndevice eth1 mode = native\n", "mtcp.conf:2:", "not used"},
        {"port = eth0\ngateway = 10.9.9.9\n", "mtcp.conf:2:", "no network of ours"},
        {"num_cores = 2\ncore_mask = 1\nio = link\naddress = 10.0.0.2/24\n",
         "mtcp.conf:", "core_mask"},
    };
    for (const auto& row : rows) {
        const std::string said = bad(row.text);
        EXPECT_TRUE(has(said, row.where)) << row.text << " said: " << said;
        EXPECT_TRUE(has(said, row.part)) << row.text << " said: " << said;
    }
}

TEST_F(ConfigurationFile, TakesTheKernelsAddressOverAndSaysSo) {
    const Configuration c = good("port = eth0\n");
    ASSERT_EQ(c.stack.interfaces.size(), 1u);
    EXPECT_EQ(to_text(c.stack.interfaces[0].addresses.at(0).address), "192.0.2.7");
    EXPECT_EQ(c.stack.interfaces[0].addresses[0].length, 24);
    ASSERT_EQ(c.warnings.size(), 1u);
    EXPECT_TRUE(has(c.warnings[0], "taking over 192.0.2.7"));
    EXPECT_EQ(c.interface_places.at(0).port, "mtcp.conf:1");
}

TEST_F(ConfigurationFile, KnowsTheLineOfEachCapture) {
    const Configuration c = good(
        "port = eth0 tap0\ndevice tap0 io = tap\ndevice tap0 capture = tap0.pcapng\n"
        "capture = all.pcapng\naddress = 10.0.0.2/24 dev tap0\n");
    ASSERT_EQ(c.interface_places.size(), 2u);
    EXPECT_EQ(c.stack.interfaces[0].capture_file, "all.pcapng");
    EXPECT_EQ(c.interface_places[0].capture, "mtcp.conf:4");
    EXPECT_EQ(c.stack.interfaces[1].capture_file, "tap0.pcapng");
    EXPECT_EQ(c.interface_places[1].capture, "mtcp.conf:3");
}

TEST_F(ConfigurationFile, WarnsThatALinkHasNoWire) {
    EXPECT_TRUE(good(kLink).warnings.empty());
    for (const char* line : {"capture = all.pcapng\n", "faults = loss=1%\n"}) {
        const Configuration c = good(line + kLink);
        ASSERT_EQ(c.warnings.size(), 1u);
        EXPECT_TRUE(has(c.warnings[0], "no wire"));
    }
}

TEST_F(ConfigurationFile, PortAllMeansEveryInterfaceWithAnAddress) {
    const Configuration c = good("port = all\n");
    ASSERT_EQ(c.stack.interfaces.size(), 1u);
    EXPECT_EQ(c.stack.interfaces[0].name, "eth0");
}

TEST_F(ConfigurationFile, DevicesHaveOptionsOfTheirOwn) {
    const Configuration c = good(
        "port = eth0 tap0\nio.mode = native\nio.queues = 2\n"
        "device eth0 mode = generic\ndevice tap0 io = tap\ndevice tap0 faults = loss=2%\n"
        "address = 10.0.0.2/24 dev tap0\naddress = 10.0.1.2/24 dev eth0\naddress = 10.0.1.3/24 dev "
        "eth0\n");
    ASSERT_EQ(c.stack.interfaces.size(), 2u);
    const auto& eth0 = c.stack.interfaces[0];
    const auto& tap0 = c.stack.interfaces[1];
    using Options = std::vector<std::pair<std::string, std::string>>;
    EXPECT_EQ(eth0.options, (Options{{"queues", "2"}, {"mode", "generic"}}));
    EXPECT_EQ(tap0.options, (Options{{"mode", "native"}, {"queues", "2"}}));
    EXPECT_EQ(eth0.kind, "af_xdp");
    EXPECT_EQ(tap0.kind, "tap");
    EXPECT_EQ(tap0.faults.loss_ppm, 20'000u);
    EXPECT_FALSE(eth0.faults.any());
    EXPECT_EQ(eth0.addresses.size(), 2u);
}

TEST_F(ConfigurationFile, RoutesFindTheirInterface) {
    const Configuration c = good(
        "port = eth0 eth1\naddress = 10.0.0.2/24 dev eth0\naddress = 10.0.1.2/24 dev eth1\n"
        "gateway = 10.0.1.1\nroute = 10.5.0.0/16 via 10.0.0.9\nroute = 10.6.0.0/16 dev eth1\n");
    ASSERT_EQ(c.stack.routes.size(), 3u);
    EXPECT_EQ(c.stack.routes[0].destination.length, 0);
    EXPECT_EQ(c.stack.routes[0].interface_name, "eth1");
    EXPECT_EQ(to_text(c.stack.routes[0].gateway), "10.0.1.1");
    EXPECT_EQ(c.stack.routes[1].interface_name, "eth0");
    EXPECT_EQ(c.stack.routes[2].interface_name, "eth1");
    EXPECT_TRUE(c.stack.routes[2].gateway.is_unspecified());
}

TEST_F(ConfigurationFile, ReadsTheOriginalsTables) {
    files["config/arp.conf"] =
        "ARP_ENTRY 2\n10.0.0.9/32 02:00:00:00:00:09\n10.0.1.0/30 0a:0b:0c:0d:0e:0f  # four hosts\n";
    files["config/route.conf"] = "ROUTES 2\n10.7.0.0/16 eth0\n192.0.2.1/0 eth0\n";
    const Configuration c = good("port = eth0\n");
    ASSERT_EQ(c.stack.neighbours.size(), 5u);
    EXPECT_EQ(c.stack.neighbours[0].mac.octet[5], 9);
    EXPECT_EQ(to_text(c.stack.neighbours[4].address), "10.0.1.3");
    ASSERT_EQ(c.stack.routes.size(), 2u);
    EXPECT_EQ(to_text(c.stack.routes[0].destination.address), "10.7.0.0");
    EXPECT_EQ(to_text(c.stack.routes[1].gateway), "192.0.2.1");
    EXPECT_EQ(c.stack.routes[1].destination.length, 0);
}

TEST_F(ConfigurationFile, MistakesInTheTablesNameTheirLine) {
    files["a"] = "ARP_ENTRY 1\n10.0.0.9 02:00:00:00:00:09\n";
    files["b"] = "ARP_ENTRY 1\n10.0.0.9/32 02:00:00:00:00:09\n10.0.0.8/32 02:00:00:00:00:08\n";
    files["c"] = "ARP_ENTRY 1\n10.0.0.0/8 02:00:00:00:00:09\n";
    files["d"] = "ROUTES 1\n10.0.0.0/8 eth5\n";
    EXPECT_TRUE(has(bad(kLink + "arp_file = a\n"), "a:2: 10.0.0.9 02:00"));
    EXPECT_TRUE(has(bad(kLink + "arp_file = b\n"), "b:3:"));
    EXPECT_TRUE(has(bad(kLink + "arp_file = c\n"), "gateway"));
    EXPECT_TRUE(has(bad(kLink + "route_file = d\n"), "no port eth5"));
}

TEST_F(ConfigurationFile, TextWithoutAFileReadsNoTables) {
    files["config/arp.conf"] = "nonsense\n";
    EXPECT_FALSE(parse_configuration({"x", kLink, SideFiles::defaults}, {}, host).ok());
    EXPECT_TRUE(parse_configuration({"x", kLink, SideFiles::named_only}, {}, host).ok());
}

TEST(Values, SizesAndDurations) {
    EXPECT_EQ(parse_size("64k"), 65'536u);
    EXPECT_EQ(parse_size("2 M"), 2u << 20);
    EXPECT_EQ(parse_size("1g"), 1u << 30);
    EXPECT_FALSE(parse_size("k"));
    EXPECT_FALSE(parse_size("1kb"));
    EXPECT_FALSE(parse_size("-1"));
    EXPECT_FALSE(parse_size("99999999999999999g"));
    EXPECT_EQ(parse_duration("3", seconds(1)), seconds(3));
    EXPECT_EQ(parse_duration("3ms", seconds(1)), milliseconds(3));
    EXPECT_EQ(parse_duration("2 min", seconds(1)), seconds(120));
    EXPECT_FALSE(parse_duration("3 weeks", seconds(1)));
    EXPECT_FALSE(parse_duration("9999999999999999999", seconds(1)));
    EXPECT_FALSE(parse_duration("9999999999999h", seconds(1)));
}

TEST(Values, Addresses) {
    EXPECT_EQ(parse_address("10.0.0.2")->v4_bits(), 0x0a000002u);
    for (const char* const wrong :
         {"10.0.0", "10.0.0.256", "10.0.0.2.3", "a.b.c.d", "", "10..0.1"}) {
        EXPECT_FALSE(parse_address(wrong)) << wrong;
    }
    EXPECT_EQ(parse_mac("02:00:00:00:0a:FF")->octet[5], 0xff);
    EXPECT_FALSE(parse_mac("02:00:00:00:00"));
    EXPECT_FALSE(parse_mac("02:00:00:00:00:00:01"));
    EXPECT_EQ(*parse_mask("0x10000000000000001"), (std::vector<int>{0, 64}));
}

}  // namespace
}  // namespace mtcp::api
