// SPDX-License-Identifier: Apache-2.0
// The algorithms over a bottleneck with a queue, in virtual time: how much of it they use, whether
// flows share it, and the states BBR goes through.
#include <gtest/gtest.h>

#include <memory>
#include <set>
#include <vector>

#include "tcp/congestion/controller.h"
#include "tcp/testing/pair.h"

namespace mtcp::tcp::congestion {
namespace {

using tcp::testing::Host;
using tcp::testing::OnWire;
using tcp::testing::Pair;

struct Path {
    std::uint64_t rate = 1'250'000;  // bytes/s: 10 Mbit/s
    Duration round_trip = milliseconds(40);
    std::uint32_t queue = 50'000;  // bytes: one BDP
    std::uint32_t loss_ppm = 0;
    std::uint64_t seed = 7;
    std::uint32_t send_buffer = 400'000;
};

// One queue in front of one link, shared by the flows.
struct Bottleneck {
    Path path;
    Random random{path.seed};
    std::int64_t free_at_ns = 0;  // when the link has sent all it was given

    // When a packet given now leaves; -1: the queue is full.
    std::int64_t take(std::int64_t now_ns, std::size_t bytes) {
        const std::int64_t begin = std::max(now_ns, free_at_ns);
        const std::int64_t waiting_ns = begin - now_ns;
        const auto queued = static_cast<std::uint64_t>(waiting_ns) * path.rate / 1'000'000'000;
        if (queued + bytes > path.queue || random.chance(path.loss_ppm)) return -1;
        free_at_ns = begin + static_cast<std::int64_t>(bytes * 1'000'000'000 / path.rate);
        return free_at_ns;
    }
};

class Flow {
  public:
    Flow(Bottleneck& link, CongestionAlgorithm algorithm, std::uint64_t seed,
         Configuration::HyStart hystart = Configuration::HyStart::plus_plus)
        : pair_(std::make_unique<Pair>(seed)) {
        Host& client = pair_->client();
        client.application.model_streams = false;
        pair_->server().application.model_streams = false;
        client.settings.congestion = algorithm;
        client.env.configuration.hystart = hystart;
        client.application.to_send = 1u << 30;
        client.application.send_buffer = link.path.send_buffer;
        client.application.write_max = 30'000;
        pair_->server().listener.settings.receive_buffer = 4u << 20;
        pair_->server().application.shuts_down = false;
        Pair* const pair = pair_.get();
        pair->filter = [pair, &link](const OnWire& wire) {
            pair->faults.delay = link.path.round_trip / 2;
            if (wire.from != 0) return true;
            const std::int64_t leaves = link.take(wire.at.ns, wire.segment.payload.size() + 40);
            if (leaves >= 0)
                pair->faults.delay = Duration{leaves - wire.at.ns} + pair->faults.delay;
            return leaves >= 0;
        };
        pair_->open();
    }
    void run_for(Duration span) { pair_->run_for(span); }
    void set(const Settings& settings) {
        Host& client = pair_->client();
        static_cast<void>(on_settings(client.env, client.tcb, settings, pair_->now()));
        pair_->give_turn(0);
    }
    [[nodiscard]] std::uint64_t sent() const { return pair_->client().segments_out; }
    [[nodiscard]] std::uint64_t received() const { return pair_->server().received; }
    [[nodiscard]] const Tcb& tcb() const { return pair_->client().tcb; }
    [[nodiscard]] const Environment& env() const { return pair_->client().env; }
    [[nodiscard]] const Bbr* bbr() const { return bbr_of(env(), tcb()); }

