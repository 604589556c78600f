// SPDX-License-Identifier: Apache-2.0
// What is predicted has no side record, so a copy of the TCB is all that it needs.
#include "tcp/testing/both_ways.h"

#include <gtest/gtest.h>

#include <array>
#include <cstring>

#include "tcp/header_prediction.h"
#include "tcp/send/segmenter.h"

namespace mtcp::tcp::testing {
namespace {

std::array<std::uint64_t, kStateCount> predicted{};

void expect_same(const Tcb& a, const Tcb& b) {
    if (std::memcmp(&a, &b, sizeof a) == 0) return;
    const auto* left = reinterpret_cast<const std::byte*>(&a);
    const auto* right = reinterpret_cast<const std::byte*>(&b);
    for (std::size_t at = 0; at < sizeof(Tcb); ++at) {
        EXPECT_EQ(left[at], right[at]) << "byte " << at << " of the TCB, " << state_name(a.state);
    }
}

void expect_same(const Reaction& a, const Reaction& b) {
    EXPECT_EQ(a.events, b.events);
    EXPECT_EQ(a.work, b.work);
    EXPECT_EQ(a.error, b.error);
    EXPECT_EQ(a.acked_bytes, b.acked_bytes);
    EXPECT_EQ(a.received_bytes, b.received_bytes);
    EXPECT_EQ(a.drop, b.drop);
    ASSERT_EQ(a.placement_count, b.placement_count);
    for (std::size_t i = 0; i < a.placement_count; ++i) {
        EXPECT_EQ(a.placements[i].stream_offset, b.placements[i].stream_offset);
        EXPECT_EQ(a.placements[i].payload_offset, b.placements[i].payload_offset);
        EXPECT_EQ(a.placements[i].length, b.placements[i].length);
    }
}

}  // namespace

Reaction on_segment_both_ways(Environment& env, Tcb& tcb, const wire::Segment& seg, Instant now) {
    using Use = Configuration::Use;
    const State before = tcb.state;
    Tcb twin = tcb;
    Reaction expected;
    if (!predict(env, twin, seg, now, expected)) return on_segment(env, tcb, seg, now);
    ++predicted[static_cast<std::size_t>(before)];
    const Use configured = env.configuration.header_prediction;
    env.configuration.header_prediction = Use::off;
    const Reaction reaction = on_segment(env, tcb, seg, now);
    env.configuration.header_prediction = configured;
    expect_same(twin, tcb);
    expect_same(expected, reaction);
    return reaction;
}

std::uint64_t predicted_in(State state) { return predicted[static_cast<std::size_t>(state)]; }

void expect_one_plan(const Environment& env, const Tcb& tcb, std::uint32_t payload_max) {
    SendPlan expected;
    if (!plan_expected(tcb, expected)) return;
    const SendPlan plan = plan_waiting(env, tcb, payload_max);
    EXPECT_EQ(plan.what, expected.what) << state_name(tcb.state);
    EXPECT_EQ(plan.hold, expected.hold);
    EXPECT_EQ(plan.length, expected.length);
    EXPECT_EQ(plan.fin, expected.fin);
    EXPECT_EQ(plan.path_probe, expected.path_probe);
    if (plan.what == Send::data) {
        EXPECT_EQ(plan.seq, expected.seq);
    }
}

}  // namespace mtcp::tcp::testing
