// SPDX-License-Identifier: Apache-2.0
// Captures, read back block by block (and by tshark where it is installed).
#include "io/middleware/capture.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <iterator>
#include <thread>

#include "base/log.h"
#include "io/link/link.h"

namespace mtcp::io {
namespace {

struct Packet {
    std::uint32_t interface = 0;
    std::uint64_t stamp = 0;
    std::uint32_t kept = 0;
    std::uint32_t original = 0;
    std::uint32_t flags = 0;
    std::string bytes;
};
struct Interface {
    std::uint16_t link_type = 0;
    std::string name;
    int resolution = 6;
};
struct Capture {
    std::vector<Interface> interfaces;
    std::vector<Packet> packets;
    bool well_formed = true;
};

template <typename T>
T value_at(const std::string& file, std::size_t at) {
    T value{};
    std::memcpy(&value, file.data() + at, sizeof value);
    return value;
}

// Options of a block as (code, bytes), from `at` to `end`.
std::vector<std::pair<int, std::string>> options(const std::string& file, std::size_t at,
                                                 std::size_t end) {
    std::vector<std::pair<int, std::string>> found;
    while (at + 4 <= end) {
        const auto code = value_at<std::uint16_t>(file, at);
        const auto length = value_at<std::uint16_t>(file, at + 2);
        if (code == 0) break;
        found.emplace_back(code, file.substr(at + 4, length));
        at += 4 + (length + 3u) / 4 * 4;
    }
    return found;
}

Capture read_back(const std::string& path) {
    std::ifstream stream(path, std::ios::binary);
    const std::string file{std::istreambuf_iterator<char>(stream), {}};
    Capture capture;
    for (std::size_t at = 0; at < file.size();) {
        if (at + 12 > file.size()) return capture.well_formed = false, capture;
        const auto type = value_at<std::uint32_t>(file, at);
        const auto total = value_at<std::uint32_t>(file, at + 4);
        if (total % 4 != 0 || total < 12 || at + total > file.size() ||
            value_at<std::uint32_t>(file, at + total - 4) != total) {
            return capture.well_formed = false, capture;
        }
        if (type == 0x0a0d0d0a) {
            capture.well_formed &= at == 0 && value_at<std::uint32_t>(file, 8) == 0x1a2b3c4d;
        } else if (type == 1) {
            Interface interface { .link_type = value_at<std::uint16_t>(file, at + 8) };
            for (const auto& [code, bytes] : options(file, at + 16, at + total - 4)) {
                if (code == 2) interface.name = bytes;
                if (code == 9) interface.resolution = bytes[0];
            }
            capture.interfaces.push_back(interface);
        } else if (type == 6) {
            Packet packet{.interface = value_at<std::uint32_t>(file, at + 8),
                          .stamp = std::uint64_t{value_at<std::uint32_t>(file, at + 12)} << 32 |
                                   value_at<std::uint32_t>(file, at + 16),
                          .kept = value_at<std::uint32_t>(file, at + 20),
                          .original = value_at<std::uint32_t>(file, at + 24)};
            packet.bytes = file.substr(at + 28, packet.kept);
            const std::size_t after = at + 28 + (packet.kept + 3) / 4 * 4;
            for (const auto& [code, bytes] : options(file, after, at + total - 4)) {
                if (code == 2) std::memcpy(&packet.flags, bytes.data(), 4);
            }
            capture.packets.push_back(packet);
        }
        at += total;
    }
    return capture;
}

class CaptureOfALink : public ::testing::Test {
  protected:
    void SetUp() override {
        char pattern[] = "/tmp/mtcp_capture_test.XXXXXX";
        const int descriptor = ::mkstemp(pattern);
        ASSERT_GE(descriptor, 0);
        ::close(descriptor);
        config_.path = pattern;
        set_log_sink([](LogLevel, const char*, void*) {}, nullptr);
    }
    void TearDown() override {
        set_log_sink(nullptr, nullptr);
        ::unlink(config_.path.c_str());
    }
    void build(const LinkConfig& link_config) {
        link_ = std::move(make_link(link_config)).value();
        auto file = CaptureFile::create(config_);
        ASSERT_TRUE(file.ok()) << file.error().text();
        queue_ = std::make_unique<CaptureQueue>(link_.a->queue(0), *file, "wire0");
    }
    // Returns how many were taken; the bytes of frame i are all `first + i`.
    std::size_t send(Queue& queue, int first, std::size_t count, std::uint32_t length,
                     Instant now) {
        std::array<Frame, 64> frames;
        const std::size_t got = queue.allocate(std::span(frames).first(count));
        for (std::size_t i = 0; i < got; ++i) {
            std::memset(frames[i].data, first + static_cast<int>(i), length);
            frames[i].length = length;
        }
        const std::size_t sent = queue.transmit(std::span(frames).first(got), now);
        queue.release(std::span(frames).subspan(sent, got - sent));
        return sent;
    }
    void drain(Queue& queue, Instant now) {
        std::array<Frame, 64> frames;
        while (const std::size_t count = queue.receive(frames, now)) {
            queue.release(std::span(frames).first(count));
        }
    }
    CaptureConfig config_;
    LinkPair link_;
    std::unique_ptr<CaptureQueue> queue_;
};

TEST_F(CaptureOfALink, ReadsBackWithStampsDirectionsAndLengths) {
    config_.wall_clock_offset_ns = 1'700'000'000'000'000'000;
    build({});
    ASSERT_EQ(send(*queue_, 'a', 2, 61, Instant{5}), 2u);
    ASSERT_EQ(send(link_.b->queue(0), 'x', 1, 100, Instant{6}), 1u);
    drain(*queue_, Instant{7});
    queue_.reset();
    const Capture capture = read_back(config_.path);
    ASSERT_TRUE(capture.well_formed);
    ASSERT_EQ(capture.interfaces.size(), 1u);
    EXPECT_EQ(capture.interfaces[0].link_type, 1);
    EXPECT_EQ(capture.interfaces[0].name, "wire0");
    EXPECT_EQ(capture.interfaces[0].resolution, 9);
    ASSERT_EQ(capture.packets.size(), 3u);
    EXPECT_EQ(capture.packets[0].stamp, 1'700'000'000'000'000'005u);
    EXPECT_EQ(capture.packets[0].flags, 2u) << "out";
    EXPECT_EQ(capture.packets[0].original, 61u);
    EXPECT_EQ(capture.packets[0].bytes, std::string(61, 'a'));
    EXPECT_EQ(capture.packets[1].bytes, std::string(61, 'b'));
    EXPECT_EQ(capture.packets[2].flags, 1u) << "in";
    EXPECT_EQ(capture.packets[2].stamp, 1'700'000'000'000'000'007u);
    EXPECT_EQ(capture.packets[2].bytes, std::string(100, 'x'));
}

TEST_F(CaptureOfALink, SaysRawIpOnTheIpLayer) {
    build({.layer = Layer::ip});
    queue_.reset();
    EXPECT_EQ(read_back(config_.path).interfaces.at(0).link_type, 101);
}

TEST_F(CaptureOfALink, StrikesOutWhatTheDeviceDidNotTake) {
    build({.frame_count = 32, .ring_frames = 8});
    EXPECT_EQ(send(*queue_, 'a', 12, 60, {}), 8u);
    EXPECT_EQ(queue_->frames_captured(), 8u);
    drain(link_.b->queue(0), {});
    EXPECT_EQ(send(*queue_, 'i', 1, 60, {}), 1u);
    queue_.reset();
    const Capture capture = read_back(config_.path);
    ASSERT_EQ(capture.packets.size(), 9u);
    EXPECT_EQ(capture.packets[7].bytes[0], 'h');
    EXPECT_EQ(capture.packets[8].bytes[0], 'i');
}

TEST_F(CaptureOfALink, CutsFramesToTheSnapLength) {
    config_.snap_bytes = 50;
    build({});
    ASSERT_EQ(send(*queue_, 'a', 1, 1000, {}), 1u);
    queue_.reset();
    const Capture capture = read_back(config_.path);
    ASSERT_TRUE(capture.well_formed);
    ASSERT_EQ(capture.packets.size(), 1u);
    EXPECT_EQ(capture.packets[0].kept, 50u);
    EXPECT_EQ(capture.packets[0].original, 1000u);
}

TEST_F(CaptureOfALink, KeepsEveryFrameWhenBurstsAreLargerThanItsBuffer) {
    config_.snap_bytes = 2048;
    config_.buffer_bytes = 4096;
    build({});
    for (int round = 0; round < 20; ++round) {
        ASSERT_EQ(send(*queue_, 0, 40, 1500, {}), 40u);
        ASSERT_EQ(send(link_.b->queue(0), 50, 40, 1500, {}), 40u);
        drain(link_.b->queue(0), {});
        drain(*queue_, {});
    }
    queue_.reset();
    const Capture capture = read_back(config_.path);
    ASSERT_TRUE(capture.well_formed);
    EXPECT_EQ(capture.packets.size(), 20u * 80u);
    EXPECT_EQ(capture.packets[39].bytes[0], 39);
}

TEST_F(CaptureOfALink, WritesOutWhenOldAndBeforeSleeping) {
    build({});
    ASSERT_EQ(send(*queue_, 'a', 1, 60, Instant{} + seconds(1)), 1u);
    ASSERT_EQ(send(*queue_, 'b', 1, 60, Instant{} + seconds(1)), 1u);
    const std::size_t at_first = read_back(config_.path).packets.size();
    drain(*queue_, Instant{} + seconds(2));
    EXPECT_EQ(read_back(config_.path).packets.size(), 2u);
    EXPECT_LT(at_first, 2u);
    ASSERT_EQ(send(*queue_, 'c', 1, 60, Instant{} + seconds(2)), 1u);
    EXPECT_TRUE(queue_->prepare_wait());
    queue_->finish_wait();
    EXPECT_EQ(read_back(config_.path).packets.size(), 3u);
}

TEST_F(CaptureOfALink, StopsAtItsSizeLimitAndLetsTheTrafficPass) {
    config_.bytes_max = 20'000;
    config_.buffer_bytes = 4096;
    config_.snap_bytes = 2000;
    build({});
    for (int i = 0; i < 100; ++i) {
        ASSERT_EQ(send(*queue_, 'a', 1, 1000, {}), 1u);
        drain(link_.b->queue(0), {});
    }
    queue_.reset();
    const Capture capture = read_back(config_.path);
    EXPECT_TRUE(capture.well_formed);
    EXPECT_GT(capture.packets.size(), 10u);
    EXPECT_LT(capture.packets.size(), 20u);
    EXPECT_EQ(link_.a->end(0).frames_available(), 1024u);
}

TEST_F(CaptureOfALink, SharesOneFileBetweenThreads) {
    link_ = std::move(make_link({.queues = 2})).value();
    auto file = CaptureFile::create(config_);
    ASSERT_TRUE(file.ok());
    const auto traffic = [&](std::size_t index) {
        CaptureQueue queue(link_.a->queue(index), *file, "queue " + std::to_string(index));
        for (int i = 0; i < 500; ++i) {
            ASSERT_EQ(send(queue, 'a' + static_cast<int>(index), 4, 200, Instant{i * 1'000'000}),
                      4u);
            drain(link_.b->queue(index), {});
        }
    };
    std::thread other([&] { traffic(1); });
    traffic(0);
    other.join();
    const Capture capture = read_back(config_.path);
    ASSERT_TRUE(capture.well_formed);
    ASSERT_EQ(capture.interfaces.size(), 2u);
    ASSERT_EQ(capture.packets.size(), 4'000u);
    int of_second = 0;
    for (const Packet& packet : capture.packets) {
        of_second += capture.interfaces[packet.interface].name == "queue 1" ? 1 : 0;
    }
    EXPECT_EQ(of_second, 2'000);
}

TEST_F(CaptureOfALink, OpensInTshark) {
    if (std::system("command -v tshark >/dev/null 2>&1") != 0) {
        GTEST_SKIP() << "tshark is not installed";
    }
    config_.wall_clock_offset_ns = 1'700'000'000'000'000'000;
    build({.layer = Layer::ip});
    std::array<Frame, 1> frame;
    ASSERT_EQ(queue_->allocate(frame), 1u);
    const std::array<int, 28> ping{0x45, 0, 0,  28, 0, 0, 0, 0, 64,   1,    0x66, 0xdf, 10, 0,
                                   0,    1, 10, 0,  0, 2, 8, 0, 0xf7, 0xfe, 0,    1,    0,  0};
    for (std::size_t i = 0; i < ping.size(); ++i)
        frame[0].data[i] = static_cast<std::byte>(ping[i]);
    frame[0].length = 28;
    ASSERT_EQ(queue_->transmit(frame, Instant{123'456'789}), 1u);
    queue_.reset();
    const std::string command =
        "tshark -n -r " + config_.path +
        " -T fields -e frame.time_epoch -e ip.src -e icmp.type"
        " -e frame.packet_flags_direction -e frame.interface_name 2>/dev/null";
    FILE* pipe = ::popen(command.c_str(), "r");
    ASSERT_NE(pipe, nullptr);
    char line[256] = {};
    EXPECT_NE(std::fgets(line, sizeof line, pipe), nullptr);
    ::pclose(pipe);
    EXPECT_EQ(std::string(line).substr(0, 39), "1700000000.123456789\t10.0.0.1\t8\t0x00000");
    EXPECT_NE(std::string(line).find("2\twire0"), std::string::npos) << line;
}

TEST(CaptureFile, OutlivesTheReaderOfAPipe) {
    const std::string path = ::testing::TempDir() + "capture_pipe." + std::to_string(::getpid());
    ASSERT_EQ(::mkfifo(path.c_str(), 0600), 0);
    const auto unread = CaptureFile::create({.path = path});
    ASSERT_FALSE(unread.ok());
    EXPECT_EQ(unread.error().error, ENXIO);
    const int reader = ::open(path.c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC);
    ASSERT_GE(reader, 0);
    const auto file = CaptureFile::create({.path = path});
    ASSERT_TRUE(file.ok());
    ::close(reader);
    const std::array<std::byte, 16> block{};
    EXPECT_FALSE((*file)->append(block));  // and no SIGPIPE
    ::unlink(path.c_str());
}

TEST(CaptureFile, SaysWhyItCannotBeWritten) {
    const auto file = CaptureFile::create({.path = "/proc/nowhere/capture.pcapng"});
    ASSERT_FALSE(file.ok());
    EXPECT_EQ(file.error().error, ENOENT);
}

}  // namespace
}  // namespace mtcp::io
