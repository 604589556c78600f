// SPDX-License-Identifier: Apache-2.0
// What a D-SACK is taken for.
#include "tcp/recovery/sack_input.h"

#include <gtest/gtest.h>

#include "tcp/recovery/tail_loss_probe.h"
#include "tcp/testing/solo.h"

namespace mtcp::tcp {
namespace {

using testing::Solo;

// Two segments, the second with our FIN; the first is acknowledged, and the probe repeats the
// second.
void probe_with_fin(Solo& solo) {
    solo.connect();
    solo.send(2000);
    solo.shutdown();
    EXPECT_EQ(solo.out(), ". 1:1001(1000) ack 1 | FP. 1001:2001(1000) ack 1");
    solo.now = solo.now + milliseconds(20);
    solo.segment({.ack = 1001});
    EXPECT_EQ(solo.advance(milliseconds(100)), "+8 FP. 1001:2001(1000) ack 1");
    ASSERT_TRUE(probe_is_out(solo.tcb));
}

// RFC 2883 §4, RFC 8985 §7.4: the block ends behind the FIN, or before it where the peer had only
// the data; it was one segment.
TEST(Dsack, OfAProbeWithTheFinIsOfTheProbe) {
    for (const std::uint32_t end : {2001u, 2002u}) {
        SCOPED_TRACE(end);
        Solo solo;
        probe_with_fin(solo);
        wire::Segment seg;
        seg.ack = solo.tcb.iss + 2002;
        seg.options.sack_count = 1;
        seg.options.sack[0] = {solo.tcb.iss + 1001, solo.tcb.iss + end};
        const Duplicates twice = take_dsack(solo.tcb, seg);
        EXPECT_EQ(twice.segments, 1u);
        EXPECT_TRUE(twice.of_probe);
        EXPECT_EQ(solo.tcb.duplicates, 1u);
    }
}

}  // namespace
}  // namespace mtcp::tcp
