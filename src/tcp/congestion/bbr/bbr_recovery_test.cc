// SPDX-License-Identifier: Apache-2.0
// BBR in loss recovery, as a sender sees it.
#include <gtest/gtest.h>

#include "tcp/congestion/controller.h"
#include "tcp/testing/solo.h"

namespace mtcp::tcp {
namespace {

using testing::Solo;

constexpr Duration kRtt = milliseconds(20);

// BBR sets cwnd in recovery, too, and ssthresh says nothing then.
class BbrRecovery : public ::testing::Test {
  protected:
    Solo solo_;
    std::uint32_t before_ = 0;  // cwnd
    // The model has its record, nothing is in flight, 10,000 bytes are acknowledged.
    void SetUp() override {
        solo_.settings.congestion = CongestionAlgorithm::bbr;
        solo_.connect();
        solo_.send(10'000);
        static_cast<void>(solo_.out());
        solo_.now = solo_.now + kRtt;
        solo_.segment({.ack = 10'001});
        static_cast<void>(solo_.advance(kRtt));
        before_ = solo_.tcb.cwnd;
        ASSERT_LE(before_, 20'000u);
        ASSERT_EQ(solo_.tcb.ssthresh, congestion::kSsthreshInitial);
    }
};

TEST_F(BbrRecovery, WithoutARecordDoesNotInflateTheWindow) {
    while (solo_.env.recoveries.take() != kNoIndex) {
    }
    solo_.send(10'000);
    static_cast<void>(solo_.out());
    solo_.now = solo_.now + kRtt;
    for (int i = 0; i < 3; ++i)
        solo_.segment({.ack = 10'001});
    EXPECT_EQ(solo_.tcb.phase, Phase::fast_recovery);
    EXPECT_EQ(solo_.out(), ". 10001:11001(1000) ack 1");
    EXPECT_LE(solo_.tcb.cwnd, before_);
    solo_.segment({.ack = 20'001});
    EXPECT_EQ(solo_.tcb.phase, Phase::open);
    EXPECT_LE(solo_.tcb.cwnd, before_ + 10'000);
    for (std::uint32_t i = 0; solo_.env.recoveries.used() > 0; ++i)
        solo_.env.recoveries.give_back(i);
}

TEST_F(BbrRecovery, AHiddenLossIsJudgedAfterTheRecordIsGone) {
    solo_.send(2000);
    static_cast<void>(solo_.out());
    solo_.now = solo_.now + kRtt;
    solo_.segment({.ack = 11'001});
    EXPECT_EQ(solo_.advance(seconds(1) / 4), "+205 P. 11001:12001(1000) ack 1");
    solo_.segment({.ack = 12'001});
    ASSERT_EQ(solo_.tcb.recovery, kNoIndex);
    solo_.send(100);
    static_cast<void>(solo_.out());
    solo_.segment({.ack = 12'101});
    EXPECT_LE(solo_.tcb.cwnd, before_ + 2100);
}

// A window of before a recovery that was taken back is nothing to return to after the next one.
TEST_F(BbrRecovery, EndsWhenItIsTakenBack) {
    solo_.env.configuration.tail_loss_probe = Configuration::Use::off;
    solo_.send(20'000);
    static_cast<void>(solo_.out());
    static_cast<void>(solo_.advance(kRtt / 2));
    solo_.segment({.ack = 10'001, .sack = {{11'001, 15'001}}});
    ASSERT_EQ(solo_.tcb.phase, Phase::fast_recovery);
    static_cast<void>(solo_.advance(kRtt / 2));
    // The original was only late, and the copy came, too.
    solo_.segment({.ack = 15'001, .sack = {{10'001, 11'001}}});
    ASSERT_NE(solo_.tcb.phase, Phase::fast_recovery);
    const congestion::Bbr* const bbr = congestion::bbr_of(solo_.env, solo_.tcb);
    ASSERT_NE(bbr, nullptr);
    EXPECT_FALSE(bbr->repairing);
    static_cast<void>(solo_.advance(kRtt));
    solo_.segment({.ack = solo_.tcb.snd.nxt - solo_.tcb.iss});
}

TEST_F(BbrRecovery, ALossBasedAlgorithmThatTakesOverBringsItsWindowToAnEnd) {
    solo_.send(20'000);
    static_cast<void>(solo_.out());
    static_cast<void>(solo_.advance(kRtt));
    solo_.segment({.ack = 10'001, .sack = {{11'001, 15'001}}});
    ASSERT_EQ(solo_.tcb.phase, Phase::fast_recovery);
    static_cast<void>(solo_.out());
    const std::uint32_t window = solo_.tcb.cwnd;
    solo_.settings.congestion = CongestionAlgorithm::cubic;
    solo_.apply_settings();
    static_cast<void>(solo_.advance(kRtt));
    solo_.segment({.ack = 30'001});
    EXPECT_EQ(solo_.tcb.phase, Phase::open);
    EXPECT_EQ(solo_.tcb.cwnd, window);
}

}  // namespace
}  // namespace mtcp::tcp
