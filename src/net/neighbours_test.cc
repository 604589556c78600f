// SPDX-License-Identifier: Apache-2.0
#include "net/neighbours.h"

#include <gtest/gtest.h>

#include <map>
#include <set>
#include <vector>

#include "net/testing/packets.h"

namespace mtcp::net {
namespace {

using testing::ip;
using testing::kOtherMac;
using testing::kPeerIp;
using testing::kPeerMac;
using Use = Neighbours::Use;
using Due = Neighbours::Due;
using Learned = Neighbours::Learned;

class NeighboursTest : public ::testing::Test {
  protected:
    explicit NeighboursTest(std::uint32_t capacity = 8)
        : random_(7), table_(configuration(capacity), random_) {}

    static NetworkConfiguration configuration(std::uint32_t capacity) {
        NetworkConfiguration result;
        result.interfaces.resize(2);
        result.limits.neighbours = capacity;
        result.limits.neighbours_by_strangers_per_second = 5;
        result.neighbours = {
            NeighbourConfiguration{ip(10, 0, 0, 99), io::MacAddress{{2, 0, 0, 0, 0, 0x99}}, 0}};
        return result;
    }
    std::uint16_t obtain(wire::IpAddress address) { return table_.obtain(0, address).index; }
    Learned learn(Evidence evidence, wire::MacOctets mac = kPeerMac,
                  wire::IpAddress who = kPeerIp) {
        return table_.learn({who, mac, 0, evidence}, now_, index_);
    }
    void resolve(wire::IpAddress who = kPeerIp) {
        ASSERT_EQ(table_.use(obtain(who), now_), Use::park_and_ask);
        ASSERT_EQ(learn(Evidence::answer, kPeerMac, who), Learned::resolved);
    }
    Due expired() { return table_.expired(now_, index_); }

