// SPDX-License-Identifier: Apache-2.0
// The two kinds of link against each other, over one piece of memory: whatever the distance, what
// arrives is what was sent.
#include "io/memif/link.h"

#include <gtest/gtest.h>

#include "io/memif/testing/ends.h"

namespace mtcp::io::memif {
namespace {

using testing::fill;

constexpr std::uint32_t kTag = 1;

struct LinkPair {
    MemifConfig config{.role = MemifRole::slave, .log2_ring_size = 4};
    BufferPool pool;
    Counters counters;
    std::unique_ptr<Link> owner, guest;

    LinkPair() {
        EXPECT_TRUE(pool.reserve(64, config.buffer_size));
        Hello hello{};
        hello.min_version = hello.max_version = kVersion;
        hello.max_log2_ring_size = 4;
        auto made = make_session(config, hello);
        EXPECT_TRUE(made.ok());
        auto master = std::make_shared<Session>();
        auto mapped =
            SharedMemory::map((*made)->memory, (*made)->regions[0].size(), Sealing::trusted);
        EXPECT_TRUE(mapped.ok());
        master->role = MemifRole::master;
        master->regions.push_back(std::move(*mapped));
        announce((*made)->slave_to_master, master->slave_to_master);
        announce((*made)->master_to_slave, master->master_to_slave);
        EXPECT_EQ(locate_rings(*master), nullptr);
        owner = make_link(std::move(*made), 0, kTag, config);
        guest = make_link(std::move(master), 0, kTag, config);
    }
    static void announce(const std::vector<Ring>& from, std::vector<Ring>& to) {
        for (const Ring& ring : from) {
            Ring& known = to.emplace_back();
            known.placed = ring.placed;
            known.interrupt = FileDescriptor(::dup(ring.interrupt.get()));
        }
    }
    LinkContext context() { return {pool, &counters, {}}; }

    Frame frame(std::uint32_t length, std::uint32_t headroom, std::uint32_t number) {
        const std::uint32_t index = pool.take();
        Frame made{.data = pool.data(index) + headroom,
                   .length = length,
                   .capacity = pool.buffer_size(),
                   .token = make_token(kPoolTag, index)};
        fill(made.data, length, 0, number);
        return made;
    }
    // Every length, from every place in a line, two at a time.
    void expect_all_cross(Link& from, Link& to) {
        for (std::uint32_t number = 1; number <= 1514; ++number) {
            std::array<Frame, 2> sent{frame(number, number % 64, number), frame(60, 0, 0)};
            ASSERT_EQ(from.transmit(sent, context()), 2u);
            std::array<Frame, 2> both;
            ASSERT_EQ(to.receive(both, context()), 2u);
            pool.give_back(index_of(both[1]));
            for (const Frame& gone : sent)
                pool.give_back(index_of(gone));
            const Frame& received = both[0];
            ASSERT_EQ(received.length, number);
            std::vector<std::byte> expected(number);
            fill(expected.data(), number, 0, number);
            ASSERT_EQ(std::memcmp(received.data, expected.data(), number), 0) << number;
            pool.give_back(index_of(received));
        }
        for (const std::uint64_t dropped : counters.dropped)
            EXPECT_EQ(dropped, 0u);
    }
};

TEST(MemifLink, FramesCrossToANearPeer) {
    LinkPair pair;
    pair.expect_all_cross(*pair.owner, *pair.guest);
    pair.expect_all_cross(*pair.guest, *pair.owner);
}

TEST(MemifLink, FramesCrossToAFarPeer) {
    LinkPair pair;
    pair.owner->assume_far();
    pair.guest->assume_far();
    pair.expect_all_cross(*pair.owner, *pair.guest);
    pair.expect_all_cross(*pair.guest, *pair.owner);
}

}  // namespace
}  // namespace mtcp::io::memif
