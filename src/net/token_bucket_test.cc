// SPDX-License-Identifier: Apache-2.0
#include "net/token_bucket.h"

#include <gtest/gtest.h>

namespace mtcp::net {
namespace {

int take_all(TokenBucket& bucket, Instant now) {
    int taken = 0;
    while (taken < 1000 && bucket.take(now))
        ++taken;
    return taken;
}

TEST(TokenBucket, LetsOneSecondsWorthPassAtOnceAndThenTheRate) {
    TokenBucket bucket(10);
    EXPECT_EQ(take_all(bucket, Instant{0}), 10);
    EXPECT_EQ(take_all(bucket, Instant{} + milliseconds(99)), 0);
    EXPECT_EQ(take_all(bucket, Instant{} + milliseconds(100)), 1);
    EXPECT_EQ(take_all(bucket, Instant{} + milliseconds(600)), 5);
}

TEST(TokenBucket, NeverHoldsMoreThanOneSecondsWorth) {
    TokenBucket bucket(10);
    take_all(bucket, Instant{0});
    EXPECT_EQ(take_all(bucket, Instant{} + seconds(1'000'000)), 10);
}

TEST(TokenBucket, WithoutARateNothingPasses) {
    TokenBucket bucket;
    EXPECT_FALSE(bucket.take(Instant{} + seconds(5)));
}

}  // namespace
}  // namespace mtcp::net
