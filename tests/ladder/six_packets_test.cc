// SPDX-License-Identifier: Apache-2.0
// The short connection in six packets: data carries the ACK, FIN rides on the last data. Calls that
// follow each other at once go into one turn, as they do in an event loop.
#include "tests/ladder/ladder.h"

namespace mtcp::ladder {
namespace {

TEST(ShortConnection, ServerTakesThreePacketsOfSix) {
    const Outcome outcome = run_ladder(R"(
    0 socket(..., SOCK_STREAM, IPPROTO_TCP) = 3
   +0 bind(3, ..., ...) = 0
   +0 listen(3, 1) = 0
   +0 < S 0:0(0) win 32792 <mss 1000,nop,wscale 7>
   +0 > S. 0:0(0) ack 1 <mss 1460,nop,wscale 7>
 +.01 < P. 1:65(64) ack 1 win 257
   +0 accept(3, ..., ...) = 4
   +0 read(4, ..., 100) = 64
   +0 write(4, ..., 64) = 64
   +0 close(4) = 0
   +0 > FP. 1:65(64) ack 65
 +.01 < F. 65:65(0) ack 66 win 257
   +0 > . 66:66(0) ack 66
)",
                                       ".", CallTiming::in_one_turn);
    EXPECT_TRUE(outcome.passed) << outcome.report;
}

TEST(ShortConnection, ClientTakesThreePacketsOfSix) {
    const Outcome outcome = run_ladder(R"(
    0 socket(..., SOCK_STREAM|SOCK_NONBLOCK, IPPROTO_TCP) = 3
   +0 connect(3, ..., ...) = -1 EINPROGRESS
   +0 > S 0:0(0) <mss 1460,sackOK,TS val 100 ecr 0,nop,wscale 7>
 +.01 < S. 0:0(0) ack 1 win 32792 <mss 1000,nop,wscale 7>
   +0 write(3, ..., 64) = 64
   +0 > P. 1:65(64) ack 1
 +.01 < FP. 1:65(64) ack 65 win 257
   +0 read(3, ..., 100) = 64
   +0 read(3, ..., 100) = 0
   +0 close(3) = 0
   +0 > F. 65:65(0) ack 66
 +.01 < . 66:66(0) ack 66 win 257
)",
                                       ".", CallTiming::in_one_turn);
    EXPECT_TRUE(outcome.passed) << outcome.report;
}

}  // namespace
}  // namespace mtcp::ladder
