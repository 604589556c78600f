// SPDX-License-Identifier: Apache-2.0
// Percentiles are right to within a step, over the whole range.
#include "web_client/histogram.h"

#include <gtest/gtest.h>

#include <memory>

namespace load {
namespace {

TEST(Histogram, KnowsEveryValueToWithinOnePercent) {
    for (std::uint64_t value = 1; value < 100'000'000'000'000; value = value * 3 / 2 + 1) {
        const auto histogram = std::make_unique<Histogram>();
        histogram->record(value);
        histogram->record(value * 2);  // so that the percentile is not simply the maximum
        const auto found = static_cast<double>(histogram->percentile(50));
        EXPECT_GE(found, static_cast<double>(value));
        EXPECT_LE(found, static_cast<double>(value) * 1.01 + 1);
    }
}

TEST(Histogram, OrdersPercentiles) {
    const auto histogram = std::make_unique<Histogram>();
    for (std::uint64_t value = 1; value <= 100'000; ++value) {
        histogram->record(value);
    }
    EXPECT_NEAR(static_cast<double>(histogram->percentile(50)), 50'000, 500);
    EXPECT_NEAR(static_cast<double>(histogram->percentile(99)), 99'000, 990);
    EXPECT_NEAR(static_cast<double>(histogram->percentile(99.9)), 99'900, 999);
    EXPECT_EQ(histogram->percentile(100), 100'000U);
    EXPECT_DOUBLE_EQ(histogram->mean(), 50'000.5);
}

TEST(Histogram, TakesValuesBeyondItsRange) {
    const auto histogram = std::make_unique<Histogram>();
    histogram->record(UINT64_MAX);
    EXPECT_EQ(histogram->max(), UINT64_MAX);
    EXPECT_EQ(histogram->count(), 1U);
}

TEST(Histogram, AddsUp) {
    const auto one = std::make_unique<Histogram>();
    const auto other = std::make_unique<Histogram>();
    one->record(10);
    other->record(1000);
    one->add(*other);
    EXPECT_EQ(one->count(), 2U);
    EXPECT_EQ(one->percentile(50), 10U);
    EXPECT_EQ(one->max(), 1000U);
}

}  // namespace
}  // namespace load
