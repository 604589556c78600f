// SPDX-License-Identifier: Apache-2.0
// The wheel against a sorted model.
#include "stack/timer_wheel.h"

#include <gtest/gtest.h>

#include <map>
#include <vector>

#include "base/random.h"

namespace mtcp::stack {
namespace {

TEST(TimerWheel, WhatAnotherDisarmsJustBeforeItFiresDoesNotFire) {
    TimerWheel wheel;
    ASSERT_TRUE(wheel.reserve(8, Pages::normal));
    wheel.start(Instant{0});
    for (std::uint32_t entry = 0; entry < 4; ++entry)
        wheel.arm(entry, Instant{10'000'000});
    std::vector<std::uint32_t> announced;
    std::vector<std::uint32_t> fired;
    wheel.advance(
        Instant{20'000'000}, [&](std::uint32_t entry) { announced.push_back(entry); },
        [&](std::uint32_t entry) {
            fired.push_back(entry);
            for (std::uint32_t other = 0; other < 4; ++other)
                if (other != entry) wheel.disarm(other);
        });
    EXPECT_EQ(announced.size(), 4u);
    EXPECT_EQ(fired.size(), 1u);
    EXPECT_EQ(wheel.next_deadline(), kNever);
}

TEST(TimerWheel, FiresEveryEntryOnceNotEarlyAndWithinATickAndAHalf) {
    TimerWheel wheel;
    constexpr std::uint32_t kEntries = 500;
    ASSERT_TRUE(wheel.reserve(kEntries, Pages::normal));
    Instant now{1'000'000'000'000};
    wheel.start(now);
    Random random(11);
    std::map<std::uint32_t, Instant> model;
    const Duration tick{std::int64_t{1} << 20};
    for (int step = 0; step < 100'000; ++step) {
        const std::uint32_t entry = random.below(kEntries);
        if (random.chance(300'000)) {
            wheel.disarm(entry);
            model.erase(entry);
        } else {
            const Duration ahead{
                static_cast<std::int64_t>(random.next() >> (24 + random.below(30)))};
            const Instant deadline = now + ahead;
            const auto found = model.find(entry);
            // Lazy: a later deadline than the armed one does not move the entry.
            if (found == model.end() || deadline < found->second) model[entry] = deadline;
            wheel.arm(entry, deadline);
        }
        if (random.chance(200'000)) {
            now =
                now + Duration{static_cast<std::int64_t>(random.next() >> (26 + random.below(30)))};
            wheel.advance(
                now, [](std::uint32_t) {},
                [&](std::uint32_t fired) {
                    const auto found = model.find(fired);
                    ASSERT_NE(found, model.end()) << "fired twice or after disarm";
                    ASSERT_LE(found->second, now) << "fired early";
                    model.erase(found);
                });
            for (const auto& [armed, deadline] : model) {
                ASSERT_GT(deadline + tick * 2, now) << "entry " << armed << " is overdue";
            }
        }
        if (!model.empty()) {
            Instant earliest = kNever;
            for (const auto& [armed, deadline] : model)
                earliest = earlier(earliest, deadline);
            ASSERT_LE(wheel.next_deadline(), later(earliest, now) + tick * 2);
        }
    }
}

TEST(TimerWheel, AnEntryMayRearmAndDisarmOthersWhileFiring) {
    TimerWheel wheel;
    ASSERT_TRUE(wheel.reserve(4, Pages::normal));
    wheel.start({0});
    for (std::uint32_t i = 0; i < 4; ++i)
        wheel.arm(i, Instant{5'000'000});
    std::vector<std::uint32_t> fired;
    wheel.advance(
        Instant{50'000'000}, [](std::uint32_t) {},
        [&](std::uint32_t entry) {
            fired.push_back(entry);
            if (fired.size() == 1) {
                for (std::uint32_t i = 0; i < 4; ++i) {
                    if (i != entry) wheel.disarm(i);
                }
                wheel.arm(entry, Instant{80'000'000});
            }
        });
    EXPECT_EQ(fired.size(), 1u);
    wheel.advance(
        Instant{90'000'000}, [](std::uint32_t) {},
        [&](std::uint32_t entry) { fired.push_back(entry); });
    EXPECT_EQ(fired.size(), 2u);
    EXPECT_EQ(wheel.next_deadline(), kNever);
}

TEST(TimerWheel, IdleYearsCostNothing) {
    TimerWheel wheel;
    ASSERT_TRUE(wheel.reserve(1, Pages::normal));
    wheel.start({0});
    int fired = 0;
    wheel.advance(
        Instant{0} + seconds(100'000'000), [](std::uint32_t) {}, [&](std::uint32_t) { ++fired; });
    wheel.arm(0, Instant{0} + seconds(100'007'200));
    wheel.advance(
        Instant{0} + seconds(100'007'199), [](std::uint32_t) {}, [&](std::uint32_t) { ++fired; });
    EXPECT_EQ(fired, 0);
    wheel.advance(
        Instant{0} + seconds(100'007'201), [](std::uint32_t) {}, [&](std::uint32_t) { ++fired; });
    EXPECT_EQ(fired, 1);
}

}  // namespace
}  // namespace mtcp::stack
