// SPDX-License-Identifier: Apache-2.0
// Loss and time with nothing but the TCB: the pool of side records is empty.
#include <gtest/gtest.h>

#include "tcp/testing/solo.h"

namespace mtcp::tcp {
namespace {

using testing::In;
using testing::Solo;

void put_in_flight(Solo& solo, std::uint32_t segments) {
    solo.connect();
    solo.tcb.cwnd = 100'000;
    solo.send(segments * 1000);
    static_cast<void>(solo.out());
    solo.tcb.cwnd = segments * 1000;
}

TEST(WithoutARecord, LimitedTransmitSendsTwo) {  // RFC 3042
    Solo solo(0);
    solo.peer_options.sack_permitted = false;
    put_in_flight(solo, 6);
    solo.send(10'000);
    EXPECT_EQ(solo.out(), "");
    solo.segment({});
    EXPECT_EQ(solo.out(), ". 6001:7001(1000) ack 1");
    solo.segment({});
    EXPECT_EQ(solo.out(), ". 7001:8001(1000) ack 1");
    solo.segment({});
    EXPECT_EQ(solo.out(), ". 1:1001(1000) ack 1");
}

TEST(WithoutARecord, WhatWasSentTwiceGivesNoSample) {  // RFC 6298 §3, Karn
    Solo solo(0);
    solo.peer_options.sack_permitted = false;
    put_in_flight(solo, 1);
    const std::uint32_t srtt_us = solo.tcb.srtt_us;
    EXPECT_EQ(solo.advance(milliseconds(250)), "+201 P. 1:1001(1000) ack 1");
    solo.segment({.ack = 1001});
    EXPECT_EQ(solo.tcb.srtt_us, srtt_us);
    EXPECT_EQ(solo.tcb.backoff, 1);
}

// RFC 6675 §2: with SACK only what tells of something new is a duplicate.
TEST(WithoutARecord, BlocksThatCannotBeTrueMakeNoDuplicate) {
    Solo solo(0);
    put_in_flight(solo, 6);
    for (int i = 0; i < 5; ++i)
        solo.segment({.sack = {{90'001, 91'001}}});
    EXPECT_EQ(solo.tcb.dup_acks, 0);
    EXPECT_EQ(solo.out(), "");
    for (int i = 0; i < 3; ++i)
        solo.segment({.sack = {{1001, 2001}}});
    EXPECT_EQ(solo.out(), ". 1:1001(1000) ack 1");
}

}  // namespace
}  // namespace mtcp::tcp
