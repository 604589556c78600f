// SPDX-License-Identifier: Apache-2.0
// What header prediction must leave to the eight steps, where nothing but one condition tells it.
// (That it changes nothing else is asked by testing/pair_test.cc and the simulator.)
#include "tcp/header_prediction.h"

#include <gtest/gtest.h>

#include "tcp/congestion/controller.h"
#include "tcp/path/ecn.h"
#include "tcp/testing/solo.h"

namespace mtcp::tcp {
namespace {

using testing::Solo;

void connect_with_dctcp(Solo& solo) {
    solo.settings.congestion = CongestionAlgorithm::dctcp;
    solo.env.configuration.ecn = Configuration::Ecn::request;
    solo.peer_syn_flags = wire::Flags::ece;
    solo.connect();
    solo.tcb.quick_acks = 0;
    ASSERT_TRUE(solo.tcb.ecn.exact);
}

// RFC 8257 §3.2: either change of the mark is answered at once, whatever else would allow the
// segment to pass.
TEST(HeaderPrediction, DctcpReceiverSeesTheMarksChange) {
    Solo solo;
    connect_with_dctcp(solo);
    solo.segment({.seq = 1, .length = 100, .ecn = EcnField::capable_0});
    EXPECT_EQ(solo.out(), "");
    solo.segment({.seq = 101, .length = 100, .ecn = EcnField::marked});
    EXPECT_EQ(solo.out(), ". 1:1(0) ack 101 | E. 1:1(0) ack 201");
    solo.segment({.seq = 201, .length = 100, .ecn = EcnField::marked});
    EXPECT_EQ(solo.out(), "");
    EXPECT_EQ(solo.counters.ecn_marks_in, 2u);
    solo.segment({.seq = 301, .length = 100, .ecn = EcnField::capable_0});
    EXPECT_EQ(solo.out(), "E. 1:1(0) ack 301 | . 1:1(0) ack 401");
    solo.segment({.seq = 401, .length = 100, .ecn = EcnField::capable_0});
    EXPECT_EQ(solo.out(), "");
}

// RFC 8257 §3.3: the fraction of marked bytes is one of all bytes, those of small messages, too.
TEST(HeaderPrediction, DctcpSenderCountsEveryAck) {
    Solo solo;
    connect_with_dctcp(solo);
    solo.send(1000);
    static_cast<void>(solo.out());
    solo.segment({.flags = ".E", .ack = 1001});
    const auto alpha = [&solo] { return congestion::dctcp_of(solo.env, solo.tcb)->alpha; };
    const std::uint32_t first = alpha();
    for (std::uint32_t end = 1101; end <= 2001; end += 100) {
        solo.send(100);
        static_cast<void>(solo.out());
        const std::uint32_t before = alpha();
        solo.segment({.ack = end});
        EXPECT_TRUE(alpha() < before || end == 1101) << end;
    }
    EXPECT_LT(alpha(), first * 6 / 10);  // (15/16)^9
}

// Of a window of small messages none is worth more than the other: nothing but their number tells.
TEST(HeaderPrediction, DuplicateAcksAreCounted) {
    Solo solo(0);  // no records: they are counted in the TCB
    solo.connect();
    solo.send(100);
    EXPECT_EQ(solo.out(), "P. 1:101(100) ack 1");
    solo.segment({.ack = 1});
    solo.segment({.ack = 1});
    EXPECT_EQ(solo.out(), "");
    solo.segment({.ack = 1});
    EXPECT_EQ(solo.out(), "P. 1:101(100) ack 1");
    EXPECT_EQ(solo.counters.fast_retransmits, 1u);
}

// RFC 5681 §3.2: three in a row. One that was counted when no record was left may still stand when
// records are back and all else is quiet; the ACK of what was missing ends the count.
TEST(HeaderPrediction, NewAckEndsTheCountOfDuplicates) {
    Solo solo(1);
    solo.connect();
    solo.send(100);
    static_cast<void>(solo.out());
    const std::uint32_t taken = solo.env.recoveries.take();
    solo.segment({.ack = 1});
    solo.env.recoveries.give_back(taken);
    solo.segment({.ack = 1});
    solo.segment({.ack = 101});
    ASSERT_EQ(solo.tcb.phase, Phase::open);
    ASSERT_EQ(solo.tcb.recovery, kNoIndex);
    ASSERT_EQ(solo.tcb.dup_acks, 1);
    solo.send(100);
    EXPECT_EQ(solo.out(), "P. 101:201(100) ack 1");
    solo.segment({.ack = 201});
    EXPECT_EQ(solo.tcb.dup_acks, 0);
}

}  // namespace
}  // namespace mtcp::tcp
