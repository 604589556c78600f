// SPDX-License-Identifier: Apache-2.0
// More than 2^31 and 2^32 bytes on one connection: what compares numbers with a mark that was set
// long ago must not take the mark for the future, and totals do not wrap.
#include <gtest/gtest.h>

#include "tcp/clock.h"
#include "tcp/recovery/side_record.h"
#include "tcp/testing/solo.h"

namespace mtcp::tcp {
namespace {

using testing::Solo;

constexpr std::uint64_t kMuch = (std::uint64_t{1} << 32) + (1u << 20);
constexpr std::uint32_t kPiece = 50'000;
constexpr std::uint64_t kQuarter = std::uint64_t{1} << 30;  // of all numbers

struct LongLife : ::testing::TestWithParam<Configuration::Use> {
    void connect() {
        solo.env.configuration.header_prediction = GetParam();
        solo.connect();
    }
    void carry(std::uint64_t bytes) {
        for (const std::uint64_t end = queued + bytes; queued < end;) {
            solo.tcb.cwnd = 1u << 20;
            send(kPiece);
            static_cast<void>(solo.out(kPiece));
            solo.segment({.ack = at(queued)});
        }
    }
    void send(std::uint32_t length) {
        solo.send(length);
        queued += length;
    }
    // The number behind so many bytes.
    static std::uint32_t at(std::uint64_t bytes) { return static_cast<std::uint32_t>(1 + bytes); }

    Solo solo;
    std::uint64_t queued = 0;
};

TEST_P(LongLife, CountsAllThatWasAcknowledged) {
    connect();
    carry(kMuch);
    EXPECT_EQ(status(solo.env, solo.tcb, solo.now).bytes_acked, queued);
    EXPECT_EQ(solo.acked, queued);
}

TEST_P(LongLife, CountsAllThatWasReceived) {
    connect();
    for (std::uint64_t bytes = 0; bytes < kMuch; bytes += kPiece) {
        solo.segment({.seq = at(bytes), .length = kPiece});
        solo.consume(kPiece);
        static_cast<void>(solo.out());
    }
    EXPECT_EQ(status(solo.env, solo.tcb, solo.now).bytes_received, solo.received);
    EXPECT_GE(solo.received, kMuch);
}

// RFC 6582 §3.2: duplicates count when SND.UNA is beyond `recover`, however long ago that was set.
TEST_P(LongLife, RepairsALossByDuplicatesAtAnyAge) {
    solo.peer_options.sack_permitted = false;
    connect();
    for (const std::uint64_t age : {0u, 1u, 2u, 3u}) {
        carry(age * kQuarter);
        const std::uint64_t una = queued;
        solo.tcb.cwnd = 20'000;
        send(6000);
        static_cast<void>(solo.out());
        for (int i = 0; i < 3; ++i)
            solo.segment({.ack = at(una)});
        EXPECT_EQ(solo.tcb.phase, Phase::fast_recovery) << age;
        static_cast<void>(solo.out());
        solo.segment({.ack = at(queued)});
        EXPECT_EQ(solo.tcb.phase, Phase::open);
    }
}

// Nagle holds a small segment back behind a small one in flight, not behind one of long ago.
TEST_P(LongLife, SendsASmallSegmentBehindLargeOnesAtAnyAge) {
    connect();
    for (const std::uint64_t age : {0u, 1u, 2u, 3u}) {
        send(100);
        static_cast<void>(solo.out());
        solo.segment({.ack = at(queued)});
        carry(age * kQuarter);
        solo.tcb.cwnd = 20'000;
        send(2100);
        static_cast<void>(solo.out());
        EXPECT_EQ(solo.sent.size(), 3u) << age;
        solo.segment({.ack = at(queued)});
    }
}

// RFC 3168 §6.1.2: once a window, and again in a later one.
TEST_P(LongLife, HeedsMarksAtAnyAge) {
    solo.env.configuration.ecn = Configuration::Ecn::request;
    solo.peer_syn_flags = wire::Flags::ece;
    connect();
    for (const std::uint64_t age : {0u, 1u, 2u, 3u}) {
        carry(age * kQuarter);
        solo.tcb.cwnd = 20'000;
        solo.tcb.ssthresh = 100'000;
        send(20'000);
        static_cast<void>(solo.out());
        solo.segment({.flags = "E.", .ack = at(queued - 10'000)});
        EXPECT_LE(solo.tcb.cwnd, 11'000u) << age;
        static_cast<void>(solo.out());
        solo.segment({.ack = at(queued)});
    }
}

// 40 minutes without an answer are more than half of what the clock of microseconds can tell apart:
// what is delivered then is newer than what was before (RFC 8985 §6.2 step 2).
TEST_P(LongLife, KnowsTheNewestDeliveryAfterALongSilence) {
    solo.settings.user_timeout_ms = 3 * 3'600'000;
    connect();
    send(3000);
    static_cast<void>(solo.out());
    solo.segment({.ack = 1, .sack = {{1001, 2001}}});
    const Instant end = solo.now + seconds(40 * 60);
    while (solo.now < end)
        static_cast<void>(solo.advance(seconds(60)));
    solo.segment({.ack = 2001});
    solo.tcb.cwnd = 20'000;
    send(3000);
    static_cast<void>(solo.out());
    static_cast<void>(solo.advance(milliseconds(20)));
    solo.segment({.ack = 2001, .sack = {{3513, 5049}}});
    ASSERT_TRUE(has_record(solo.tcb));
    const std::uint32_t age = to_us(solo.now) - solo.env.recoveries[solo.tcb.recovery].rack_sent_us;
    EXPECT_LE(age, 20'000u);
}

INSTANTIATE_TEST_SUITE_P(Prediction, LongLife,
                         ::testing::Values(Configuration::Use::off, Configuration::Use::on),
                         [](const auto& use) {
                             return use.param == Configuration::Use::on ? "on" : "off";
                         });

}  // namespace
}  // namespace mtcp::tcp
