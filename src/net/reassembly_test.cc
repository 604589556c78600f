// SPDX-License-Identifier: Apache-2.0
#include "net/reassembly.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <numeric>

#include "base/random.h"
#include "net/testing/packets.h"

namespace mtcp::net {
namespace {

using testing::Bytes;
using testing::ip;
using testing::pattern;
using Added = Reassembly::Added;

Limits small() {
    Limits limits;
    limits.reassemblies = 4;
    limits.reassemblies_per_source = 2;
    limits.reassembly_bytes = 100'000;
    return limits;
}

class ReassemblyTest : public ::testing::Test {
  protected:
    ReassemblyTest() : whole_(pattern(4000)), reassembly_(small(), counters_) {
        EXPECT_TRUE(reassembly_.reserved());
    }
    // Bytes [begin, end) of whole_, which is the whole datagram.
    Added add(std::size_t begin, std::size_t end, std::uint32_t id = 1,
              wire::IpAddress source = testing::kPeerIp) {
        return add_bytes(begin, std::span(whole_).subspan(begin, end - begin), end < whole_.size(),
                         id, source);
    }
    Added add_bytes(std::size_t begin, std::span<const std::byte> bytes, bool more,
                    std::uint32_t id = 1, wire::IpAddress source = testing::kPeerIp) {
        const std::size_t header_length = 20;
        const Fragment fragment{FragmentKey{source, testing::kOurIp, id, protocol_},
                                static_cast<std::uint32_t>(begin),
                                more ? MoreFragments::yes : MoreFragments::no,
                                ecn_,
                                3,
                                std::span(header_).first(header_length),
                                bytes};
        return reassembly_.add(fragment, now_, datagram_);
    }
    bool is_whole() const {
        return std::equal(datagram_.payload.begin(), datagram_.payload.end(), whole_.begin(),
                          whole_.end());
    }
    std::uint64_t drops() const {
        return std::accumulate(counters_.dropped.begin(), counters_.dropped.end(),
                               std::uint64_t{0});
    }

