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
// As a core does, which keeps what the wheel last answered.
struct Wheel : TimerWheel {
    std::map<std::uint32_t, std::uint32_t> looks;
};
void set(Wheel& wheel, std::uint32_t entry, Instant at, Instant now) {
    wheel.looks[entry] = wheel.update(entry, ms_of(at), wheel.looks[entry], now);
}
constexpr auto nothing_soon = [](std::uint32_t) {};

TEST(TimerWheel, WhatAnotherClearsJustBeforeItFiresDoesNotFire) {
    Wheel wheel;
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
    Wheel wheel;
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
    Wheel wheel;
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

// A slot of a higher level is looked at when it begins. What was pushed further away by then is put
// further away, and what comes nearer after that must be put back.
TEST(TimerWheel, ADeadlineThatComesNearerAfterAnEarlyLookIsKept) {
    Wheel wheel;
    ASSERT_TRUE(wheel.reserve(1, Pages::normal));
    for (int offset = 0; offset < 300; ++offset) {
        Instant now{milliseconds(100'000 + offset).ns};
        wheel.start(now);
        const Instant keepalive = now + seconds(7200);
        set(wheel, 0, keepalive, now);
        now = now + milliseconds(1000);
        wheel.advance(now, nothing_soon, [](std::uint32_t) { FAIL() << "not yet"; });
        set(wheel, 0, now + milliseconds(260), now);  // sent
        set(wheel, 0, keepalive, now);                // and acknowledged
        now = now + milliseconds(255);
        wheel.advance(now, nothing_soon, [](std::uint32_t) { FAIL() << "not yet"; });
        set(wheel, 0, now + milliseconds(260), now);  // sent again: no answer comes
        bool fired = false;
        wheel.advance(now + milliseconds(260) + kTick * 2, nothing_soon,
                      [&](std::uint32_t) { fired = true; });
        ASSERT_TRUE(fired) << offset;
    }
}

// However often its deadline moves, an entry has one place, and the wheel's memory is enough.
TEST(TimerWheel, KeepsOnePlaceForAnEntryWhoseDeadlineComesNearerAgainAndAgain) {
    Wheel wheel;
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
    Wheel wheel;
    ASSERT_TRUE(wheel.reserve(1, Pages::normal));
    wheel.start({0});
    set(wheel, 0, Instant{0} + seconds(1), {0});
    EXPECT_LE(wheel.next_deadline(), Instant{0} + TimerWheel::kFirstLook + kTick * 2);
    wheel.clear(0);
    wheel.advance(Instant{0} + milliseconds(50), nothing_soon,
                  [](std::uint32_t) { FAIL() << "it is not due"; });
    EXPECT_EQ(wheel.next_deadline(), kNever);
}

TEST(TimerWheel, IdleYearsCostNothing) {
    Wheel wheel;
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
