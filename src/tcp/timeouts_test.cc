// SPDX-License-Identifier: Apache-2.0
// Keep-alive, idle time-out, wrapping clocks, path errors.
#include <gtest/gtest.h>

#include <cerrno>

#include "tcp/testing/solo.h"

namespace mtcp::tcp {
namespace {

using testing::In;
using testing::Solo;

TEST(Keepalive, IsOffByDefault) {  // Checks RFC 9293 MUST-25.
    Solo solo;
    solo.connect();
    EXPECT_EQ(deadline(solo.tcb), kNever);
}

TEST(Keepalive, DefaultsToTwoHours) {  // Checks RFC 9293 MUST-28.
    Solo solo;
    solo.settings.keepalive = 1;
    solo.connect();
    EXPECT_EQ(solo.advance(seconds(7199)), "");
    EXPECT_EQ(solo.advance(seconds(1)), "+1000 . 0:0(0) ack 1");  // Checks RFC 9293 SHLD-12.
    solo.segment({});
    EXPECT_EQ(solo.advance(seconds(7199)), "");
    EXPECT_EQ(solo.state(), State::established);
}

TEST(Keepalive, GivesUpAfterCountProbes) {  // Checks RFC 9293 MUST-24, MUST-27, MUST-29.
    Solo solo;
    solo.settings.keepalive = 1;
    solo.settings.keepalive_idle_s = 10;
    solo.settings.keepalive_interval_s = 5;
    solo.settings.keepalive_count = 3;
    solo.connect();
    EXPECT_EQ(solo.advance(seconds(60)),
              "+10000 . 0:0(0) ack 1 | +15000 . 0:0(0) ack 1 | +20000 . 0:0(0) ack 1 | "
              "+25000 R. 1:1(0) ack 1");
    EXPECT_EQ(solo.error, ETIMEDOUT);
    EXPECT_EQ(solo.counters.keepalives, 3u);
}

TEST(Keepalive, AnsweredProbeStartsAnew) {
    Solo solo;
    solo.settings.keepalive = 1;
    solo.settings.keepalive_idle_s = 10;
    solo.settings.keepalive_interval_s = 5;
    solo.settings.keepalive_count = 2;
    solo.connect();
    for (int i = 0; i < 10; ++i) {
        EXPECT_NE(solo.advance(seconds(16)), "");
        solo.segment({});
    }
    EXPECT_EQ(solo.state(), State::established);
}

TEST(Keepalive, WaitsWhileDataIsOutstanding) {  // Checks RFC 9293 MUST-26.
    Solo solo;
    solo.settings.keepalive = 1;
    solo.settings.keepalive_idle_s = 1;
    solo.connect();
    solo.send(10);
    static_cast<void>(solo.out());
    EXPECT_EQ(solo.advance(milliseconds(1100)).find(". 0:0(0)"), std::string::npos);
    EXPECT_EQ(solo.counters.keepalives, 0u);
}

TEST(Keepalive, CanBeSwitchedOnLater) {
    Solo solo;
    solo.connect();
    solo.settings.keepalive = 1;
    solo.settings.keepalive_idle_s = 7;
    solo.apply_settings();
    EXPECT_EQ(solo.advance(seconds(8)), "+7000 . 0:0(0) ack 1");
}

TEST(IdleTimeout, EndsASilentConnection) {
    Solo solo;
    solo.env.configuration.idle_timeout = seconds(30);
    solo.connect();
    static_cast<void>(solo.advance(seconds(20)));
    solo.segment({.length = 10});
    solo.consume(10);
    static_cast<void>(solo.advance(seconds(29)));
    EXPECT_EQ(solo.state(), State::established);
    static_cast<void>(solo.advance(seconds(2)));
    EXPECT_EQ(solo.state(), State::closed);
    EXPECT_EQ(solo.error, ETIMEDOUT);
}

TEST(Clock, TimersSurviveTheWrapOfMilliseconds) {
    Solo solo;
    solo.peer_options.sack_permitted = false;
    solo.now = Instant{(std::int64_t{1} << 32) * 1'000'000 - milliseconds(250).ns};
    solo.connect();
    solo.send(10);
    static_cast<void>(solo.out());
    EXPECT_EQ(solo.advance(milliseconds(700)), "+201 P. 1:11(10) ack 1 | +602 P. 1:11(10) ack 1");
}

TEST(Clock, LongIdleDoesNotConfuseChallenges) {
    Solo solo;
    solo.connect();
    solo.segment({.flags = "S", .seq = 500});
    EXPECT_NE(solo.out(), "");
    solo.now = solo.now + seconds(30ll * 24 * 3600);
    solo.segment({.flags = "S", .seq = 500});
    EXPECT_NE(solo.out(), "");
}

// --- path errors ---

TEST(PathErrors, PortUnreachableRefusesAnOpen) {
    Solo solo;
    solo.open();
    static_cast<void>(solo.out());
    solo.path_error(PathError::port_unreachable, 0, 0);
    EXPECT_EQ(solo.error, ECONNREFUSED);
    EXPECT_EQ(solo.state(), State::closed);
}

TEST(PathErrors, UnreachableIsSoftEvenDuringAnOpen) {  // Checks RFC 9293 MUST-56.
    Solo solo;
    solo.open();
    static_cast<void>(solo.out());
    for (const PathError error : {PathError::net_unreachable, PathError::host_unreachable,
                                  PathError::time_exceeded, PathError::parameter_problem}) {
        solo.path_error(error, 0, 0);
        EXPECT_EQ(solo.state(), State::syn_sent);
    }
    static_cast<void>(solo.advance(seconds(300)));
    EXPECT_EQ(solo.error, EPROTO);  // the last one told
}

// RFC 8985 §7.4.2's loss that a tail loss probe repaired was none of congestion here.
TEST(PathErrors, ANarrowerPathCostsNoWindowAlsoBehindATailLossProbe) {
    Solo solo;
    solo.peer_options.mss = 1460;
    solo.connect();
    solo.send(3 * 1460);
    static_cast<void>(solo.out());
    EXPECT_EQ(solo.advance(milliseconds(50)), "+3 P. 2921:4381(1460) ack 1");
    const std::uint32_t cwnd = solo.tcb.cwnd;
    solo.path_error(PathError::fragmentation_needed, 1000, 1);
    EXPECT_EQ(solo.out(),
              ". 1:961(960) ack 1 | . 961:1921(960) ack 1 | . 1921:2881(960) ack 1 | "
              ". 2881:3841(960) ack 1 | P. 3841:4381(540) ack 1");
    solo.segment({.ack = 4381});
    solo.send(100);
    EXPECT_EQ(solo.out(), "P. 4381:4481(100) ack 1");
    solo.segment({.ack = 4481});
    EXPECT_GE(solo.tcb.cwnd, cwnd);
}

TEST(PathErrors, HardOnesAreSoftOnceSynchronised) {  // RFC 5927 §5.2
    Solo solo;
    solo.connect();
    solo.send(10);
    static_cast<void>(solo.out());
    solo.path_error(PathError::port_unreachable, 0, 1);
    EXPECT_EQ(solo.state(), State::established);
    EXPECT_EQ(status(solo.env, solo.tcb, solo.now).soft_error, ECONNREFUSED);
}

TEST(PathErrors, OnlyForWhatIsInFlight) {  // RFC 5927 §4
    Solo solo;
    solo.connect();
    solo.send(10);
    static_cast<void>(solo.out());
    for (const std::uint32_t seq : {0u, 11u, 5000u}) {
        solo.path_error(PathError::fragmentation_needed, 600, seq);
        EXPECT_EQ(solo.last_drop, Drop::icmp_stale);
        EXPECT_EQ(solo.tcb.path_mtu, 1500);
    }
}

TEST(PathErrors, OurOwnNetworkFailsAnOpenAtOnce) {
    Solo solo;
    solo.open();
    static_cast<void>(solo.out());
    solo.path_error(PathError::no_neighbour, 0, 99);
    EXPECT_EQ(solo.error, EHOSTUNREACH);
}

TEST(PathErrors, NarrowerPathCutsSegmentsAndSendsAgain) {  // RFC 1191
    Solo solo;
    solo.peer_options.mss = 1460;
    solo.connect();
    solo.send(4380);
    static_cast<void>(solo.out());
    const std::uint32_t cwnd = solo.tcb.cwnd;
    solo.path_error(PathError::fragmentation_needed, 1040, 1);
    EXPECT_EQ(effective_mss(solo.tcb), 1000u);
    EXPECT_EQ(solo.out(),
              ". 1:1001(1000) ack 1 | . 1001:2001(1000) ack 1 | . 2001:3001(1000) ack 1"
              " | . 3001:4001(1000) ack 1 | P. 4001:4381(380) ack 1");
    EXPECT_EQ(solo.tcb.cwnd, cwnd);
    solo.segment({.ack = 4381});
    EXPECT_EQ(solo.tcb.phase, Phase::open);
}

TEST(PathErrors, NarrowerPathSendsAgainWhatThePeerThrewAway) {  // RFC 2018 §8
    Solo solo;
    solo.peer_options.mss = 1460;
    solo.connect();
    solo.send(4380);
    static_cast<void>(solo.out());
    solo.segment({.ack = 1, .sack = {{1461, 4381}}});
    EXPECT_EQ(solo.out(), ". 1:1461(1460) ack 1");
    solo.segment({.ack = 1461});
    EXPECT_EQ(solo.out(), "");
    solo.path_error(PathError::fragmentation_needed, 1040, 1461);
    EXPECT_EQ(solo.out(),
              ". 1461:2461(1000) ack 1 | . 2461:3461(1000) ack 1 | P. 3461:4381(920) ack 1");
}

TEST(PathErrors, MtuIsBoundedAndNeverRaised) {
    Solo solo;
    solo.peer_options.mss = 1460;
    solo.connect();
    solo.send(1000);
    static_cast<void>(solo.out());
    solo.path_error(PathError::fragmentation_needed, 68, 1);
    EXPECT_EQ(solo.tcb.path_mtu, 552);
    static_cast<void>(solo.out());
    solo.path_error(PathError::fragmentation_needed, 9000, 1);
    EXPECT_EQ(solo.tcb.path_mtu, 552);
}

// RFC 1191 §3 would have smaller segments: an attack. As Linux, they may be cut.
TEST(PathErrors, SegmentsMayBeCutOnAPathBelowTheFloor) {
    for (const std::uint16_t first : {std::uint16_t{552}, std::uint16_t{500}}) {
        SCOPED_TRACE(first);
        Solo solo;
        solo.peer_options.mss = 1460;
        solo.connect();
        solo.send(1000);
        static_cast<void>(solo.out());
        solo.path_error(PathError::fragmentation_needed, first, 1);
        EXPECT_EQ(solo.out(), ". 1:513(512) ack 1 | P. 513:1001(488) ack 1");
        EXPECT_EQ(may_be_cut(solo.env, solo.tcb), first == 500);
        solo.path_error(PathError::fragmentation_needed, 500, 1);
        EXPECT_EQ(solo.tcb.path_mtu, 552);
        EXPECT_TRUE(may_be_cut(solo.env, solo.tcb));
        EXPECT_EQ(solo.out() == "", first == 500) << "it goes again once";
        EXPECT_EQ(solo.env.destinations.find(testing::some_flow(), solo.now)->path_mtu, 500);
    }
}

TEST(PathErrors, NothingIsCutThatMustNotBe) {  // IP_PMTUDISC_DO
    Solo solo;
    solo.settings.path_discovery = 2;
    solo.peer_options.mss = 1460;
    solo.connect();
    solo.send(1000);
    static_cast<void>(solo.out());
    solo.path_error(PathError::fragmentation_needed, 500, 1);
    static_cast<void>(solo.out());
    EXPECT_EQ(solo.tcb.path_mtu, 552);
    EXPECT_FALSE(may_be_cut(solo.env, solo.tcb));
    solo.path_error(PathError::fragmentation_needed, 500, 1);
    EXPECT_EQ(solo.out(), "");
}

TEST(PathErrors, RouterThatDoesNotSayTheSizeMeansTheNextPlateau) {
    Solo solo;
    solo.peer_options.mss = 1460;
    solo.connect();
    solo.send(1000);
    static_cast<void>(solo.out());
    solo.path_error(PathError::fragmentation_needed, 0, 1);
    EXPECT_EQ(solo.tcb.path_mtu, 1492);
    static_cast<void>(solo.out());
}

}  // namespace
}  // namespace mtcp::tcp
