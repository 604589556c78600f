// SPDX-License-Identifier: Apache-2.0
// A TUN/TAP interface against the kernel that holds its other end, each test in a network namespace
// of its own.
#include "io/tap/tap_device.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <gtest/gtest.h>
#include <linux/if_packet.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <sched.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <thread>
#include <vector>

#include "io/wait.h"

namespace mtcp::io {
namespace {

// The kernel announces IPv6 addresses at moments of its own choosing: a frame that no test asked
// for. The setting is that of the namespace of the thread that writes it.
void be_silent_unasked() {
    const int setting =
        ::open("/proc/sys/net/ipv6/conf/default/disable_ipv6", O_WRONLY | O_CLOEXEC);
    if (setting < 0) return;  // a kernel without IPv6
    EXPECT_EQ(::write(setting, "1", 1), 1);
    ::close(setting);
}

// Namespaces belong to threads: the one this thread makes vanishes when it ends.
void in_own_network(const std::function<void()>& body) {
    std::thread([&body] {
        if (::unshare(CLONE_NEWNET) != 0)
            GTEST_SKIP() << "no privilege to make a network namespace";
        body();
    }).join();
}

Instant clock_now() {
    timespec t{};
    ::clock_gettime(CLOCK_MONOTONIC, &t);
    return {t.tv_sec * 1'000'000'000 + t.tv_nsec};
}

using Bytes = std::vector<std::uint8_t>;

void put16(Bytes& bytes, std::size_t at, unsigned value) {
    bytes[at] = static_cast<std::uint8_t>(value >> 8);
    bytes[at + 1] = static_cast<std::uint8_t>(value);
}
unsigned get16(const Bytes& bytes, std::size_t at) {
    return unsigned{bytes[at]} << 8 | bytes[at + 1];
}

unsigned fold(unsigned long sum) {
    while (sum >> 16 != 0)
        sum = (sum & 0xffff) + (sum >> 16);
    return static_cast<unsigned>(sum);
}
unsigned long sum16(const Bytes& bytes, std::size_t from, std::size_t to) {
    unsigned long sum = 0;
    for (std::size_t i = from; i + 1 < to; i += 2)
        sum += get16(bytes, i);
    if ((to - from) % 2 != 0) sum += unsigned{bytes[to - 1]} << 8;
    return sum;
}

constexpr std::array<std::uint8_t, 4> kTheirs{10, 9, 0, 1};
constexpr std::array<std::uint8_t, 4> kOurs{10, 9, 0, 2};

Bytes ipv4(std::uint8_t protocol, const std::array<std::uint8_t, 4>& from,
           const std::array<std::uint8_t, 4>& to, const Bytes& payload) {
    Bytes packet(20 + payload.size());
    packet[0] = 0x45;
    put16(packet, 2, static_cast<unsigned>(packet.size()));
    packet[8] = 64;
    packet[9] = protocol;
    std::copy(from.begin(), from.end(), packet.begin() + 12);
    std::copy(to.begin(), to.end(), packet.begin() + 16);
    put16(packet, 10, ~fold(sum16(packet, 0, 20)) & 0xffffu);
    std::copy(payload.begin(), payload.end(), packet.begin() + 20);
    return packet;
}

// A TCP segment whose checksum field holds the folded pseudo-header sum only.
Bytes tcp_partial(std::uint16_t source, std::uint16_t destination, std::uint8_t flags,
                  std::size_t payload) {
    Bytes segment(20 + payload);
    put16(segment, 0, source);
    put16(segment, 2, destination);
    segment[12] = 5 << 4;
    segment[13] = flags;
    put16(segment, 14, 65535);
    for (std::size_t i = 0; i < payload; ++i)
        segment[20 + i] = static_cast<std::uint8_t>(i * 7);
    Bytes packet = ipv4(IPPROTO_TCP, kOurs, kTheirs, segment);
    put16(packet, 20 + 16, fold(sum16(packet, 12, 20) + IPPROTO_TCP + segment.size()));
    return packet;
}

Bytes ethernet(const MacAddress& to, const MacAddress& from, unsigned type, const Bytes& payload) {
    Bytes frame(14);
    std::memcpy(&frame[0], to.octet, 6);
    std::memcpy(&frame[6], from.octet, 6);
    put16(frame, 12, type);
    frame.insert(frame.end(), payload.begin(), payload.end());
    return frame;
}

Bytes arp_request(const MacAddress& mac) {
    Bytes arp{0, 1, 8, 0, 6, 4, 0, 1};
    arp.insert(arp.end(), mac.octet, mac.octet + 6);
    arp.insert(arp.end(), kOurs.begin(), kOurs.end());
    arp.insert(arp.end(), 6, 0);
    arp.insert(arp.end(), kTheirs.begin(), kTheirs.end());
    return ethernet(MacAddress{{255, 255, 255, 255, 255, 255}}, mac, ETHERTYPE_ARP, arp);
}

struct Received {
    Bytes bytes;
    Frame frame;
};

bool send(Queue& queue, const Bytes& bytes, const Frame& wishes = {}) {
    Frame frame;
    if (queue.allocate({&frame, 1}) != 1) return false;
    EXPECT_GE(frame.capacity, bytes.size());
    std::memcpy(frame.data, bytes.data(), bytes.size());
    frame.length = static_cast<std::uint32_t>(bytes.size());
    frame.checksum = wishes.checksum;
    frame.checksum_start = wishes.checksum_start;
    frame.segment_size = wishes.segment_size;
    frame.header_length = wishes.header_length;
    return queue.transmit({&frame, 1}, clock_now()) == 1;
}

using Wanted = std::function<bool(const Bytes&)>;

// Every frame that `wanted` likes, until there are `most` or none came for `patience`.
std::vector<Received> collect(Queue& queue, const Wanted& wanted, std::size_t most,
                              Duration patience) {
    std::vector<Received> found;
    Queue* queues[] = {&queue};
    Instant end = clock_now() + patience;
    while (found.size() < most && clock_now() < end) {
        std::array<Frame, 8> frames;
        const std::size_t count = queue.receive(frames, clock_now());
        for (std::size_t i = 0; i < count; ++i) {
            const auto* data = reinterpret_cast<const std::uint8_t*>(frames[i].data);
            const Bytes bytes(data, data + frames[i].length);
            if (!wanted(bytes)) continue;
            found.push_back({bytes, frames[i]});
            end = clock_now() + patience;
        }
        queue.release(std::span(frames).first(count));
        if (count == 0) wait_until(queues, {}, clock_now(), end);
    }
    return found;
}

// The first such frame, or an empty one after a second.
Received wait_for(Queue& queue, const Wanted& wanted) {
    std::vector<Received> found = collect(queue, wanted, 1, seconds(1));
    return found.empty() ? Received{} : found.front();
}

std::unique_ptr<TapDevice> open_or_fail(const TapConfig& config) {
    auto device = TapDevice::open(config);
    EXPECT_TRUE(device.ok()) << device.error().text();
    return device.ok() ? std::move(*device) : nullptr;
}

bool is_arp_answer(const Bytes& frame) {
    return frame.size() >= 42 && get16(frame, 12) == ETHERTYPE_ARP && frame[21] == 2;
}
bool is_tcp(const Bytes& frame) {
    return frame.size() >= 54 && get16(frame, 12) == ETHERTYPE_IP && frame[23] == IPPROTO_TCP;
}

// The kernel's MAC address, asked for by ARP; afterwards the kernel knows ours too.
MacAddress greet(TapDevice& device) {
    EXPECT_TRUE(send(device.queue(0), arp_request(device.mac())));
    for (std::size_t i = 0; i < device.queue_count(); ++i) {
        const Received answer = wait_for(device.queue(i), is_arp_answer);
        if (answer.bytes.empty()) continue;
        MacAddress mac;
        std::memcpy(mac.octet, &answer.bytes[6], 6);
        return mac;
    }
    ADD_FAILURE() << "the kernel did not answer ARP";
    return {};
}

int packet_socket(const std::string& name) {
    const int descriptor = ::socket(AF_PACKET, SOCK_RAW, htons(ETH_P_ALL));
    EXPECT_GE(descriptor, 0);
    sockaddr_ll address{};
    address.sll_family = AF_PACKET;
    address.sll_protocol = htons(ETH_P_ALL);
    address.sll_ifindex = static_cast<int>(::if_nametoindex(name.c_str()));
    EXPECT_EQ(::bind(descriptor, reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
    const int on = 1;
    EXPECT_EQ(::setsockopt(descriptor, SOL_PACKET, PACKET_VNET_HDR, &on, sizeof on), 0);
    const timeval patience{.tv_sec = 1, .tv_usec = 0};
    EXPECT_EQ(::setsockopt(descriptor, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience), 0);
    return descriptor;
}

const TapConfig kTapWithAddress{.name = "mt%d", .kernel_address = "10.9.0.1/24"};

TEST(TapDevice, ExchangesArpWithTheKernel) {
    in_own_network([] {
        const auto device = open_or_fail(kTapWithAddress);
        ASSERT_NE(device, nullptr);
        EXPECT_EQ(device->name(), "mt0");
        EXPECT_EQ(device->mac().octet[0] & 3, 2) << "locally administered, not multicast";
        EXPECT_FALSE(greet(*device) == device->mac());
    });
}

TEST(TapDevice, SleepsUntilTheKernelSendsAFrame) {
    in_own_network([] {
        be_silent_unasked();
        const auto device = open_or_fail(kTapWithAddress);
        ASSERT_NE(device, nullptr);
        Queue& queue = device->queue(0);
        Queue* queues[] = {&queue};
        EXPECT_EQ(wait_until(queues, {}, clock_now(), clock_now() + milliseconds(20)),
                  Woken::by_deadline);
        ASSERT_TRUE(send(queue, arp_request(device->mac())));
        EXPECT_EQ(wait_until(queues, {}, clock_now(), clock_now() + seconds(1)), Woken::by_work);
    });
}

TEST(TapDevice, KernelCompletesAndVouchesForChecksums) {
    in_own_network([] {
        const auto device = open_or_fail(kTapWithAddress);
        ASSERT_NE(device, nullptr);
        ASSERT_TRUE(device->queue(0).capabilities().transmit_checksum);
        const int listener = ::socket(AF_INET, SOCK_STREAM, 0);
        sockaddr_in address{};
        address.sin_family = AF_INET;
        address.sin_port = htons(9);
        ASSERT_EQ(::bind(listener, reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
        ASSERT_EQ(::listen(listener, 1), 0);
        const MacAddress kernel = greet(*device);
        const Bytes syn = ethernet(kernel, device->mac(), ETHERTYPE_IP, tcp_partial(4000, 9, 2, 0));
        ASSERT_TRUE(
            send(device->queue(0), syn, {.checksum = Checksum::partial, .checksum_start = 34}));
        const Received answer = wait_for(device->queue(0), is_tcp);
        ASSERT_FALSE(answer.bytes.empty()) << "a partial checksum was not accepted";
        EXPECT_EQ(answer.bytes[47] & 0x12, 0x12) << "SYN ACK of the listening socket";
        EXPECT_EQ(answer.frame.checksum, Checksum::verified);
        ::close(listener);
    });
}

TEST(TapDevice, WrongChecksumIsNotCompletedUnasked) {
    in_own_network([] {
        const auto device = open_or_fail(kTapWithAddress);
        ASSERT_NE(device, nullptr);
        const MacAddress kernel = greet(*device);
        ASSERT_TRUE(send(device->queue(0), ethernet(kernel, device->mac(), ETHERTYPE_IP,
                                                    tcp_partial(4000, 9, 2, 0))));
        EXPECT_TRUE(collect(device->queue(0), is_tcp, 1, milliseconds(200)).empty());
    });
}

TEST(TapDevice, LargeSegmentReachesTheKernelWhole) {
    in_own_network([] {
        const auto device = open_or_fail(kTapWithAddress);
        ASSERT_NE(device, nullptr);
        ASSERT_EQ(device->queue(0).capabilities().transmit_segmentation, 65535u);
        const int watcher = packet_socket(device->name());
        const Bytes frame = ethernet(MacAddress{{2, 0, 0, 0, 0, 1}}, device->mac(), ETHERTYPE_IP,
                                     tcp_partial(4000, 9, 0x10, 60000));
        ASSERT_TRUE(send(device->queue(0), frame,
                         {.checksum = Checksum::partial,
                          .checksum_start = 34,
                          .segment_size = 1460,
                          .header_length = 54}));
        Bytes seen(70000);
        ssize_t got = 0;
        do {
            got = ::recv(watcher, seen.data(), seen.size(), 0);
        } while (got > 0 && static_cast<std::size_t>(got) < frame.size());
        ASSERT_EQ(got, static_cast<ssize_t>(frame.size()) + 10);
        EXPECT_EQ(seen[1] & 0x7f, 1) << "GSO, TCP over IPv4";
        EXPECT_EQ(seen[4] | seen[5] << 8, 1460);
        EXPECT_EQ(std::memcmp(&seen[10], frame.data(), frame.size()), 0);
        ::close(watcher);
    });
}

TEST(TapDevice, LargeSegmentBehindATagIsOfItsOwnVersion) {
    in_own_network([] {
        const auto device = open_or_fail(kTapWithAddress);
        ASSERT_NE(device, nullptr);
        const int watcher = packet_socket(device->name());
        // The tag's first octet reads as version 6.
        Bytes tagged{0x60, 1, 8, 0};
        const Bytes packet = tcp_partial(4000, 9, 0x10, 30000);
        tagged.insert(tagged.end(), packet.begin(), packet.end());
        const Bytes frame =
            ethernet(MacAddress{{2, 0, 0, 0, 0, 1}}, device->mac(), ETHERTYPE_VLAN, tagged);
        ASSERT_TRUE(send(device->queue(0), frame,
                         {.checksum = Checksum::partial,
                          .checksum_start = 38,
                          .segment_size = 1460,
                          .header_length = 58}));
        Bytes seen(70000);
        ssize_t got = 0;
        do {
            got = ::recv(watcher, seen.data(), seen.size(), 0);
        } while (got > 0 && got < 30000);
        ASSERT_GT(got, 30000);
        EXPECT_EQ(seen[1] & 0x7f, 1) << "GSO, TCP over IPv4";
        ::close(watcher);
    });
}

TEST(TapDevice, LargeFrameOfTheKernelArrivesWhole) {
    in_own_network([] {
        const auto device = open_or_fail(kTapWithAddress);
        ASSERT_NE(device, nullptr);
        const int sender = packet_socket(device->name());
        const Bytes frame = ethernet(device->mac(), MacAddress{{2, 0, 0, 0, 0, 1}}, ETHERTYPE_IP,
                                     tcp_partial(4000, 9, 0x10, 50000));
        Bytes wire{1, 1, 54, 0, 1448 & 0xff, 1448 >> 8, 34, 0, 16, 0};
        wire.insert(wire.end(), frame.begin(), frame.end());
        ASSERT_EQ(::send(sender, wire.data(), wire.size(), 0), static_cast<ssize_t>(wire.size()));
        const Received got = wait_for(device->queue(0), is_tcp);
        EXPECT_EQ(got.bytes, frame);
        EXPECT_EQ(got.frame.segment_size, 1448);
        EXPECT_EQ(got.frame.checksum, Checksum::verified);
        ::close(sender);
    });
}

TEST(TapDevice, WithoutOffloadsTheKernelCutsAndCompletes) {
    in_own_network([] {
        TapConfig config = kTapWithAddress;
        config.offload = TapOffload::none;
        const auto device = open_or_fail(config);
        ASSERT_NE(device, nullptr);
        EXPECT_FALSE(device->queue(0).capabilities().transmit_checksum);
        EXPECT_EQ(device->queue(0).capabilities().transmit_segmentation, 0u);
        const int sender = packet_socket(device->name());
        const Bytes frame = ethernet(device->mac(), MacAddress{{2, 0, 0, 0, 0, 1}}, ETHERTYPE_IP,
                                     tcp_partial(4000, 9, 0x10, 5000));
        Bytes wire{1, 1, 54, 0, 1448 & 0xff, 1448 >> 8, 34, 0, 16, 0};
        wire.insert(wire.end(), frame.begin(), frame.end());
        ASSERT_EQ(::send(sender, wire.data(), wire.size(), 0), static_cast<ssize_t>(wire.size()));
        const std::vector<Received> got = collect(device->queue(0), is_tcp, 4, seconds(1));
        ASSERT_EQ(got.size(), 4u);
        for (const Received& segment : got) {
            const std::size_t length = segment.bytes.size();
            EXPECT_EQ(length, &segment == &got.back() ? 54u + 656u : 54u + 1448u);
            EXPECT_EQ(segment.frame.checksum, Checksum::in_frame);
            EXPECT_EQ(fold(sum16(segment.bytes, 26, length) + IPPROTO_TCP + length - 34), 0xffffu);
        }
        ::close(sender);
    });
}

TEST(TapDevice, QueuesShareTheFlowsOfOneInterface) {
    in_own_network([] {
        TapConfig config = kTapWithAddress;
        config.queues = 3;
        const auto device = open_or_fail(config);
        ASSERT_NE(device, nullptr);
        ASSERT_EQ(device->queue_count(), 3u);
        const MacAddress kernel = greet(*device);
        for (std::uint16_t port = 0; port < 96; ++port) {
            ASSERT_TRUE(
                send(device->queue(port % 3u),
                     ethernet(kernel, device->mac(), ETHERTYPE_IP,
                              tcp_partial(static_cast<std::uint16_t>(4000 + port), 9, 2, 0)),
                     {.checksum = Checksum::partial, .checksum_start = 34}));
        }
        std::array<std::size_t, 3> seen{};
        std::array<bool, 96> answered{};
        for (std::size_t q = 0; q < 3; ++q) {
            for (const Received& got : collect(device->queue(q), is_tcp, 96, milliseconds(100))) {
                answered.at(get16(got.bytes, 36) - 4000) = true;
                ++seen[q];
            }
        }
        EXPECT_EQ(std::count(answered.begin(), answered.end(), true), 96);
        for (const std::size_t count : seen)
            EXPECT_GT(count, 0u);
    });
}

TEST(TapDevice, TunCarriesIpPackets) {
    in_own_network([] {
        const auto device = open_or_fail(
            {.name = "tun-x", .kind = TapKind::tun, .mtu = 1400, .kernel_address = "10.9.0.1/24"});
        ASSERT_NE(device, nullptr);
        EXPECT_EQ(device->mac(), MacAddress{});
        EXPECT_EQ(device->queue(0).capabilities().layer, Layer::ip);
        EXPECT_EQ(device->queue(0).capabilities().frame_size, 1400u);
        Bytes echo{8, 0, 0, 0, 0, 1, 0, 1, 'm', 't', 'c', 'p'};
        put16(echo, 2, ~fold(sum16(echo, 0, echo.size())) & 0xffffu);
        ASSERT_TRUE(send(device->queue(0), ipv4(IPPROTO_ICMP, kOurs, kTheirs, echo)));
        const Received got = wait_for(device->queue(0), [](const Bytes& packet) {
            return packet.size() == 32 && packet[0] == 0x45 && packet[9] == IPPROTO_ICMP;
        });
        ASSERT_FALSE(got.bytes.empty());
        EXPECT_EQ(got.bytes[20], 0) << "echo reply";
    });
}

TEST(TapDevice, FramesRefusedByADownInterfaceAreCounted) {
    in_own_network([] {
        const auto device = open_or_fail(kTapWithAddress);
        ASSERT_NE(device, nullptr);
        Counters counters;
        device->queue(0).set_counters(&counters);
        ASSERT_EQ(::system(("ip link set " + device->name() + " down").c_str()), 0);
        EXPECT_TRUE(send(device->queue(0), arp_request(device->mac())));
        EXPECT_EQ(counters.drops(Drop::io_device_refused), 1u);
    });
}

TEST(TapDevice, AnInterfaceThatWasDeletedLetsItsUserSleep) {
    in_own_network([] {
        const auto device = open_or_fail(kTapWithAddress);
        ASSERT_NE(device, nullptr);
        Counters counters;
        Queue& queue = device->queue(0);
        queue.set_counters(&counters);
        ASSERT_EQ(::system(("ip link del " + device->name()).c_str()), 0);
        std::array<Frame, kBurst> frames;
        while (const std::size_t count = queue.receive(frames, clock_now()))
            queue.release(std::span(frames).first(count));
        Queue* const queues[] = {&queue};
        const Instant start = clock_now();
        EXPECT_EQ(wait_until(queues, {}, start, start + milliseconds(50)), Woken::by_deadline);
        EXPECT_TRUE(send(queue, arp_request(device->mac())));
        EXPECT_EQ(counters.drops(Drop::io_device_refused), 1u);
    });
}

TEST(TapDevice, ExhaustedBuffersComeBackByRelease) {
    in_own_network([] {
        const auto device = open_or_fail(kTapWithAddress);
        ASSERT_NE(device, nullptr);
        Queue& queue = device->queue(0);
        std::vector<Frame> held(1000);
        const std::size_t count = queue.allocate(held);
        ASSERT_GE(count, kBurst);
        ASSERT_LT(count, held.size());
        Frame frame;
        EXPECT_EQ(queue.allocate({&frame, 1}), 0u);
        EXPECT_EQ(queue.receive({&frame, 1}, clock_now()), 0u);
        for (std::size_t i = 0; i < count; ++i)
            held[i].data[-64] = std::byte{1};
        queue.release(std::span(held).first(count));
        EXPECT_EQ(queue.allocate(held), count);
    });
}

TEST(TapDevice, NameHeldByAnotherIsTold) {
    in_own_network([] {
        const auto device = open_or_fail({.name = "held"});
        ASSERT_NE(device, nullptr);
        const auto second = TapDevice::open({.name = "held"});
        ASSERT_FALSE(second.ok());
        EXPECT_EQ(second.error().error, EBUSY);
        EXPECT_NE(second.error().text().find("held"), std::string::npos);
        EXPECT_FALSE(second.error().mend.empty());
        const auto other_kind = TapDevice::open({.name = "held", .kind = TapKind::tun});
        ASSERT_FALSE(other_kind.ok());
        EXPECT_EQ(other_kind.error().error, EINVAL);
    });
}

TEST(TapDevice, PersistentInterfaceIsAttachedTo) {
    in_own_network([] {
        ASSERT_EQ(::system("ip tuntap add stay mode tap multi_queue vnet_hdr"), 0);
        EXPECT_NE(open_or_fail({.name = "stay", .queues = 2}), nullptr);
        EXPECT_NE(::if_nametoindex("stay"), 0u) << "a persistent interface outlives the device";
    });
}

TEST(TapDevice, InterfaceVanishesWithTheDevice) {
    in_own_network([] {
        EXPECT_NE(open_or_fail({.name = "gone"}), nullptr);
        EXPECT_EQ(::if_nametoindex("gone"), 0u);
    });
}

TEST(TapDevice, OneMadeBeforehandForAUserNeedsNoPrivilege) {
    if (::geteuid() != 0 || ::access("/dev/net/tun", W_OK) != 0) GTEST_SKIP() << "not root";
    struct stat status {};
    if (::stat("/dev/net/tun", &status) != 0 || (status.st_mode & 0006) != 0006) {
        GTEST_SKIP() << "/dev/net/tun is not open to all users";
    }
    in_own_network([] {
        ASSERT_EQ(std::system("ip tuntap add mine mode tap multi_queue vnet_hdr user 65534 && "
                              "ip address add 10.0.0.1/24 dev mine && "
                              "ip address add fd00:9::1/64 dev mine && ip link set mine up"),
                  0);
        // Of this thread alone, unlike setresuid(3).
        ASSERT_EQ(::syscall(SYS_setresuid, 65534, 65534, 65534), 0);
        EXPECT_NE(open_or_fail({.name = "mine", .kernel_address = "10.0.0.1/24"}), nullptr);
        EXPECT_NE(open_or_fail({.name = "mine", .kernel_address = "fd00:9::1/64"}), nullptr);
        const auto other = TapDevice::open({.name = "mine", .mtu = 1400});
        ASSERT_FALSE(other.ok());
        EXPECT_EQ(other.error().error, EPERM);
    });
}

TEST(TapDevice, BadSettingsNameTheMend) {
    in_own_network([] {
        for (const TapConfig& config :
             {TapConfig{.queues = 0}, TapConfig{.name = "a-name-beyond-fifteen"},
              TapConfig{.name = "a/b"}, TapConfig{.mtu = 60},
              TapConfig{.kernel_address = "10.0.0.1"}, TapConfig{.kernel_address = "10.0.0.1/33"},
              TapConfig{.kernel_address = "x/24"}}) {
            const auto device = TapDevice::open(config);
            ASSERT_FALSE(device.ok());
            EXPECT_EQ(device.error().error, EINVAL) << device.error().text();
            EXPECT_FALSE(device.error().mend.empty()) << device.error().text();
        }
    });
}

TEST(TapDevice, LackOfPrivilegeNamesTheMend) {
    const pid_t child = ::fork();
    ASSERT_GE(child, 0);
    if (child == 0) {
        if (::setresuid(65534, 65534, 65534) != 0) ::_exit(77);
        const auto device = TapDevice::open({});
        const bool told = !device.ok() && !device.error().mend.empty() &&
                          (device.error().error == EPERM || device.error().error == EACCES);
        ::_exit(told ? 0 : 1);
    }
    int status = 0;
    ASSERT_EQ(::waitpid(child, &status, 0), child);
    if (WEXITSTATUS(status) == 77) GTEST_SKIP() << "cannot give up privilege";
    EXPECT_EQ(status, 0);
}

TEST(TapDevice, KernelEndTakesAnIpv6Address) {
    in_own_network([] { EXPECT_NE(open_or_fail({.kernel_address = "fd00:9::1/64"}), nullptr); });
}

TEST(TapDevice, KernelEndKeepsAnIpv6AddressItHas) {
    in_own_network([] {
        ASSERT_EQ(::system("ip tuntap add stay mode tap multi_queue vnet_hdr"), 0);
        for (const char* address : {"fd00:9::1/64", "fd00:9::1/64", "fd00:9::1/48"}) {
            EXPECT_NE(open_or_fail({.name = "stay", .kernel_address = address}), nullptr);
        }
    });
}

}  // namespace
}  // namespace mtcp::io
