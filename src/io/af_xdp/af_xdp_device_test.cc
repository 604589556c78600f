// SPDX-License-Identifier: Apache-2.0
// Opening, holding and letting go of an interface, on a real kernel: veth pairs in network
// namespaces of their own. Every test runs in a child process and is skipped, with the reason,
// where that cannot be.
#include "io/af_xdp/af_xdp_device.h"

#include <gtest/gtest.h>
#include <linux/capability.h>
#include <net/if.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstring>
#include <string>
#include <thread>

#include "base/log.h"
#include "io/af_xdp/program_holder.h"
#include "io/af_xdp/testing/af_xdp_fixture.h"
#include "io/wait.h"

namespace mtcp::io {
namespace {

using namespace xdp_testing;  // NOLINT(google-build-using-namespace)

using AfXdpDeviceTest = AfXdpTest;

std::uint32_t attached_program() {
    return find_program_holder(static_cast<int>(::if_nametoindex(VethWorld::kHere))).program;
}

bool detaches_within_a_second() {
    for (int i = 0; i < 100 && attached_program() != 0; ++i) {
        std::this_thread::sleep_for(std::chrono::milliseconds(10));
    }
    return attached_program() == 0;
}

// A process that holds the device until it is killed. `then` runs in it once the device is open.
int start_holder(const std::function<void()>& then) {
    int pipe_ends[2] = {};
    EXPECT_EQ(::pipe(static_cast<int*>(pipe_ends)), 0);
    const int pid = ::fork();
    if (pid == 0) {
        [[maybe_unused]] const auto device = must_open(config_for(XdpMode::automatic));
        then();
        static_cast<void>(!::write(pipe_ends[1], "x", 1));
        for (;;)
            ::pause();
    }
    char byte = 0;
    EXPECT_EQ(::read(pipe_ends[0], &byte, 1), 1);
    ::close(pipe_ends[0]);
    ::close(pipe_ends[1]);
    return pid;
}

void kill_hard(int pid) {
    ::kill(pid, SIGKILL);
    ::waitpid(pid, nullptr, 0);
}

TEST_F(AfXdpDeviceTest, MoreQueuesThanTheInterfaceHasIsAProblemWithAMend) {
    in_child([] {
        const VethWorld world;
        AfXdpConfig config = config_for(XdpMode::automatic);
        config.queues = 3;
        const Problem problem = must_fail(config);
        EXPECT_EQ(problem.error, EINVAL);
        EXPECT_NE(problem.mend.find("ethtool -L here0"), std::string::npos) << problem.text();
    });
}

TEST_F(AfXdpDeviceTest, AQueueThatGoesOneWayOnlyIsNotOpened) {
    in_child([] {
        const VethWorld world({.queues = 4});
        AfXdpConfig config = config_for(XdpMode::automatic);
        ASSERT_EQ(VethWorld::run_here("ethtool -L here0 rx 4 tx 1"), 0);
        config.queues = 4;
        const Problem no_transmit = must_fail(config);
        EXPECT_EQ(no_transmit.error, EINVAL);
        EXPECT_NE(no_transmit.why.find("1 to transmit"), std::string::npos) << no_transmit.text();
        EXPECT_NE(no_transmit.mend.find("`ethtool -L here0 rx 4 tx 4`"), std::string::npos)
            << no_transmit.text();
        config.queues = 0;  // all
        EXPECT_EQ(must_open(config)->queue_count(), 1U);

        ASSERT_EQ(world.run_there("ethtool -L there0 tx 1"), 0);
        ASSERT_EQ(VethWorld::run_here("ethtool -L here0 rx 2 tx 3"), 0);
        config.queues = 3;
        const Problem no_receive = must_fail(config);
        EXPECT_EQ(no_receive.error, EINVAL);
        EXPECT_NE(no_receive.why.find("2 to receive"), std::string::npos) << no_receive.text();
        config.queues = 0;
        EXPECT_EQ(must_open(config)->queue_count(), 2U);
    });
}

TEST_F(AfXdpDeviceTest, ASecondOpenIsToldWhoHoldsTheInterface) {
    in_child([] {
        const VethWorld world;
        const int holder = start_holder([] {});
        for (const XdpMode mode : {XdpMode::automatic, XdpMode::native, XdpMode::generic}) {
            const Problem problem = must_fail(config_for(mode));
            EXPECT_EQ(problem.error, EBUSY);
            EXPECT_NE(problem.why.find("process " + std::to_string(holder)), std::string::npos)
                << problem.text();
        }
        kill_hard(holder);
        EXPECT_TRUE(detaches_within_a_second());
        const auto device = must_open(config_for(XdpMode::automatic));
        const Problem problem = must_fail(config_for(XdpMode::automatic));
        EXPECT_NE(problem.why.find("this process"), std::string::npos) << problem.text();
    });
}

TEST_F(AfXdpDeviceTest, AQueueBoundByAnotherSocketIsAProblemWithAMend) {
    in_child([] {
        const VethWorld world;
        constexpr std::size_t kBytes = std::size_t{64} * 2048;
        const Region area = Region::map(kBytes, Pages::normal);
        auto other = XskSocket::open({area.data(), kBytes, 2048}, {64, 64, 64, 64});
        ASSERT_TRUE(other.ok());
        const int index = static_cast<int>(::if_nametoindex(VethWorld::kHere));
        ASSERT_TRUE(other->bind(index, 0, XDP_COPY).ok());
        const Problem problem = must_fail(config_for(XdpMode::automatic));
        EXPECT_EQ(problem.error, EBUSY);
        EXPECT_NE(problem.mend.find("ss --xdp -p"), std::string::npos) << problem.text();
    });
}

TEST_F(AfXdpDeviceTest, NothingIsLeftAttachedAfterClose) {
    in_child([] {
        const VethWorld world;
        for (const XdpMode mode : {XdpMode::native, XdpMode::generic, XdpMode::native}) {
            auto device = must_open(config_for(mode));
            EXPECT_NE(attached_program(), 0U);
            device.reset();
            EXPECT_TRUE(detaches_within_a_second());
        }
    });
}

TEST_F(AfXdpDeviceTest, NothingIsLeftAttachedAfterKillAlthoughAForkedChildLives) {
    in_child([] {
        const VethWorld world;
        int child_pipe[2] = {};
        ASSERT_EQ(::pipe(static_cast<int*>(child_pipe)), 0);
        const int holder = start_holder([&child_pipe] {
            const int child = ::fork();
            if (child == 0) {
                for (;;)
                    ::pause();
            }
            static_cast<void>(!::write(child_pipe[1], &child, sizeof child));
        });
        int child = 0;
        ASSERT_EQ(::read(child_pipe[0], &child, sizeof child), ssize_t{sizeof child});
        EXPECT_NE(attached_program(), 0U);
        kill_hard(holder);
        EXPECT_TRUE(detaches_within_a_second());
        EXPECT_EQ(::kill(child, 0), 0) << "the child should have been alive all the time";
        // The queue is free too.
        EXPECT_TRUE(AfXdpDevice::open(config_for(XdpMode::automatic)).ok());
        ::kill(child, SIGKILL);
    });
}

TEST_F(AfXdpDeviceTest, AForkLeavesTheParentsDeviceWorking) {
    in_child([] {
        const VethWorld world;
        const PeerSocket peer(world);
        auto device = must_open(config_for(XdpMode::automatic));
        const int child = ::fork();
        if (child == 0) {
            device.reset();
            ::_exit(0);
        }
        int status = -1;
        ::waitpid(child, &status, 0);
        EXPECT_EQ(status, 0);
        EXPECT_NE(attached_program(), 0U);
        ASSERT_TRUE(peer.send(ipv4(world, {})));
        EXPECT_EQ(receive_bytes(device->queue(0), 1).size(), 1U);
    });
}

TEST_F(AfXdpDeviceTest, AnMtuBeyondABufferIsLimitedWithoutSeveralBuffers) {
    in_child([] {
        const VethWorld world({.mtu = 9000});
        AfXdpConfig config = config_for(XdpMode::generic);
        config.multi_buffer = MultiBuffer::off;
        const auto device = must_open(config);
        EXPECT_EQ(device->queue(0).capabilities().mtu, 4096U - 256 - 18);
    });
}

TEST_F(AfXdpDeviceTest, AnInterfaceThatGoesDownAndUpAgainLosesNoFrame) {
    in_child([] {
        const VethWorld world;
        const auto device = must_open(config_for(XdpMode::automatic));
        const PeerSocket peer(world);
        Queue& queue = device->queue(0);
        ASSERT_EQ(VethWorld::run_here("ip link set here0 down"), 0);
        Frame frame;
        ASSERT_EQ(queue.allocate({&frame, 1}), 1U);
        const Bytes bytes = ethernet(world.mac_there(), world.mac_here(), kTypeIpv4);
        std::memset(frame.data, 0, 100);
        std::memcpy(frame.data, bytes.data(), bytes.size());
        frame.length = 100;
        EXPECT_EQ(queue.transmit({&frame, 1}, clock_now()), 1U);
        EXPECT_NE(queue.next_deadline(), kNever);
        EXPECT_EQ(queue.receive({&frame, 1}, clock_now()), 0U);
        ASSERT_EQ(VethWorld::run_here("ip link set here0 up"), 0);
        EXPECT_EQ(queue.receive({&frame, 1}, clock_now()), 0U);
        EXPECT_EQ(peer.receive(kTypeIpv4).size(), 100U);
        EXPECT_EQ(queue.next_deadline(), kNever);
        // The peer's kernel notices the carrier within a second, and until then its queueing
        // discipline swallows what it is given.
        std::size_t arrived = 0;
        for (int tries = 0; tries < 50 && arrived == 0; ++tries) {
            ASSERT_TRUE(peer.send(ipv4(world, {})));
            arrived = receive_bytes(queue, 1, milliseconds(100)).size();
        }
        EXPECT_EQ(arrived, 1U);
    });
}

TEST_F(AfXdpDeviceTest, AnInterfaceThatIsDeletedIsTold) {
    in_child([] {
        static std::string told;
        set_log_sink([](LogLevel, const char* text, void*) { told += text; }, nullptr);
        const VethWorld world;
        auto device = must_open(config_for(XdpMode::automatic));
        ASSERT_EQ(VethWorld::run_here("ip link del here0"), 0);
        std::array<Frame, 1> frame;
        EXPECT_EQ(device->queue(0).receive(frame, clock_now()), 0U);
        EXPECT_NE(told.find("the interface was deleted"), std::string::npos) << told;
    });
}

TEST_F(AfXdpDeviceTest, AnInterfaceThatIsDeletedNeitherHangsNorSpins) {
    in_child([] {
        const VethWorld world;
        auto device = must_open(config_for(XdpMode::automatic));
        Queue& queue = device->queue(0);
        ASSERT_EQ(VethWorld::run_here("ip link del here0"), 0);
        Frame frame;
        ASSERT_EQ(queue.allocate({&frame, 1}), 1U);
        frame.length = 100;
        EXPECT_LE(queue.transmit({&frame, 1}, clock_now()), 1U);
        EXPECT_EQ(queue.receive({&frame, 1}, clock_now()), 0U);
        Queue* const queues[] = {&queue};
        const Instant start = clock_now();
        EXPECT_EQ(wait_until(queues, {}, start, start + milliseconds(30)), Woken::by_deadline);
        EXPECT_GE(clock_now() - start, milliseconds(30));
    });
}

TEST_F(AfXdpDeviceTest, AMissingOrIdleInterfaceIsAProblemWithAMend) {
    in_child([] {
        const VethWorld world;
        AfXdpConfig config = config_for(XdpMode::automatic);
        config.interface = "nosuch0";
        EXPECT_EQ(must_fail(config).error, ENODEV);
        config.interface = "a-name-far-too-long-for-linux";
        EXPECT_EQ(must_fail(config).error, ENODEV);
        ASSERT_EQ(VethWorld::run_here("ip link set here0 down"), 0);
        const Problem down = must_fail(config_for(XdpMode::automatic));
        EXPECT_EQ(down.error, ENETDOWN);
        EXPECT_EQ(down.mend, "`ip link set dev here0 up`");
    });
}

TEST_F(AfXdpDeviceTest, ABadConfigurationIsAProblem) {
    AfXdpConfig config = config_for(XdpMode::automatic);
    config.interface = "lo";
    config.rings.fill = 100;
    EXPECT_EQ(must_fail(config).error, EINVAL);
    config.rings.fill = 128;
    config.frame_size = 3000;
    EXPECT_EQ(must_fail(config).error, EINVAL);
    config.frame_size = 0;
    config.frames_per_queue = 1;
    EXPECT_EQ(must_fail(config).error, EINVAL);
    config.frames_per_queue = 256;
    config.ipv4_prefixes[0].length = 33;
    EXPECT_EQ(must_fail(config).error, EINVAL);
}

TEST_F(AfXdpDeviceTest, AProcessWithoutPrivilegeIsToldWhichItLacks) {
    in_child([] {
        const VethWorld world;
        ASSERT_EQ(::seteuid(65534), 0);
        const Problem problem = must_fail(config_for(XdpMode::automatic));
        EXPECT_EQ(problem.error, EPERM);
        EXPECT_NE(problem.mend.find("CAP_NET_ADMIN"), std::string::npos) << problem.text();
    });
}

TEST_F(AfXdpDeviceTest, TheMemoryLockLimitIsNamed) {
    in_child([] {
        const VethWorld world;
        __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
        __user_cap_data_struct sets[2] = {};
        ASSERT_EQ(::syscall(SYS_capget, &header, sets), 0);
        sets[0].effective &= ~(1U << CAP_IPC_LOCK);
        sets[0].permitted &= ~(1U << CAP_IPC_LOCK);
        ASSERT_EQ(::syscall(SYS_capset, &header, sets), 0);
        const rlimit little{65'536, 65'536};
        ASSERT_EQ(::setrlimit(RLIMIT_MEMLOCK, &little), 0);
        const Problem problem = must_fail(config_for(XdpMode::automatic));
        EXPECT_EQ(problem.error, ENOBUFS);
        EXPECT_NE(problem.mend.find("`ulimit -l` allows 64 KiB"), std::string::npos)
            << problem.text();
        EXPECT_EQ(attached_program(), 0U);
    });
}

TEST_F(AfXdpDeviceTest, TheLimitOfOpenFilesIsNamed) {
    in_child([] {
        const VethWorld world;
        const int next = ::dup(0);
        ASSERT_GE(next, 0);
        ::close(next);
        const auto few = static_cast<rlim_t>(next) + 2;
        rlimit before{};
        ASSERT_EQ(::getrlimit(RLIMIT_NOFILE, &before), 0);
        const rlimit limit{few, before.rlim_max};
        ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &limit), 0);
        const Problem problem = must_fail(config_for(XdpMode::automatic));
        ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &before), 0);
        EXPECT_NE(problem.mend.find("ulimit -n"), std::string::npos) << problem.text();
    });
}

}  // namespace
}  // namespace mtcp::io