    Random random_;
    Neighbours table_;
    Instant now_{1'000'000'000};
    std::uint16_t index_ = kNoNeighbour;
};

TEST_F(NeighboursTest, FirstUseAsksAndLaterOnesWait) {
    const std::uint16_t index = obtain(kPeerIp);
    EXPECT_EQ(table_.use(index, now_), Use::park_and_ask);
    EXPECT_EQ(table_.use(index, now_), Use::park);
    EXPECT_EQ(learn(Evidence::answer), Learned::resolved);
    EXPECT_EQ(table_.use(index, now_), Use::transmit);
    EXPECT_EQ(table_[index].link.destination, kPeerMac);
    EXPECT_EQ(expired(), Due::nothing);
    EXPECT_EQ(table_.deadline(), kNever);
}

TEST_F(NeighboursTest, AsksThreeTimesASecondApartAndFails) {
    const std::uint16_t index = obtain(kPeerIp);
    ASSERT_EQ(table_.use(index, now_), Use::park_and_ask);
    for (int i = 0; i < 2; ++i) {
        EXPECT_EQ(table_.deadline(), now_ + seconds(1));
        now_ = now_ + seconds(1);
        EXPECT_EQ(expired(), Due::ask_broadcast);
        EXPECT_EQ(index_, index);
        EXPECT_EQ(expired(), Due::nothing);
    }
    now_ = now_ + seconds(1);
    EXPECT_EQ(expired(), Due::failed);
    EXPECT_EQ(expired(), Due::nothing);
    EXPECT_EQ(table_.deadline(), kNever);
    EXPECT_EQ(table_.use(index, now_), Use::park_and_ask) << "the next packet tries again";
}

TEST_F(NeighboursTest, AgedEntryIsConfirmedByItsNextUseWhileItStillCarries) {
    resolve();
    const std::uint16_t index = obtain(kPeerIp);
    now_ = now_ + Neighbours::kReachableTime;
    EXPECT_EQ(table_.use(index, now_), Use::transmit);
    now_ = now_ + milliseconds(1);
    EXPECT_EQ(table_.use(index, now_), Use::transmit_and_ask);
    EXPECT_EQ(table_.use(index, now_), Use::transmit);
    EXPECT_EQ(learn(Evidence::answer), Learned::nothing);
    EXPECT_EQ(table_[index].state, NeighbourState::reachable);
    now_ = now_ + seconds(59);
    EXPECT_EQ(expired(), Due::nothing);
    EXPECT_EQ(table_.use(index, now_), Use::transmit);
}

TEST_F(NeighboursTest, AStationThatIsGoneIsAskedByUnicastThenByBroadcastThenGivenUp) {
    resolve();
    const std::uint16_t index = obtain(kPeerIp);
    now_ = now_ + seconds(61);
    ASSERT_EQ(table_.use(index, now_), Use::transmit_and_ask);
    std::vector<Due> seen;
    for (int i = 0; i < 6; ++i) {
        now_ = now_ + seconds(1);
        for (Due due = expired(); due != Due::nothing; due = expired())
            seen.push_back(due);
    }
    EXPECT_EQ(seen, (std::vector<Due>{Due::ask_unicast, Due::ask_unicast, Due::ask_broadcast,
                                      Due::ask_broadcast, Due::ask_broadcast, Due::failed}));
}

TEST_F(NeighboursTest, AnswersThatNobodyAskedForTeachNothing) {
    EXPECT_EQ(learn(Evidence::answer), Learned::unknown);
    EXPECT_EQ(learn(Evidence::claim), Learned::unknown);
    const std::uint16_t index = obtain(kPeerIp);
    EXPECT_EQ(learn(Evidence::answer), Learned::unknown);
    EXPECT_EQ(table_.use(index, now_), Use::park_and_ask);
    EXPECT_EQ(learn(Evidence::claim), Learned::unknown) << "a claim is no answer";
    EXPECT_EQ(table_.use(index, now_), Use::park);
}

TEST_F(NeighboursTest, AFreshEntryIsTestedNotOverwritten) {
    resolve();
    const std::uint16_t index = obtain(kPeerIp);
    for (const Evidence evidence : {Evidence::claim, Evidence::request, Evidence::answer}) {
        EXPECT_EQ(learn(evidence, kOtherMac), evidence == Evidence::claim
                                                  ? Learned::contradicted_and_ask
                                                  : Learned::contradicted);
        EXPECT_EQ(table_[index].link.destination, kPeerMac);
    }
    EXPECT_EQ(learn(Evidence::answer, kPeerMac), Learned::nothing);
    EXPECT_EQ(table_[index].state, NeighbourState::reachable);
}

TEST_F(NeighboursTest, AnAddressThatMovedIsFollowedAfterTheOldStationKeptSilent) {
    resolve();
    const std::uint16_t index = obtain(kPeerIp);
    ASSERT_EQ(learn(Evidence::claim, kOtherMac), Learned::contradicted_and_ask);
    for (int i = 0; i < 3; ++i) {
        now_ = now_ + seconds(1);
        while (expired() != Due::nothing) {
        }
    }
    EXPECT_EQ(table_[index].state, NeighbourState::incomplete);
    EXPECT_EQ(learn(Evidence::answer, kOtherMac), Learned::resolved);
    EXPECT_EQ(table_[index].link.destination, kOtherMac);
}

TEST_F(NeighboursTest, StaleEntriesFollowAClaim) {
    resolve();
    now_ = now_ + seconds(61);
    EXPECT_EQ(learn(Evidence::claim, kOtherMac), Learned::nothing);
    const std::uint16_t index = obtain(kPeerIp);
    EXPECT_EQ(table_[index].link.destination, kOtherMac);
    EXPECT_EQ(table_.use(index, now_), Use::transmit_and_ask) << "but are confirmed by use";
}

TEST_F(NeighboursTest, ARequestMakesAStaleEntryAndResolvesAPendingOne) {
    EXPECT_EQ(learn(Evidence::request), Learned::nothing);
    EXPECT_EQ(table_[obtain(kPeerIp)].state, NeighbourState::stale);
    const wire::IpAddress other = ip(10, 0, 0, 3);
    ASSERT_EQ(table_.use(obtain(other), now_), Use::park_and_ask);
    EXPECT_EQ(learn(Evidence::request, kOtherMac, other), Learned::resolved);
    EXPECT_EQ(index_, obtain(other));
}

TEST_F(NeighboursTest, StrangersMakeOnlySoManyRecordsASecond) {
    unsigned made = 0;
    for (unsigned i = 1; i < 50; ++i) {
        if (learn(Evidence::request, kOtherMac, ip(10, 0, 1, i)) == Learned::nothing) ++made;
    }
    EXPECT_EQ(made, 5u);
}

TEST_F(NeighboursTest, StaticEntriesNeverChangeAndNeverLeave) {
    const wire::IpAddress fixed = ip(10, 0, 0, 99);
    const std::uint16_t index = obtain(fixed);
    for (const Evidence evidence : {Evidence::claim, Evidence::request, Evidence::answer}) {
        EXPECT_EQ(learn(evidence, kOtherMac, fixed), Learned::contradicted);
    }
    now_ = now_ + seconds(100'000);
    EXPECT_EQ(table_.use(index, now_), Use::transmit);
    for (unsigned i = 1; i < 100; ++i)
        obtain(ip(10, 0, 1, i));
    EXPECT_EQ(obtain(fixed), index);
    EXPECT_EQ(table_[index].link.destination, (wire::MacOctets{2, 0, 0, 0, 0, 0x99}));
}

TEST_F(NeighboursTest, SameAddressOnTwoInterfacesIsTwoNeighbours) {
    const std::uint16_t here = table_.obtain(0, kPeerIp).index;
    const std::uint16_t there = table_.obtain(1, kPeerIp).index;
    EXPECT_NE(here, there);
    EXPECT_EQ(table_.find(1, kPeerIp), there);
}

TEST_F(NeighboursTest, AFullTableGivesUpWhatIsNotUsedAndTellsByTheVersion) {
    resolve();
    const NeighbourReference used = table_.obtain(0, kPeerIp);
    const NeighbourReference first = table_.obtain(0, ip(10, 0, 2, 1));
    for (unsigned i = 2; i < 30; ++i) {
        ASSERT_EQ(table_.use(used.index, now_), Use::transmit);
        ASSERT_NE(obtain(ip(10, 0, 2, i)), kNoNeighbour);
    }
    EXPECT_TRUE(table_.is_current(used));
    EXPECT_FALSE(table_.is_current(first));
    EXPECT_EQ(table_.find(0, ip(10, 0, 2, 1)), kNoNeighbour);
    EXPECT_FALSE(table_.is_current(NeighbourReference{}));
}

TEST_F(NeighboursTest, UnansweredQuestionsTakeAtMostHalfOfTheTable) {
    unsigned asked = 0;
    unsigned refused = 0;
    for (unsigned i = 1; i < 20; ++i) {
        const std::uint16_t index = obtain(ip(10, 0, 3, i));
        ASSERT_NE(index, kNoNeighbour);
        const Use use = table_.use(index, now_);
        asked += use == Use::park_and_ask;
        refused += use == Use::refuse;
    }
    EXPECT_EQ(asked, 4u);
    EXPECT_EQ(refused, 15u);
    EXPECT_LE(table_.used(), 8u);
}

class ManyNeighboursTest : public NeighboursTest {
  protected:
    ManyNeighboursTest() : NeighboursTest(64) {}
};

TEST_F(ManyNeighboursTest, LookupSurvivesTenThousandReplacements) {
    // Against a model: what find() says must be what was obtained last under that version.
    std::map<unsigned, NeighbourReference> model;
    Random random(3);
    for (int i = 0; i < 10'000; ++i) {
        const unsigned host = random.below(300) + 1;
        const NeighbourReference got = table_.obtain(0, ip(10, 0, host / 256, host % 256));
        ASSERT_NE(got.index, kNoNeighbour);
        model[host] = got;
        for (const auto& [other, reference] : model) {
            if (i % 500 != 0) break;
            const wire::IpAddress address = ip(10, 0, other / 256, other % 256);
            const std::uint16_t found = table_.find(0, address);
            if (table_.is_current(reference)) {
                ASSERT_EQ(found, reference.index);
                ASSERT_EQ(table_[found].address, address);
            } else {
                ASSERT_EQ(found, kNoNeighbour);
            }
        }
    }
}

TEST_F(ManyNeighboursTest, ManyTimersAllExpire) {
    for (unsigned i = 1; i <= 20; ++i) {
        ASSERT_EQ(table_.use(obtain(ip(10, 0, 4, i)), now_), Use::park_and_ask);
        now_ = now_ + milliseconds(10);
    }
    std::multiset<std::uint16_t> failed;
    while (table_.deadline() != kNever) {
        now_ = later(now_, table_.deadline());
        for (Due due = expired(); due != Due::nothing; due = expired()) {
            if (due == Due::failed) failed.insert(index_);
        }
    }
    EXPECT_EQ(failed.size(), 20u);
    EXPECT_EQ(std::set<std::uint16_t>(failed.begin(), failed.end()).size(), 20u);
}

}  // namespace
}  // namespace mtcp::net
