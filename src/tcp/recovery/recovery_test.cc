// SPDX-License-Identifier: Apache-2.0
// Retransmission: RTT and RTO, Karn, limited transmit, NewReno, SACK, congestion window.
#include <gtest/gtest.h>

#include <cerrno>

#include "tcp/congestion/controller.h"
#include "tcp/recovery/rtt_estimator.h"
#include "tcp/testing/solo.h"

namespace mtcp::tcp {
namespace {

using testing::In;
using testing::Solo;

// Connected, with `segments` of 1000 bytes in flight and a full congestion window; the first answer
// to them could arrive now. Without a round trip nothing but the minimum RTO takes time.
void put_in_flight(Solo& solo, std::uint32_t segments, Duration rtt = {}) {
    solo.connect();
    if (rtt.ns > 0) {
        solo.tcb.srtt_us = 0;
        const auto rtt_us = static_cast<std::uint32_t>(rtt.microseconds());
        solo.tcb.rtt_min_us = rtt_us;
        take_rtt_sample(solo.tcb, rtt_us, solo.env.configuration, solo.now);
    }
    solo.tcb.cwnd = 100'000;
    solo.send(segments * 1000);
    static_cast<void>(solo.out());
    ASSERT_EQ(solo.sent.size(), segments);
    solo.tcb.cwnd = segments * 1000;
    solo.now = solo.now + rtt;
}

constexpr Duration kRtt = milliseconds(20);

TEST(Rtt, FollowsRfc6298) {
    Solo solo;
    solo.connect();
    solo.tcb.srtt_us = 0;
    const Configuration& configuration = solo.env.configuration;
    take_rtt_sample(solo.tcb, 100'000, configuration, solo.now);
    EXPECT_EQ(solo.tcb.srtt_us, 100'000u);
    EXPECT_EQ(solo.tcb.rttvar_us, 50'000u);
    EXPECT_EQ(solo.tcb.rto_us, 300'000u);
    take_rtt_sample(solo.tcb, 180'000, configuration, solo.now);
    EXPECT_EQ(solo.tcb.srtt_us, 110'000u);   // 7/8 * 100 + 1/8 * 180
    EXPECT_EQ(solo.tcb.rttvar_us, 57'500u);  // 3/4 * 50 + 1/4 * 80
    EXPECT_EQ(solo.tcb.rto_us, 340'000u);
}

TEST(Rto, BacksOffUntilR2AndGivesUp) {  // Checks RFC 9293 MUST-20, SHLD-10, SHLD-9.
    Solo solo;
    solo.env.configuration.retries_2 = 5;
    put_in_flight(solo, 1);
    EXPECT_EQ(solo.advance(seconds(60)),
              "+201 P. 1:1001(1000) ack 1 | "  // a tail loss probe, then RFC 6298 (5.5)
              "+402 P. 1:1001(1000) ack 1 | +803 P. 1:1001(1000) ack 1 | "
              "+1604 P. 1:1001(1000) ack 1 | +3205 P. 1:1001(1000) ack 1 | "
              "+6406 P. 1:1001(1000) ack 1");  // a silent peer is left alone
    EXPECT_EQ(solo.error, ETIMEDOUT);
    EXPECT_EQ(solo.counters.retransmission_timeouts, 5u);
    EXPECT_TRUE(solo.events & Events::path_doubtful);
}

// R2 counts what is sent again in vain: progress begins the count anew, also in one long recovery.
TEST(Rto, ProgressBeginsTheCountAnew) {
    for (const bool sack : {true, false}) {
        Solo solo;
        solo.env.configuration.retries_2 = 2;
        solo.peer_options.sack_permitted = sack;
        put_in_flight(solo, 8);
        for (std::uint32_t i = 1; i < 8; ++i) {
            while (solo.counters.retransmission_timeouts < 2 * i)
                EXPECT_NE(solo.advance(seconds(1)), "");
            solo.segment({.ack = 1 + 1000 * i});
            static_cast<void>(solo.out());
            solo.tcb.backoff = 0;  // (it stays until there is a sample)
        }
        EXPECT_EQ(solo.error, 0);
        EXPECT_EQ(solo.state(), State::established);
    }
}

TEST(Rto, DefaultR2IsMoreThan100Seconds) {  // Checks RFC 9293 SHLD-11.
    Solo solo;
    put_in_flight(solo, 1);
    static_cast<void>(solo.advance(seconds(800)));
    EXPECT_EQ(solo.state(), State::established);
    static_cast<void>(solo.advance(seconds(200)));
    EXPECT_EQ(solo.state(), State::closed);
}

TEST(Rto, SoftErrorIsReportedInsteadOfTimeout) {  // Checks RFC 9293 SHLD-25.
    Solo solo;
    solo.env.configuration.retries_2 = 1;
    put_in_flight(solo, 1);
    solo.path_error(PathError::host_unreachable, 0, 1);
    static_cast<void>(solo.advance(seconds(60)));
    EXPECT_EQ(solo.error, EHOSTUNREACH);
}

TEST(Rto, SoftErrorThatHasPassedIsForgotten) {
    for (const Configuration::Use predicted : {Configuration::Use::off, Configuration::Use::on}) {
        Solo solo;
        solo.env.configuration.header_prediction = predicted;
        solo.env.configuration.retries_2 = 1;
        solo.connect();
        solo.send(100);
        static_cast<void>(solo.out());
        solo.path_error(PathError::host_unreachable, 0, 1);
        EXPECT_EQ(status(solo.env, solo.tcb, solo.now).soft_error, EHOSTUNREACH);
        solo.segment({.ack = 101});
        EXPECT_EQ(status(solo.env, solo.tcb, solo.now).soft_error, 0);
        solo.send(100);
        static_cast<void>(solo.out());
        static_cast<void>(solo.advance(seconds(60)));
        EXPECT_EQ(solo.error, ETIMEDOUT);
    }
}

TEST(Rto, UserTimeoutEndsTheConnectionOnTime) {
    Solo solo;
    solo.settings.user_timeout_ms = 3000;
    put_in_flight(solo, 1);
    static_cast<void>(solo.advance(milliseconds(2999)));
    EXPECT_EQ(solo.state(), State::established);
    EXPECT_EQ(solo.advance(milliseconds(2)), "");
    EXPECT_EQ(solo.state(), State::closed);
    EXPECT_EQ(solo.error, ETIMEDOUT);
}

TEST(Karn, RetransmittedSegmentGivesNoSampleWithoutTimestamps) {  // Checks RFC 9293 MUST-18.
    Solo solo;
    solo.peer_options.sack_permitted = false;
    put_in_flight(solo, 1);
    const std::uint32_t srtt = solo.tcb.srtt_us;
    static_cast<void>(solo.advance(milliseconds(201)));
    solo.now = solo.now + milliseconds(10);
    solo.segment({.ack = 1001});
    EXPECT_EQ(solo.tcb.srtt_us, srtt);
    EXPECT_EQ(solo.tcb.backoff, 1);  // kept until a sample (RFC 6298 §5)
    solo.send(1000);
    EXPECT_EQ(solo.out(), "P. 1001:2001(1000) ack 1");
    solo.now = solo.now + milliseconds(10);
    solo.segment({.ack = 2001});
    EXPECT_EQ(solo.tcb.backoff, 0);
}

TEST(Karn, OriginalsThatWaitedBehindAHoleGiveNoSample) {
    Solo solo;
    solo.peer_options.sack_permitted = false;
    put_in_flight(solo, 4);
    const std::uint32_t srtt = solo.tcb.srtt_us;
    for (int i = 0; i < 3; ++i)
        solo.segment({.ack = 1});
    EXPECT_EQ(solo.out(), ". 1:1001(1000) ack 1");
    solo.now = solo.now + milliseconds(150);
    solo.tcb.backoff = 2;
    solo.segment({.ack = 4001});
    EXPECT_EQ(solo.tcb.srtt_us, srtt);
    EXPECT_EQ(solo.tcb.backoff, 0) << "what was sent once came through";
}

TEST(Karn, TimestampTellsWhichCopyWasAcknowledged) {  // RFC 7323 §4.1
    Solo solo;
    solo.env.configuration.timestamps = Configuration::Use::on;
    solo.peer_options.timestamps = true;
    solo.open();
    static_cast<void>(solo.out());
    In syn_ack{.flags = "S.", .seq = 0};
    syn_ack.options = solo.peer_options;
    solo.segment(syn_ack);
    static_cast<void>(solo.out());
    solo.send(100);
    static_cast<void>(solo.out());
    static_cast<void>(solo.advance(milliseconds(250)));
    In ack{.ack = 101};
    ack.options.ts_echo = solo.sent.at(0).options.ts_value;
    solo.segment(ack);
    EXPECT_EQ(solo.tcb.backoff, 0);
    EXPECT_LT(solo.tcb.srtt_us, 60'000u);
}

TEST(Karn, AnEchoOfWhatWasNeverSentIsNoSample) {
    Solo solo;
    solo.env.configuration.timestamps = Configuration::Use::on;
    solo.peer_options.timestamps = true;
    solo.connect();
    solo.send(100);
    static_cast<void>(solo.out());
    const std::uint32_t srtt_us = solo.tcb.srtt_us;
    static_cast<void>(solo.advance(milliseconds(700)));
    EXPECT_EQ(solo.tcb.backoff, 1);
    In ack{.ack = 101};
    ack.options.ts_echo = solo.sent.at(0).options.ts_value - 10'000'000;
    solo.segment(ack);
    EXPECT_EQ(solo.tcb.srtt_us, srtt_us);
}

// A block is true whenever it comes: the ACK that was overtaken may tell of what is missing.
TEST(SackRecovery, AnOldAckStillTellsOfHoles) {
    Solo solo;
    put_in_flight(solo, 10, kRtt);
    solo.segment({.ack = 2001});
    solo.segment({.ack = 1001, .sack = {{4001, 8001}}});
    EXPECT_EQ(status(solo.env, solo.tcb, solo.now).sacked_bytes, 4000u);
    EXPECT_EQ(solo.tcb.phase, Phase::fast_recovery);
}

TEST(LimitedTransmit, SendsTwoNewSegmentsOnTheFirstDuplicates) {  // RFC 3042
    Solo solo;
    solo.peer_options.sack_permitted = false;
    put_in_flight(solo, 4);
    solo.send(10'000);
    EXPECT_EQ(solo.out(), "");
    solo.segment({});
    EXPECT_EQ(solo.out(), ". 4001:5001(1000) ack 1");
    solo.segment({});
    EXPECT_EQ(solo.out(), ". 5001:6001(1000) ack 1");
    solo.segment({});
    EXPECT_EQ(solo.out(), ". 1:1001(1000) ack 1");
}

TEST(LimitedTransmit, WorksWithSackToo) {
    Solo solo;
    put_in_flight(solo, 4, kRtt);
    solo.send(10'000);
    solo.segment({.sack = {{1001, 2001}}});
    EXPECT_EQ(solo.out(), ". 4001:5001(1000) ack 1");
}

TEST(NewReno, RepairsOneHolePerPartialAck) {  // RFC 6582, with RFC 9937
    Solo solo;
    solo.peer_options.sack_permitted = false;
    put_in_flight(solo, 10, kRtt);
    for (int i = 0; i < 3; ++i)
        solo.segment({});
    EXPECT_EQ(solo.tcb.phase, Phase::fast_recovery);
    EXPECT_EQ(solo.tcb.ssthresh, 5000u);
    EXPECT_EQ(solo.out(), ". 1:1001(1000) ack 1");
    solo.send(20'000);
    for (int i = 0; i < 6; ++i)
        solo.segment({});
    // Nine of ten have arrived: half of what arrives may leave.
    EXPECT_EQ(solo.out(),
              ". 10001:11001(1000) ack 1 | . 11001:12001(1000) ack 1 | "
              ". 12001:13001(1000) ack 1 | . 13001:14001(1000) ack 1");
    solo.segment({.ack = 4001});  // partial: 4001 is the next hole
    EXPECT_EQ(solo.tcb.phase, Phase::fast_recovery);
    EXPECT_EQ(solo.out(), ". 4001:5001(1000) ack 1 | . 14001:15001(1000) ack 1");
    solo.segment({.ack = 10'001});
    EXPECT_EQ(solo.tcb.phase, Phase::open);
    EXPECT_EQ(solo.tcb.cwnd, 5000u);
    EXPECT_EQ(solo.counters.fast_retransmits, 1u);
    static_cast<void>(solo.out());
}

TEST(WithoutARecord, NewRenoInflatesTheWindow) {  // RFC 6582
    Solo solo(0);
    solo.peer_options.sack_permitted = false;
    put_in_flight(solo, 10);
    for (int i = 0; i < 3; ++i)
        solo.segment({});
    EXPECT_EQ(solo.tcb.phase, Phase::fast_recovery);
    EXPECT_EQ(solo.tcb.ssthresh, 5000u);
    EXPECT_EQ(solo.tcb.cwnd, 8000u);
    EXPECT_EQ(solo.out(), ". 1:1001(1000) ack 1");
    for (int i = 0; i < 5; ++i)
        solo.segment({});
    EXPECT_EQ(solo.tcb.cwnd, 13'000u);
    EXPECT_EQ(solo.out(), "");
    solo.send(20'000);
    EXPECT_EQ(solo.out(),
              ". 10001:11001(1000) ack 1 | . 11001:12001(1000) ack 1 | "
              ". 12001:13001(1000) ack 1");
    solo.segment({.ack = 4001});  // partial: 4001 is the next hole
    EXPECT_EQ(solo.tcb.phase, Phase::fast_recovery);
    EXPECT_EQ(solo.tcb.cwnd, 10'000u);
    EXPECT_EQ(solo.out(), ". 4001:5001(1000) ack 1 | . 13001:14001(1000) ack 1");
    solo.segment({.ack = 10'001});
    EXPECT_EQ(solo.tcb.phase, Phase::open);
    EXPECT_EQ(solo.tcb.cwnd, 5000u);
    EXPECT_EQ(solo.counters.fast_retransmits, 1u);
}

TEST(NewReno, DuplicatesOfOneFlightStartOneRecovery) {  // RFC 6582 §3.2 step 2
    Solo solo;
    solo.peer_options.sack_permitted = false;
    put_in_flight(solo, 10);
    static_cast<void>(solo.advance(milliseconds(201)));
    ASSERT_EQ(solo.tcb.phase, Phase::loss);
    for (int i = 0; i < 5; ++i)
        solo.segment({});
    EXPECT_EQ(solo.tcb.phase, Phase::loss);
    static_cast<void>(solo.out());
}

TEST(NewReno, ThreeDuplicatesAreEnoughHoweverSmallTheSegments) {  // RFC 5681 §3.2 step 2
    Solo solo;
    solo.peer_options.sack_permitted = false;
    solo.settings.no_delay = 1;
    solo.connect();
    for (int i = 0; i < 6; ++i) {
        solo.send(100);
        static_cast<void>(solo.out());
    }
    solo.segment({});
    solo.segment({});
    EXPECT_EQ(solo.tcb.phase, Phase::disorder);
    solo.segment({});
    EXPECT_EQ(solo.tcb.phase, Phase::fast_recovery);
    EXPECT_EQ(solo.out().substr(0, 5), "P. 1:");
    solo.segment({.ack = 601});
    EXPECT_EQ(solo.tcb.phase, Phase::open);
}

TEST(NewReno, WindowUpdateIsNotADuplicate) {
    Solo solo;
    solo.peer_options.sack_permitted = false;
    put_in_flight(solo, 10);
    for (std::uint32_t i = 0; i < 5; ++i)
        solo.segment({.window = 30'000 + i});
    EXPECT_EQ(solo.tcb.dup_acks, 0);
    for (std::uint32_t i = 0; i < 5; ++i) {
        solo.segment({.seq = 1 + i * 10, .length = 10, .window = 30'004});
    }
    EXPECT_EQ(solo.tcb.dup_acks, 0);
    solo.consume(50);
    static_cast<void>(solo.out());
}

TEST(SackRecovery, ResendsExactlyTheHoles) {  // RFC 8985 §6.2, RFC 9937
    Solo solo;
    put_in_flight(solo, 10, kRtt);
    solo.segment({.sack = {{1001, 2001}}});
    solo.segment({.sack = {{1001, 2001}, {3001, 4001}}});
    EXPECT_EQ(solo.tcb.phase, Phase::disorder);
    EXPECT_EQ(solo.out(), "");
    solo.segment({.sack = {{5001, 10'001}, {3001, 4001}, {1001, 2001}}});
    EXPECT_EQ(solo.tcb.phase, Phase::fast_recovery);
    // All of one flight: what was sent before the last SACKed byte is lost, once three segments
    // have arrived.
    EXPECT_EQ(solo.out(),
              ". 1:1001(1000) ack 1 | . 2001:3001(1000) ack 1 | . 4001:5001(1000) ack 1");
    solo.segment({.ack = 10'001});
    EXPECT_EQ(solo.tcb.phase, Phase::open);
    EXPECT_EQ(solo.tcb.cwnd, 5000u);
    EXPECT_EQ(solo.env.recoveries.used(), 0u);
}

TEST(SackRecovery, PipeLimitsWhatIsSent) {
    Solo solo;
    put_in_flight(solo, 10);
    solo.send(10'000);
    for (std::uint32_t i = 1; i <= 3; ++i)
        solo.segment({.sack = {{1001, 1001 + i * 1000}}});
    static_cast<void>(solo.out());
    const Status now = status(solo.env, solo.tcb, solo.now);
    EXPECT_EQ(now.sacked_bytes, 3000u);
    EXPECT_EQ(now.retransmitted_bytes, 1000u);
    EXPECT_EQ(now.phase, Phase::fast_recovery);
    // Each further SACKed segment lets one out once the pipe is below cwnd.
    std::string left;
    for (std::uint32_t i = 4; i <= 9; ++i) {
        solo.segment({.sack = {{1001, 1001 + i * 1000}}});
        left += solo.out();
    }
    EXPECT_FALSE(left.empty());
    solo.segment({.ack = 12'001});
    static_cast<void>(solo.out());
}

TEST(SackRecovery, DuplicatesWithoutNewBlocksDoNotStartIt) {
    Solo solo;
    put_in_flight(solo, 10, kRtt);
    for (int i = 0; i < 10; ++i)
        solo.segment({.sack = {{1001, 2001}}});
    EXPECT_EQ(solo.tcb.phase, Phase::disorder);
    EXPECT_EQ(solo.out(), "");
    solo.segment({.ack = 10'001});
}

TEST(SackRecovery, LiesAreIgnored) {
    Solo solo;
    put_in_flight(solo, 5);
    for (int i = 0; i < 5; ++i) {
        solo.segment({.sack = {{9001, 10'001}, {5001, 4001}, {0, 1}, {4'000'000'000u, 3}}});
    }
    EXPECT_EQ(status(solo.env, solo.tcb, solo.now).sacked_bytes, 0u);
    EXPECT_EQ(solo.tcb.phase, Phase::open);
}

TEST(SackRecovery, TimeoutKeepsWhatWasReportedOnce) {
    Solo solo;
    put_in_flight(solo, 4);
    solo.segment({.sack = {{1001, 2001}}});
    EXPECT_EQ(solo.advance(milliseconds(201)), "+201 . 1:1001(1000) ack 1");
    solo.segment({.ack = 2001});
    EXPECT_EQ(solo.out(), ". 2001:3001(1000) ack 1 | P. 3001:4001(1000) ack 1");
    solo.segment({.ack = 4001});
    EXPECT_EQ(solo.tcb.phase, Phase::open);
}

TEST(SackRecovery, RenegingIsSeenWhenSndUnaMeetsWhatWasReported) {  // RFC 2018 §8
    Solo solo;
    put_in_flight(solo, 3, kRtt);
    solo.segment({.sack = {{1001, 3001}}});
    EXPECT_EQ(solo.advance(milliseconds(20)), "+7 . 1:1001(1000) ack 1");
    solo.segment({.ack = 1001});  // and not 3001
    EXPECT_EQ(solo.advance(milliseconds(11)), "+10 . 1001:2001(1000) ack 1");
    EXPECT_EQ(status(solo.env, solo.tcb, solo.now).sacked_bytes, 0u);
    solo.segment({.ack = 2001});
    EXPECT_EQ(solo.out(), "P. 2001:3001(1000) ack 1");
    solo.segment({.ack = 3001});
}

TEST(SackRecovery, WithoutARecordNewRenoTakesOver) {
    Solo solo(0);
    put_in_flight(solo, 10);
    for (std::uint32_t i = 1; i <= 3; ++i)
        solo.segment({.sack = {{1001, 1001 + i * 1000}}});
    EXPECT_EQ(solo.tcb.phase, Phase::fast_recovery);
    EXPECT_EQ(solo.out(), ". 1:1001(1000) ack 1");
    solo.segment({.ack = 10'001});
    EXPECT_EQ(solo.tcb.phase, Phase::open);
}

TEST(Timeout, ResendsEverythingInSlowStart) {
    Solo solo;
    solo.peer_options.sack_permitted = false;
    put_in_flight(solo, 8);
    EXPECT_EQ(solo.advance(milliseconds(201)), "+201 . 1:1001(1000) ack 1");
    EXPECT_EQ(solo.tcb.cwnd, 1000u);
    EXPECT_EQ(solo.tcb.ssthresh, 4000u);
    solo.segment({.ack = 1001});
    EXPECT_EQ(solo.out(), ". 1001:2001(1000) ack 1 | . 2001:3001(1000) ack 1");
    solo.segment({.ack = 3001});
    EXPECT_EQ(solo.out(),
              ". 3001:4001(1000) ack 1 | . 4001:5001(1000) ack 1 | "
              ". 5001:6001(1000) ack 1");
    solo.segment({.ack = 8001});  // the originals had arrived
    EXPECT_EQ(solo.tcb.phase, Phase::open);
    EXPECT_EQ(solo.out(), "");
}

TEST(Timeout, SsthreshIsSetOncePerLoss) {  // RFC 5681 §3.1
    Solo solo;
    solo.peer_options.sack_permitted = false;
    put_in_flight(solo, 20);
    static_cast<void>(solo.advance(milliseconds(201)));
    EXPECT_EQ(solo.tcb.ssthresh, 10'000u);
    static_cast<void>(solo.advance(seconds(2)));
    EXPECT_EQ(solo.tcb.ssthresh, 10'000u);
}

// The same where the window, not what is in flight, is reduced; and what an undo gives back stays.
TEST(Timeout, ASecondOneReducesNoFurther) {
    Solo solo;
    solo.settings.congestion = CongestionAlgorithm::cubic;
    put_in_flight(solo, 10);
    while (solo.counters.retransmission_timeouts < 1)
        static_cast<void>(solo.advance(milliseconds(100)));
    const std::uint32_t ssthresh = solo.tcb.ssthresh;
    EXPECT_EQ(ssthresh, 7000u);
    while (solo.counters.retransmission_timeouts < 3)
        static_cast<void>(solo.advance(milliseconds(100)));
    EXPECT_EQ(solo.tcb.ssthresh, ssthresh);
    EXPECT_EQ(solo.tcb.prior_cwnd, 10'000u);
}

// The queue grew faster than the estimate: the time-out comes while all is still under way, and the
// ACK of an original is taken for one of the copy, as the shortest round trip allows it. What was
// sent before is lost by that, but the network has not emptied: RFC 5681 §3.1, RFC 5682 §3.1 (2b).
TEST(Timeout, LossesFoundAfterItLetNoWindowOut) {
    Solo solo;
    solo.connect();
    solo.tcb.srtt_us = 0;
    take_rtt_sample(solo.tcb, 1000, solo.env.configuration, solo.now);
    solo.tcb.cwnd = 10'000;
    solo.send(100'000);
    static_cast<void>(solo.out());
    EXPECT_EQ(solo.advance(milliseconds(6)), "+4 . 10001:11001(1000) ack 1");  // the one probe
    for (std::uint32_t i = 1; i <= 8; ++i) {
        solo.now = solo.now + milliseconds(i == 1 ? 17 : 23);
        solo.segment({.ack = 1 + 1000 * i});
        static_cast<void>(solo.out());
    }
    const std::string repair = solo.advance(milliseconds(21));
    EXPECT_NE(repair.find(". 8001:9001(1000) ack 1"), std::string::npos) << repair;
    EXPECT_EQ(solo.sent.size(), 1u);
    EXPECT_EQ(solo.tcb.phase, Phase::loss);
    solo.now = solo.now + milliseconds(2);
    solo.segment({.ack = 9001});
    EXPECT_GT(status(solo.env, solo.tcb, solo.now).lost_bytes, 0u);
    static_cast<void>(solo.out());
    EXPECT_LE(solo.sent.size(), 2u);
}

TEST(Congestion, SlowStartCountsBytesNotAcks) {  // RFC 3465: ACK division
    Solo solo;
    put_in_flight(solo, 10);
    const std::uint32_t before = solo.tcb.cwnd;
    for (std::uint32_t i = 1; i <= 10; ++i)
        solo.segment({.ack = 1 + i * 100});
    EXPECT_EQ(solo.tcb.cwnd, before + 1000);
    solo.segment({.ack = 10'001});
    EXPECT_EQ(solo.tcb.cwnd, before + 10'000);
}

TEST(Congestion, WindowUsedWithinTheRoundTripGrowsAlthoughTheRestOfItIsSmall) {  // RFC 7661 §4.2
    Solo solo;
    put_in_flight(solo, 9);
    solo.tcb.cwnd = 10'000;
    for (std::uint32_t i = 1; i <= 4; ++i) {
        solo.segment({.ack = 1 + i * 2000});
        EXPECT_EQ(solo.tcb.cwnd, 10'000 + i * 2000) << i;
    }
    solo.segment({.ack = 9001});
    EXPECT_EQ(solo.tcb.cwnd, 18'000u);  // twice what was in flight, no more
}

TEST(Congestion, ReorderingIsNotCountedTwice) {  // RFC 3042: duplicates have let data out already
    Solo solo;
    solo.peer_options.sack_permitted = false;
    put_in_flight(solo, 10);
    solo.segment({});
    solo.segment({});
    solo.segment({.ack = 3001});
    EXPECT_EQ(solo.tcb.cwnd, 11'000u);
}

TEST(Congestion, AvoidanceGrowsOneSegmentPerWindow) {
    Solo solo;
    put_in_flight(solo, 10);
    solo.tcb.ssthresh = 5000;
    solo.segment({.ack = 5001});
    EXPECT_EQ(solo.tcb.cwnd, 10'000u);
    solo.send(5000);
    static_cast<void>(solo.out());
    solo.segment({.ack = 10'001});
    EXPECT_EQ(solo.tcb.cwnd, 11'000u);
    solo.segment({.ack = 15'001});
}

TEST(Congestion, UnusedWindowDoesNotGrow) {
    Solo solo;
    solo.connect();
    const std::uint32_t before = solo.tcb.cwnd;
    for (std::uint32_t i = 0; i < 50; ++i) {
        solo.send(100);
        static_cast<void>(solo.out());
        solo.segment({.ack = 101 + i * 100});
    }
    EXPECT_EQ(solo.tcb.cwnd, before);
}

}  // namespace
}  // namespace mtcp::tcp
