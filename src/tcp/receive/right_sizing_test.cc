// SPDX-License-Identifier: Apache-2.0
// The receive buffer follows what is read in a round trip.
#include "tcp/receive/right_sizing.h"

#include <gtest/gtest.h>

#include "tcp/testing/solo.h"

namespace mtcp::tcp {
namespace {

using testing::Solo;

constexpr std::uint32_t kInitial = 64 * 1024;
constexpr Duration kRoundTrip = milliseconds(20);

class RightSizing : public ::testing::Test {
  protected:
    RightSizing() {
        solo.env.configuration.window_shift = 7;
        solo.peer_options.window_shift = 7;
        solo.settings.receive_buffer = kInitial;
        solo.connect();
        solo.tcb.srtt_us = static_cast<std::uint32_t>(kRoundTrip.microseconds());
    }
    ~RightSizing() override { static_cast<void>(solo.out()); }
    // A round trip in which the application reads `bytes`.
    void read(std::uint32_t bytes) {
        right_size(solo.env, solo.tcb, bytes / 2, solo.now);
        solo.now = solo.now + kRoundTrip;
        right_size(solo.env, solo.tcb, bytes - bytes / 2, solo.now);
    }
    std::uint32_t buffer() const { return solo.tcb.settings.receive_buffer; }

    Solo solo;
};

TEST_F(RightSizing, SlowReadingChangesNothing) {
    for (int i = 0; i < 10; ++i)
        read(kInitial / 8);
    EXPECT_EQ(buffer(), kInitial);
}

TEST_F(RightSizing, TwiceWhatWasReadInARoundTripFits) {
    read(kInitial);
    EXPECT_GE(buffer(), 2 * kInitial);
    const std::uint32_t before = buffer();
    read(kInitial);  // no more than before
    EXPECT_EQ(buffer(), before);
    read(2 * kInitial);
    EXPECT_GE(buffer(), 4 * kInitial);
}

// A connection born of a SYN cookie that only receives never learns of a round trip.
TEST_F(RightSizing, WithoutARoundTripATenthOfASecondIsOne) {
    solo.tcb.srtt_us = 0;
    for (int i = 0; i < 6; ++i)
        read(kInitial);
    EXPECT_GE(buffer(), 8 * kInitial);
}

TEST_F(RightSizing, OnlyWholeRoundTripsCount) {
    right_size(solo.env, solo.tcb, 1'000'000, solo.now);
    solo.now = solo.now + milliseconds(19);
    right_size(solo.env, solo.tcb, 1'000'000, solo.now);
    EXPECT_EQ(buffer(), kInitial);
}

TEST_F(RightSizing, LimitsAreKept) {
    solo.env.configuration.receive_buffer_max = 300'000;
    read(10'000'000);
    EXPECT_EQ(buffer(), 300'000u);
    solo.env.configuration.receive_buffer_max = 1u << 30;
    read(20'000'000);
    EXPECT_EQ(buffer(), 0xffffu << 7);  // what the window field can say
}

TEST_F(RightSizing, NotWithoutMemory) {
    solo.env.memory = Environment::Memory::low;
    read(10'000'000);
    EXPECT_EQ(buffer(), kInitial);
}

TEST_F(RightSizing, NotOnceTheProgramHasChosen) {
    solo.settings.receive_fixed = 1;
    solo.apply_settings();
    read(10'000'000);
    EXPECT_EQ(buffer(), kInitial);
}

TEST_F(RightSizing, OtherSettingsDoNotUndoIt) {
    read(kInitial);
    const std::uint32_t grown = buffer();
    solo.settings.no_delay = 1;
    solo.apply_settings();
    EXPECT_EQ(buffer(), grown);
    solo.settings.receive_buffer = kInitial;
    solo.settings.receive_fixed = 1;
    solo.apply_settings();
    EXPECT_EQ(buffer(), kInitial);
}

TEST_F(RightSizing, ThePeerHearsOfTheLargerWindow) {
    solo.segment({.seq = 1, .length = 60'000, .window = 500});
    static_cast<void>(solo.out());
    ASSERT_EQ(solo.sent.size(), 1u);
    const std::uint32_t before = solo.sent[0].window;
    solo.consume(30'000);
    solo.now = solo.now + kRoundTrip;
    solo.consume(30'000);
    static_cast<void>(solo.out());
    ASSERT_EQ(solo.sent.size(), 1u);
    EXPECT_GE(std::uint32_t{solo.sent[0].window} << 7, 120'000u);
    EXPECT_GT(solo.sent[0].window, before);
}

}  // namespace
}  // namespace mtcp::tcp
