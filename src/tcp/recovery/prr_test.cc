// SPDX-License-Identifier: Apache-2.0
// RFC 9937 where what was in flight is not just cwnd.
#include "tcp/recovery/prr.h"

#include <gtest/gtest.h>

#include "tcp/congestion/record.h"
#include "tcp/recovery/side_record.h"
#include "tcp/testing/solo.h"

namespace mtcp::tcp {
namespace {

using testing::Solo;

// Twenty segments of 1000 bytes are in flight and more data waits, cwnd is `cwnd`, and the first is
// lost: what has left when SACK tells of all up to the `last`th.
std::uint32_t left_in_recovery(Solo& solo, std::uint32_t cwnd, std::uint32_t last) {
    solo.connect();
    solo.tcb.cwnd = 20'000;
    solo.send(20'000);
    static_cast<void>(solo.out());
    solo.send(20'000);
    solo.tcb.cwnd = cwnd;
    for (std::uint32_t i = 4; i <= last; ++i) {
        solo.segment({.sack = {{1001, i * 1000 + 1}}});
        static_cast<void>(solo.out());
    }
    EXPECT_EQ(solo.tcb.phase, Phase::fast_recovery);
    return record_of(solo.env, solo.tcb)->prr_out;
}

// RFC 9937 §6: the share is of RecoverFS, what was in flight; cwnd may have been more.
TEST(Prr, HalfOfWhatArrivesMayLeaveThoughTheWindowWasNotUsed) {
    Solo solo;
    EXPECT_EQ(left_in_recovery(solo, 40'000, 11), 5'000u);
    EXPECT_EQ(solo.tcb.ssthresh, 10'000u);
}

// ...or less, as behind a time-out: still no more is in flight at the end than ssthresh.
TEST(Prr, BringsMoreThanAWindowDownToSsthresh) {
    Solo solo;
    static_cast<void>(left_in_recovery(solo, 10'000, 20));
    EXPECT_EQ(solo.tcb.ssthresh, 5'000u);
    EXPECT_EQ(pipe(solo.tcb, *record_of(solo.env, solo.tcb)), 5'000u);
}

// RFC 8257 §3.3: what is acknowledged and what was marked counts in a recovery, too.
TEST(Prr, MarksOfARecoveryCount) {
    Solo solo;
    solo.settings.congestion = CongestionAlgorithm::dctcp;
    solo.env.configuration.ecn = Configuration::Ecn::request;
    solo.peer_syn_flags = wire::Flags::ece;
    solo.connect();
    solo.tcb.cwnd = 20'000;
    solo.send(20'000);
    static_cast<void>(solo.out());
    solo.segment({.flags = "E.", .ack = 1001});
    static_cast<void>(solo.out());
    solo.segment({.ack = 1001, .sack = {{2001, 8001}}});
    ASSERT_EQ(solo.tcb.phase, Phase::fast_recovery);
    const congestion::Dctcp& d = solo.env.controllers[solo.tcb.controller].dctcp;
    const std::uint32_t acked = d.acked;
    const std::uint32_t marked = d.marked;
    static_cast<void>(solo.out());
    solo.segment({.flags = "E.", .ack = 1501});
    EXPECT_EQ(solo.tcb.phase, Phase::fast_recovery);
    EXPECT_EQ(d.acked - acked, 500u);
    EXPECT_EQ(d.marked - marked, 500u);
}

}  // namespace
}  // namespace mtcp::tcp
