// SPDX-License-Identifier: Apache-2.0
// The text form of faults, and the statistics of the dice.
#include "io/middleware/faults.h"

#include <gtest/gtest.h>

#include <vector>

#include "io/middleware/fault_line.h"

namespace mtcp::io {
namespace {

Faults parsed(std::string_view text) {
    const auto faults = parse_faults(text);
    EXPECT_TRUE(faults.ok()) << text;
    return faults.ok() ? *faults : Faults{};
}

TEST(ParseFaults, ReadsEveryKey) {
    const Faults faults = parsed(
        "loss=1% reorder=2% duplicate=0.5% corrupt=0.1%, delay=10ms jitter=1ms rate=100mbit "
        "queue=64k mark=32k seed=7 reorder_delay=250us gilbert=100ppm/30%/80%");
    EXPECT_EQ(faults.loss_ppm, 10'000u);
    EXPECT_EQ(faults.reorder_ppm, 20'000u);
    EXPECT_EQ(faults.duplicate_ppm, 5'000u);
    EXPECT_EQ(faults.corrupt_ppm, 1'000u);
    EXPECT_EQ(faults.delay, milliseconds(10));
    EXPECT_EQ(faults.jitter, milliseconds(1));
    EXPECT_EQ(faults.rate_bits_per_second, 100'000'000u);
    EXPECT_EQ(faults.queue_bytes, 65'536u);
    EXPECT_EQ(faults.mark_bytes, 32'768u);
    EXPECT_EQ(faults.seed, 7u);
    EXPECT_EQ(faults.reorder_delay, microseconds(250));
    EXPECT_EQ(faults.good_to_bad_ppm, 100u);
    EXPECT_EQ(faults.bad_to_good_ppm, 300'000u);
    EXPECT_EQ(faults.bad_loss_ppm, 800'000u);
    EXPECT_TRUE(faults.any());
}

TEST(ParseFaults, OfNothingIsNoFaults) {
    EXPECT_EQ(parsed(""), Faults{});
    EXPECT_EQ(parsed("  "), Faults{});
    EXPECT_FALSE(parsed("").any());
    EXPECT_FALSE(parsed("loss=0% seed=9").any());
}

TEST(ParseFaults, NamesTheWordThatIsWrong) {
    for (const char* bad :
         {"loss", "loss=", "loss=1", "loss=-1%", "loss=101%", "loss=x%", "los=1%", "delay=10",
          "delay=10min", "delay=99999999s", "rate=100", "queue=64q", "seed=", "seed=1x",
          "gilbert=1%/2%", "loss=nan%", "loss=1e99%", "=1%", "delay=inf"}) {
        const auto faults = parse_faults(std::string("duplicate=1% ") + bad + " seed=3");
        ASSERT_FALSE(faults.ok()) << bad;
        EXPECT_NE(faults.error().why.find(bad), std::string::npos) << faults.error().text();
        EXPECT_EQ(faults.error().error, EINVAL);
    }
}

TEST(ParseFaults, ReadsBackWhatItWrites) {
    for (const char* text :
         {"", "loss=1.5% seed=18446744073709551615", "gilbert=0.1%/30%/100%", "gilbert=0%/8%/8%",
          "duplicate=3ppm reorder=2% reorder_delay=5ms corrupt=1% delay=1s jitter=7ns "
          "rate=2.5gbit queue=1m mark=20k"}) {
        const Faults faults = parsed(text);
        EXPECT_EQ(parsed(to_text(faults)), faults) << to_text(faults);
    }
}

std::vector<Fate> fates(const Faults& faults, int frames, std::uint32_t bytes, Duration gap) {
    FaultLine line(faults);
    std::vector<Fate> out;
    Instant now{};
    for (int i = 0; i < frames; ++i, now = now + gap)
        out.push_back(line.next(bytes, now));
    return out;
}
double share(const std::vector<Fate>& all, bool Fate::*what) {
    double count = 0;
    for (const Fate& fate : all)
        count += fate.*what ? 1 : 0;
    return count / static_cast<double>(all.size());
}

TEST(FaultLine, RollsTheChancesItWasTold) {
    const auto all =
        fates(parsed("loss=5% duplicate=2% corrupt=10% seed=42"), 100'000, 100, microseconds(1));
    EXPECT_NEAR(share(all, &Fate::lost), 0.05, 0.003);
    EXPECT_NEAR(share(all, &Fate::duplicated), 0.02 * 0.95, 0.002);
    EXPECT_NEAR(share(all, &Fate::corrupted), 0.10 * 0.95, 0.004);
}

TEST(FaultLine, CertaintyIsCertainAndNeverIsNever) {
    EXPECT_EQ(share(fates(parsed("loss=100%"), 1000, 100, {}), &Fate::lost), 1.0);
    EXPECT_EQ(share(fates(parsed("loss=0%"), 1000, 100, {}), &Fate::lost), 0.0);
}

TEST(FaultLine, GilbertElliottLosesInBursts) {
    // In the bad state a share of 1/(1+30/1) of the time, where it stays 1/0.3 frames on average.
    const auto all = fates(parsed("gilbert=1%/30%/100% seed=3"), 200'000, 100, microseconds(1));
    const double lost = share(all, &Fate::lost);
    EXPECT_NEAR(lost, 0.01 / 0.31, 0.004);
    double bursts = 0;
    for (std::size_t i = 1; i < all.size(); ++i)
        bursts += all[i].lost && !all[i - 1].lost ? 1 : 0;
    EXPECT_NEAR(lost * static_cast<double>(all.size()) / bursts, 1 / 0.3, 0.2);
}

TEST(FaultLine, KeepsOrderUnderJitterAndStaysInItsBounds) {
    const auto all = fates(parsed("delay=10ms jitter=4ms seed=5"), 20'000, 100, microseconds(100));
    Instant now{};
    Instant before{};
    double total_ms = 0;
    for (const Fate& fate : all) {
        EXPECT_GE(fate.due, before);
        EXPECT_GE(fate.due, now + milliseconds(6));
        EXPECT_LE(fate.due, now + milliseconds(14));
        total_ms += static_cast<double>((fate.due - now).ns) / 1e6;
        before = fate.due;
        now = now + microseconds(100);
    }
    EXPECT_GT(total_ms / 20'000, 10.0) << "keeping order makes late what would overtake";
}

TEST(FaultLine, LetsLaterFramesOvertakeAReorderedOne) {
    const auto all =
        fates(parsed("reorder=10% reorder_delay=1ms seed=5"), 20'000, 100, microseconds(100));
    int overtaken = 0;
    for (std::size_t i = 0; i + 1 < all.size(); ++i)
        overtaken += all[i].due > all[i + 1].due ? 1 : 0;
    // Not those followed by another reordered one.
    EXPECT_NEAR(overtaken, 20'000 * 0.1 * 0.9, 120);
}

TEST(FaultLine, PacesToItsRate) {
    // 1000 bytes at 8 Mbit/s take one millisecond.
    const auto all = fates(parsed("rate=8mbit queue=1m delay=5ms"), 100, 1000, {});
    for (int i = 0; i < 100; ++i) {
        EXPECT_EQ(all[static_cast<std::size_t>(i)].due, Instant{} + milliseconds(6 + i));
    }
}

TEST(FaultLine, DropsWhatDoesNotFitTheQueueOfTheRate) {
    FaultLine line(parsed("rate=8mbit queue=10k"));
    int lost = 0;
    for (int i = 0; i < 20; ++i)
        lost += line.next(1000, Instant{}).lost ? 1 : 0;
    EXPECT_EQ(lost, 10) << "10 x 1000 of 10240 bytes fit";
    EXPECT_EQ(line.counts().over_queue, 10u);
    EXPECT_FALSE(line.next(1000, Instant{} + milliseconds(1)).lost) << "one has left";
    EXPECT_TRUE(line.next(1000, Instant{} + milliseconds(1)).lost);
    FaultLine small(parsed("rate=8mbit queue=100"));
    EXPECT_FALSE(small.next(1000, Instant{}).lost) << "an idle line takes any frame";
}

TEST(FaultLine, RepeatsItselfForASeedOnly) {
    const auto same = [](std::string_view a, std::string_view b) {
        const auto first = fates(parsed(a), 5'000, 100, microseconds(3));
        const auto second = fates(parsed(b), 5'000, 100, microseconds(3));
        for (std::size_t i = 0; i < first.size(); ++i) {
            if (first[i].lost != second[i].lost || first[i].due != second[i].due) return false;
        }
        return true;
    };
    EXPECT_TRUE(same("loss=3% reorder=2% delay=1ms jitter=1ms seed=9",
                     "loss=3% reorder=2% delay=1ms jitter=1ms seed=9"));
    EXPECT_FALSE(
        same("loss=3% delay=1ms jitter=1ms seed=9", "loss=3% delay=1ms jitter=1ms seed=10"));
}

}  // namespace
}  // namespace mtcp::io
