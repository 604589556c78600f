// SPDX-License-Identifier: Apache-2.0
// The adapter as packetdrill sees it: loaded from its file, used through the table of functions
// only.
#include <arpa/inet.h>
#include <dlfcn.h>
#include <fcntl.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cerrno>
#include <cstddef>
#include <cstring>
#include <fstream>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "tests/conformance/interface.h"
#include "wire/checksum.h"
#include "wire/ipv4.h"
#include "wire/segment.h"

namespace mtcp::conformance {
namespace {

constexpr wire::IpAddress kLocal = wire::IpAddress::v4(0xc0a80001);
constexpr wire::IpAddress kRemote = wire::IpAddress::v4(0xc0000201);
constexpr std::uint16_t kPort = 8080;
constexpr std::uint16_t kRemotePort = 40'000;
constexpr std::uint32_t kRemoteIss = 1000;

// The object stays loaded, as packetdrill does it; every test gets a stack of its own.
void* object() {
    static void* const loaded = ::dlopen(MTCP_ADAPTER, RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE);
    return loaded;
}

sockaddr_in address_of(const wire::IpAddress& address) {
    sockaddr_in name{};
    name.sin_family = AF_INET;
    name.sin_addr.s_addr = htonl(address.v4_bits());
    name.sin_port = htons(kPort);
    return name;
}

// As packetdrill finds out that a call blocks.
bool is_sleeping(pid_t thread) {
    std::ifstream file("/proc/self/task/" + std::to_string(thread) + "/stat");
    std::string line;
    std::getline(file, line);
    const std::size_t name_end = line.rfind(") ");
    return name_end != std::string::npos && line[name_end + 2] == 'S';
}

struct Seen {
    wire::Segment segment;
    std::vector<std::byte> bytes;
    long long time_us = 0;
};

class Adapter : public ::testing::Test {
  protected:
    void SetUp() override {
        ASSERT_NE(object(), nullptr) << ::dlerror();
        using Init = void (*)(const char*, PacketdrillInterface*);
        const auto init = reinterpret_cast<Init>(::dlsym(object(), "packetdrill_interface_init"));
        ASSERT_NE(init, nullptr) << ::dlerror();
        init("local=192.168.0.1", &t);
        // Fields that are not set would be calls into nothing.
        std::array<void*, sizeof t / sizeof(void*)> fields{};
        std::memcpy(fields.data(), &t, sizeof t);
        for (std::size_t i = 0; i < fields.size(); ++i)
            ASSERT_NE(fields[i], nullptr) << i;
    }
    void TearDown() override {
        if (t.free != nullptr) t.free(t.self);
    }

