// SPDX-License-Identifier: Apache-2.0
// The injector over a link, in virtual time: what arrives, when, how often, and that no frame
// leaks.
#include "io/middleware/fault_injector.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <vector>

#include "io/link/link.h"
#include "io/middleware/software_offload.h"

namespace mtcp::io {
namespace {

Faults faults_of(std::string_view text) {
    const auto faults = parse_faults(text);
    EXPECT_TRUE(faults.ok()) << text;
    return faults.ok() ? *faults : Faults{};
}

struct Arrival {
    std::uint32_t number = 0;
    Instant at{};
    friend bool operator==(const Arrival&, const Arrival&) = default;
};

class Injector : public ::testing::Test {
  protected:
    void build(std::string_view transmit, std::string_view receive, std::uint32_t held = 4096) {
        link_ = std::move(make_link({.threads = LinkThreads::one,
                                     .frame_count = kFrames,
                                     .ring_frames = ring_frames_}))
                    .value();
        injector_ = std::move(FaultInjectorQueue::create(link_.a->queue(0),
                                                         {.transmit = faults_of(transmit),
                                                          .receive = faults_of(receive),
                                                          .held_frames_max = held}))
                        .value();
        injector_->set_counters(&counters_);
    }

    // Sends one numbered frame of 100 bytes; false when the queue does not take it.
    bool send(Queue& queue, std::uint32_t number, Instant now) {
        std::array<Frame, 1> frame;
        if (queue.allocate(frame) == 0) return false;
        std::memset(frame[0].data, 0, 100);
        std::memcpy(frame[0].data, &number, sizeof number);
        frame[0].length = 100;
        const bool sent = queue.transmit(frame, now) == 1;
        if (!sent) queue.release(frame);
        return sent;
    }
    std::vector<Arrival> drain(Queue& queue, Instant now) {
        std::vector<Arrival> arrivals;
        std::array<Frame, 32> frames;
        while (const std::size_t count = queue.receive(frames, now)) {
            for (std::size_t i = 0; i < count; ++i) {
                Arrival arrival{.at = now};
                std::memcpy(&arrival.number, frames[i].data, sizeof arrival.number);
                arrivals.push_back(arrival);
                EXPECT_EQ(frames[i].length, 100u);
            }
            queue.release(std::span(frames).first(count));
        }
        return arrivals;
    }
    // One frame every `gap` through the injector towards `to`; collects to the very end.
    std::vector<Arrival> run(Queue& from, Queue& to, std::uint32_t count, Duration gap) {
        std::vector<Arrival> all;
        Instant now{};
        for (std::uint32_t number = 0; number < count || injector_->next_deadline() != kNever;) {
            if (number < count && now >= Instant{} + gap * number) {
                EXPECT_TRUE(send(from, number, now));
                ++number;
            }
            static_cast<void>(pump(now));
            for (const Arrival& arrival : drain(to, now))
                all.push_back(arrival);
            const Instant next = number < count ? Instant{} + gap * number : kNever;
            const Instant wake = earlier(next, injector_->next_deadline());
            if (wake != kNever) now = later(now, wake);
        }
        for (const Arrival& arrival : drain(to, now))
            all.push_back(arrival);
        return all;
    }
    // What a turn does: asks for frames, so that due ones leave the other way too.
    bool pump(Instant now) {
        std::array<Frame, 1> none;
        return injector_->receive(std::span(none).first(0), now) != 0;
    }
    void expect_no_leak() {
        EXPECT_EQ(injector_->frames_held(), 0u);
        EXPECT_EQ(link_.a->end(0).frames_available(), kFrames);
        EXPECT_EQ(link_.b->end(0).frames_available(), kFrames);
    }
    static std::vector<std::uint32_t> numbers(const std::vector<Arrival>& arrivals) {
        std::vector<std::uint32_t> out;
        for (const Arrival& arrival : arrivals)
            out.push_back(arrival.number);
        return out;
    }