  private:
    std::unique_ptr<Pair> pair_;
};

// Share of the link that payload took after the first seconds.
double utilisation(CongestionAlgorithm algorithm, const Path& path, int warm_s, int span_s) {
    Bottleneck link{.path = path};
    Flow flow(link, algorithm, 1);
    flow.run_for(seconds(warm_s));
    const std::uint64_t before = flow.received();
    flow.run_for(seconds(span_s));
    const double bytes = static_cast<double>(flow.received() - before);
    return bytes / (static_cast<double>(path.rate) * span_s) * 1500.0 / 1448.0;
}

TEST(Bottleneck, ABufferOfOneBdpIsEnoughForAll) {
    for (const CongestionAlgorithm a : {CongestionAlgorithm::new_reno, CongestionAlgorithm::cubic,
                                        CongestionAlgorithm::dctcp, CongestionAlgorithm::bbr}) {
        EXPECT_GE(utilisation(a, {}, 2, 10), 0.9) << name_of(a);
    }
}

TEST(Bottleneck, BbrHoldsItsRateAgainstRandomLoss) {
    // The path holds 34 segments, so a single loss is more than the 2 % that BBR takes as a sign of
    // congestion; and a third of the rounds has one.
    for (const std::uint64_t seed : {7u, 8u, 9u}) {
        const Path path{.loss_ppm = 10'000, .seed = seed};
        EXPECT_GE(utilisation(CongestionAlgorithm::bbr, path, 2, 15), 0.85) << seed;
        EXPECT_LE(utilisation(CongestionAlgorithm::new_reno, path, 2, 15), 0.6) << seed;
    }
}

// Its probing still stops at a queue that overflows.
TEST(Bottleneck, BbrLosesLittleToAShallowQueue) {
    Bottleneck link{.path = {.queue = 15'000}};
    Flow flow(link, CongestionAlgorithm::bbr, 1);
    flow.run_for(seconds(3));
    const std::uint32_t before = flow.tcb().total_retransmissions;
    const std::uint64_t sent = flow.sent();
    flow.run_for(seconds(20));
    const std::uint32_t lost = flow.tcb().total_retransmissions - before;
    EXPECT_LT(lost, (flow.sent() - sent) / 50);  // 2 %
}

// Paced segments all leave at times of their own: more than the log of transmissions can tell
// apart.
TEST(Bottleneck, OverALongPathOnlyWhatIsLostGoesAgain) {
    Bottleneck link{.path = {.rate = 12'500'000,
                             .round_trip = milliseconds(100),
                             .queue = 5'000'000,
                             .loss_ppm = 10'000,
                             .send_buffer = 5'000'000}};
    Flow flow(link, CongestionAlgorithm::bbr, 1);
    flow.run_for(seconds(6));
    const double resent = flow.tcb().total_retransmissions;
    EXPECT_LT(resent / static_cast<double>(flow.sent()), 0.015);
    EXPECT_GE(flow.bbr()->min_rtt_us, 100'000u);
}

TEST(Bottleneck, BbrKeepsTheQueueShort) {
    Bottleneck link{.path = {.queue = 500'000}};  // 10 BDP: loss-based flows would fill it
    Flow flow(link, CongestionAlgorithm::bbr, 1);
    flow.run_for(seconds(3));
    std::uint32_t most = 0;
    for (int i = 0; i < 400; ++i) {
        flow.run_for(milliseconds(10));
        most = std::max(most, flow.tcb().srtt_us);
    }
    EXPECT_LT(most, 100'000u);
}

TEST(Bottleneck, BbrGoesThroughAllItsStates) {
    Bottleneck link;
    Flow flow(link, CongestionAlgorithm::bbr, 1);
    std::set<BbrState> seen;
    std::vector<BbrState> order;
    for (int i = 0; i < 9'000; ++i) {
        flow.run_for(milliseconds(1));
        if (flow.bbr() == nullptr) continue;
        const BbrState state = flow.bbr()->state;
        if (order.empty() || order.back() != state) order.push_back(state);
        seen.insert(state);
    }
    ASSERT_GE(order.size(), 3u);
    EXPECT_EQ(order[0], BbrState::startup);
    EXPECT_EQ(order[1], BbrState::drain);
    EXPECT_TRUE(order[2] == BbrState::probe_down || order[2] == BbrState::probe_cruise);
    for (const BbrState state : {BbrState::probe_cruise, BbrState::probe_refill, BbrState::probe_up,
                                 BbrState::probe_rtt}) {
        EXPECT_EQ(seen.count(state), 1u) << static_cast<int>(state);
    }
    // The model is the path: 10 Mbit/s and 40 ms.
    EXPECT_NEAR(static_cast<double>(flow.bbr()->max_bw[0]), 1'250'000.0, 150'000.0);
    EXPECT_GE(flow.bbr()->min_rtt_us, 40'000u);
    EXPECT_LE(flow.bbr()->min_rtt_us, 45'000u);
}

TEST(Bottleneck, HyStartLeavesSlowStartBeforeTheQueueOverflows) {
    using HyStart = Configuration::HyStart;
    const auto losses = [](HyStart variant) {
        Bottleneck link{.path = {.queue = 150'000}};
        Flow flow(link, CongestionAlgorithm::cubic, 1, variant);
        flow.run_for(milliseconds(900));
        EXPECT_LT(flow.tcb().ssthresh, kSsthreshInitial);
        return flow.tcb().total_retransmissions;
    };
    const std::uint32_t blind = losses(HyStart::off);
    EXPECT_EQ(losses(HyStart::classic), 0u);
    EXPECT_LT(losses(HyStart::plus_plus), blind * 3 / 4);
    EXPECT_GT(blind, 50u);
}

double jain(const std::vector<double>& share) {
    double sum = 0;
    double squares = 0;
    for (const double s : share) {
        sum += s;
        squares += s * s;
    }
    return sum * sum / (static_cast<double>(share.size()) * squares);
}

TEST(Bottleneck, EqualsShareFairly) {
    for (const CongestionAlgorithm a :
         {CongestionAlgorithm::new_reno, CongestionAlgorithm::cubic, CongestionAlgorithm::bbr}) {
        Bottleneck link;
        std::vector<std::unique_ptr<Flow>> flows;
        std::vector<double> share(3);
        for (std::uint64_t seed = 1; seed <= 3; ++seed)
            flows.push_back(std::make_unique<Flow>(link, a, seed));
        const auto run = [&](int ms) {
            for (int i = 0; i < ms; ++i) {
                for (const auto& flow : flows)
                    flow->run_for(milliseconds(1));
            }
        };
        run(12'000);
        for (std::size_t i = 0; i < 3; ++i)
            share[i] = -static_cast<double>(flows[i]->received());
        run(16'000);
        for (std::size_t i = 0; i < 3; ++i)
            share[i] += static_cast<double>(flows[i]->received());
        EXPECT_GE(jain(share), 0.9)
            << name_of(a) << ' ' << share[0] << ' ' << share[1] << ' ' << share[2];
    }
}

TEST(Pacing, ALimitIsKept) {
    Bottleneck link{.path = {.rate = 12'500'000, .queue = 1'000'000}};
    Flow flow(link, CongestionAlgorithm::cubic, 1);
    Settings settings = flow.tcb().settings;
    settings.max_pacing_rate = 500'000;
    flow.set(settings);
    flow.run_for(seconds(1));
    const std::uint64_t before = flow.received();
    flow.run_for(seconds(4));
    EXPECT_NEAR(static_cast<double>(flow.received() - before), 2'000'000.0, 60'000.0);
}

TEST(Pacing, ALimitIsKeptHoweverLowItIs) {
    Bottleneck link{.path = {.rate = 12'500'000, .queue = 1'000'000}};
    Flow flow(link, CongestionAlgorithm::cubic, 1);
    Settings settings = flow.tcb().settings;
    settings.max_pacing_rate = 500;
    flow.set(settings);
    flow.run_for(seconds(30));
    const std::uint64_t before = flow.received();
    flow.run_for(seconds(100));
    EXPECT_NEAR(static_cast<double>(flow.received() - before), 50'000.0, 5'000.0);
    const std::uint64_t slow = flow.received();
    settings.max_pacing_rate = 500'000;
    flow.set(settings);
    flow.run_for(seconds(1));
    EXPECT_GE(flow.received() - slow, 300'000u);
}

// Most segments within one millisecond, after the window has grown for a second.
std::uint64_t longest_burst(bool paced) {
    Bottleneck link{
        .path = {.rate = 125'000'000, .round_trip = milliseconds(100), .queue = 20'000'000}};
    Flow flow(link, CongestionAlgorithm::cubic, 1);
    Settings settings = flow.tcb().settings;
    settings.max_pacing_rate = paced ? kPacedByWindow : 0;
    flow.set(settings);
    flow.run_for(milliseconds(950));
    std::uint64_t most = 0;
    std::uint64_t last = flow.sent();
    for (int i = 0; i < 200; ++i) {
        flow.run_for(milliseconds(1));
        most = std::max(most, flow.sent() - last);
        last = flow.sent();
    }
    return most;
}

TEST(Pacing, SpreadsTheWindow) { EXPECT_GE(longest_burst(false), 2 * longest_burst(true)); }

}  // namespace
}  // namespace mtcp::tcp::congestion
