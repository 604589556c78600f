// SPDX-License-Identifier: Apache-2.0
// The in-memory link: nothing copied, nothing lost, nothing leaked, in one thread and in two.
#include "io/link/link.h"

#include <gtest/gtest.h>

#include <array>
#include <atomic>
#include <cstring>
#include <thread>

#include "io/wait.h"

namespace mtcp::io {
namespace {

constexpr Instant kNow{0};

LinkPair link_with(const LinkConfig& config) {
    auto link = make_link(config);
    EXPECT_TRUE(link.ok()) << (link.ok() ? "" : link.error().text());
    return std::move(link).value();
}

void write_number(Frame& frame, std::uint32_t number) {
    std::memcpy(frame.data, &number, sizeof number);
    frame.length = sizeof number;
}
std::uint32_t number_in(const Frame& frame) {
    std::uint32_t number = 0;
    std::memcpy(&number, frame.data, sizeof number);
    return number;
}

// Sends `count` numbered frames; returns how many the link took (the rest is released).
std::size_t send_numbers(Queue& from, std::uint32_t first, std::size_t count) {
    std::array<Frame, kBurst> frames;
    const std::size_t got = from.allocate(std::span(frames).first(count));
    for (std::size_t i = 0; i < got; ++i) {
        write_number(frames[i], first + static_cast<std::uint32_t>(i));
    }
    const std::size_t sent = from.transmit(std::span(frames).first(got), kNow);
    from.release(std::span(frames).subspan(sent, got - sent));
    return sent;
}

class LinkInBothModes : public ::testing::TestWithParam<LinkThreads> {
  protected:
    LinkConfig config_{.threads = GetParam(), .frame_count = 16, .ring_frames = 8};
};
INSTANTIATE_TEST_SUITE_P(Threads, LinkInBothModes,
                         ::testing::Values(LinkThreads::one, LinkThreads::two),
                         [](const auto& mode) {
                             return mode.param == LinkThreads::one ? "OneThread" : "TwoThreads";
                         });

TEST_P(LinkInBothModes, DeliversTheSameMemoryInOrder) {
    LinkPair link = link_with(config_);
    std::array<Frame, 3> sent;
    ASSERT_EQ(link.a->queue(0).allocate(sent), 3u);
    for (std::uint32_t i = 0; i < 3; ++i)
        write_number(sent[i], 100 + i);
    sent[1].checksum = Checksum::partial;
    sent[1].checksum_start = 34;
    sent[2].segment_size = 1460;
    const std::array<Frame, 3> offered = sent;
    ASSERT_EQ(link.a->queue(0).transmit(sent, kNow), 3u);

    std::array<Frame, kBurst> received;
    ASSERT_EQ(link.b->queue(0).receive(received, kNow), 3u);
    for (std::uint32_t i = 0; i < 3; ++i) {
        EXPECT_EQ(received[i].data, offered[i].data) << "not copied";
        EXPECT_EQ(number_in(received[i]), 100 + i);
    }
    EXPECT_EQ(received[0].checksum, Checksum::verified);
    EXPECT_EQ(received[1].checksum, Checksum::verified) << "also what the sender left undone";
    EXPECT_EQ(received[1].checksum_start, 34);
    EXPECT_EQ(received[2].segment_size, 1460);
    link.b->queue(0).release(std::span(received).first(3));
    EXPECT_EQ(link.a->end(0).frames_available(), 16u);
}

TEST_P(LinkInBothModes, LeavesChecksumsToTheReceiverWhenTheWireMayCorrupt) {
    config_.cannot_corrupt = false;
    LinkPair link = link_with(config_);
    std::array<Frame, 2> sent;
    ASSERT_EQ(link.a->queue(0).allocate(sent), 2u);
    sent[1].checksum = Checksum::partial;
    ASSERT_EQ(link.a->queue(0).transmit(sent, kNow), 2u);
    std::array<Frame, 2> received;
    ASSERT_EQ(link.b->queue(0).receive(received, kNow), 2u);
    EXPECT_EQ(received[0].checksum, Checksum::in_frame);
    EXPECT_EQ(received[1].checksum, Checksum::partial);
    EXPECT_FALSE(link.b->queue(0).capabilities().cannot_corrupt);
    link.b->queue(0).release(received);
}

TEST_P(LinkInBothModes, TakesOnlyWhatTheRingHolds) {
    LinkPair link = link_with(config_);
    EXPECT_EQ(send_numbers(link.a->queue(0), 0, 12), 8u) << "ring of 8";
    EXPECT_EQ(send_numbers(link.a->queue(0), 0, 1), 0u);
    EXPECT_EQ(link.a->end(0).frames_available(), 8u) << "what was not sent came back";
    std::array<Frame, 3> three;
    ASSERT_EQ(link.b->queue(0).receive(three, kNow), 3u);
    link.b->queue(0).release(three);
    EXPECT_EQ(send_numbers(link.a->queue(0), 0, 12), 3u);
}

TEST_P(LinkInBothModes, RunsOutOfFramesAndRecovers) {
    LinkPair link = link_with(config_);
    std::array<Frame, 20> frames;
    EXPECT_EQ(link.a->queue(0).allocate(frames), 16u);
    EXPECT_EQ(link.a->queue(0).allocate(std::span(frames).subspan(16)), 0u);
    ASSERT_EQ(link.a->queue(0).transmit(std::span(frames).first(8), kNow), 8u);
    std::array<Frame, 8> received;
    ASSERT_EQ(link.b->queue(0).receive(received, kNow), 8u);
    EXPECT_EQ(link.a->queue(0).allocate(std::span(frames).first(1)), 0u)
        << "received and not released: still on loan";
    link.b->queue(0).release(received);
    EXPECT_EQ(link.a->queue(0).allocate(std::span(frames).first(8)), 8u);
    link.a->queue(0).release(std::span(frames).first(16));
    EXPECT_EQ(link.a->end(0).frames_available(), 16u);
}

TEST_P(LinkInBothModes, HandsOutTheWarmestFrameFirst) {
    LinkPair link = link_with(config_);
    std::array<Frame, 1> frame;
    ASSERT_EQ(link.a->queue(0).allocate(frame), 1u);
    std::byte* const first = frame[0].data;
    for (int round = 0; round < 50; ++round) {
        write_number(frame[0], 1);
        ASSERT_EQ(link.a->queue(0).transmit(frame, kNow), 1u);
        ASSERT_EQ(link.b->queue(0).receive(frame, kNow), 1u);
        link.b->queue(0).release(frame);
        ASSERT_EQ(link.a->queue(0).allocate(frame), 1u);
        EXPECT_EQ(frame[0].data, first);
    }
}

TEST_P(LinkInBothModes, RepliesInPlaceWithAReceivedFrame) {
    LinkPair link = link_with(config_);
    ASSERT_EQ(send_numbers(link.a->queue(0), 5, 1), 1u);
    std::array<Frame, 1> frame;
    ASSERT_EQ(link.b->queue(0).receive(frame, kNow), 1u);
    ASSERT_EQ(link.b->queue(0).transmit(frame, kNow), 1u);
    ASSERT_EQ(link.a->queue(0).receive(frame, kNow), 1u);
    EXPECT_EQ(number_in(frame[0]), 5u);
    link.a->queue(0).release(frame);
    EXPECT_EQ(link.a->end(0).frames_available(), 16u);
    EXPECT_EQ(link.b->end(0).frames_available(), 16u);
}

TEST_P(LinkInBothModes, SaysThatFramesWaitInsteadOfSleeping) {
    LinkPair link = link_with(config_);
    EXPECT_TRUE(link.b->queue(0).prepare_wait());
    link.b->queue(0).finish_wait();
    ASSERT_EQ(send_numbers(link.a->queue(0), 0, 1), 1u);
    EXPECT_FALSE(link.b->queue(0).prepare_wait());
    link.b->queue(0).finish_wait();
}

TEST(Link, LeavesHeadroomAndHoldsJumboFrames) {
    LinkPair link = link_with({.mtu = 65'000, .frame_count = 4, .frame_size = 65'536});
    std::array<Frame, 2> frames;
    ASSERT_EQ(link.a->queue(0).allocate(frames), 2u);
    EXPECT_GE(frames[0].capacity, 65'014u);
    std::memset(frames[0].data - kFrameHeadroom, 1, kFrameHeadroom);
    std::memset(frames[1].data, 2, frames[1].capacity);
    std::memset(frames[0].data, 1, frames[0].capacity);
    EXPECT_EQ(frames[1].data[0], std::byte{2}) << "frames do not overlap";
    link.a->queue(0).release(frames);
}

TEST(Link, OnTheIpLayerHasNoMacAddress) {
    LinkPair link = link_with({.layer = Layer::ip});
    EXPECT_EQ(link.a->mac(), MacAddress{});
    EXPECT_EQ(link.a->queue(0).capabilities().frame_size, 1500u);
    EXPECT_EQ(link_with({}).a->queue(0).capabilities().frame_size, 1514u);
}

TEST(Link, KeepsItsQueuesApart) {
    LinkPair link = link_with({.queues = 2, .frame_count = 4});
    ASSERT_EQ(send_numbers(link.a->queue(1), 9, 1), 1u);
    std::array<Frame, 1> frame;
    EXPECT_EQ(link.b->queue(0).receive(frame, kNow), 0u);
    EXPECT_EQ(link.b->queue(1).receive(frame, kNow), 1u);
    link.b->queue(1).release(frame);
}

TEST(Link, RefusesFramesTooSmallForItsMtu) {
    const auto link = make_link({.mtu = 9000, .frame_size = 2048});
    ASSERT_FALSE(link.ok());
    EXPECT_NE(link.error().why.find("9000"), std::string::npos);
    EXPECT_FALSE(make_link({.queues = 0}).ok());
    EXPECT_FALSE(make_link({.mtu = 1500, .frame_size = 1500}).ok()) << "no room for Ethernet";
}

TEST(Link, ReportsThatMemoryWasRefused) {
    set_allocation_hook([](std::size_t) { return false; });
    const auto link = make_link({});
    set_allocation_hook(nullptr);
    ASSERT_FALSE(link.ok());
    EXPECT_EQ(link.error().error, ENOMEM);
}

TEST(Link, JoinsTwoEndsByNameAndRefusesAThird) {
    auto a = join_link("pair", {});
    auto b = join_link("pair", {});
    ASSERT_TRUE(a.ok());
    ASSERT_TRUE(b.ok());
    ASSERT_EQ(send_numbers((*a)->queue(0), 3, 1), 1u);
    std::array<Frame, 1> frame;
    ASSERT_EQ((*b)->queue(0).receive(frame, kNow), 1u);
    const auto third = join_link("pair", {});
    ASSERT_FALSE(third.ok());
    EXPECT_EQ(third.error().error, EBUSY);

    a->reset();  // the frame b holds lives on
    EXPECT_EQ(number_in(frame[0]), 3u);
    (*b)->queue(0).release(frame);
    b->reset();
    EXPECT_TRUE(join_link("pair", {}).ok()) << "the name is free again";
}

// a sends numbered frames, b echoes them back in own frames; both sleep when they have nothing.
TEST(Link, TwoThreadsEchoEverythingAndSleepInBetween) {
    constexpr std::uint32_t kFrames = 20'000;
    LinkPair link = link_with({.frame_count = 64, .ring_frames = 32});
    Queue& near = link.a->queue(0);
    Queue& far = link.b->queue(0);

    std::thread echo([&] {
        std::array<Frame, kBurst> in;
        for (std::uint32_t done = 0; done < kFrames;) {
            const std::size_t count = far.receive(in, kNow);
            for (std::size_t i = 0; i < count; ++i) {
                while (send_numbers(far, number_in(in[i]) + 1, 1) == 0)
                    std::this_thread::yield();
            }
            far.release(std::span(in).first(count));
            done += static_cast<std::uint32_t>(count);
            Queue* queues[] = {&far};
            if (count == 0) {
                static_cast<void>(wait_until(queues, {}, kNow, kNow + milliseconds(200)));
            }
        }
    });

    std::array<Frame, kBurst> in;
    std::uint32_t sent = 0;
    std::uint32_t answered = 0;
    bool in_order = true;
    int lost_wake_ups = 0;
    while (answered < kFrames && lost_wake_ups == 0) {
        const std::size_t window = std::min<std::size_t>(16 - (sent - answered), kFrames - sent);
        sent += static_cast<std::uint32_t>(send_numbers(near, sent, window));
        const std::size_t count = near.receive(in, kNow);
        for (std::size_t i = 0; i < count; ++i)
            in_order &= number_in(in[i]) == ++answered;
        near.release(std::span(in).first(count));
        Queue* queues[] = {&near};
        if (count == 0 && sent - answered == 16 &&
            wait_until(queues, {}, kNow, kNow + seconds(20)) == Woken::by_deadline) {
            ++lost_wake_ups;
        }
    }
    echo.join();
    EXPECT_TRUE(in_order);
    EXPECT_EQ(lost_wake_ups, 0);
    EXPECT_EQ(link.a->end(0).frames_available(), 64u);
    EXPECT_EQ(link.b->end(0).frames_available(), 64u);
}

TEST(Link, WakesASleeperByItsDoorbell) {
    LinkPair link = link_with({.frame_count = 4});
    std::atomic<bool> woken{false};
    std::thread sleeper([&] {
        Queue* queues[] = {&link.b->queue(0)};
        EXPECT_EQ(wait_until(queues, {}, kNow, kNow + seconds(20)), Woken::by_work);
        woken = true;
    });
    std::this_thread::sleep_for(std::chrono::milliseconds(30));
    EXPECT_FALSE(woken);
    ASSERT_EQ(send_numbers(link.a->queue(0), 0, 1), 1u);
    sleeper.join();
    EXPECT_TRUE(woken);
}

}  // namespace
}  // namespace mtcp::io
