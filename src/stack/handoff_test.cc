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

const wire::IpAddress kOwn = wire::IpAddress::v4(0x0a000002);
const wire::IpAddress kOtherOwn = wire::IpAddress::v4(0x0a000003);

TEST(ListeningCores, PrefersTheOwnerAndFallsBackToOneThatListens) {
    auto listening = std::make_unique<ListeningCores>();
    const wire::Endpoint anywhere{wire::IpAddress::v4(0), 80};
    const wire::Endpoint to{kOwn, 80};
    EXPECT_EQ(listening->choose(to, 1, 0), kCoresMax);
    listening->add(anywhere, 0);
    listening->add(anywhere, 2);
    EXPECT_EQ(listening->choose(to, 2, 5), 2u);
    EXPECT_EQ(listening->choose(to, 1, 0), 0u);
    EXPECT_EQ(listening->choose(to, 1, 1), 2u);
    listening->remove(anywhere, 0);
    EXPECT_EQ(listening->choose(to, 1, 0), 2u);
}

TEST(ListeningCores, WhoIsBoundToTheAddressGoesBeforeTheOthers) {
    auto listening = std::make_unique<ListeningCores>();
    listening->add({kOwn, 80}, 0);
    listening->add({kOtherOwn, 80}, 1);
    EXPECT_EQ(listening->choose({kOwn, 80}, 1, 0), 0u);
    EXPECT_EQ(listening->choose({kOtherOwn, 80}, 0, 0), 1u);
    EXPECT_FALSE(listening->any({kOwn, 81}));
    EXPECT_FALSE(listening->any({wire::IpAddress::v4(0x0a000004), 80}));
    listening->add({wire::IpAddress::v4(0), 80}, 2);
    EXPECT_EQ(listening->choose({kOwn, 80}, 2, 0), 0u);
    listening->remove({kOwn, 80}, 0);
    EXPECT_EQ(listening->choose({kOwn, 80}, 0, 0), 2u);
}

TEST(ListeningCores, WithoutRoomForMoreAddressesTakesThemForAny) {
    auto listening = std::make_unique<ListeningCores>();
    for (std::uint32_t port = 1; port < 65'536; ++port)
        listening->add({kOwn, static_cast<std::uint16_t>(port)}, 0);
    for (std::uint32_t port = 1; port < 65'536; ++port)
        ASSERT_EQ(listening->choose({kOwn, static_cast<std::uint16_t>(port)}, 1, 0), 0u);
    for (std::uint32_t port = 1; port < 65'536; ++port)
        listening->remove({kOwn, static_cast<std::uint16_t>(port)}, 0);
    for (std::uint32_t port = 1; port < 65'536; ++port)
        ASSERT_FALSE(listening->any({kOwn, static_cast<std::uint16_t>(port)}));
}

}  // namespace
}  // namespace mtcp::stack
