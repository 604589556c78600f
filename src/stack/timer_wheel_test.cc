// SPDX-License-Identifier: Apache-2.0
// The wheel against a sorted model.
#include "stack/timer_wheel.h"

#include <gtest/gtest.h>

#include <map>
#include <vector>

#include "base/random.h"

namespace mtcp::stack {
namespace {

constexpr Duration kTick{std::int64_t{1} << 20};

std::uint32_t ms_of(Instant t) { return static_cast<std::uint32_t>(t.ns / 1'000'000); }
// As a core does: stored, and put on the wheel.
void set(TimerWheel& wheel, std::uint32_t entry, Instant at, Instant now) {
    static_cast<void>(wheel.store(entry, ms_of(at)));
    static_cast<void>(wheel.put(entry, now));
}
constexpr auto nothing_soon = [](std::uint32_t) {};

TEST(TimerWheel, WhatAnotherClearsJustBeforeItFiresDoesNotFire) {
    TimerWheel wheel;
    ASSERT_TRUE(wheel.reserve(8, Pages::normal));
    wheel.start(Instant{0});
    for (std::uint32_t entry = 0; entry < 4; ++entry)
        set(wheel, entry, Instant{10'000'000}, Instant{0});
    std::vector<std::uint32_t> announced;
    std::vector<std::uint32_t> fired;
    wheel.advance(
        Instant{20'000'000}, [&](std::uint32_t entry) { announced.push_back(entry); },
        [&](std::uint32_t entry) {
            fired.push_back(entry);
            for (std::uint32_t other = 0; other < 4; ++other)
                if (other != entry) wheel.clear(other);
        });
    EXPECT_EQ(announced.size(), 4u);
    EXPECT_EQ(fired.size(), 1u);
    EXPECT_EQ(wheel.next_deadline(), kNever);
}

// What is said last holds, be it earlier, later, or nothing.
TEST(TimerWheel, FiresEveryEntryOnceNotEarlyAndWithinTwoTicks) {
    TimerWheel wheel;
    constexpr std::uint32_t kEntries = 500;
    ASSERT_TRUE(wheel.reserve(kEntries, Pages::normal));
    Instant now{1'000'000'000'000};
    wheel.start(now);
    Random random(11);
    std::map<std::uint32_t, Instant> model;
    for (int step = 0; step < 100'000; ++step) {
        const std::uint32_t entry = random.below(kEntries);
        if (random.chance(300'000)) {
            wheel.clear(entry);
            model.erase(entry);
        } else {
            const Duration ahead{
                static_cast<std::int64_t>(random.next() >> (24 + random.below(30)))};
            const Instant deadline{(now + ahead).ns / 1'000'000 * 1'000'000 + 1'000'000};
            model[entry] = deadline;
            set(wheel, entry, deadline, now);
        }
        if (random.chance(200'000)) {
            now =
                now + Duration{static_cast<std::int64_t>(random.next() >> (26 + random.below(30)))};
            wheel.advance(now, nothing_soon, [&](std::uint32_t fired) {
                const auto found = model.find(fired);
                ASSERT_NE(found, model.end()) << "fired twice or after it was cleared";
                ASSERT_LE(found->second, now) << "fired early";
                model.erase(found);
            });
            for (const auto& [set_to, deadline] : model) {
                ASSERT_GT(deadline + kTick * 2, now) << "entry " << set_to << " is overdue";
            }
        }
        if (!model.empty()) {
            Instant earliest = kNever;
            for (const auto& [set_to, deadline] : model)
                earliest = earlier(earliest, deadline);
            ASSERT_LE(wheel.next_deadline(), later(earliest, now) + kTick * 2);
        }
    }
}

TEST(TimerWheel, AnEntryMaySetItselfAndClearOthersWhileFiring) {
    TimerWheel wheel;
    ASSERT_TRUE(wheel.reserve(4, Pages::normal));
    wheel.start({0});
    for (std::uint32_t i = 0; i < 4; ++i)
        set(wheel, i, Instant{5'000'000}, {0});
    std::vector<std::uint32_t> fired;
    wheel.advance(Instant{50'000'000}, nothing_soon, [&](std::uint32_t entry) {
        fired.push_back(entry);
        if (fired.size() == 1) {
            for (std::uint32_t i = 0; i < 4; ++i) {
                if (i != entry) wheel.clear(i);
            }
            set(wheel, entry, Instant{80'000'000}, Instant{50'000'000});
        }
    });
    EXPECT_EQ(fired.size(), 1u);
    wheel.advance(Instant{90'000'000}, nothing_soon,
                  [&](std::uint32_t entry) { fired.push_back(entry); });
    EXPECT_EQ(fired.size(), 2u);
    EXPECT_EQ(wheel.next_deadline(), kNever);
}

// However often its deadline moves, an entry has one place, and the wheel's memory is enough.
TEST(TimerWheel, KeepsOnePlaceForAnEntryWhoseDeadlineComesNearerAgainAndAgain) {
    TimerWheel wheel;
    constexpr std::uint32_t kEntries = 100;
    ASSERT_TRUE(wheel.reserve(kEntries, Pages::normal));
    Instant now{0};
    wheel.start(now);
    int fired = 0;
    for (int round = 0; round < 10'000; ++round) {
        for (std::uint32_t entry = 0; entry < kEntries; ++entry) {
            set(wheel, entry, now + seconds(7200), now);
            set(wheel, entry, now + milliseconds(30), now);
            set(wheel, entry, now + milliseconds(2 + entry % 20), now);
        }
        now = now + milliseconds(40);
        wheel.advance(now, nothing_soon, [&](std::uint32_t) { ++fired; });
    }
    EXPECT_EQ(fired, 10'000 * static_cast<int>(kEntries));
}

TEST(TimerWheel, LooksOnceAndForgetsWhatIsNotDueAnyMore) {
    TimerWheel wheel;
    ASSERT_TRUE(wheel.reserve(1, Pages::normal));
    wheel.start({0});
    set(wheel, 0, Instant{0} + seconds(1), {0});
    EXPECT_LE(wheel.next_deadline(), Instant{0} + TimerWheel::kFirstLook + kTick * 2);
    wheel.clear(0);
    wheel.advance(Instant{0} + milliseconds(50), nothing_soon,
                  [](std::uint32_t) { FAIL() << "it is not due"; });
    EXPECT_EQ(wheel.next_deadline(), kNever);
    EXPECT_FALSE(wheel.store(0, 100)) << "it is not on the wheel any more";
}

TEST(TimerWheel, IdleYearsCostNothing) {
    TimerWheel wheel;
    ASSERT_TRUE(wheel.reserve(1, Pages::normal));
    wheel.start({0});
    int fired = 0;
    const auto count = [&](std::uint32_t) { ++fired; };
    const Instant before = Instant{0} + seconds(100'000'000);
    wheel.advance(before, nothing_soon, count);
    set(wheel, 0, before + seconds(7200), before);
    wheel.advance(before + seconds(7199), nothing_soon, count);
    EXPECT_EQ(fired, 0);
    wheel.advance(before + seconds(7201), nothing_soon, count);
    EXPECT_EQ(fired, 1);
}

}  // namespace
}  // namespace mtcp::stack
