// SPDX-License-Identifier: Apache-2.0
// The algorithms against figures worked out from their RFCs.
#include <gtest/gtest.h>

#include "tcp/congestion/controller.h"
#include "tcp/congestion/cubic.h"
#include "tcp/congestion/dctcp.h"
#include "tcp/congestion/hystart.h"
#include "tcp/congestion/new_reno.h"
#include "tcp/take_ack.h"
#include "tcp/testing/solo.h"

namespace mtcp::tcp::congestion {
namespace {

constexpr std::uint32_t kMss = 1000;

// A TCB that only congestion control looks at.
struct Window {
    Tcb tcb{};
    AckContext ack;
    Instant now{seconds(100).ns};
    Window() {
        tcb.mss = kMss;
        tcb.cwnd = 100 * kMss;
        tcb.ssthresh = kSsthreshInitial;
        tcb.srtt_us = 100'000;
        tcb.rto_us = 300'000;
        tcb.controller = kNoController;
        tcb.phase = Phase::open;
    }
    // `bytes` are acknowledged, of a window that was full, after a round trip of `rtt_us`.
    void acknowledge(std::uint32_t bytes, std::uint32_t rtt_us) {
        ack = {};
        ack.acked = bytes;
        ack.flight_before = tcb.cwnd;
        ack.rtt_us = rtt_us;
        tcb.snd.una = tcb.snd.una + bytes;
        tcb.snd.nxt = tcb.snd.una + tcb.cwnd;
    }
};

TEST(CubicCurve, FollowsFigureOne) {
    // RFC 9438 §4.2: W_max = 100 segments, cwnd = 70: K = cbrt(30 / 0.4) = 4.217 s.
    Window w;
    Cubic c;
    cubic::begin(c, w.tcb, w.now);
    cubic::reduce(c, w.tcb);
    EXPECT_EQ(c.w_max, 100 * kMss);
    EXPECT_EQ(w.tcb.ssthresh, 70 * kMss);
    w.tcb.cwnd = w.tcb.ssthresh;
    w.acknowledge(kMss, 100'000);
    cubic::grow(c, w.tcb, w.ack, Configuration::HyStart::off, w.now);
    EXPECT_EQ(c.k_ms, 4217u);
    EXPECT_NEAR(cubic::w_cubic(c, 0, kMss), 70'000, 30);
    EXPECT_EQ(cubic::w_cubic(c, 4217, kMss), 100'000u);
    EXPECT_NEAR(cubic::w_cubic(c, 6217, kMss), 103'200, 2);    // + 0.4 * 2^3
    EXPECT_NEAR(cubic::w_cubic(c, 14'217, kMss), 500'000, 2);  // + 0.4 * 10^3
    EXPECT_EQ(cubic::w_cubic(c, UINT32_MAX, kMss), 0x3fff'ffffu);
}

TEST(CubicCurve, CubeRootIsExact) {
    for (const std::uint64_t root : {0u, 1u, 2u, 999u, 1'000u, 2'642'245u}) {
        EXPECT_EQ(cubic::cube_root(root * root * root), root);
        if (root == 0) continue;
        EXPECT_EQ(cubic::cube_root(root * root * root - 1), root - 1);
    }
    EXPECT_EQ(cubic::cube_root(UINT64_MAX), 2'642'245u);
}

TEST(Cubic, ReachesWmaxAfterK) {  // RFC 9438 §4.2, §4.6
    Window w;
    Cubic c;
    cubic::begin(c, w.tcb, w.now);
    cubic::reduce(c, w.tcb);
    w.tcb.cwnd = w.tcb.ssthresh;
    // One ACK for each two segments, a window a round trip, for K. The plateau is long: cwnd is
    // there a little early, and does not leave.
    const Instant begin = w.now;
    std::uint32_t at_half = 0;
    while (w.now < begin + milliseconds(4'217)) {
        for (std::uint32_t left = w.tcb.cwnd; left >= 2 * kMss; left -= 2 * kMss) {
            w.acknowledge(2 * kMss, 100'000);
            cubic::grow(c, w.tcb, w.ack, Configuration::HyStart::off, w.now);
        }
        w.now = w.now + milliseconds(100);
        if (at_half == 0 && w.now >= begin + milliseconds(2'108)) at_half = w.tcb.cwnd;
    }
    // W(K/2) = 100 - 0.4 (K/2)^3 = 96.25; W_est by then 70 + 0.53 * 21 = 81.
    EXPECT_NEAR(at_half, 96'250, 2'000);
    EXPECT_NEAR(w.tcb.cwnd, 100'000, 2'000);
}

TEST(Cubic, IsAtLeastAsFastAsReno) {  // RFC 9438 §4.3
    // A short round trip: in 10 ms windows the curve hardly moves. W_est gains 8/15 of a segment a
    // window up to 20, where it was, then a whole one: 39 after 30 windows, looked at every third.
    Window w;
    w.tcb.cwnd = 20 * kMss;
    w.tcb.srtt_us = 10'000;
    Cubic c;
    cubic::begin(c, w.tcb, w.now);
    cubic::reduce(c, w.tcb);
    w.tcb.cwnd = w.tcb.ssthresh;
    ASSERT_EQ(w.tcb.cwnd, 14 * kMss);
    for (int round = 0; round < 30; ++round) {
        for (std::uint32_t left = w.tcb.cwnd; left >= kMss; left -= kMss) {
            w.acknowledge(kMss, 10'000);
            cubic::grow(c, w.tcb, w.ack, Configuration::HyStart::off, w.now);
        }
        w.now = w.now + milliseconds(10);
    }
    EXPECT_NEAR(w.tcb.cwnd, 37 * kMss, 3 * kMss);
}

TEST(Cubic, ALargeWindowJustBelowThePlateauStays) {  // its product with the MSS has 33 bits
    Window w;
    w.tcb.mss = 1024;
    w.tcb.cwnd = 4u << 20;
    w.tcb.ssthresh = 1u << 20;
    Cubic c;
    cubic::begin(c, w.tcb, w.now);
    c.w_max = w.tcb.cwnd + 1;
    w.acknowledge(100 * 1024, 100'000);
    cubic::grow(c, w.tcb, w.ack, Configuration::HyStart::off, w.now);
    EXPECT_EQ(w.tcb.cwnd, 4u << 20);
}

TEST(Cubic, AnUndoneReductionLeavesTheCurveAsItWas) {  // RFC 9438 §4.9
    Window w;
    Cubic c;
    cubic::begin(c, w.tcb, w.now);
    cubic::reduce(c, w.tcb);
    w.tcb.cwnd = w.tcb.ssthresh;
    const auto grow = [&] {
        w.acknowledge(kMss, 100'000);
        cubic::grow(c, w.tcb, w.ack, Configuration::HyStart::off, w.now);
    };
    grow();
    w.tcb.cwnd = 130 * kMss;
    w.now = w.now + milliseconds(8'000);  // 3.8 s behind the plateau
    c.used_ms += 8'000;
    grow();
    const CubicCurve curve = c;
    const std::uint32_t pace = c.grow_every;
    cubic::reduce(c, w.tcb);
    w.tcb.cwnd = w.tcb.ssthresh;
    grow();
    cubic::undo(c);
    w.tcb.cwnd = 130 * kMss;
    EXPECT_EQ(c.epoch_start_ms, curve.epoch_start_ms);
    EXPECT_EQ(c.k_ms, curve.k_ms);
    EXPECT_EQ(c.cwnd_prior, curve.cwnd_prior);
    grow();
    EXPECT_EQ(c.grow_every, pace);
}

TEST(Cubic, WhoLosesEarlyMakesRoom) {
    Window w;
    Cubic c;
    cubic::begin(c, w.tcb, w.now);
    cubic::reduce(c, w.tcb);
    w.tcb.cwnd = 80 * kMss;
    cubic::reduce(c, w.tcb);
    EXPECT_NEAR(c.w_max, 68'000, 20);  // RFC 9438 §4.7: 80 * (1 + 0.7) / 2
    EXPECT_EQ(w.tcb.ssthresh, 56 * kMss);
    cubic::undo(c);
    EXPECT_EQ(c.w_max, 100 * kMss);
}

TEST(Cubic, TimeWithoutUseDoesNotCount) {  // RFC 9438 §5.8
    Window w;
    Cubic c;
    cubic::begin(c, w.tcb, w.now);
    cubic::reduce(c, w.tcb);
    w.tcb.cwnd = w.tcb.ssthresh;
    w.acknowledge(kMss, 100'000);
    cubic::grow(c, w.tcb, w.ack, Configuration::HyStart::off, w.now);
    w.now = w.now + seconds(60);
    for (int i = 0; i < 70; ++i) {
        w.acknowledge(kMss, 100'000);
        cubic::grow(c, w.tcb, w.ack, Configuration::HyStart::off, w.now);
    }
    EXPECT_LE(w.tcb.cwnd, 73 * kMss);  // a minute of the curve would have been 1.5 windows
}

// A sender in slow start, with the variant that is to end it.
struct SlowStarter : Window {
    HyStart h;
    Configuration::HyStart variant;

    SlowStarter(Configuration::HyStart which, std::uint32_t segments) : variant(which) {
        tcb.cwnd = segments * kMss;
        hystart::begin(h, tcb, now);
    }
    // A round of ten ACKs.
    void round(std::uint32_t rtt_us) {
        const std::uint32_t step = tcb.cwnd / 10;
        for (int i = 0; i < 10 && tcb.cwnd < tcb.ssthresh; ++i) {
            acknowledge(step, rtt_us);
            tcb.cwnd += hystart::on_ack(h, tcb, ack, variant, now);
            now = now + milliseconds(3);
        }
        now = now + microseconds(rtt_us);
    }
};

TEST(HyStartPlusPlus, GoesOnConservativelyWhenTheDelayGrows) {
    SlowStarter w(Configuration::HyStart::plus_plus, 10);
    w.round(40'000);
    w.round(40'000);
    EXPECT_GE(w.tcb.cwnd, 39 * kMss);  // doubled twice
    EXPECT_EQ(w.h.conservative_rounds, 0);
    // RFC 9406 §4.2: RttThresh = clamp(40 / 8, 4, 16) = 5 ms.
    w.round(44'900);
    EXPECT_EQ(w.h.conservative_rounds, 0);
    w.round(51'000);  // 44.9 + 5.6
    EXPECT_EQ(w.h.conservative_rounds, 1);
    EXPECT_LT(w.tcb.cwnd, w.tcb.ssthresh);
    const std::uint32_t before = w.tcb.cwnd;
    w.round(52'000);
    EXPECT_EQ(w.tcb.cwnd, before + 10 * (before / 10 / 4));  // ten ACKs, a quarter of each
}

TEST(HyStartPlusPlus, EndsSlowStartAfterFiveConservativeRounds) {  // RFC 9406 §4.2, §4.3
    SlowStarter w(Configuration::HyStart::plus_plus, 10);
    w.round(40'000);
    w.round(40'000);
    for (int round = 0; round < 5; ++round) {
        EXPECT_EQ(w.tcb.ssthresh, kSsthreshInitial) << round;
        w.round(50'000);
    }
    w.round(50'000);
    EXPECT_EQ(w.tcb.ssthresh, w.tcb.cwnd);
}

TEST(HyStartPlusPlus, IsForTheFirstSlowStart) {  // RFC 9406 §4.3: later ones know ssthresh
    SlowStarter w(Configuration::HyStart::plus_plus, 10);
    w.round(40'000);
    for (int round = 0; round < 7; ++round)
        w.round(50'000);
    const std::uint32_t ssthresh = w.tcb.ssthresh;
    ASSERT_EQ(ssthresh, w.tcb.cwnd);
    w.tcb.cwnd = 10 * kMss;  // after a pause (RFC 5681 §4.1)
    w.round(50'000);
    EXPECT_EQ(w.tcb.ssthresh, ssthresh);
    EXPECT_EQ(w.tcb.cwnd, 20 * kMss);
}

TEST(HyStartPlusPlus, ReturnsToSlowStartAfterAFalseAlarm) {
    SlowStarter w(Configuration::HyStart::plus_plus, 10);
    w.round(40'000);
    w.round(40'000);
    w.round(60'000);
    ASSERT_NE(w.h.conservative_rounds, 0);
    w.round(41'000);
    EXPECT_EQ(w.h.conservative_rounds, 0);
    EXPECT_EQ(w.tcb.ssthresh, kSsthreshInitial);
}

// After 3 GB of small messages, which do not ask.
TEST(HyStartPlusPlus, ARoundOfHalfTheNumbersAgoIsOver) {
    SlowStarter w(Configuration::HyStart::plus_plus, 10);
    w.round(40'000);
    w.tcb.snd.una = w.tcb.snd.una + 3u * (1u << 30);
    w.tcb.snd.nxt = w.tcb.snd.una;
    for (int round = 0; round < 3; ++round)
        w.round(40'000);
    w.round(50'000);
    EXPECT_EQ(w.h.conservative_rounds, 1);
}

// Small messages do not ask; after 3 GB of them the numbers have gone half around.
TEST(WindowUse, IsNotTakenForOneOfHalfTheNumbersAgo) {
    Window w;
    w.tcb.ssthresh = 50 * kMss;
    w.acknowledge(kMss, 100'000);
    EXPECT_TRUE(was_used(w.tcb, w.ack));
    for (int i = 0; i < 3; ++i) {
        w.tcb.snd.una = w.tcb.snd.nxt = w.tcb.snd.una + (1u << 30);
        fold_totals(w.tcb);
    }
    w.acknowledge(kMss, 100'000);
    w.ack.flight_before = 2 * kMss;
    EXPECT_FALSE(was_used(w.tcb, w.ack));
}

// A receiver that joins segments answers many at once.
TEST(SlowStart, CountsAllThatAStretchAckAcknowledges) {
    Window w;
    w.tcb.cwnd = 20 * kMss;
    w.acknowledge(16 * kMss, 40'000);
    new_reno::grow(w.tcb, w.ack);
    EXPECT_EQ(w.tcb.cwnd, 36 * kMss);
    Cubic c;
    cubic::begin(c, w.tcb, w.now);
    w.acknowledge(30 * kMss, 40'000);
    cubic::grow(c, w.tcb, w.ack, Configuration::HyStart::plus_plus, w.now);
    EXPECT_EQ(w.tcb.cwnd, 66 * kMss);
}

TEST(SlowStart, EndsAtSsthreshWhateverOneAckCovers) {
    Window w;
    w.tcb.cwnd = 20 * kMss;
    w.tcb.ssthresh = 24 * kMss;
    w.acknowledge(20 * kMss, 40'000);
    new_reno::grow(w.tcb, w.ack);
    EXPECT_EQ(w.tcb.cwnd, 24 * kMss);
    EXPECT_EQ(w.tcb.acked_in_avoidance, 16 * kMss);
}

// RFC 3465 §2.3.
TEST(SlowStart, GrowsByOneSegmentAnAckAfterATimeout) {
    Window w;
    w.tcb.phase = Phase::loss;
    w.tcb.cwnd = 4 * kMss;
    w.tcb.ssthresh = 50 * kMss;
    w.acknowledge(4 * kMss, 40'000);
    new_reno::grow(w.tcb, w.ack);
    EXPECT_EQ(w.tcb.cwnd, 5 * kMss);
}

TEST(HyStartClassic, LeavesAtTheNinthSampleOfALongerDelay) {
    SlowStarter w(Configuration::HyStart::classic, 20);
    w.round(200'000);
    ASSERT_EQ(w.tcb.ssthresh, kSsthreshInitial);
    w.round(240'000);  // more than 200 + 16 ms
    EXPECT_EQ(w.tcb.ssthresh, 40 * kMss + 8 * 4 * kMss);
}

TEST(Dctcp, AlphaFollowsTheMarks) {  // RFC 8257 §3.3
    Window w;
    Dctcp d;
    dctcp::begin(d, w.tcb);
    EXPECT_EQ(dctcp::after_mark(d, w.tcb), 50 * kMss);  // alpha = 1
    const auto window = [&](AckContext::EcnEcho first, AckContext::EcnEcho second) {
        for (const AckContext::EcnEcho echo : {first, second}) {
            w.acknowledge(50 * kMss, 1'000);
            w.ack.ecn_echo = echo;
            dctcp::observe(d, w.tcb, w.ack);
        }
        w.acknowledge(1, 1'000);
        dctcp::observe(d, w.tcb, w.ack);
        d.acked = d.marked = 0;
        d.window_end = w.tcb.snd.una + 2 * 50 * kMss;
    };
    using enum AckContext::EcnEcho;
    d.window_end = w.tcb.snd.una + 2 * 50 * kMss;
    window(no, no);
    EXPECT_EQ(d.alpha, 960u);  // RFC 8257 §3.3: (1 - 1/16) * 1024
    window(no, no);
    EXPECT_EQ(d.alpha, 900u);
    for (int i = 0; i < 200; ++i)
        window(no, no);
    EXPECT_EQ(d.alpha, 0u);
    EXPECT_EQ(dctcp::after_mark(d, w.tcb), 100 * kMss);
    for (int i = 0; i < 200; ++i)
        window(no, yes);
    EXPECT_NEAR(d.alpha, 512, 16);  // half of the bytes
    EXPECT_NEAR(dctcp::after_mark(d, w.tcb), 75 * kMss, kMss);
    for (int i = 0; i < 200; ++i)
        window(yes, yes);
    EXPECT_NEAR(d.alpha, 1024, 16);
}

// --- records ---

struct Controlled : Window {
    Environment env;
    Counters counters;
    explicit Controlled(CongestionAlgorithm algorithm, std::uint32_t records = 4) {
        testing::prepare(env, counters, records);
        tcb.settings.congestion = algorithm;
        tcb.cwnd = 10 * kMss;
    }
    ~Controlled() { release_record(env, tcb); }
    Controlled(const Controlled&) = delete;
    Controlled& operator=(const Controlled&) = delete;
    void full_ack(std::uint32_t bytes) {
        acknowledge(bytes, 100'000);
        on_ack(env, tcb, ack, now);
    }
};

TEST(ControllerRecord, IsNotTakenByARequestAndItsReply) {
    for (const CongestionAlgorithm a :
         {CongestionAlgorithm::cubic, CongestionAlgorithm::dctcp, CongestionAlgorithm::bbr}) {
        Controlled w(a);
        w.acknowledge(64, 100'000);
        w.ack.flight_before = 64;
        w.tcb.snd.nxt = w.tcb.snd.una;
        on_ack(w.env, w.tcb, w.ack, w.now);
        EXPECT_EQ(w.env.controllers.used(), 0u) << name_of(a);
        w.full_ack(2 * kMss);
        EXPECT_EQ(w.env.controllers.used(), 1u) << name_of(a);
    }
}

TEST(ControllerRecord, WithoutOneTheConnectionIsNewReno) {
    for (const CongestionAlgorithm a :
         {CongestionAlgorithm::cubic, CongestionAlgorithm::dctcp, CongestionAlgorithm::bbr}) {
        Controlled w(a, 1);
        ASSERT_NE(w.env.controllers.take(), kNoIndex);
        w.full_ack(2 * kMss);
        w.full_ack(2 * kMss);
        EXPECT_EQ(w.counters.congestion_unrecorded, 1u) << name_of(a);
        EXPECT_EQ(w.tcb.cwnd, 14 * kMss) << name_of(a);
        EXPECT_FALSE(governs_recovery(w.tcb));
        on_loss(w.env, w.tcb, 14 * kMss, w.now);
        EXPECT_EQ(w.tcb.ssthresh, 7 * kMss) << name_of(a);
        w.env.controllers.give_back(0);
    }
}

TEST(Controller, UndoRestoresTheWindow) {
    Controlled w(CongestionAlgorithm::cubic);
    w.full_ack(2 * kMss);
    const congestion::Window prior = window_of(w.tcb);
    on_loss(w.env, w.tcb, w.tcb.cwnd, w.now);
    w.tcb.cwnd = w.tcb.ssthresh;
    EXPECT_EQ(w.tcb.cwnd, 8 * kMss);  // 12 * 0.7
    on_undo(w.env, w.tcb, prior, w.now);
    EXPECT_EQ(w.tcb.cwnd, 12 * kMss);
    EXPECT_EQ(w.tcb.ssthresh, kSsthreshInitial);
}

TEST(Controller, AMarkReducesOnceAWindow) {
    Controlled w(CongestionAlgorithm::new_reno);
    w.acknowledge(kMss, 0);
    w.ack.ecn_echo = AckContext::EcnEcho::yes;
    EXPECT_EQ(on_ecn_echo(w.env, w.tcb, w.ack, w.now), Reduced::yes);
    EXPECT_EQ(w.tcb.cwnd, 5 * kMss);
    EXPECT_EQ(on_ecn_echo(w.env, w.tcb, w.ack, w.now), Reduced::no);
    EXPECT_EQ(w.tcb.cwnd, 5 * kMss);
}

TEST(Controller, AnIdleWindowFadesByHalves) {
    Controlled w(CongestionAlgorithm::cubic);
    w.tcb.cwnd = 64 * kMss;
    w.tcb.ssthresh = 32 * kMss;
    w.tcb.last_sent_ms = 100'000;
    on_idle_restart(w.env, w.tcb, Instant{milliseconds(100'299).ns});
    EXPECT_EQ(w.tcb.cwnd, 64 * kMss);  // less than an RTO
    on_idle_restart(w.env, w.tcb, Instant{milliseconds(100'700).ns});
    EXPECT_EQ(w.tcb.cwnd, 16 * kMss);  // two RTOs
    EXPECT_EQ(w.tcb.ssthresh, 48 * kMss);
    on_idle_restart(w.env, w.tcb, Instant{seconds(200).ns});
    EXPECT_EQ(w.tcb.cwnd, 10 * kMss);  // not below the initial window
}

}  // namespace
}  // namespace mtcp::tcp::congestion
