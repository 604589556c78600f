// SPDX-License-Identifier: Apache-2.0
// Losses found by time, tail loss probes, what is taken back, and the rate of delivery.
#include <gtest/gtest.h>

#include "tcp/clock.h"
#include "tcp/recovery/rtt_estimator.h"
#include "tcp/recovery/side_record.h"
#include "tcp/testing/solo.h"

namespace mtcp::tcp {
namespace {

using testing::In;
using testing::Solo;

constexpr Duration kRtt = milliseconds(20);

void wait(Solo& solo, Duration span) { solo.now = solo.now + span; }

void connect(Solo& solo) {
    solo.connect();
    solo.tcb.srtt_us = 0;
    solo.tcb.rtt_min_us = static_cast<std::uint32_t>(kRtt.microseconds());
    take_rtt_sample(solo.tcb, solo.tcb.rtt_min_us, solo.env.configuration, solo.now);
    solo.tcb.cwnd = 100'000;
}

// `segments` of 1000 bytes in flight, cwnd just that, the first answer could arrive now.
void put_in_flight(Solo& solo, std::uint32_t segments) {
    connect(solo);
    solo.send(segments * 1000);
    static_cast<void>(solo.out());
    solo.tcb.cwnd = segments * 1000;
    wait(solo, kRtt);
}

// The timer fires while the device has no room for what that wants sent.
void fire_without_room(Solo& solo) {
    solo.now = deadline(solo.tcb);
    static_cast<void>(on_deadline(solo.env, solo.tcb, solo.now));
}

Status now(const Solo& solo) { return status(solo.env, solo.tcb, solo.now); }

// What was sent, echoed by the peer's ACKs.
In with_echo(In in, std::uint32_t echo) {
    in.options.timestamps = true;
    in.options.ts_echo = echo;
    return in;
}

void use_timestamps(Solo& solo) {
    solo.env.configuration.timestamps = Configuration::Use::on;
    solo.peer_options.timestamps = true;
}

// --- RACK ---

TEST(Rack, OneSackIsEnoughAfterTheReorderingWindow) {  // RFC 8985 §6.2 step 5
    Solo solo;
    put_in_flight(solo, 4);
    solo.segment({.sack = {{1001, 2001}}});
    EXPECT_EQ(solo.out(), "");
    EXPECT_EQ(solo.tcb.phase, Phase::disorder);
    // A quarter of the minimum RTT and two ticks.
    EXPECT_EQ(solo.advance(milliseconds(10)), "+7 . 1:1001(1000) ack 1");
    EXPECT_EQ(solo.tcb.phase, Phase::fast_recovery);
    EXPECT_EQ(solo.counters.retransmission_timeouts, 0u);
    solo.segment({.ack = 4001});
    EXPECT_EQ(solo.tcb.phase, Phase::open);
}

TEST(Rack, ReorderedSegmentInTimeIsNoLoss) {
    Solo solo;
    put_in_flight(solo, 4);
    solo.segment({.sack = {{1001, 2001}}});
    wait(solo, milliseconds(4));
    solo.segment({.ack = 2001});
    EXPECT_EQ(solo.advance(milliseconds(30)), "");
    EXPECT_EQ(solo.tcb.phase, Phase::open);
    EXPECT_EQ(now(solo).reorderings, 1u);
    solo.segment({.ack = 4001});
}

TEST(Rack, LostRetransmissionIsSentAgainWithoutATimeout) {
    Solo solo;
    put_in_flight(solo, 10);
    solo.send(10'000);
    solo.segment({.sack = {{1001, 4001}}});
    EXPECT_EQ(solo.out(), ". 1:1001(1000) ack 1 | . 10001:11001(1000) ack 1");
    wait(solo, kRtt);  // and the new segment arrives, the repair did not
    solo.segment({.sack = {{10'001, 11'001}, {1001, 4001}}});
    const std::string left = solo.out();
    EXPECT_EQ(left.substr(0, 19), ". 1:1001(1000) ack ") << left;
    EXPECT_EQ(solo.counters.retransmission_timeouts, 0u);
    EXPECT_EQ(solo.counters.fast_retransmits, 1u);
    solo.segment({.ack = 11'001});
    static_cast<void>(solo.out());
}

TEST(Rack, DsackWidensTheReorderingWindow) {  // RFC 8985 §6.2 step 4
    Solo solo;
    put_in_flight(solo, 10);
    solo.segment({.sack = {{1001, 2001}}});
    wait(solo, milliseconds(1));
    solo.segment({.ack = 2001});  // reordering seen
    ASSERT_EQ(now(solo).reorderings, 1u);
    solo.segment({.ack = 2001, .sack = {{3001, 4001}}});
    EXPECT_EQ(solo.advance(milliseconds(10)).substr(0, 24), "+7 . 2001:3001(1000) ack");
    ASSERT_EQ(solo.tcb.window_steps, 1);
    solo.segment({.ack = 4001});  // the original, late
    wait(solo, milliseconds(10));
    solo.segment({.ack = 10'001, .sack = {{2001, 3001}}});  // and the copy
    EXPECT_EQ(solo.tcb.window_steps, 2);
    EXPECT_EQ(now(solo).duplicates, 1u);
    EXPECT_GE(solo.tcb.cwnd, 10'000u);  // taken back
}

// --- tail loss probe ---

TEST(TailLossProbe, ResendsTheLastSegmentAfterTwoRoundTrips) {  // RFC 8985 §7.2, §7.3
    Solo solo;
    put_in_flight(solo, 3);
    EXPECT_EQ(solo.advance(milliseconds(50)), "+22 P. 2001:3001(1000) ack 1");
    EXPECT_EQ(solo.tcb.phase, Phase::open);
    // Its SACK shows that the first two are lost; the last two were not lost together.
    solo.segment({.sack = {{2001, 3001}}});
    EXPECT_EQ(now(solo).lost_bytes, 2000u);
    EXPECT_EQ(solo.out(), ". 1:1001(1000) ack 1");  // one for one that arrived
    EXPECT_EQ(solo.tcb.phase, Phase::fast_recovery);
    solo.segment({.ack = 1001, .sack = {{2001, 3001}}});
    EXPECT_EQ(solo.out(), ". 1001:2001(1000) ack 1");
    solo.segment({.ack = 3001});
    EXPECT_EQ(solo.counters.retransmission_timeouts, 0u);
}

TEST(TailLossProbe, PrefersNewData) {
    Solo solo;
    put_in_flight(solo, 3);
    solo.send(5000);
    EXPECT_EQ(solo.out(), "");
    EXPECT_EQ(solo.advance(milliseconds(50)), "+22 . 3001:4001(1000) ack 1");
    solo.segment({.ack = 4001});
    EXPECT_EQ(solo.tcb.ssthresh, 0x7fff'ffffu);  // nothing was lost
    static_cast<void>(solo.out());
}

TEST(TailLossProbe, AHiddenLossReducesTheWindow) {  // RFC 8985 §7.4.2
    Solo solo;
    put_in_flight(solo, 10);
    solo.segment({.ack = 9001});
    EXPECT_EQ(solo.advance(milliseconds(300)).substr(5), "P. 9001:10001(1000) ack 1");
    solo.segment({.ack = 10'001});  // both copies, or the probe alone? the next ACK tells
    const std::uint32_t before = solo.tcb.cwnd;
    solo.send(1000);
    static_cast<void>(solo.out());
    wait(solo, kRtt);
    solo.segment({.ack = 11'001});
    EXPECT_LT(solo.tcb.cwnd, before);
}

TEST(TailLossProbe, ADsackOfTheProbeMeansThatNothingWasLost) {
    Solo solo;
    put_in_flight(solo, 10);
    solo.segment({.ack = 9001});
    static_cast<void>(solo.advance(milliseconds(300)));
    solo.segment({.ack = 10'001});
    solo.segment({.ack = 10'001, .sack = {{9001, 10'001}}});
    solo.send(1000);
    static_cast<void>(solo.out());
    wait(solo, kRtt);
    solo.segment({.ack = 11'001});
    EXPECT_GE(solo.tcb.cwnd, 10'000u);
    EXPECT_EQ(solo.tcb.ssthresh, 0x7fff'ffffu);
    EXPECT_EQ(solo.env.recoveries.used(), 0u);
}

TEST(TailLossProbe, IsNotSentAfterWhatSackTellsOf) {
    Solo solo;
    put_in_flight(solo, 3);
    fire_without_room(solo);
    solo.segment({.sack = {{2001, 3001}}});
    EXPECT_EQ(solo.out(), "");
}

TEST(TailLossProbe, CanBeSwitchedOff) {
    Solo solo;
    solo.env.configuration.tail_loss_probe = Configuration::Use::off;
    solo.connect();
    solo.send(1000);
    static_cast<void>(solo.out());
    EXPECT_EQ(solo.tcb.waits_for, WaitsFor::timeout);
}

// The round trip has grown from 20 to 300 ms, and the peer tells of each copy that it did not need:
// whoever probed each time would never measure it.
void exchange_over_a_longer_path(Solo& solo, int times, std::uint32_t mss) {
    connect(solo);
    for (int i = 0; i < times; ++i) {
        const std::uint32_t begin = solo.tcb.snd.nxt - solo.tcb.iss;
        const std::uint32_t copies = solo.tcb.total_retransmissions;
        solo.send(mss);
        static_cast<void>(solo.out());
        const std::uint32_t echo = solo.sent.at(0).options.ts_value;
        static_cast<void>(solo.advance(milliseconds(300)));
        In answer{.ack = begin + mss};
        if (solo.tcb.flags.timestamps) answer = with_echo(answer, echo);
        answer.options.ts_value = to_ms(solo.now);
        solo.segment(answer);
        static_cast<void>(solo.advance(milliseconds(250)));
        if (solo.tcb.total_retransmissions == copies) continue;
        solo.segment({.ack = begin + mss, .sack = {{begin, begin + mss}}});
    }
}

TEST(TailLossProbe, IsNotSentBeforeTheRoundTripIsMeasuredAgain) {  // RFC 8985 §7.3
    Solo solo;
    exchange_over_a_longer_path(solo, 9, 1000);
    EXPECT_EQ(solo.tcb.total_retransmissions, 2u);  // a probe, and a time-out
    EXPECT_GT(solo.tcb.srtt_us, 50'000u);
}

TEST(TailLossProbe, ATimestampMeasuresTheRoundTripDespiteIt) {  // RFC 7323 §4.1
    Solo solo;
    use_timestamps(solo);
    exchange_over_a_longer_path(solo, 9, 988);
    EXPECT_EQ(solo.tcb.total_retransmissions, 1u);
    EXPECT_GT(solo.tcb.srtt_us, 50'000u);
}

TEST(TailLossProbe, WithoutSackThereIsNone) {
    Solo solo;
    solo.peer_options.sack_permitted = false;
    put_in_flight(solo, 3);
    static_cast<void>(solo.advance(milliseconds(150)));
    EXPECT_EQ(solo.tcb.total_retransmissions, 0u);
}

// --- taking back ---

TEST(Undo, TimestampsShowThatATimeoutWasSpurious) {  // RFC 3522, RFC 4015
    Solo solo;
    use_timestamps(solo);
    solo.peer_options.sack_permitted = false;
    connect(solo);
    solo.send(4000);
    static_cast<void>(solo.out());
    const std::uint32_t echo = solo.sent.at(0).options.ts_value;
    solo.tcb.cwnd = 8000;
    static_cast<void>(solo.advance(milliseconds(300)));
    ASSERT_EQ(solo.tcb.phase, Phase::loss);
    ASSERT_LT(solo.tcb.cwnd, 8000u);
    solo.segment(with_echo({.ack = 989}, echo));
    EXPECT_EQ(solo.tcb.phase, Phase::open);
    EXPECT_GE(solo.tcb.cwnd, 8000u);
    EXPECT_EQ(solo.out(), "");
    solo.segment(with_echo({.ack = 4001}, echo));
}

TEST(Undo, WhatATimeoutCouldNotSendIsNotSentAfterIt) {
    Solo solo;
    solo.env.configuration.tail_loss_probe = Configuration::Use::off;
    put_in_flight(solo, 3);
    fire_without_room(solo);
    EXPECT_EQ(solo.tcb.phase, Phase::loss);
    solo.segment({.ack = 1001});
    EXPECT_EQ(solo.tcb.phase, Phase::open);
    EXPECT_EQ(solo.out(), "");
}

TEST(Undo, WhatATimeoutCouldNotSendWaitsForTheNextWhenThePeerReneges) {
    Solo solo;
    solo.env.configuration.tail_loss_probe = Configuration::Use::off;
    put_in_flight(solo, 3);
    fire_without_room(solo);
    solo.segment({.sack = {{1001, 3001}}});
    solo.segment({.ack = 1001});
    EXPECT_EQ(solo.out(), "");
    // A SACK that is late may still come.
    const auto half_us = solo.tcb.srtt_us / 2;
    ASSERT_GT(half_us, 20'000u);
    EXPECT_EQ(solo.advance(microseconds(half_us - 1000)), "");
    EXPECT_NE(solo.advance(milliseconds(2)).find(". 1001:2001(1000) ack 1"), std::string::npos);
}

TEST(Undo, FrtoShowsThatATimeoutWasSpurious) {  // RFC 5682 §3.1
    Solo solo;
    solo.peer_options.sack_permitted = false;
    put_in_flight(solo, 4);
    solo.send(10'000);
    EXPECT_EQ(solo.advance(milliseconds(230)).substr(5), ". 1:1001(1000) ack 1");
    ASSERT_EQ(solo.tcb.phase, Phase::loss);
    solo.segment({.ack = 1001});
    EXPECT_EQ(solo.out(), ". 4001:5001(1000) ack 1 | . 5001:6001(1000) ack 1");  // step 2b
    solo.segment({.ack = 2001});  // step 3b: sent once only
    EXPECT_EQ(solo.tcb.phase, Phase::open);
    EXPECT_GE(solo.tcb.cwnd, 4000u);
    static_cast<void>(solo.out());
    EXPECT_EQ(solo.tcb.total_retransmissions, 1u);
    solo.segment({.ack = 6001});
    static_cast<void>(solo.out());
}

// Without SACK the ACK of what was sent again takes along all that waited behind it at the peer:
// that these had come proves nothing (RFC 5682 §2.1 step 2a).
TEST(Undo, FrtoBelievesNoJumpOverWhatWasSentAgainWithoutSack) {
    Solo solo;
    solo.peer_options.sack_permitted = false;
    put_in_flight(solo, 3);
    ASSERT_EQ(solo.advance(milliseconds(230)).substr(5), ". 1:1001(1000) ack 1");
    wait(solo, kRtt);
    solo.segment({.ack = 3001});
    EXPECT_EQ(solo.tcb.phase, Phase::open);
    EXPECT_EQ(solo.tcb.ssthresh, 2000u);
    EXPECT_LE(solo.tcb.cwnd, 3000u);
}

// RFC 8985 §6.2 step 2: the echo tells that it was the original that arrived, however long after
// the copy. Else all that had left before the copy would look lost.
TEST(Undo, TheAckOfAnOriginalIsNoEvidenceOfItsCopy) {
    Solo solo;
    use_timestamps(solo);
    solo.env.configuration.tail_loss_probe = Configuration::Use::off;
    connect(solo);
    solo.send(9880);
    static_cast<void>(solo.out());
    const std::uint32_t echo = solo.sent.at(0).options.ts_value;
    solo.tcb.cwnd = 9880;
    ASSERT_EQ(solo.advance(milliseconds(225)), "+220 . 1:989(988) ack 1");
    wait(solo, kRtt + milliseconds(5));
    solo.segment(with_echo({.ack = 989}, echo));
    EXPECT_EQ(solo.tcb.phase, Phase::open);
    EXPECT_EQ(now(solo).lost_bytes, 0u);
    EXPECT_EQ(solo.out(), "");
    solo.segment(with_echo({.ack = 9881}, echo));
}

TEST(Undo, FrtoGoesBackToRepairWhenDuplicatesCome) {  // RFC 5682 §3.1 step 3a
    Solo solo;
    solo.peer_options.sack_permitted = false;
    put_in_flight(solo, 4);
    solo.send(10'000);
    static_cast<void>(solo.advance(milliseconds(230)));
    solo.segment({.ack = 1001});
    static_cast<void>(solo.out());
    solo.segment({.ack = 1001});
    EXPECT_EQ(solo.tcb.phase, Phase::loss);
    EXPECT_EQ(solo.out().substr(0, 22), ". 1001:2001(1000) ack ");
    solo.segment({.ack = 6001});
    static_cast<void>(solo.out());
}

// Without SACK, too, as many duplicates as mean loss and then a time-out say that reordering was
// believed too large: or no loss would be seen before its time-out ever after.
TEST(Undo, ATimeoutBehindDuplicatesEndsTheBeliefInReordering) {
    Solo solo;
    use_timestamps(solo);
    solo.peer_options.sack_permitted = false;
    put_in_flight(solo, 10);
    const std::uint32_t echo = solo.sent.at(0).options.ts_value;
    for (int i = 0; i < 3; ++i)
        solo.segment({});
    EXPECT_EQ(solo.out(), ". 1:989(988) ack 1");
    In late = with_echo({.ack = 1 + 8 * 988}, echo);  // eight came late
    late.options.ts_value = to_ms(solo.now);
    solo.segment(late);
    solo.segment({.ack = 10'001});
    ASSERT_GT(solo.tcb.reordering, 5);
    solo.send(6 * 988);
    static_cast<void>(solo.out());
    for (int i = 0; i < 5; ++i)
        solo.segment({.ack = 10'001});
    EXPECT_EQ(solo.out(), "");
    static_cast<void>(solo.advance(milliseconds(300)));
    ASSERT_EQ(solo.tcb.phase, Phase::loss);
    EXPECT_EQ(solo.tcb.reordering, 3);
}

TEST(Undo, DsackTakesARecoveryBack) {  // RFC 3708
    Solo solo;
    put_in_flight(solo, 10);
    solo.segment({.sack = {{1001, 4001}}});
    EXPECT_EQ(solo.out(), ". 1:1001(1000) ack 1");
    EXPECT_EQ(solo.tcb.ssthresh, 5000u);
    wait(solo, milliseconds(1));
    solo.segment({.ack = 4001});  // the original was only late
    wait(solo, kRtt);
    solo.segment({.ack = 10'001, .sack = {{1, 1001}}});
    EXPECT_EQ(solo.tcb.phase, Phase::open);
    EXPECT_GE(solo.tcb.cwnd, 10'000u);
    EXPECT_EQ(solo.tcb.ssthresh, 0x7fff'ffffu);
}

TEST(Undo, DsackOfATailLossProbeBeforeTheRecoveryIsWaitedForOnce) {
    Solo solo;
    put_in_flight(solo, 10);
    EXPECT_EQ(solo.advance(milliseconds(25)), "+22 P. 9001:10001(1000) ack 1");
    solo.segment({.sack = {{1001, 4001}}});
    EXPECT_EQ(solo.out(), ". 1:1001(1000) ack 1");
    wait(solo, milliseconds(1));
    solo.segment({.ack = 4001, .sack = {{1, 1001}}});
    solo.segment({.ack = 10'001, .sack = {{9001, 10'001}}});
    EXPECT_EQ(solo.tcb.phase, Phase::open);
    EXPECT_EQ(solo.tcb.ssthresh, 0x7fff'ffffu);
}

TEST(Undo, DsackIsHeededHoweverManyThereWere) {
    Solo solo;
    put_in_flight(solo, 10);
    solo.tcb.total_retransmissions = 100'000;
    solo.tcb.duplicates = UINT16_MAX;
    solo.segment({.sack = {{1001, 4001}}});
    EXPECT_EQ(solo.out(), ". 1:1001(1000) ack 1");
    wait(solo, kRtt);
    solo.segment({.ack = 10'001, .sack = {{1, 1001}}});
    EXPECT_EQ(solo.tcb.ssthresh, 0x7fff'ffffu);
    EXPECT_EQ(solo.tcb.duplicates, UINT16_MAX);
}

// --- PRR ---

TEST(Prr, HalfOfWhatArrivesMayLeave) {  // RFC 9937 §6
    Solo solo;
    put_in_flight(solo, 20);
    solo.send(20'000);
    solo.segment({.sack = {{1001, 4001}}});
    std::size_t left = 0;
    static_cast<void>(solo.out());
    left += solo.sent.size();
    for (std::uint32_t i = 5; i <= 20; ++i) {
        solo.segment({.sack = {{1001, i * 1000 + 1}}});
        static_cast<void>(solo.out());
        left += solo.sent.size();
    }
    EXPECT_EQ(left, 10u);  // of 19 that arrived, ssthresh is half of cwnd
    EXPECT_EQ(pipe(solo.tcb, *record_of(solo.env, solo.tcb)), 10'000u);
    solo.segment({.ack = 29'001});
    static_cast<void>(solo.out());
}

TEST(Prr, GovernsARecoveryThatALateSackBegins) {  // RFC 9937 §6: on every ACK
    Solo solo;
    put_in_flight(solo, 10);
    solo.segment({.ack = 3001});
    solo.segment({.ack = 2001, .sack = {{4001, 9001}}});
    ASSERT_EQ(solo.tcb.phase, Phase::fast_recovery);
    EXPECT_EQ(solo.out().substr(0, 20), ". 3001:4001(1000) ac");
    EXPECT_LE(solo.tcb.cwnd, solo.tcb.ssthresh);
    solo.segment({.ack = 10'001});
}

// --- delivery rate ---

TEST(DeliveryRate, IsWhatTheBottleneckDelivers) {
    Solo solo;
    connect(solo);
    solo.send(200'000);
    solo.tcb.cwnd = 20'000;
    static_cast<void>(solo.out());
    wait(solo, kRtt);
    // A segment a millisecond: 1 MB/s.
    for (std::uint32_t i = 1; i <= 60; ++i) {
        solo.segment({.ack = 1 + i * 1000});
        solo.tcb.cwnd = 20'000;
        static_cast<void>(solo.out());
        wait(solo, milliseconds(1));
    }
    EXPECT_NEAR(static_cast<double>(now(solo).delivery_rate), 1e6, 5e4);
    EXPECT_FALSE(now(solo).rate_app_limited);
}

TEST(DeliveryRate, OfAnApplicationThatPausesIsMarked) {
    Solo solo;
    connect(solo);
    std::uint32_t sent = 0;
    for (int i = 0; i < 5; ++i) {
        solo.send(2000);
        static_cast<void>(solo.out());
        sent += 2000;
        wait(solo, kRtt);
        solo.segment({.ack = 1 + sent - 1000});
        EXPECT_TRUE(now(solo).rate_app_limited);
        solo.segment({.ack = 1 + sent});
    }
}

// draft-cheng-iccrg-delivery-rate-estimation-02 §3.4: less than a segment is as good as nothing.
TEST(DeliveryRate, OfAnApplicationThatFillsNoSegmentIsMarked) {
    Solo solo;
    solo.settings.cork = 1;
    connect(solo);
    solo.send(3300);
    static_cast<void>(solo.out());
    wait(solo, kRtt);
    solo.segment({.ack = 2001});
    const Recovery* const r = record_of(solo.env, solo.tcb);
    ASSERT_NE(r, nullptr);
    ASSERT_FALSE(r->app_limited);
    solo.send(300);
    EXPECT_EQ(solo.out(), "");
    EXPECT_TRUE(r->app_limited);
    solo.segment({.ack = 3001});
    solo.close();
    static_cast<void>(solo.out());
}

// A time-out forgets what duplicates told: the ACK of the repair tells of all at once.
TEST(DeliveryRate, WhatWaitedBehindAHoleWithoutSackDoesNotCount) {
    Solo solo;
    solo.peer_options.sack_permitted = false;
    connect(solo);
    solo.send(60'000);
    solo.tcb.cwnd = 20'000;
    static_cast<void>(solo.out());
    wait(solo, kRtt);
    const auto acknowledge = [&solo](std::uint32_t ack) {
        solo.segment({.ack = ack});
        solo.tcb.cwnd = 20'000;
        static_cast<void>(solo.out());
        wait(solo, milliseconds(1));  // a segment a millisecond: 1 MB/s
    };
    for (std::uint32_t end = 1001; end <= 10'001; end += 1000)
        acknowledge(end);
    for (int i = 0; i < 19; ++i)
        acknowledge(10'001);  // one is lost, and its repair
    const std::uint32_t end = solo.tcb.snd.nxt - solo.tcb.iss;
    ASSERT_GT(end, 25'000u);
    while (solo.counters.retransmission_timeouts == 0)
        static_cast<void>(solo.advance(milliseconds(10)));
    wait(solo, kRtt);
    solo.segment({.ack = end - 1000});
    static_cast<void>(solo.out());
    EXPECT_LT(now(solo).delivery_rate, 1'050'000u);
    // And then it is measured again.
    solo.segment({.ack = end});
    solo.send(60'000);
    for (std::uint32_t i = 1; i <= 60; ++i) {
        solo.tcb.cwnd = 20'000;
        static_cast<void>(solo.out());
        wait(solo, i == 1 ? kRtt * 2 : milliseconds(2));
        solo.segment({.ack = end + i * 1000});
    }
    EXPECT_NEAR(static_cast<double>(now(solo).delivery_rate), 5e5, 5e4);
}

// The tick of timestamps is longer than the round trip.
TEST(RttMinimum, IsNotLoweredByATimestampThatTellsLess) {
    Solo solo;
    use_timestamps(solo);
    connect(solo);
    solo.tcb.rtt_min_us = 300;
    solo.send(5 * 988);
    static_cast<void>(solo.out());
    wait(solo, microseconds(300));
    const std::uint32_t end = 1 + 5 * 988;
    solo.segment({.sack = {{989, end}}});
    EXPECT_EQ(solo.out(), ". 1:989(988) ack 1");
    wait(solo, microseconds(300));
    solo.segment({.ack = end});  // of what went twice: only the echo tells of which
    EXPECT_EQ(now(solo).rtt_min_us, 300u);
}

// --- the record ---

TEST(SideRecord, OneSegmentAtATimeNeedsNone) {
    Solo solo;
    solo.connect();
    for (std::uint32_t i = 0; i < 10; ++i) {
        solo.send(64);
        static_cast<void>(solo.out());
        EXPECT_EQ(solo.env.recoveries.used(), 0u);
        wait(solo, kRtt);
        solo.segment({.ack = 65 + i * 64});
    }
}

TEST(SideRecord, IsGivenBackWithTheLastAcknowledgment) {
    Solo solo;
    put_in_flight(solo, 3);
    EXPECT_EQ(solo.env.recoveries.used(), 1u);
    solo.segment({.ack = 2001});
    EXPECT_EQ(solo.env.recoveries.used(), 1u);
    solo.segment({.ack = 3001});
    EXPECT_EQ(solo.env.recoveries.used(), 0u);
}

}  // namespace
}  // namespace mtcp::tcp
