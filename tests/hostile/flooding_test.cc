// SPDX-License-Identifier: Apache-2.0
// Hash flooding: tuples chosen by somebody who knows the function, the size of the table and its
// probing, but not the key. Probes are counted: what such tuples cost must be what random ones do.
#include <gtest/gtest.h>

#include <algorithm>
#include <functional>
#include <string>
#include <vector>

#include "base/random.h"
#include "stack/flow_table.h"

namespace mtcp::victim {
namespace {

constexpr std::uint32_t kSlots = 1u << 16;
constexpr std::uint32_t kTuples = kSlots / 2;  // the fullest that a table is

struct Cost {
    double mean = 0;  // slots looked at to find one
    std::uint32_t most = 0;
    std::uint32_t equal = 0;  // tuples whose whole hash another has: a key compared in vain
};

// Linear probing as in FlowTable, over the low bits of the hash.
Cost cost_of(const std::vector<std::uint32_t>& hashes) {
    std::vector<bool> taken(kSlots);
    std::uint64_t probes = 0;
    Cost cost;
    for (const std::uint32_t hash : hashes) {
        std::uint32_t length = 1;
        for (std::uint32_t at = hash % kSlots; taken[at]; at = (at + 1) % kSlots)
            ++length;
        taken[(hash + length - 1) % kSlots] = true;
        probes += length;
        cost.most = std::max(cost.most, length);
    }
    cost.mean = static_cast<double>(probes) / static_cast<double>(hashes.size());
    std::vector<std::uint32_t> sorted = hashes;
    std::sort(sorted.begin(), sorted.end());
    for (std::size_t i = 1; i < sorted.size(); ++i)
        cost.equal += sorted[i] == sorted[i - 1] ? 1u : 0u;
    return cost;
}

struct Choice {
    const char* name;
    std::function<wire::FlowKey(std::uint32_t n)> tuple;
};

wire::FlowKey tuple_of(std::uint32_t remote, std::uint16_t remote_port, std::uint16_t local_port) {
    return {.local = wire::IpAddress::v4(0x0a000001),
            .remote = wire::IpAddress::v4(remote),
            .local_port = local_port,
            .remote_port = remote_port};
}

const std::vector<Choice>& choices() {
    const auto low16 = [](std::uint32_t n) { return static_cast<std::uint16_t>(n); };
    static const std::vector<Choice> kChoices{
        {"one host, every port", [low16](std::uint32_t n) { return tuple_of(1, low16(n), 80); }},
        {"one port, many hosts", [](std::uint32_t n) { return tuple_of(n, 40'000, 80); }},
        {"hosts that differ above", [](std::uint32_t n) { return tuple_of(n << 16, 40'000, 80); }},
        {"ports that undo the host",
         [low16](std::uint32_t n) { return tuple_of(n, low16(n), 80); }},
        {"bytes turned about",
         [low16](std::uint32_t n) { return tuple_of(__builtin_bswap32(n), low16(~n), 80); }},
        {"multiples of the table",
         [low16](std::uint32_t n) { return tuple_of(n * kSlots + 7, low16(n >> 3), 80); }},
        {"the mixing constant",
         [low16](std::uint32_t n) {
             return tuple_of(n * 0x9e3779b9u, low16(n * 0x7f4a7c15u), 80);
         }},
        {"many local ports",
         [low16](std::uint32_t n) { return tuple_of(0x01020304, 1024, low16(n)); }},
        {"one bit at a time",
         [low16](std::uint32_t n) {
             return tuple_of(1u << n % 32, low16(1u << n / 32 % 16), low16(n));
         }},
    };
    return kChoices;
}

// With a load of one half, linear probing over fair hashes looks at 1.5 slots on the average (Knuth
// 6.4) and at some dozens at worst.
TEST(HashFlooding, ChosenTuplesCostWhatRandomOnesDo) {
    Random random(11);
    for (const Choice& choice : choices()) {
        double worst_mean = 0;
        std::uint32_t worst = 0;
        std::uint32_t equal = 0;
        for (int key = 0; key < 24; ++key) {
            const SecretKey secret{random.next(), random.next()};
            std::vector<std::uint32_t> hashes;
            for (std::uint32_t n = 0; n < kTuples; ++n)
                hashes.push_back(stack::flow_hash(secret, choice.tuple(n)));
            const Cost cost = cost_of(hashes);
            worst_mean = std::max(worst_mean, cost.mean);
            worst = std::max(worst, cost.most);
            equal = std::max(equal, cost.equal);
        }
        EXPECT_LT(worst_mean, 1.6) << choice.name;
        EXPECT_LT(worst, 120u) << choice.name;
        EXPECT_LT(equal, 12u) << choice.name;
    }
}

// What collides under one key does not under another: nobody can find the bad tuples elsewhere.
TEST(HashFlooding, TuplesThatCollideDoSoUnderOneKeyOnly) {
    const SecretKey known{1, 2};
    std::vector<wire::FlowKey> bad;
    Random random(12);
    for (std::uint32_t n = 0; bad.size() < 2'000; ++n) {
        const auto port = static_cast<std::uint16_t>(random.next());
        const wire::FlowKey key = tuple_of(n, port, 80);
        if (stack::flow_hash(known, key) % kSlots < 64) bad.push_back(key);
    }
    for (int other = 0; other < 16; ++other) {
        const SecretKey secret{random.next(), random.next()};
        std::vector<std::uint32_t> hashes;
        for (const wire::FlowKey& key : bad)
            hashes.push_back(stack::flow_hash(secret, key));
        const Cost cost = cost_of(hashes);
        EXPECT_LT(cost.mean, 1.1);
        EXPECT_LT(cost.most, 8u);
    }
}

}  // namespace
}  // namespace mtcp::victim