    static constexpr std::uint32_t kFrames = 256;
    std::uint32_t ring_frames_ = 128;
    LinkPair link_;
    std::unique_ptr<FaultInjectorQueue> injector_;
    Counters counters_;
    Queue& far() { return link_.b->queue(0); }
};

TEST_F(Injector, WithoutFaultsPassesTheVeryFrames) {
    build("", "");
    std::array<Frame, 1> frame;
    ASSERT_EQ(injector_->allocate(frame), 1u);
    std::byte* const data = frame[0].data;
    frame[0].length = 64;
    ASSERT_EQ(injector_->transmit(frame, {}), 1u);
    ASSERT_EQ(far().receive(frame, {}), 1u);
    EXPECT_EQ(frame[0].data, data) << "not copied";
    far().release(frame);
    EXPECT_EQ(injector_->next_deadline(), kNever);
    EXPECT_TRUE(injector_->capabilities().cannot_corrupt);
    expect_no_leak();
}

TEST_F(Injector, LosesTheShareItWasToldInEachDirectionAndCountsIt) {
    build("loss=10% seed=1", "loss=30% seed=2");
    const auto out = run(*injector_, far(), 10'000, microseconds(10));
    EXPECT_NEAR(static_cast<double>(out.size()), 9'000, 150);
    EXPECT_EQ(counters_.drops(Drop::io_injected), 10'000 - out.size());
    const auto in = run(far(), *injector_, 10'000, microseconds(10));
    EXPECT_NEAR(static_cast<double>(in.size()), 7'000, 200);
    EXPECT_TRUE(std::is_sorted(out.begin(), out.end(),
                               [](auto& a, auto& b) { return a.number < b.number; }));
    expect_no_leak();
}

TEST_F(Injector, DuplicatesInBothDirections) {
    build("duplicate=20% seed=1", "duplicate=20% seed=2");
    EXPECT_NEAR(static_cast<double>(run(*injector_, far(), 5'000, microseconds(10)).size()), 6'000,
                120);
    EXPECT_NEAR(static_cast<double>(run(far(), *injector_, 5'000, microseconds(10)).size()), 6'000,
                120);
    expect_no_leak();
}

TEST_F(Injector, DelaysEveryFrameByTheSameTimeInOrder) {
    for (const bool outwards : {true, false}) {
        build(outwards ? "delay=10ms" : "", outwards ? "" : "delay=10ms");
        Queue& from = outwards ? static_cast<Queue&>(*injector_) : far();
        Queue& to = outwards ? far() : static_cast<Queue&>(*injector_);
        const auto all = run(from, to, 500, microseconds(100));
        ASSERT_EQ(all.size(), 500u);
        for (std::uint32_t i = 0; i < 500; ++i) {
            EXPECT_EQ(all[i], (Arrival{i, Instant{} + microseconds(100) * i + milliseconds(10)}));
        }
        expect_no_leak();
    }
}

TEST_F(Injector, ReordersAndLosesNothing) {
    build("reorder=5% reorder_delay=1ms seed=4", "");
    auto order = numbers(run(*injector_, far(), 2'000, microseconds(100)));
    EXPECT_FALSE(std::is_sorted(order.begin(), order.end()));
    std::sort(order.begin(), order.end());
    ASSERT_EQ(order.size(), 2'000u);
    EXPECT_EQ(std::unique(order.begin(), order.end()), order.end());
    EXPECT_EQ(order.back(), 1'999u);
    expect_no_leak();
}

TEST_F(Injector, PacesAndDropsBehindItsQueue) {
    // 100 bytes at 800 kbit/s: one millisecond each; ten fit in 1000 bytes.
    build("rate=800kbit queue=1000", "");
    std::vector<Arrival> all;
    for (std::uint32_t i = 0; i < 30; ++i)
        EXPECT_TRUE(send(*injector_, i, {}));
    EXPECT_EQ(counters_.drops(Drop::io_injected), 20u);
    EXPECT_EQ(injector_->transmit_counts().over_queue, 20u);
    for (Instant now{}; injector_->next_deadline() != kNever; now = injector_->next_deadline()) {
        static_cast<void>(pump(now));
        for (const Arrival& arrival : drain(far(), now))
            all.push_back(arrival);
        if (injector_->next_deadline() == kNever) break;
    }
    ASSERT_EQ(all.size(), 10u);
    for (std::uint32_t i = 0; i < 10; ++i) {
        EXPECT_EQ(all[i], (Arrival{i, Instant{} + milliseconds(1 + i)}));
    }
    expect_no_leak();
}

TEST_F(Injector, FlipsExactlyOneBitAndSaysThatTheWireCanCorrupt) {
    build("corrupt=100% seed=6", "");
    EXPECT_FALSE(injector_->capabilities().cannot_corrupt);
    for (int round = 0; round < 50; ++round) {
        ASSERT_TRUE(send(*injector_, 0, {}));
        std::array<Frame, 1> frame;
        ASSERT_EQ(far().receive(frame, {}), 1u);
        int bits = 0;
        for (const std::byte octet : frame[0].bytes()) {
            bits += __builtin_popcount(std::to_integer<unsigned>(octet));
        }
        EXPECT_EQ(bits, 1);
        far().release(frame);
    }
    expect_no_leak();
}

TEST_F(Injector, CompletesAPartialChecksumBeforeItCorrupts) {
    build("corrupt=100%", "");
    std::array<Frame, 1> frame;
    ASSERT_EQ(injector_->allocate(frame), 1u);
    const std::array<int, 14> ethernet{2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 8, 0};
    const std::array<int, 28> udp{0x45, 0, 0,  28, 0, 0, 0, 0, 64, 17, 0, 0, 10, 0,
                                  0,    1, 10, 0,  0, 2, 0, 1, 0,  2,  0, 8, 0,  0};
    for (std::size_t i = 0; i < 14; ++i)
        frame[0].data[i] = static_cast<std::byte>(ethernet[i]);
    for (std::size_t i = 0; i < 28; ++i)
        frame[0].data[14 + i] = static_cast<std::byte>(udp[i]);
    frame[0].length = 42;
    frame[0].checksum = Checksum::partial;
    std::array<std::byte, 42> complete{};
    std::memcpy(complete.data(), frame[0].data, 42);
    ASSERT_TRUE(complete_checksum(complete, Layer::ethernet));
    ASSERT_EQ(injector_->transmit(frame, {}), 1u);
    ASSERT_EQ(far().receive(frame, {}), 1u);
    EXPECT_NE(frame[0].checksum, Checksum::partial);
    int different_bits = 0;
    for (std::size_t i = 0; i < 42; ++i) {
        different_bits +=
            __builtin_popcount(std::to_integer<unsigned>(complete[i] ^ frame[0].data[i]));
    }
    EXPECT_EQ(different_bits, 1);
    far().release(frame);
}

TEST_F(Injector, KeepsFramesThatTheFullRingRefuses) {
    ring_frames_ = 4;
    build("", "");
    for (std::uint32_t i = 0; i < 20; ++i)
        EXPECT_TRUE(send(*injector_, i, {}));
    EXPECT_EQ(injector_->frames_held(), 16u);
    std::vector<Arrival> all;
    for (Instant now{}; all.size() < 20; now = now + microseconds(50)) {
        static_cast<void>(pump(now));
        for (const Arrival& arrival : drain(far(), now))
            all.push_back(arrival);
        ASSERT_LT(now, Instant{} + seconds(1));
    }
    const auto order = numbers(all);
    EXPECT_TRUE(std::is_sorted(order.begin(), order.end()));
    expect_no_leak();
}

TEST_F(Injector, StopsTakingWhenItHoldsAllItMay) {
    build("delay=1s", "", 8);
    std::uint32_t taken = 0;
    while (taken < 100 && send(*injector_, taken, {}))
        ++taken;
    EXPECT_GE(taken, 4u);
    EXPECT_LE(taken, 8u);
    EXPECT_EQ(counters_.drops(Drop::io_injected), 0u) << "refused, not lost";
    EXPECT_EQ(injector_->next_deadline(), Instant{} + seconds(1));
    static_cast<void>(pump(Instant{} + seconds(1)));
    EXPECT_EQ(drain(far(), Instant{} + seconds(1)).size(), taken);
    expect_no_leak();
}

TEST_F(Injector, ReceivesWithoutFaultsWhateverTheOtherSideHolds) {
    build("delay=1s", "", 8);
    for (std::uint32_t number = 0; send(*injector_, number, {});)
        ++number;
    ASSERT_GE(injector_->frames_held(), 7u);
    for (std::uint32_t number = 0; number < 20; ++number)
        ASSERT_TRUE(send(far(), number, {}));
    EXPECT_EQ(drain(*injector_, {}).size(), 20u);
}

TEST_F(Injector, HoldsByItselfWhatItsQueueAndDelayHold) {
    const auto count = [](std::string_view transmit, std::string_view receive) {
        return held_frames_for(faults_of(transmit), faults_of(receive));
    };
    EXPECT_EQ(count("", ""), 4096u);
    EXPECT_EQ(count("loss=1%", "rate=1mbit delay=10ms"), 4096u);
    EXPECT_EQ(count("rate=100mbit queue=8m", ""), 8u * 1024 * 1024 / 500);
    EXPECT_EQ(count("", "rate=1gbit queue=0 delay=80ms jitter=10ms"), 22'500u);
    EXPECT_EQ(count("rate=1gbit queue=0 reorder=1% reorder_delay=20ms", "delay=20ms"), 10'000u);
    EXPECT_EQ(count("delay=3000s", ""), 65'536u);

    build("delay=100ms", "", 0);
    std::uint32_t taken = 0;
    while (taken < 10'000 && send(*injector_, taken, {}))
        ++taken;
    EXPECT_EQ(taken, 10'000u) << "in 100 ms";
}

TEST_F(Injector, CountsWhatLeftAndOnlyWhatWasMarked) {
    build("loss=20% duplicate=10% delay=1ms rate=100mbit mark=1 seed=3", "");
    const auto all = run(*injector_, far(), 1'000, {});
    EXPECT_GT(injector_->transmit_counts().lost, 0u);
    EXPECT_EQ(injector_->sent().frames, all.size());
    EXPECT_EQ(injector_->sent().bytes, all.size() * 100);
    EXPECT_EQ(injector_->transmit_counts().marked, 0u) << "no frame was an IP packet";

    build("rate=100mbit mark=1", "");
    std::array<Frame, 1> frame;
    for (int i = 0; i < 2; ++i) {
        ASSERT_EQ(injector_->allocate(frame), 1u);
        std::memset(frame[0].data, 0, 100);
        frame[0].data[12] = std::byte{8};
        frame[0].data[14] = std::byte{0x45};
        frame[0].data[15] = std::byte{2};
        frame[0].length = 100;
        ASSERT_EQ(injector_->transmit(frame, {}), 1u);
    }
    EXPECT_EQ(injector_->transmit_counts().marked, 1u) << "the second waits for the first";
}

TEST_F(Injector, GivesTheSameRunForTheSameSeed) {
    const char* text =
        "loss=2% duplicate=1% reorder=3% corrupt=1% delay=2ms jitter=1ms rate=50mbit seed=11";
    build(text, "");
    const auto first = run(*injector_, far(), 3'000, microseconds(20));
    build(text, "");
    EXPECT_EQ(run(*injector_, far(), 3'000, microseconds(20)), first);
    build("loss=2% duplicate=1% reorder=3% corrupt=1% delay=2ms jitter=1ms rate=50mbit seed=12",
          "");
    EXPECT_NE(run(*injector_, far(), 3'000, microseconds(20)), first);
    expect_no_leak();
}

TEST_F(Injector, EverythingAtOnceInBothDirectionsLeaksNothing) {
    const char* text =
        "loss=5% duplicate=5% reorder=5% corrupt=5% delay=500us jitter=200us rate=200mbit "
        "queue=20k seed=8";
    build(text, text);
    EXPECT_GT(run(*injector_, far(), 5'000, microseconds(5)).size(), 3'000u);
    EXPECT_GT(run(far(), *injector_, 5'000, microseconds(5)).size(), 3'000u);
    expect_no_leak();
}

TEST(InjectorMemory, RefusedIsAProblem) {
    const auto link = make_link({});
    ASSERT_TRUE(link.ok());
    set_allocation_hook([](std::size_t) { return false; });
    const auto injector = FaultInjectorQueue::create(link->a->queue(0), {});
    set_allocation_hook(nullptr);
    ASSERT_FALSE(injector.ok());
    EXPECT_EQ(injector.error().error, ENOMEM);
}

}  // namespace
}  // namespace mtcp::io
