// SPDX-License-Identifier: Apache-2.0
// Namespaces by unshare, the pair by ip(8).
#include "io/af_xdp/testing/veth_world.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <gtest/gtest.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <poll.h>
#include <sched.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "base/assert.h"
#include "io/af_xdp/interface_facts.h"

namespace mtcp::io::xdp_testing {
namespace {

constexpr unsigned kChildSecondsMost = 30;

// <linux/virtio_net.h> is not C++.
struct VirtioNetHeader {
    std::uint8_t flags = 1;     // NEEDS_CSUM
    std::uint8_t gso_type = 1;  // TCPV4
    std::uint16_t header_length = 0;
    std::uint16_t gso_size = 0;
    std::uint16_t checksum_start = 0;
    std::uint16_t checksum_offset = 0;
};

int this_namespace() { return ::open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC); }

// A process that does nothing in the namespace it was started in, and ends with its parent.
int start_keeper() {
    const int pid = ::fork();
    if (pid != 0) return pid;
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    for (;;)
        ::pause();
}

int status_of(const std::string& command, int namespace_descriptor) {
    const int pid = ::fork();
    if (pid == 0) {
        if (namespace_descriptor >= 0) ::setns(namespace_descriptor, CLONE_NEWNET);
        ::execl("/bin/sh", "sh", "-c", command.c_str(), static_cast<char*>(nullptr));
        ::_exit(127);
    }
    int status = 0;
    ::waitpid(pid, &status, 0);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

int bound_packet_socket() {
    const int descriptor = ::socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, htons(ETH_P_ALL));
    sockaddr_ll address{};
    address.sll_family = AF_PACKET;
    address.sll_protocol = htons(ETH_P_ALL);
    address.sll_ifindex = static_cast<int>(::if_nametoindex(VethWorld::kThere));
    MTCP_ASSERT(::bind(descriptor, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0);
    const int bytes = 8 << 20;
    ::setsockopt(descriptor, SOL_SOCKET, SO_RCVBUFFORCE, &bytes, sizeof bytes);
    ::setsockopt(descriptor, SOL_SOCKET, SO_SNDBUFFORCE, &bytes, sizeof bytes);
    return descriptor;
}

}  // namespace

std::string why_no_veth_world() {
    if (::geteuid() != 0) return "needs root";
    const int xdp = ::socket(AF_XDP, SOCK_RAW | SOCK_CLOEXEC, 0);
    if (xdp < 0) return std::string("no AF_XDP sockets: ") + std::strerror(errno);
    ::close(xdp);
    if (status_of("command -v ip >/dev/null", -1) != 0) return "needs ip (iproute2)";
    if (status_of("unshare --net ip link add name a type veth peer name b 2>/dev/null", -1) != 0) {
        return "cannot make a veth pair in a network namespace";
    }
    return {};
}

void in_child(const std::function<void()>& body) {
    std::fflush(nullptr);
    const int pid = ::fork();
    ASSERT_GE(pid, 0);
    if (pid == 0) {
        ::prctl(PR_SET_PDEATHSIG, SIGKILL);
        ::alarm(kChildSecondsMost);
        body();
        std::fflush(nullptr);
        ::_exit(::testing::Test::HasFailure() ? 1 : 0);
    }
    int status = 0;
    ASSERT_EQ(::waitpid(pid, &status, 0), pid);
    EXPECT_TRUE(WIFEXITED(status)) << "child ended by signal " << WTERMSIG(status);
    if (WIFEXITED(status)) {
        EXPECT_EQ(WEXITSTATUS(status), 0) << "failures are above";
    }
}

VethWorld::VethWorld(const VethOptions& options) {
    MTCP_ASSERT(::unshare(CLONE_NEWNET) == 0);
    namespace_there_ = this_namespace();
    keeper_ = start_keeper();
    MTCP_ASSERT(::unshare(CLONE_NEWNET) == 0);
    namespace_here_ = this_namespace();

    const std::string queues = std::to_string(options.queues);
    const std::string several = " numrxqueues " + queues + " numtxqueues " + queues;
    const std::string mtu = " mtu " + std::to_string(options.mtu);
    MTCP_ASSERT(run_here(std::string("ip link add name here0") + mtu + several +
                         " type veth peer name there0" + mtu + several + " && " +
                         "ip link set there0 netns " + std::to_string(keeper_) + " && " +
                         "ip link set here0 addrgenmode none && ip link set lo up && " +
                         "ip addr add 10.9.0.1/24 dev here0 && ip link set here0 up") == 0);
    MTCP_ASSERT(run_there("ip link set there0 addrgenmode none && ip link set lo up && "
                          "ip addr add 10.9.0.2/24 dev there0 && ip link set there0 up") == 0);
    mac_here_ = read_interface(kHere)->mac;
    ::setns(namespace_there_, CLONE_NEWNET);
    mac_there_ = read_interface(kThere)->mac;
    ::setns(namespace_here_, CLONE_NEWNET);
}

VethWorld::~VethWorld() {
    ::kill(keeper_, SIGKILL);
    ::waitpid(keeper_, nullptr, 0);
    ::close(namespace_here_);
    ::close(namespace_there_);
}

int VethWorld::run_here(const std::string& command) { return status_of(command, -1); }

int VethWorld::run_there(const std::string& command) const {
    return status_of(command, namespace_there_);
}

PeerSocket::PeerSocket(const VethWorld& world) {
    ::setns(world.namespace_there_, CLONE_NEWNET);
    plain_ = bound_packet_socket();
    with_header_ = bound_packet_socket();
    const int on = 1;
    ::setsockopt(with_header_, SOL_PACKET, PACKET_VNET_HDR, &on, sizeof on);
    ::setns(world.namespace_here_, CLONE_NEWNET);
}

PeerSocket::~PeerSocket() {
    ::close(plain_);
    ::close(with_header_);
}

bool PeerSocket::send(const Bytes& frame) const {
    return ::send(plain_, frame.data(), frame.size(), 0) == static_cast<ssize_t>(frame.size());
}

bool PeerSocket::send_to_be_cut(const Bytes& frame, std::uint16_t segment_size) const {
    VirtioNetHeader header;
    header.header_length = 54;
    header.gso_size = segment_size;
    header.checksum_start = 34;
    header.checksum_offset = 16;
    Bytes copy = frame;
    iovec parts[] = {{&header, sizeof header}, {copy.data(), copy.size()}};
    return ::writev(with_header_, static_cast<const iovec*>(parts), 2) > 0;
}

Bytes PeerSocket::receive(std::uint16_t ether_type) const {
    Bytes frame(70'000);
    pollfd polled{plain_, POLLIN, 0};
    while (::poll(&polled, 1, 1000) > 0) {
        sockaddr_ll from{};
        socklen_t length = sizeof from;
        const ssize_t size = ::recvfrom(plain_, frame.data(), frame.size(), 0,
                                        reinterpret_cast<sockaddr*>(&from), &length);
        if (size < ETH_HLEN || from.sll_pkttype == PACKET_OUTGOING) continue;
        if (from.sll_protocol != htons(ether_type)) continue;
        frame.resize(static_cast<std::size_t>(size));
        return frame;
    }
    return {};
}

}  // namespace mtcp::io::xdp_testing