    Counters counters_;
    Bytes whole_;
    Bytes header_ = pattern(60);
    Reassembly reassembly_;
    Reassembly::Datagram datagram_;
    Instant now_{5'000'000'000};
    std::uint8_t ecn_ = 0;
    std::uint8_t protocol_ = 17;
};

TEST_F(ReassemblyTest, PutsFragmentsTogetherInAnyOrder) {
    std::vector<std::pair<std::size_t, std::size_t>> pieces{
        {0, 1000}, {1000, 1480}, {1480, 2960}, {2960, 4000}};
    std::uint32_t id = 0;
    std::sort(pieces.begin(), pieces.end());
    do {
        ++id;
        for (std::size_t i = 0; i < 3; ++i) {
            ASSERT_EQ(add(pieces[i].first, pieces[i].second, id), Added::held);
        }
        ASSERT_EQ(add(pieces[3].first, pieces[3].second, id), Added::complete);
        EXPECT_TRUE(is_whole());
        reassembly_.take_back_lent();
        EXPECT_EQ(reassembly_.used(), 0u);
        EXPECT_EQ(reassembly_.bytes_held(), 0u);
    } while (std::next_permutation(pieces.begin(), pieces.end()));
    EXPECT_EQ(counters_.fragments_reassembled, 24u);
    EXPECT_EQ(drops(), 0u);
}

TEST_F(ReassemblyTest, LastFragmentMayHaveAnyLength) {
    whole_ = pattern(1001);
    EXPECT_EQ(add(1000, 1001), Added::held);
    EXPECT_EQ(add(0, 1000), Added::complete);
    EXPECT_TRUE(is_whole());
}

TEST_F(ReassemblyTest, LentBufferStaysUntilItIsTakenBack) {
    ASSERT_EQ(add(0, 2000), Added::held);
    ASSERT_EQ(add(2000, 4000), Added::complete);
    const Reassembly::Datagram first = datagram_;
    for (std::uint32_t id = 2; id < 40; ++id) {
        Bytes other(2000, std::byte{0xee});
        add_bytes(0, other, true, id);
    }
    EXPECT_TRUE(std::equal(first.payload.begin(), first.payload.end(), whole_.begin()));
    reassembly_.take_back_lent();
}

TEST_F(ReassemblyTest, DropsDatagramWithOverlap) {
    ASSERT_EQ(add(0, 1480), Added::held);
    Bytes other(1480, std::byte{0x66});
    EXPECT_EQ(add_bytes(1472, other, true), Added::dropped);
    EXPECT_EQ(counters_.drops(Drop::fragment_overlap), 1u);
    EXPECT_EQ(reassembly_.bytes_held(), 0u);
    EXPECT_EQ(add(1480, 4000), Added::dropped) << "the rest of it is dropped too";
    EXPECT_EQ(counters_.drops(Drop::fragment_overlap), 2u);
}

TEST_F(ReassemblyTest, DropsDatagramWithOtherBytesForTheSamePlace) {
    ASSERT_EQ(add(0, 1480), Added::held);
    Bytes other(whole_.begin(), whole_.begin() + 1480);
    other[700] ^= std::byte{1};
    EXPECT_EQ(add_bytes(0, other, true), Added::dropped);
    EXPECT_EQ(counters_.drops(Drop::fragment_overlap), 1u);
}

TEST_F(ReassemblyTest, TheSameFragmentAgainDoesNoHarm) {
    ASSERT_EQ(add(2960, 4000), Added::held);
    EXPECT_EQ(add(2960, 4000), Added::dropped);
    EXPECT_EQ(counters_.drops(Drop::fragment_duplicate), 1u);
    ASSERT_EQ(add(0, 2960), Added::complete);
    EXPECT_TRUE(is_whole());
}

TEST_F(ReassemblyTest, TwoEndsOfOneDatagramDiscardIt) {
    ASSERT_EQ(add(2960, 4000), Added::held);
    Bytes other(80, std::byte{1});
    EXPECT_EQ(add_bytes(1480, other, false), Added::dropped);
    EXPECT_EQ(counters_.drops(Drop::fragment_overlap), 1u);
}

TEST_F(ReassemblyTest, BytesBeyondTheEndDiscardIt) {
    ASSERT_EQ(add(2960, 4000), Added::held);
    Bytes other(80, std::byte{1});
    EXPECT_EQ(add_bytes(4000, other, true), Added::dropped);
    EXPECT_EQ(counters_.drops(Drop::fragment_overlap), 1u);
}

TEST_F(ReassemblyTest, IllegalFragmentsAreDroppedAlone) {
    struct Row {
        const char* name;
        std::size_t offset, length;
        bool more;
    };
    const Row rows[] = {{"empty", 8, 0, true},
                        {"empty and last", 8, 0, false},
                        {"not a multiple of eight", 0, 1001, true},
                        {"beyond the largest packet", 65512, 16, false},
                        {"far beyond it", 65528, 1480, true}};
    ASSERT_EQ(add(0, 1480), Added::held);
    for (const Row& row : rows) {
        EXPECT_EQ(add_bytes(row.offset, pattern(row.length), row.more), Added::dropped) << row.name;
    }
    EXPECT_EQ(counters_.drops(Drop::fragment_bad), 5u);
    EXPECT_EQ(add(1480, 4000), Added::complete);
}

TEST_F(ReassemblyTest, TheLargestDatagramFits) {
    whole_ = pattern(65515);
    ASSERT_EQ(add(65512, 65515), Added::held);
    ASSERT_EQ(add(0, 65512), Added::complete);
    EXPECT_TRUE(is_whole());
}

TEST_F(ReassemblyTest, TcpHeadersThatAreCutAreRefused) {
    protocol_ = 6;
    EXPECT_EQ(add_bytes(0, pattern(16), true), Added::dropped);
    EXPECT_EQ(add_bytes(8, pattern(64), true), Added::dropped);
    EXPECT_EQ(add_bytes(16, pattern(64), true), Added::dropped);
    EXPECT_EQ(counters_.drops(Drop::fragment_bad), 3u);
    EXPECT_EQ(add_bytes(0, pattern(24), true), Added::held);
}

TEST_F(ReassemblyTest, ManyTinyFragmentsWorkWithinTheBytes) {
    for (std::size_t at = 0; at + 8 < whole_.size(); at += 8) {
        ASSERT_EQ(add(at, at + 8), Added::held);
    }
    ASSERT_EQ(add(3992, 4000), Added::complete);
    EXPECT_TRUE(is_whole());
}

TEST_F(ReassemblyTest, OneSourceHoldsOnlySoManyAndLosesItsOldest) {
    ASSERT_EQ(add(0, 8, 1), Added::held);
    ASSERT_EQ(add(0, 8, 2), Added::held);
    ASSERT_EQ(add(0, 8, 3), Added::held);
    EXPECT_EQ(reassembly_.used(), 2u);
    EXPECT_EQ(counters_.drops(Drop::fragment_table_full), 1u);
    EXPECT_EQ(add(8, 4000, 2), Added::complete);
    EXPECT_EQ(add(8, 4000, 1), Added::held) << "the first was given up";
}

TEST_F(ReassemblyTest, AFullTableGivesUpTheOldest) {
    for (unsigned i = 0; i < 5; ++i) {
        ASSERT_EQ(add(0, 8, 1, ip(10, 0, 1, i)), Added::held);
    }
    EXPECT_EQ(reassembly_.used(), 4u);
    EXPECT_EQ(counters_.drops(Drop::fragment_table_full), 1u);
    EXPECT_EQ(add(8, 4000, 1, ip(10, 0, 1, 1)), Added::complete);
}

TEST_F(ReassemblyTest, WithEveryBufferLentNewFragmentsAreDropped) {
    for (unsigned i = 0; i < 4; ++i) {
        ASSERT_EQ(add(0, 2000, 1, ip(10, 0, 1, i)), Added::held);
        ASSERT_EQ(add(2000, 4000, 1, ip(10, 0, 1, i)), Added::complete);
    }
    EXPECT_EQ(add(0, 2000), Added::dropped);
    EXPECT_EQ(counters_.drops(Drop::fragment_table_full), 1u);
    reassembly_.take_back_lent();
    EXPECT_EQ(add(0, 2000), Added::held);
}

TEST_F(ReassemblyTest, BytesAreBounded) {
    whole_ = pattern(60'000);
    ASSERT_EQ(add(0, 48'000, 1, ip(10, 0, 1, 1)), Added::held);
    ASSERT_EQ(add(0, 48'000, 1, ip(10, 0, 1, 2)), Added::held);
    ASSERT_EQ(add(0, 48'000, 1, ip(10, 0, 1, 3)), Added::held);
    EXPECT_LE(reassembly_.bytes_held(), 100'000u);
    EXPECT_EQ(counters_.drops(Drop::fragment_table_full), 1u);
    EXPECT_EQ(add(48'000, 60'000, 1, ip(10, 0, 1, 3)), Added::complete);
}

TEST_F(ReassemblyTest, GivesUpAfterThirtySecondsWithTheBeginningForIcmp) {
    ASSERT_EQ(add(0, 1480), Added::held);
    ASSERT_EQ(add(1480, 2960), Added::held);
    EXPECT_EQ(reassembly_.deadline(), now_ + seconds(30));
    TimedOut late;
    now_ = now_ + seconds(30) - nanoseconds(1);
    EXPECT_FALSE(reassembly_.expired(now_, late));
    now_ = now_ + nanoseconds(1);
    ASSERT_TRUE(reassembly_.expired(now_, late));
    EXPECT_EQ(late.key.source, testing::kPeerIp);
    EXPECT_EQ(late.interface, 3);
    EXPECT_EQ(late.header.size(), 20u);
    EXPECT_EQ(late.payload.size(), 2960u);
    EXPECT_TRUE(std::equal(late.payload.begin(), late.payload.end(), whole_.begin()));
    EXPECT_FALSE(reassembly_.expired(now_, late));
    EXPECT_EQ(counters_.drops(Drop::fragment_timeout), 1u);
    EXPECT_EQ(reassembly_.deadline(), kNever);
    EXPECT_EQ(reassembly_.used(), 0u);
}

TEST_F(ReassemblyTest, WithoutTheFirstFragmentOrAfterAnOverlapNobodyIsTold) {
    ASSERT_EQ(add(1480, 2960, 1), Added::held);
    ASSERT_EQ(add(0, 1480, 2), Added::held);
    Bytes other(1480, std::byte{0x66});
    ASSERT_EQ(add_bytes(0, other, true, 2), Added::dropped);
    now_ = now_ + seconds(31);
    TimedOut late;
    EXPECT_FALSE(reassembly_.expired(now_, late));
    EXPECT_EQ(counters_.drops(Drop::fragment_timeout), 1u);
    EXPECT_EQ(reassembly_.used(), 0u);
}

TEST_F(ReassemblyTest, OneCongestionMarkMarksTheDatagram) {
    ecn_ = 2;
    ASSERT_EQ(add(0, 1480), Added::held);
    ecn_ = 3;
    ASSERT_EQ(add(2960, 4000), Added::held);
    ecn_ = 2;
    ASSERT_EQ(add(1480, 2960), Added::complete);
    EXPECT_EQ(datagram_.ecn, 3);
}

TEST_F(ReassemblyTest, AMarkAmongFragmentsThatCannotBearOneDropsTheDatagram) {
    ecn_ = 0;
    ASSERT_EQ(add(0, 1480), Added::held);
    ecn_ = 3;
    ASSERT_EQ(add(2960, 4000), Added::held);
    ecn_ = 0;
    ASSERT_EQ(add(1480, 2960), Added::dropped);
    EXPECT_EQ(counters_.drops(Drop::fragment_bad), 1u);
    EXPECT_EQ(counters_.fragments_reassembled, 0u);
    EXPECT_EQ(reassembly_.used(), 0u);
    EXPECT_EQ(reassembly_.bytes_held(), 0u);
}

TEST_F(ReassemblyTest, RandomFragmentsNeverMakeAWrongDatagram) {
    // Three datagrams in pieces of 400 bytes, in random order, some twice, now and then one that
    // overlaps, beside forged fragments of others: what comes out must be right.
    Random random(11);
    std::uint64_t complete = 0;
    for (int round = 0; round < 20'000; ++round) {
        const std::size_t skew = random.chance(10'000) ? 8 : 0;
        const std::size_t begin = random.below(10) * 400 + skew;
        const std::size_t end = std::min(whole_.size(), begin + 400);
        const std::uint32_t id = random.below(3);
        const auto source = ip(10, 0, 1, id);
        if (random.chance(100'000)) {
            Bytes forged(end - begin, std::byte{0x13});
            add_bytes(begin, forged, random.chance(500'000), id + 10, source);
        } else if (add(begin, end, id, source) == Added::complete) {
            ASSERT_TRUE(is_whole());
            ++complete;
        }
        if (round % 16 == 0) reassembly_.take_back_lent();
        now_ = now_ + milliseconds(random.below(500));
        TimedOut late;
        while (reassembly_.expired(now_, late)) {
        }
    }
    EXPECT_GT(complete, 20u);
    EXPECT_GT(counters_.drops(Drop::fragment_overlap), 20u);
}

}  // namespace
}  // namespace mtcp::net
