// SPDX-License-Identifier: Apache-2.0
// Two ends of ours, in one process and in two: every frame arrives whole and in order, through full
// rings, sleep, death and return of the peer.
#include "io/memif/memif_device.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>

#include <algorithm>
#include <array>
#include <fstream>
#include <thread>
#include <tuple>

#include "base/log.h"
#include "io/memif/testing/ends.h"

namespace mtcp::io {
namespace {

using namespace memif::testing;

// Under the thread sanitizer, some thirty times slower, the ring of 256 wraps 39 times and its
// indices of 16 bits do not; else these wrap, too.
#if defined(__SANITIZE_THREAD__)
constexpr std::uint32_t kManyFrames = 10'000;
#else
constexpr std::uint32_t kManyFrames = 100'000;
#endif

MemifRole other(MemifRole role) {
    return role == MemifRole::master ? MemifRole::slave : MemifRole::master;
}

struct Pair {
    std::unique_ptr<MemifDevice> near;
    std::unique_ptr<MemifDevice> far;

    Queue& near_queue(std::size_t i = 0) { return near->queue(i); }
    Queue& far_queue(std::size_t i = 0) { return far->queue(i); }
};

Pair open_pair(MemifConfig config) {
    Pair pair;
    config.socket = fresh_socket();
    pair.near = open_or_fail(config);
    config.role = other(config.role);
    pair.far = open_or_fail(config);
    EXPECT_TRUE(eventually([&] { return pair.near->connected() && pair.far->connected(); }));
    // A slave's queue posts buffers when it is first used after the peer came.
    for (std::size_t i = 0; i < config.rings; ++i) {
        EXPECT_EQ(expect(pair.far_queue(i), 0, 0, 1) + expect(pair.near_queue(i), 0, 0, 1), 0u);
    }
    return pair;
}

std::string role_and_trust(
    const ::testing::TestParamInfo<std::tuple<MemifRole, MemifTrust>>& info) {
    const auto [role, trust] = info.param;
    return std::string(role == MemifRole::master ? "Master" : "Slave") +
           (trust == MemifTrust::untrusted ? "Untrusted" : "Ours");
}

// The parameter is the role of the near end, and the trust of both.
class MemifEnds : public ::testing::TestWithParam<std::tuple<MemifRole, MemifTrust>> {
  protected:
    static MemifConfig config() {
        return {.role = std::get<0>(GetParam()), .trust = std::get<1>(GetParam())};
    }
};
INSTANTIATE_TEST_SUITE_P(All, MemifEnds,
                         ::testing::Combine(::testing::Values(MemifRole::master, MemifRole::slave),
                                            ::testing::Values(MemifTrust::untrusted,
                                                              MemifTrust::both_ends_ours)),
                         role_and_trust);

std::int64_t cpu_us() {
    rusage use{};
    ::getrusage(RUSAGE_SELF, &use);
    const auto us = [](const timeval& t) { return std::int64_t{t.tv_sec} * 1'000'000 + t.tv_usec; };
    return us(use.ru_utime) + us(use.ru_stime);
}

// Sends back whatever comes, on every ring, until it is killed.
void echo_for_ever(const MemifConfig& config) {
    auto device = MemifDevice::open(config);
    if (!device.ok()) return;
    std::vector<Queue*> queues;
    for (std::size_t i = 0; i < config.rings; ++i)
        queues.push_back(&(*device)->queue(i));
    for (;;) {
        std::size_t moved = 0;
        for (Queue* queue : queues) {
            Frame in[kBurst];
            Frame out[kBurst];
            const std::size_t room = queue->allocate(out);
            const std::size_t got = queue->receive({in, room}, clock_now());
            for (std::size_t i = 0; i < got; ++i) {
                std::memcpy(out[i].data, in[i].data, in[i].length);
                out[i].length = in[i].length;
            }
            queue->release({in, got});
            for (std::size_t sent = 0; sent < got;) {
                sent += queue->transmit({out + sent, got - sent}, clock_now());
            }
            queue->release({out + got, room - got});
            moved += got;
        }
        if (moved == 0) wait_until(queues, {}, clock_now(), clock_now() + seconds(1));
    }
}

// A process that ends with the test, however that ends.
pid_t fork_child(const std::function<void()>& body) {
    const pid_t child = ::fork();
    if (child != 0) return child;
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    body();
    ::_exit(1);
}

pid_t start_echo(const MemifConfig& config) {
    return fork_child([&] { echo_for_ever(config); });
}

void kill_child(pid_t child) {
    ::kill(child, SIGKILL);
    ::waitpid(child, nullptr, 0);
}

// Moves `count` frames through the echo on every ring and back, at most `window` in flight.
void round_trip(MemifDevice& device, std::uint32_t first, std::uint32_t count,
                std::uint32_t window) {
    struct Progress {
        std::uint32_t sent = 0;
        std::uint32_t seen = 0;
    };
    std::vector<Progress> progress(device.queue_count());
    std::vector<Queue*> queues;
    for (std::size_t i = 0; i < progress.size(); ++i)
        queues.push_back(&device.queue(i));
    const Instant end = clock_now() + seconds(20);
    const auto finished = [&](const Progress& p) { return p.seen == count; };
    while (!std::all_of(progress.begin(), progress.end(), finished)) {
        ASSERT_LT(clock_now(), end) << progress[0].sent << " sent, " << progress[0].seen << " seen";
        std::size_t moved = 0;
        for (std::size_t i = 0; i < progress.size(); ++i) {
            Progress& p = progress[i];
            const std::size_t got = expect(*queues[i], i, first + p.seen, count - p.seen);
            p.seen += static_cast<std::uint32_t>(got);
            const std::uint32_t room = std::min(count - p.sent, window - (p.sent - p.seen));
            const std::size_t sent = send(*queues[i], i, first + p.sent, room);
            p.sent += static_cast<std::uint32_t>(sent);
            moved += got + sent;
            if (::testing::Test::HasFailure()) return;
        }
        if (moved == 0) wait_until(queues, {}, clock_now(), clock_now() + seconds(1));
    }
}

TEST_P(MemifEnds, ManyFramesCrossBetweenProcessesUnaltered) {
    MemifConfig mine = config();
    mine.socket = fresh_socket();
    mine.log2_ring_size = 8;
    MemifConfig theirs = mine;
    theirs.role = other(mine.role);
    const pid_t child = start_echo(theirs);
    const auto device = open_or_fail(mine);
    ASSERT_TRUE(eventually([&] { return device->connected(); }));
    round_trip(*device, 0, kManyFrames, 200);
    kill_child(child);
}

TEST_P(MemifEnds, RingsAreIndependent) {
    MemifConfig mine = config();
    mine.socket = fresh_socket();
    mine.rings = 4;
    MemifConfig theirs = mine;
    theirs.role = other(mine.role);
    const pid_t child = start_echo(theirs);
    const auto device = open_or_fail(mine);
    ASSERT_EQ(device->queue_count(), 4u);
    ASSERT_TRUE(eventually([&] { return device->connected(); }));
    round_trip(*device, 0, 3'000, 300);
    kill_child(child);
}

TEST_P(MemifEnds, FullRingLeavesTheRestWithTheSender) {
    MemifConfig mine = config();
    mine.log2_ring_size = 4;
    Pair pair = open_pair(mine);
    std::uint32_t sent = 0;
    while (const std::size_t taken = send(pair.near_queue(), 1, sent, 64)) {
        sent += static_cast<std::uint32_t>(taken);
        ASSERT_LE(sent, 64u);
    }
    EXPECT_EQ(sent, 16u);
    EXPECT_EQ(expect_all(pair.far_queue(), 1, 0, 16), 16u);
    EXPECT_EQ(send(pair.near_queue(), 1, 16, 5), 5u);
    EXPECT_EQ(expect_all(pair.far_queue(), 1, 16, 5), 5u);
}

TEST_P(MemifEnds, FramesMayBeReleasedInAnyOrder) {
    MemifConfig mine = config();
    mine.log2_ring_size = 5;
    Pair pair = open_pair(mine);
    Random random(7);
    std::vector<std::pair<Frame, std::uint32_t>> held;
    std::uint32_t sent = 0;
    std::uint32_t seen = 0;
    while (seen < 20'000) {
        sent += static_cast<std::uint32_t>(send(pair.near_queue(), 2, sent, 1 + random.below(16)));
        Frame frames[8];
        const std::size_t got = pair.far_queue().receive(frames, clock_now());
        for (std::size_t i = 0; i < got; ++i)
            held.emplace_back(frames[i], seen++);
        while (held.size() > random.below(24)) {
            const std::size_t pick = random.below(static_cast<std::uint32_t>(held.size()));
            // Still what it was, however long it was held.
            ASSERT_TRUE(matches(held[pick].first, 2, held[pick].second)) << held[pick].second;
            pair.far_queue().release({&held[pick].first, 1});
            held.erase(held.begin() + static_cast<std::ptrdiff_t>(pick));
        }
    }
}

TEST_P(MemifEnds, AllocatedFramesMayBeReleasedUnsentAndHeadersPutInFront) {
    Pair pair = open_pair(config());
    for (int round = 0; round < 5'000; ++round) {
        Frame frames[8];
        ASSERT_EQ(pair.near_queue().allocate(frames), 8u);
        pair.near_queue().release(frames);
    }
    Frame frame;
    ASSERT_EQ(pair.near_queue().allocate({&frame, 1}), 1u);
    EXPECT_EQ(frame.length, 0u);
    frame.data -= kFrameHeadroom;
    frame.length = length_of(3);
    fill(frame.data, frame.length, 3, 3);
    ASSERT_EQ(pair.near_queue().transmit({&frame, 1}, clock_now()), 1u);
    EXPECT_EQ(expect_all(pair.far_queue(), 3, 3, 1), 1u);
}

TEST_P(MemifEnds, JumboFramesCross) {
    MemifConfig mine = config();
    mine.mtu = 9000;
    mine.buffer_size = 9216;
    mine.log2_ring_size = 6;
    Pair pair = open_pair(mine);
    EXPECT_EQ(pair.near_queue().capabilities().frame_size, 9014u);
    for (std::uint32_t n = 0; n < 500; ++n) {
        ASSERT_EQ(send(pair.near_queue(), 4, n, 1, 9014), 1u);
        ASSERT_EQ(expect(pair.far_queue(), 4, n, 1, 9014), 1u);
    }
}

TEST_P(MemifEnds, SleeperIsWokenByAFrameOfAnotherProcess) {
    MemifConfig mine = config();
    mine.socket = fresh_socket();
    MemifConfig theirs = mine;
    theirs.role = other(mine.role);
    const pid_t child = start_echo(theirs);
    const auto device = open_or_fail(mine);
    ASSERT_TRUE(eventually([&] { return device->connected(); }));
    Queue& queue = device->queue(0);
    Queue* queues[] = {&queue};
    expect(queue, 0, 0, 1);  // adopts the session
    wait_until(queues, {}, clock_now(), clock_now() + milliseconds(20));
    for (std::uint32_t n = 0; n < 200; ++n) {
        ASSERT_TRUE(eventually([&] { return send(queue, 0, n, 1) == 1; }));
        std::size_t got = 0;
        while (got == 0) {
            // Both ends sleep: a lost wake-up on either side shows as a deadline.
            ASSERT_EQ(wait_until(queues, {}, clock_now(), clock_now() + milliseconds(900)),
                      Woken::by_work);
            got = expect(queue, 0, n, 1);
        }
    }
    kill_child(child);
}

TEST_P(MemifEnds, IdleEndUsesNoTime) {
    Pair pair = open_pair(config());
    Queue* queues[] = {&pair.near_queue()};
    expect(pair.near_queue(), 0, 0, 1);
    wait_until(queues, {}, clock_now(), clock_now() + milliseconds(20));
    rusage before{};
    rusage after{};
    ::getrusage(RUSAGE_SELF, &before);
    EXPECT_EQ(wait_until(queues, {}, clock_now(), clock_now() + milliseconds(300)),
              Woken::by_deadline);
    ::getrusage(RUSAGE_SELF, &after);
    EXPECT_LT(after.ru_nvcsw - before.ru_nvcsw, 20) << "something wakes up though nothing happens";
}

TEST_P(MemifEnds, SleeperWithRefusedFramesLooksForRoom) {
    MemifConfig mine = config();
    mine.log2_ring_size = 2;
    Pair pair = open_pair(mine);
    Queue* queues[] = {&pair.near_queue()};
    wait_until(queues, {}, clock_now(), clock_now() + milliseconds(20));  // the news of the peer
    ASSERT_EQ(send(pair.near_queue(), 1, 0, 8), 4u);
    const Instant before = clock_now();
    EXPECT_EQ(wait_until(queues, {}, before, before + seconds(5)), Woken::by_deadline);
    EXPECT_LT(clock_now() - before, seconds(1));
}

TEST_P(MemifEnds, PeerMayBeKilledAndReturnAtAnyTime) {
    MemifConfig mine = config();
    mine.socket = fresh_socket();
    MemifConfig theirs = mine;
    theirs.role = other(mine.role);
    // Three lives, forked before this process has threads; each begins when it is told to.
    std::array<pid_t, 3> children{};
    for (pid_t& child : children) {
        child = fork_child([&] {
            ::raise(SIGSTOP);
            echo_for_ever(theirs);
        });
        int status = 0;
        ASSERT_EQ(::waitpid(child, &status, WUNTRACED), child);
        ASSERT_TRUE(WIFSTOPPED(status));
    }
    const auto device = open_or_fail(mine);
    Queue& queue = device->queue(0);
    Counters counters;
    queue.set_counters(&counters);
    EXPECT_EQ(send(queue, 0, 0, 5), 5u) << "as on a wire that is not plugged in";
    EXPECT_EQ(counters.drops(Drop::io_transmit_full), 5u);
    Frame early;
    ASSERT_EQ(queue.allocate({&early, 1}), 1u);

    std::vector<Frame> held(8);
    for (std::uint32_t life = 0; life < 3; ++life) {
        const pid_t child = children[life];
        ::kill(child, SIGCONT);
        Queue* queues[] = {&queue};
        ASSERT_TRUE(eventually([&] {
            wait_until(queues, {}, clock_now(), clock_now() + milliseconds(100));
            return device->connected();
        }));
        if (life == 0) {
            early.length = length_of(0);
            fill(early.data, early.length, 0, 0);
            // Allocated before the peer came.
            ASSERT_TRUE(eventually([&] { return queue.transmit({&early, 1}, clock_now()) == 1; }));
            EXPECT_EQ(expect_all(queue, 0, 0, 1), 1u);
        }
        round_trip(*device, life * 1000, 1000, 100);
        ASSERT_EQ(send(queue, 0, 5000, 8), 8u);
        std::size_t got = 0;
        ASSERT_TRUE(eventually([&] {
            return (got += queue.receive(std::span(held).subspan(got), clock_now())) == 8;
        }));
        Frame pending;
        ASSERT_EQ(queue.allocate({&pending, 1}), 1u);
        kill_child(child);
        ASSERT_TRUE(eventually([&] { return !device->connected(); }));
        EXPECT_EQ(queue.receive({&early, 1}, clock_now()), 0u);
        for (std::uint32_t i = 0; i < 8; ++i) {
            EXPECT_TRUE(matches(held[i], 0, 5000 + i)) << "a frame on loan outlives the peer";
        }
        queue.release(held);
        pending.length = 60;
        EXPECT_EQ(queue.transmit({&pending, 1}, clock_now()), 1u);
        EXPECT_EQ(counters.drops(Drop::io_transmit_full), 6u + life);
    }
}

TEST_P(MemifEnds, SleeperIsWokenWhenThePeerComes) {
    MemifConfig mine = config();
    mine.socket = fresh_socket();
    MemifConfig theirs = mine;
    theirs.role = other(mine.role);
    const auto device = open_or_fail(mine);
    Queue* queues[] = {&device->queue(0)};
    EXPECT_EQ(wait_until(queues, {}, clock_now(), clock_now() + milliseconds(30)),
              Woken::by_deadline);
    std::unique_ptr<MemifDevice> late;
    std::thread opener([&] {
        ::usleep(20'000);
        late = open_or_fail(theirs);
    });
    EXPECT_EQ(wait_until(queues, {}, clock_now(), clock_now() + seconds(5)), Woken::by_work);
    opener.join();
    EXPECT_TRUE(eventually([&] { return late->connected(); }));
}

TEST(MemifDevice, TrustNeedsBothEnds) {
    for (const auto& [near, far] :
         {std::pair{MemifTrust::untrusted, MemifTrust::untrusted},
          std::pair{MemifTrust::both_ends_ours, MemifTrust::untrusted},
          std::pair{MemifTrust::untrusted, MemifTrust::both_ends_ours},
          std::pair{MemifTrust::both_ends_ours, MemifTrust::both_ends_ours}}) {
        MemifConfig config{.socket = fresh_socket(), .role = MemifRole::master, .trust = near};
        const auto master = open_or_fail(config);
        config.role = MemifRole::slave;
        config.trust = far;
        const auto slave = open_or_fail(config);
        ASSERT_TRUE(eventually([&] { return master->connected() && slave->connected(); }));
        const bool both = near == far && near == MemifTrust::both_ends_ours;
        for (const auto& [sender, receiver] :
             {std::pair{master.get(), slave.get()}, std::pair{slave.get(), master.get()}}) {
            Queue& from = sender->queue(0);
            Queue& to = receiver->queue(0);
            Frame frame;
            from.receive({&frame, 1}, clock_now());
            ASSERT_EQ(to.receive({&frame, 1}, clock_now()), 0u);
            ASSERT_EQ(send(from, 0, 0, 1), 1u);
            ASSERT_TRUE(eventually([&] { return to.receive({&frame, 1}, clock_now()) == 1; }));
            EXPECT_EQ(frame.checksum, both ? Checksum::verified : Checksum::in_frame);
            EXPECT_EQ(to.capabilities().cannot_corrupt, both);
            to.release({&frame, 1});
        }
    }
}

TEST(MemifDevice, AHandshakeMayTakeAsManyMessagesAsThereAreRings) {
    Pair pair = open_pair({.role = MemifRole::slave, .rings = 64, .log2_ring_size = 2});
    EXPECT_EQ(send(pair.near_queue(63), 1, 0, 1), 1u);
    EXPECT_EQ(expect_all(pair.far_queue(63), 1, 0, 1), 1u);
}

TEST(MemifDevice, IpModeNeedsBothEnds) {
    MemifConfig config{.socket = fresh_socket(), .role = MemifRole::master, .layer = Layer::ip};
    const auto master = open_or_fail(config);
    EXPECT_EQ(master->mac(), MacAddress{});
    EXPECT_EQ(master->queue(0).capabilities().frame_size, 1500u);
    config.role = MemifRole::slave;
    {
        MemifConfig ethernet = config;
        ethernet.layer = Layer::ethernet;
        const auto wrong = open_or_fail(ethernet);
        EXPECT_FALSE(eventually([&] { return wrong->connected(); }, milliseconds(150)));
    }
    const auto slave = open_or_fail(config);
    EXPECT_TRUE(eventually([&] { return slave->connected(); }));
}

TEST(MemifDevice, WrongSecretOrIdIsTurnedAway) {
    MemifConfig config{
        .socket = fresh_socket(), .id = 7, .role = MemifRole::master, .secret = "open sesame"};
    const auto master = open_or_fail(config);
    config.role = MemifRole::slave;
    for (const MemifConfig& wrong :
         {MemifConfig{.socket = config.socket, .id = 7, .secret = "open sesam"},
          MemifConfig{.socket = config.socket, .id = 7},
          MemifConfig{.socket = config.socket, .id = 8, .secret = config.secret}}) {
        const auto slave = open_or_fail(wrong);
        EXPECT_FALSE(eventually([&] { return slave->connected(); }, milliseconds(150)));
    }
    const auto slave = open_or_fail(config);
    EXPECT_TRUE(eventually([&] { return slave->connected(); }));
    EXPECT_NE(slave->description().find("connected to 'mtcp'"), std::string::npos);
}

TEST(MemifDevice, WhyAPeerIsTurnedAwayIsToldOnce) {
    static std::atomic<int> lines{0};
    set_log_sink([](LogLevel, const char*, void*) { ++lines; }, nullptr);
    const MemifConfig config{.socket = fresh_socket(), .role = MemifRole::master, .secret = "a"};
    const auto master = open_or_fail(config);
    const auto slave = open_or_fail({.socket = config.socket, .secret = "b"});
    ASSERT_TRUE(eventually([&] { return lines > 0; }));
    ::usleep(500'000);
    EXPECT_LE(lines, 2) << "one for each end";
    set_log_sink(nullptr, nullptr);
}

TEST(MemifDevice, SecondPeerIsTurnedAwayUntilTheFirstGoes) {
    MemifConfig config{.socket = fresh_socket(), .role = MemifRole::master};
    const auto master = open_or_fail(config);
    config.role = MemifRole::slave;
    auto first = open_or_fail(config);
    ASSERT_TRUE(eventually([&] { return first->connected(); }));
    const auto second = open_or_fail(config);
    EXPECT_FALSE(eventually([&] { return second->connected(); }, milliseconds(150)));
    first.reset();
    EXPECT_TRUE(eventually([&] { return second->connected() && master->connected(); }));
    EXPECT_TRUE(eventually([&] { return send(second->queue(0), 5, 0, 1) == 1; }));
    EXPECT_EQ(expect_all(master->queue(0), 5, 0, 1), 1u);
}

// A socket file is there from bind() on, but only listen() makes it one that somebody holds.
bool somebody_listens(const std::string& path) {
    const int asking = ::socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
    sockaddr_un there{};
    there.sun_family = AF_UNIX;
    path.copy(there.sun_path, sizeof there.sun_path - 1);
    const int status = ::connect(asking, reinterpret_cast<const sockaddr*>(&there), sizeof there);
    ::close(asking);
    return status == 0;
}

TEST(MemifDevice, PeerThatFindsNoDescriptorLeftCostsNothingAndIsServedLater) {
    MemifConfig config{.socket = fresh_socket(), .role = MemifRole::slave};
    const pid_t slave = fork_child([&] {  // before this process has threads
        ::raise(SIGSTOP);
        echo_for_ever(config);
    });
    ::waitpid(slave, nullptr, WUNTRACED);
    config.role = MemifRole::master;
    const auto master = open_or_fail(config);
    rlimit limit{};
    ::getrlimit(RLIMIT_NOFILE, &limit);
    const rlimit few{.rlim_cur = 3, .rlim_max = limit.rlim_max};  // poll() wants one a file
    ::setrlimit(RLIMIT_NOFILE, &few);
    const std::int64_t before = cpu_us();
    ::kill(slave, SIGCONT);
    ::usleep(300'000);
    EXPECT_LT(cpu_us() - before, 50'000);
    EXPECT_FALSE(master->connected());
    ::setrlimit(RLIMIT_NOFILE, &limit);
    EXPECT_TRUE(eventually([&] { return master->connected(); }));
    kill_child(slave);
}

TEST(MemifDevice, StaleSocketFileIsReplacedAndAHeldOneIsNot) {
    const std::string path = "/tmp/mtcp_memif_test_" + std::to_string(::getpid()) + ".sock";
    const pid_t child = fork_child([&] {
        auto device = MemifDevice::open({.socket = path, .role = MemifRole::master});
        while (device.ok())
            ::pause();
    });
    struct stat status {};
    ASSERT_TRUE(eventually([&] { return somebody_listens(path); }));
    auto held = MemifDevice::open({.socket = path, .role = MemifRole::master});
    ASSERT_FALSE(held.ok());
    EXPECT_EQ(held.error().error, EADDRINUSE);
    EXPECT_FALSE(held.error().mend.empty());
    kill_child(child);
    ASSERT_EQ(::stat(path.c_str(), &status), 0) << "a killed process leaves its socket file";
    EXPECT_NE(open_or_fail({.socket = path, .role = MemifRole::master}), nullptr);
    EXPECT_NE(::stat(path.c_str(), &status), 0) << "a closed device removes it";

    std::ofstream(path) << "not a socket";
    auto blocked = MemifDevice::open({.socket = path, .role = MemifRole::master});
    EXPECT_FALSE(blocked.ok());
    EXPECT_EQ(::stat(path.c_str(), &status), 0) << "a foreign file is not removed";
    ::unlink(path.c_str());
}

TEST(MemifDevice, BadSettingsNameTheMend) {
    for (const MemifConfig& config :
         {MemifConfig{.socket = ""}, MemifConfig{.socket = "@"},
          MemifConfig{.socket = std::string(200, 'x')}, MemifConfig{.rings = 0},
          MemifConfig{.rings = 1000}, MemifConfig{.log2_ring_size = 0},
          MemifConfig{.log2_ring_size = 15}, MemifConfig{.buffer_size = 1000},
          MemifConfig{.mtu = 20}, MemifConfig{.mtu = UINT32_MAX - 1},
          MemifConfig{.secret = std::string(25, 's')},
          MemifConfig{.rings = 64, .log2_ring_size = 14, .buffer_size = 9216},
          MemifConfig{.socket = "/nonexistent/x.sock", .role = MemifRole::master}}) {
        const auto device = MemifDevice::open(config);
        ASSERT_FALSE(device.ok());
        EXPECT_FALSE(device.error().mend.empty()) << device.error().text();
        EXPECT_NE(device.error().error, 0);
    }
}

TEST(MemifDevice, ClosingLeavesNoDescriptorOpen) {
    const auto count_open = [] {
        int open = 0;
        for (int fd = 0; fd < 256; ++fd)
            open += ::fcntl(fd, F_GETFD) >= 0 ? 1 : 0;
        return open;
    };
    const int before = count_open();
    for (int i = 0; i < 3; ++i) {
        Pair pair = open_pair({.role = MemifRole::slave, .rings = 3});
        EXPECT_EQ(send(pair.near_queue(2), 1, 0, 1), 1u);
        EXPECT_EQ(expect_all(pair.far_queue(2), 1, 0, 1), 1u);
    }
    EXPECT_EQ(count_open(), before);
}

}  // namespace
}  // namespace mtcp::io
