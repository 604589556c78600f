// SPDX-License-Identifier: Apache-2.0
// Whole connections: packet counts, every kind of end, transfers over a bad wire, prediction on and
// off.
#include "tcp/testing/pair.h"

#include <gtest/gtest.h>

#include <cerrno>

namespace mtcp::tcp {
namespace {

using testing::Faults;
using testing::OnWire;
using testing::Pair;
using wire::Flags;

void expect_complete(Pair& pair) {
    EXPECT_EQ(pair.client().error, 0);
    EXPECT_EQ(pair.server().error, 0);
    EXPECT_EQ(pair.server().received, pair.client().application.to_send);
    EXPECT_EQ(pair.client().received, pair.server().application.to_send);
    EXPECT_EQ(pair.client().acked, pair.client().queued);
    EXPECT_TRUE(pair.client().peer_closed);
    EXPECT_TRUE(pair.server().peer_closed);
}

// connect, 64 bytes, 64 bytes, close: six packets.
TEST(Pair, ShortConnectionTakesSixPackets) {
    Pair pair(1);
    pair.keep_trace = true;
    pair.client().application = {.to_send = 64, .shuts_down = false};
    pair.server().application = {.to_send = 0, .shuts_down = false, .closes = false};
    pair.open();
    pair.run_for(milliseconds(21));
    // The request is on its way; the server answers and closes in the turn in which it arrives.
    pair.server().application = {.to_send = 64};
    EXPECT_TRUE(pair.run(seconds(10)));
    for (const std::string& line : pair.trace)
        SCOPED_TRACE(line);
    ASSERT_EQ(pair.trace.size(), 6u);
    EXPECT_NE(pair.trace[0].find("> S "), std::string::npos);
    EXPECT_NE(pair.trace[1].find("< S. "), std::string::npos);
    EXPECT_NE(pair.trace[2].find("> P. "), std::string::npos);
    EXPECT_NE(pair.trace[3].find("< FP. "), std::string::npos);
    EXPECT_NE(pair.trace[4].find("> F. "), std::string::npos);
    EXPECT_NE(pair.trace[5].find("< . "), std::string::npos);
    expect_complete(pair);
    EXPECT_TRUE(pair.server().time_wait.has_value());
    EXPECT_FALSE(pair.client().time_wait.has_value());
}

TEST(Pair, SimultaneousOpenEstablishesOneConnection) {  // Checks RFC 9293 MUST-10.
    Pair pair(2);
    pair.client().application.to_send = 5000;
    pair.server().application.to_send = 7000;
    pair.open(0);
    pair.open(1);
    EXPECT_TRUE(pair.run(seconds(100)));
    expect_complete(pair);
}

TEST(Pair, SimultaneousCloseEndsInTimeWaitOnBothSides) {
    Pair pair(3);
    pair.client().application = {.shuts_down = false};
    pair.server().application = {.shuts_down = false};
    pair.open();
    pair.run_for(milliseconds(100));
    pair.client().application.shuts_down = pair.server().application.shuts_down = true;
    pair.client().application.to_send = pair.server().application.to_send = 10;
    // Both write and shut down in the same instant.
    for (int side = 0; side < 2; ++side) {
        testing::Host& h = pair.host(side);
        h.queued += 10;
        h.has_shut_down = true;
        static_cast<void>(on_send(h.env, h.tcb, 10, SendHint::none, pair.now()));
        static_cast<void>(on_shutdown(h.env, h.tcb, pair.now()));
        pair.give_turn(side);
    }
    EXPECT_TRUE(pair.run(seconds(100)));
    EXPECT_TRUE(pair.client().time_wait.has_value());
    EXPECT_TRUE(pair.server().time_wait.has_value());
    expect_complete(pair);
}

TEST(Pair, AbortIsSeenAsAReset) {
    Pair pair(4);
    pair.client().application = {.to_send = 100'000, .shuts_down = false};
    pair.server().application = {.shuts_down = false};
    pair.open();
    pair.run_for(milliseconds(45));
    pair.abort(0);
    EXPECT_TRUE(pair.run(seconds(100)));
    EXPECT_EQ(pair.server().error, ECONNRESET);
}

TEST(Pair, BulkTransferRunsAtTheWindowsPace) {
    Pair pair(5);
    pair.client().application.to_send = 4'000'000;
    pair.client().application.payload_max = 65'536;
    const Instant begin = pair.now();
    pair.open();
    EXPECT_TRUE(pair.run(seconds(100)));
    expect_complete(pair);
    EXPECT_EQ(pair.client().counters.segments_retransmitted, 0u);
    // 256 KB windows over 20 ms; slow start included.
    EXPECT_LT((pair.now() - begin).milliseconds(), 1500);
    // Delayed ACKs: about one per two segments.
    EXPECT_LT(pair.server().segments_out, 4'000'000u / 1448 * 6 / 10);
}

TEST(Pair, OneLostSegmentIsRepairedWithoutATimeout) {
    for (const bool sack : {true, false}) {
        Pair pair(6);
        if (!sack) pair.client().env.configuration.selective_ack = Configuration::Use::off;
        pair.client().application.to_send = 300'000;
        int data_segments = 0;
        pair.filter = [&data_segments](const OnWire& seen) {
            return seen.from != 0 || seen.segment.payload.empty() || ++data_segments != 30;
        };
        pair.open();
        EXPECT_TRUE(pair.run(seconds(100)));
        expect_complete(pair);
        EXPECT_EQ(pair.client().counters.retransmission_timeouts, 0u);
        EXPECT_EQ(pair.client().counters.segments_retransmitted, 1u);
        EXPECT_EQ(pair.client().counters.fast_retransmits, 1u);
    }
}

// Losses both ways; what counts is virtual time. By counting duplicates (RFC 6675) a lost
// retransmission or a lost tail each cost a time-out of 200 ms or more, hundreds in this test.
TEST(Pair, HeavyLossCostsRoundTripsAndNotTimeouts) {
    Pair pair(17, {.loss_ppm = 20'000});
    pair.client().application.to_send = 10'000'000;
    const Instant begin = pair.now();
    pair.open();
    EXPECT_TRUE(pair.run(seconds(200)));
    expect_complete(pair);
    EXPECT_LT((pair.now() - begin).milliseconds(), 30'000);
    EXPECT_LE(pair.client().counters.retransmission_timeouts, 5u);
    EXPECT_GT(pair.client().counters.fast_retransmits, 50u);
}

TEST(Pair, TenLossesInOneWindowAreRepairedInOneRecoveryWithSack) {
    Pair pair(7);
    pair.client().settings.congestion = CongestionAlgorithm::new_reno;
    pair.client().application.to_send = 500'000;
    int data_segments = 0;
    pair.filter = [&data_segments](const OnWire& seen) {
        if (seen.from != 0 || seen.segment.payload.empty()) return true;
        ++data_segments;
        return !(data_segments >= 60 && data_segments < 80 && data_segments % 2 == 0);
    };
    pair.open();
    EXPECT_TRUE(pair.run(seconds(100)));
    expect_complete(pair);
    EXPECT_EQ(pair.client().counters.retransmission_timeouts, 0u);
    EXPECT_EQ(pair.client().counters.fast_retransmits, 1u);
    // A retransmission may be among the lost.
    EXPECT_GE(pair.client().counters.segments_retransmitted, 10u);
    EXPECT_LE(pair.client().counters.segments_retransmitted, 12u);
}

TEST(Pair, SlowReaderStopsTheSenderAndLosesNothing) {
    Pair pair(8);
    pair.client().application.to_send = 500'000;
    pair.server().listener.settings.receive_buffer = 20'000;
    pair.server().application = {.reads = false, .shuts_down = false, .closes = false};
    pair.open();
    pair.run_for(seconds(30));
    EXPECT_GE(pair.server().received, 20'000u);
    EXPECT_LE(pair.server().received, 20'000u + 20'000u / 16);
    EXPECT_GT(pair.client().counters.zero_window_probes, 4u);
    pair.server().application = {};
    EXPECT_TRUE(pair.run(seconds(300)));
    expect_complete(pair);
}

TEST(Pair, BlackoutOfAMinuteIsSurvived) {
    Pair pair(9);
    pair.client().application.to_send = 3'000'000;
    const Instant from = pair.now() + milliseconds(100);
    pair.filter = [from](const OnWire& seen) {
        return seen.at < from || seen.at > from + seconds(60);
    };
    pair.open();
    EXPECT_TRUE(pair.run(seconds(600)));
    expect_complete(pair);
}

struct World {
    const char* name;
    Faults faults;
    bool sack;
    bool timestamps;
    bool window_scaling;
    std::uint32_t payload_max;
};

constexpr World kWorlds[] = {
    {"clean", {}, true, true, true, 0},
    {"loss1", {.loss_ppm = 10'000}, true, true, true, 0},
    {"loss5", {.loss_ppm = 50'000}, true, true, true, 0},
    {"loss5tso", {.loss_ppm = 50'000}, true, true, true, 65'536},
    {"loss5nosack", {.loss_ppm = 50'000}, false, true, true, 0},
    {"loss5bare", {.loss_ppm = 50'000}, false, false, false, 0},
    {"loss20", {.loss_ppm = 200'000}, true, true, true, 0},
    {"reorder", {.reorder_ppm = 200'000}, true, true, true, 0},
    {"reorderbare", {.reorder_ppm = 200'000}, false, false, true, 0},
    {"all",
     {.loss_ppm = 30'000, .duplicate_ppm = 50'000, .reorder_ppm = 100'000},
     true,
     true,
     true,
     20'000},
    {"allnots",
     {.loss_ppm = 30'000, .duplicate_ppm = 50'000, .reorder_ppm = 100'000},
     true,
     false,
     false,
     0},
};

void configure(Pair& pair, const World& world) {
    using Use = Configuration::Use;
    for (int side = 0; side < 2; ++side) {
        Configuration& configuration = pair.host(side).env.configuration;
        configuration.selective_ack = world.sack ? Use::on : Use::off;
        configuration.timestamps = world.timestamps ? Use::on : Use::off;
        configuration.window_scaling = world.window_scaling ? Use::on : Use::off;
        pair.host(side).application.payload_max = world.payload_max;
    }
}

class Transfer : public ::testing::TestWithParam<World> {};

TEST_P(Transfer, EveryByteArrivesOnce) {
    for (std::uint64_t seed = 1; seed <= 12; ++seed) {
        SCOPED_TRACE(seed);
        Pair pair(seed, GetParam().faults);
        configure(pair, GetParam());
        pair.client().application.to_send = 1'000'000;
        pair.server().application.to_send = seed % 3 == 0 ? 300'000 : 1000;
        pair.open();
        ASSERT_TRUE(pair.run(seconds(100'000)));
        expect_complete(pair);
        if (HasFailure()) return;
    }
}

TEST_P(Transfer, PredictionChangesNothing) {
    for (std::uint64_t seed = 100; seed <= 106; ++seed) {
        std::vector<std::string> traces[2];
        for (const bool predict : {false, true}) {
            Pair pair(seed, GetParam().faults);
            configure(pair, GetParam());
            for (int side = 0; side < 2; ++side) {
                pair.host(side).env.configuration.header_prediction =
                    predict ? Configuration::Use::on : Configuration::Use::off;
            }
            pair.client().application.to_send = 150'000;
            pair.server().application.to_send = 50'000;
            pair.keep_trace = true;
            pair.open();
            ASSERT_TRUE(pair.run(seconds(100'000)));
            traces[predict ? 1 : 0] = pair.trace;
        }
        ASSERT_EQ(traces[0].size(), traces[1].size()) << "seed " << seed;
        for (std::size_t i = 0; i < traces[0].size(); ++i)
            ASSERT_EQ(traces[0][i], traces[1][i]);
    }
}

INSTANTIATE_TEST_SUITE_P(Worlds, Transfer, ::testing::ValuesIn(kWorlds),
                         [](const auto& world) { return world.param.name; });

}  // namespace
}  // namespace mtcp::tcp
