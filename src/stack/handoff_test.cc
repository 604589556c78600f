// SPDX-License-Identifier: Apache-2.0
// Rings between cores and the tables they share.
#include <gtest/gtest.h>

#include <cstring>
#include <thread>
#include <vector>

#include "stack/handoff_ring.h"
#include "stack/shared_tables.h"

namespace mtcp::stack {
namespace {

TEST(HandoffRing, CarriesRecordsOfAnyLengthBetweenTwoThreads) {
    HandoffRing ring;
    ASSERT_TRUE(ring.reserve(1 << 16));
    constexpr int kRecords = 50'000;
    std::thread producer([&] {
        std::vector<std::byte> bytes(3000);
        for (int i = 0; i < kRecords; ++i) {
            const std::size_t length = static_cast<std::size_t>(i) * 7 % 3000;
            std::memset(bytes.data(), i & 0xff, length);
            HandoffRecord record;
            record.hops = static_cast<std::uint32_t>(i);
            while (!ring.push(record, {bytes.data(), length}))
                std::this_thread::yield();
        }
    });
    for (int i = 0; i < kRecords;) {
        const HandoffRecord* record = ring.front();
        if (record == nullptr) {
            std::this_thread::yield();
            continue;
        }
        ASSERT_EQ(record->hops, static_cast<std::uint32_t>(i));
        ASSERT_EQ(record->length, static_cast<std::uint32_t>(i) * 7 % 3000);
        for (const std::byte b : record->bytes())
            ASSERT_EQ(b, static_cast<std::byte>(i & 0xff));
        ring.pop();
        ++i;
    }
    producer.join();
    EXPECT_TRUE(ring.empty());
}

TEST(HandoffRing, RefusesWhenFullAndRecovers) {
    HandoffRing ring;
    ASSERT_TRUE(ring.reserve(1 << 12));
    std::vector<std::byte> bytes(500);
    int stored = 0;
    while (ring.push({}, bytes))
        ++stored;
    EXPECT_GT(stored, 1);
    EXPECT_LT(stored, 9);
    ASSERT_NE(ring.front(), nullptr);
    ring.pop();
    EXPECT_TRUE(ring.push({}, bytes));
}

TEST(FlowExceptions, FindsWhatWasInsertedAndForgetsWhatWasErased) {
    auto exceptions = std::make_unique<FlowExceptions>();
    EXPECT_EQ(exceptions->find(42), kCoresMax);
    ASSERT_TRUE(exceptions->insert(42, 3));
    ASSERT_TRUE(exceptions->insert(42 + FlowExceptions::kSlots, 5));  // same slot
    EXPECT_EQ(exceptions->find(42), 3u);
    EXPECT_EQ(exceptions->find(42 + FlowExceptions::kSlots), 5u);
    exceptions->erase(42, 3);
    EXPECT_EQ(exceptions->find(42), kCoresMax);
    EXPECT_EQ(exceptions->find(42 + FlowExceptions::kSlots), 5u);
}

TEST(FlowExceptions, RefusesWhenTheProbeSequenceIsFull) {
    auto exceptions = std::make_unique<FlowExceptions>();
    int stored = 0;
    while (stored < 100 &&
           exceptions->insert(7 + static_cast<std::uint64_t>(stored) * FlowExceptions::kSlots, 1))
        ++stored;
    EXPECT_EQ(stored, 16);
}

TEST(ListeningCores, PrefersTheOwnerAndFallsBackToOneThatListens) {
    auto listening = std::make_unique<ListeningCores>();
    EXPECT_EQ(listening->choose(80, 1, 0), kCoresMax);
    listening->add(80, 0);
    listening->add(80, 2);
    EXPECT_EQ(listening->choose(80, 2, 5), 2u);
    EXPECT_EQ(listening->choose(80, 1, 0), 0u);
    EXPECT_EQ(listening->choose(80, 1, 1), 2u);
    listening->remove(80, 0);
    EXPECT_EQ(listening->choose(80, 1, 0), 2u);
}

}  // namespace
}  // namespace mtcp::stack
