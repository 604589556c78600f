// SPDX-License-Identifier: Apache-2.0
// The flow table against a map; hashing and ownership.
#include "stack/flow_table.h"

#include <gtest/gtest.h>

#include <map>
#include <vector>

#include "stack/flow_owner.h"

namespace mtcp::stack {
namespace {

wire::FlowKey key_of(std::uint32_t n) {
    return {.local = wire::IpAddress::v4(0x0a000001 + (n >> 16)),
            .remote = wire::IpAddress::v4(0x0a010000 + (n & 0xff)),
            .local_port = static_cast<std::uint16_t>(80 + (n & 3)),
            .remote_port = static_cast<std::uint16_t>(n)};
}

TEST(FlowTable, BehavesAsAMapUnderRandomInsertAndErase) {
    FlowTable table;
    ASSERT_TRUE(table.reserve(256, Pages::normal));
    Random random(7);
    std::map<std::uint32_t, std::uint32_t> model;  // key number -> hash
    for (int step = 0; step < 200'000; ++step) {
        const std::uint32_t n = random.below(400);
        const auto found = model.find(n);
        // Few distinct hashes: long probe sequences, wrap-around and equal hashes all happen.
        const std::uint32_t hash = (n % 37) * 0x01000193u + (n % 2 == 0 ? 0xfffffff0u : 0u);
        if (found == model.end() && model.size() < 256) {
            table.insert(hash, FlowRef::make(RecordKind::connection, n));
            model[n] = hash;
        } else if (found != model.end()) {
            table.erase(found->second, FlowRef::make(RecordKind::connection, n));
            model.erase(found);
        }
        if (step % 64 != 0) continue;
        ASSERT_EQ(table.size(), model.size());
        for (std::uint32_t k = 0; k < 400; ++k) {
            const std::uint32_t h = (k % 37) * 0x01000193u + (k % 2 == 0 ? 0xfffffff0u : 0u);
            const FlowRef ref = table.find(h, [&](FlowRef r) { return r.index() == k; });
            ASSERT_EQ(ref.valid(), model.count(k) == 1) << "key " << k << " at step " << step;
        }
    }
}

TEST(FlowTable, BehavesAsAMapWhileItGrows) {
    constexpr std::uint32_t kRecords = 40'000;
    FlowTable table;
    ASSERT_TRUE(table.reserve(kRecords, Pages::normal));
    const std::uint32_t slots_at_first = table.slots();
    Random random(11);
    std::map<std::uint32_t, std::uint32_t> model;  // record -> hash
    const auto hash_of = [](std::uint32_t n) { return flow_hash({5, 6}, key_of(n)); };
    int looks_while_growing = 0;
    for (std::uint32_t step = 0; step < 120'000; ++step) {
        const std::uint32_t n = random.below(kRecords);
        const FlowRef ref = FlowRef::make(RecordKind::connection, n);
        const auto found = model.find(n);
        if (found == model.end()) {
            table.insert(hash_of(n), ref);
            model[n] = hash_of(n);
        } else if (random.below(4) == 0) {
            table.erase(found->second, ref);
            model.erase(found);
        } else {
            table.replace(found->second, ref, FlowRef::make(RecordKind::half_open, n));
            table.replace(found->second, FlowRef::make(RecordKind::half_open, n), ref);
        }
        ASSERT_EQ(table.size(), model.size());
        const std::uint32_t asked = random.below(kRecords);
        const FlowRef answer =
            table.find(hash_of(asked), [asked](FlowRef r) { return r.index() == asked; });
        ASSERT_EQ(answer.valid(), model.count(asked) == 1) << "record " << asked << ", " << step;
        looks_while_growing += table.growing() ? 1 : 0;
    }
    EXPECT_GT(looks_while_growing, 1000);
    EXPECT_GE(table.slots(), slots_at_first * 64);
}

// No insertion may pay for the growth of a large table: one that does it at once looks at millions
// of slots while packets wait.
TEST(FlowTable, GrowsByAFewSlotsAnInsertion) {
    constexpr std::uint32_t kRecords = 3'000'000;
    FlowTable table;
    ASSERT_TRUE(table.reserve(kRecords, Pages::normal));
    for (std::uint32_t n = 0; n < kRecords; ++n)
        table.insert(flow_hash({7, 8}, key_of(n)), FlowRef::make(RecordKind::connection, n));
    EXPECT_GE(table.slots(), kRecords);
    EXPECT_LE(table.longest_step(), FlowTable::kMovedAtOnce + 200);  // the longest run of all
    for (std::uint32_t n = 0; n < kRecords; n += 97) {
        const FlowRef ref =
            table.find(flow_hash({7, 8}, key_of(n)), [n](FlowRef r) { return r.index() == n; });
        ASSERT_TRUE(ref.valid()) << n;
    }
}

TEST(FlowTable, EndsItsGrowthThoughNothingIsInserted) {
    FlowTable table;
    ASSERT_TRUE(table.reserve(10'000, Pages::normal));
    for (std::uint32_t n = 0; !table.growing(); ++n)
        table.insert(n * 0x9e3779b1u, FlowRef::make(RecordKind::connection, n));
    for (int turn = 0; turn < 100 && table.growing(); ++turn)
        table.grow_on();
    EXPECT_FALSE(table.growing());
}

TEST(FlowTable, TellsKindsOfRecordApart) {
    FlowTable table;
    ASSERT_TRUE(table.reserve(16, Pages::normal));
    table.insert(5, FlowRef::make(RecordKind::half_open, 3));
    table.replace(5, FlowRef::make(RecordKind::half_open, 3),
                  FlowRef::make(RecordKind::time_wait, 9));
    const FlowRef ref = table.find(5, [](FlowRef) { return true; });
    EXPECT_EQ(ref.kind(), RecordKind::time_wait);
    EXPECT_EQ(ref.index(), 9u);
}

TEST(FlowHash, SpreadsNeighbouringTuplesAndDependsOnTheSecret) {
    std::vector<int> buckets(1024);
    int same = 0;
    for (std::uint32_t n = 0; n < 102'400; ++n) {
        const std::uint32_t h = flow_hash({1, 2}, key_of(n));
        ++buckets[h & 1023];
        same += h == flow_hash({3, 4}, key_of(n)) ? 1 : 0;
    }
    for (const int count : buckets) {
        EXPECT_GT(count, 40);
        EXPECT_LT(count, 180);
    }
    EXPECT_LT(same, 3);
}

TEST(FlowOwner, IsTheSameForBothDirectionsAndSpreads) {
    std::vector<int> cores(4);
    for (std::uint32_t n = 0; n < 40'000; ++n) {
        const wire::FlowKey k = key_of(n * 7919);
        const wire::FlowKey reversed{.local = k.remote,
                                     .remote = k.local,
                                     .local_port = k.remote_port,
                                     .remote_port = k.local_port};
        ASSERT_EQ(owner_of(k, 4), owner_of(reversed, 4));
        ++cores[owner_of(k, 4)];
    }
    for (const int count : cores)
        EXPECT_NEAR(count, 10'000, 1'500);
}

TEST(FlowOwner, FoldingEqualsTheToeplitzDefinition) {
    const auto reference = [](const wire::FlowKey& k) {
        std::vector<std::uint8_t> input;
        for (std::size_t i = 12; i < 16; ++i)
            input.push_back(k.remote.octet[i]);
        for (std::size_t i = 12; i < 16; ++i)
            input.push_back(k.local.octet[i]);
        for (const std::uint16_t port : {k.remote_port, k.local_port}) {
            input.push_back(static_cast<std::uint8_t>(port >> 8));
            input.push_back(static_cast<std::uint8_t>(port));
        }
        std::uint32_t hash = 0;
        std::uint32_t window = 0x6d5a6d5a;
        std::size_t next = 32;
        for (const std::uint8_t byte : input) {
            for (int bit = 7; bit >= 0; --bit) {
                if ((byte >> bit & 1) != 0) hash ^= window;
                const std::uint32_t key_bit = 0x6d5a >> (15 - next % 16) & 1u;
                window = window << 1 | key_bit;
                ++next;
            }
        }
        return hash;
    };
    for (std::uint32_t n = 0; n < 1000; ++n) {
        ASSERT_EQ(symmetric_toeplitz(key_of(n * 65537)), reference(key_of(n * 65537)));
    }
}

}  // namespace
}  // namespace mtcp::stack