    long long now_us() {
        timeval time{};
        t.gettimeofday(t.self, &time, nullptr);
        return time.tv_sec * 1'000'000LL + time.tv_usec;
    }
    void send(std::uint8_t flags, std::uint32_t seq, std::uint32_t ack, std::size_t payload = 0) {
        std::vector<std::byte> packet(40 + payload, std::byte{'x'});
        std::array<std::byte, 20> tcp{};
        const auto put = [&tcp](std::size_t at, std::uint32_t value, int bytes) {
            for (int i = 0; i < bytes; ++i) {
                tcp[at + static_cast<std::size_t>(i)] =
                    static_cast<std::byte>(value >> (8 * (bytes - 1 - i)));
            }
        };
        put(0, kRemotePort, 2);
        put(2, kPort, 2);
        put(4, kRemoteIss + seq, 4);
        put(8, ack, 4);
        tcp[12] = std::byte{0x50};
        tcp[13] = static_cast<std::byte>(flags);
        put(14, 20'000, 2);
        std::memcpy(packet.data() + 20, tcp.data(), tcp.size());
        const auto length = static_cast<std::uint32_t>(20 + payload);
        const std::uint16_t sum = wire::finish(
            wire::checksum_add(wire::pseudo_header_sum(kRemote, kLocal, wire::kProtocolTcp, length),
                               std::span<const std::byte>(packet).subspan(20)));
        packet[36] = static_cast<std::byte>(sum >> 8);
        packet[37] = static_cast<std::byte>(sum);
        wire::emit_ipv4({.total_length = static_cast<std::uint16_t>(packet.size()),
                         .protocol = wire::kProtocolTcp,
                         .source = kRemote,
                         .destination = kLocal},
                        packet.data());
        EXPECT_EQ(t.netdev_send(t.self, packet.data(), packet.size()), 0);
    }
    // Nothing: the stack will never send again.
    std::optional<Seen> receive() {
        Seen seen;
        seen.bytes.resize(2000);
        std::size_t size = seen.bytes.size();
        if (t.netdev_receive(t.self, seen.bytes.data(), &size, &seen.time_us) != 0 || size == 0) {
            return std::nullopt;
        }
        seen.bytes.resize(size);
        const auto segment =
            wire::parse_segment(std::span<const std::byte>(seen.bytes).subspan(20));
        if (!segment) return std::nullopt;
        seen.segment = *segment;
        return seen;
    }
    int listen() {
        const int fd = t.socket(t.self, AF_INET, SOCK_STREAM, IPPROTO_TCP);
        const sockaddr_in name = address_of(kLocal);
        EXPECT_EQ(t.bind(t.self, fd, reinterpret_cast<const sockaddr*>(&name), sizeof name), 0);
        EXPECT_EQ(t.listen(t.self, fd, 1), 0);
        return fd;
    }
    // The three packets of a handshake; our next sequence number.
    std::uint32_t shake_hands() {
        send(wire::Flags::syn, 0, 0);
        const std::optional<Seen> answer = receive();
        EXPECT_TRUE(answer.has_value());
        if (!answer) return 0;
        EXPECT_TRUE(answer->segment.flags.all(wire::Flags::syn | wire::Flags::ack));
        EXPECT_EQ(answer->segment.ack.raw, kRemoteIss + 1);
        const std::uint32_t next = answer->segment.seq.raw + 1;
        send(wire::Flags::ack, 1, next);
        return next;
    }

    PacketdrillInterface t{};
};

TEST_F(Adapter, HandshakeDataAndCloseThroughTheTable) {
    const int listener = listen();
    const std::uint32_t next = shake_hands();
    const int fd = t.accept(t.self, listener, nullptr, nullptr);
    ASSERT_GE(fd, 0);
    EXPECT_GE(::fcntl(fd, F_GETFD), 0) << "not a descriptor of the kernel";

    send(wire::Flags::ack | wire::Flags::psh, 1, next, 100);
    std::array<char, 200> buffer{};
    EXPECT_EQ(t.read(t.self, fd, buffer.data(), buffer.size()), 100);
    EXPECT_EQ(t.write(t.self, fd, "hello", 5), 5);
    const std::optional<Seen> data = receive();
    ASSERT_TRUE(data.has_value());
    EXPECT_EQ(data->segment.payload.size(), 5u);
    EXPECT_EQ(data->segment.ack.raw, kRemoteIss + 101) << "the data carries the ACK";
    send(wire::Flags::ack, 101, next + 5);

    tcp_info info{};
    socklen_t length = sizeof info;
    EXPECT_EQ(t.getsockopt(t.self, fd, IPPROTO_TCP, TCP_INFO, &info, &length), 0);
    EXPECT_EQ(info.tcpi_state, TCP_ESTABLISHED);
    EXPECT_EQ(t.close(t.self, fd), 0);
    const std::optional<Seen> fin = receive();
    ASSERT_TRUE(fin.has_value());
    EXPECT_TRUE(fin->segment.flags.has(wire::Flags::fin));
    EXPECT_EQ(t.close(t.self, listener), 0);
}

TEST_F(Adapter, RetransmissionsCarryTheTimesOfTheirTimers) {
    static_cast<void>(listen());
    const long long start = now_us();
    send(wire::Flags::syn, 0, 0);
    for (const long long second : {0, 1, 3, 7}) {
        const std::optional<Seen> seen = receive();
        ASSERT_TRUE(seen.has_value());
        EXPECT_NEAR(static_cast<double>(seen->time_us - start), static_cast<double>(second) * 1e6,
                    3'000);
    }
}

TEST_F(Adapter, SaysAtOnceThatNothingWillEverBeSent) {
    static_cast<void>(listen());
    EXPECT_FALSE(receive().has_value());
}

TEST_F(Adapter, ABlockedAcceptReturnsAtTheMomentOfTheHandshake) {
    const int listener = listen();
    int accepted = -1;
    long long returned_us = 0;
    std::atomic<pid_t> thread{0};
    std::thread caller([&] {
        thread = ::gettid();
        accepted = t.accept(t.self, listener, nullptr, nullptr);
        returned_us = now_us();
    });
    while (thread == 0 || !is_sleeping(thread))
        std::this_thread::yield();
    t.usleep(t.self, 300'000);
    static_cast<void>(shake_hands());
    const long long shaken_us = now_us();
    t.usleep(t.self, 5'000'000);
    caller.join();
    EXPECT_GE(accepted, 0);
    EXPECT_NEAR(static_cast<double>(returned_us), static_cast<double>(shaken_us), 10);
}

TEST_F(Adapter, ErrorsAreThoseOfTheSystemCalls) {
    EXPECT_EQ(t.close(t.self, 99), -1);
    EXPECT_EQ(errno, EBADF);
    const int fd = t.socket(t.self, AF_INET, SOCK_STREAM, 0);
    EXPECT_EQ(t.write(t.self, fd, nullptr, 10), -1);
    EXPECT_EQ(errno, EFAULT);
    EXPECT_EQ(t.socket(t.self, AF_UNIX, SOCK_STREAM, 0), -1);
    EXPECT_EQ(errno, EAFNOSUPPORT);
    EXPECT_EQ(t.fcntl(t.self, fd, F_SETFL, O_RDWR | O_NONBLOCK), 0);
    EXPECT_EQ(t.fcntl(t.self, fd, F_GETFL, 0), O_RDWR | O_NONBLOCK);
    const sockaddr_in name = address_of(kRemote);
    EXPECT_EQ(t.connect(t.self, fd, reinterpret_cast<const sockaddr*>(&name), sizeof name), -1);
    EXPECT_EQ(errno, EINPROGRESS);
}

}  // namespace
}  // namespace mtcp::conformance
