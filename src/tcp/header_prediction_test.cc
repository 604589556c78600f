// SPDX-License-Identifier: Apache-2.0
// What header prediction must leave to the eight steps, where nothing but one condition tells it;
// and that what it takes they would have taken alike (testing/both_ways.h: each segment of a Solo
// and of a Pair is taken both ways; the simulator compares whole worlds).
#include "tcp/header_prediction.h"

#include <gtest/gtest.h>

#include <array>

#include "base/random.h"
#include "tcp/congestion/controller.h"
#include "tcp/path/ecn.h"
#include "tcp/testing/both_ways.h"
#include "tcp/testing/solo.h"

namespace mtcp::tcp {
namespace {

using testing::Solo;

void connect_with_dctcp(Solo& solo) {
    solo.settings.congestion = CongestionAlgorithm::dctcp;
    solo.env.configuration.ecn = Configuration::Ecn::request;
    solo.peer_syn_flags = wire::Flags::ece;
    solo.connect();
    solo.tcb.quick_acks = 0;
    ASSERT_TRUE(solo.tcb.ecn.exact);
}

// RFC 8257 §3.2: either change of the mark is answered at once, whatever else would allow the
// segment to pass.
TEST(HeaderPrediction, DctcpReceiverSeesTheMarksChange) {
    Solo solo;
    connect_with_dctcp(solo);
    solo.segment({.seq = 1, .length = 100, .ecn = EcnField::capable_0});
    EXPECT_EQ(solo.out(), "");
    solo.segment({.seq = 101, .length = 100, .ecn = EcnField::marked});
    EXPECT_EQ(solo.out(), ". 1:1(0) ack 101 | E. 1:1(0) ack 201");
    solo.segment({.seq = 201, .length = 100, .ecn = EcnField::marked});
    EXPECT_EQ(solo.out(), "");
    EXPECT_EQ(solo.counters.ecn_marks_in, 2u);
    solo.segment({.seq = 301, .length = 100, .ecn = EcnField::capable_0});
    EXPECT_EQ(solo.out(), "E. 1:1(0) ack 301 | . 1:1(0) ack 401");
    solo.segment({.seq = 401, .length = 100, .ecn = EcnField::capable_0});
    EXPECT_EQ(solo.out(), "");
}

// RFC 8257 §3.3: the fraction of marked bytes is one of all bytes, those of small messages, too.
TEST(HeaderPrediction, DctcpSenderCountsEveryAck) {
    Solo solo;
    connect_with_dctcp(solo);
    solo.send(1000);
    static_cast<void>(solo.out());
    solo.segment({.flags = ".E", .ack = 1001});
    const auto alpha = [&solo] { return congestion::dctcp_of(solo.env, solo.tcb)->alpha; };
    const std::uint32_t first = alpha();
    for (std::uint32_t end = 1101; end <= 2001; end += 100) {
        solo.send(100);
        static_cast<void>(solo.out());
        const std::uint32_t before = alpha();
        solo.segment({.ack = end});
        EXPECT_TRUE(alpha() < before || end == 1101) << end;
    }
    EXPECT_LT(alpha(), first * 6 / 10);  // (15/16)^9
}

// Of a window of small messages none is worth more than the other: nothing but their number tells.
TEST(HeaderPrediction, DuplicateAcksAreCounted) {
    Solo solo(0);  // no records: they are counted in the TCB
    solo.connect();
    solo.send(100);
    EXPECT_EQ(solo.out(), "P. 1:101(100) ack 1");
    solo.segment({.ack = 1});
    solo.segment({.ack = 1});
    EXPECT_EQ(solo.out(), "");
    solo.segment({.ack = 1});
    EXPECT_EQ(solo.out(), "P. 1:101(100) ack 1");
    EXPECT_EQ(solo.counters.fast_retransmits, 1u);
}

// RFC 5681 §3.2: three in a row. One that was counted when no record was left may still stand when
// records are back and all else is quiet; the ACK of what was missing ends the count.
TEST(HeaderPrediction, NewAckEndsTheCountOfDuplicates) {
    Solo solo(1);
    solo.connect();
    solo.send(100);
    static_cast<void>(solo.out());
    const std::uint32_t taken = solo.env.recoveries.take();
    solo.segment({.ack = 1});
    solo.env.recoveries.give_back(taken);
    solo.segment({.ack = 1});
    solo.segment({.ack = 101});
    ASSERT_EQ(solo.tcb.phase, Phase::open);
    ASSERT_EQ(solo.tcb.recovery, kNoIndex);
    ASSERT_EQ(solo.tcb.dup_acks, 1);
    solo.send(100);
    EXPECT_EQ(solo.out(), "P. 101:201(100) ack 1");
    solo.segment({.ack = 201});
    EXPECT_EQ(solo.tcb.dup_acks, 0);
}

// A peer that mostly does what is expected: next number, ACK of some or all, small text, FIN; and
// now and then not.
class Exchange {
  public:
    explicit Exchange(std::uint64_t seed) : random_(seed) {
        using Use = Configuration::Use;
        solo_.env.configuration.timestamps = one_in(3) ? Use::off : Use::on;
        solo_.settings.no_delay = one_in(2);
        solo_.settings.user_timeout_ms = one_in(8) ? 5000 : 0;
        solo_.settings.keepalive = one_in(4);
        solo_.peer_options.timestamps = true;
        solo_.peer_options.ts_value = 5;
        if (one_in(2)) {
            solo_.connect();
        } else {
            solo_.accept({.flags = one_in(2) ? "P." : ".",
                          .length = one_in(2) ? random_.below(1500) : 0,
                          .window = random_.below(0xffff),
                          .ecn = one_in(20) ? EcnField::marked : EcnField::not_capable});
        }
        static_cast<void>(solo_.out());
    }
    void run() {
        for (int i = 0; i < 60 && !has_ended(); ++i) {
            step();
            if (::testing::Test::HasFailure()) return;
        }
    }

  private:
    bool one_in(std::uint32_t n) { return random_.below(n) == 0; }
    bool has_ended() const {
        return solo_.tcb.state == State::closed || solo_.tcb.state == State::time_wait;
    }

    void step() {
        switch (random_.below(8)) {
            case 0: solo_.send(random_.below(200)); break;
            case 1: solo_.consume(solo_.tcb.rcv.unread); break;
            case 2:
                if (one_in(3)) end();
                break;
            case 3: static_cast<void>(solo_.advance(milliseconds(random_.below(20)))); break;
            default: arrive(); break;
        }
        if (!one_in(4)) static_cast<void>(solo_.out());
    }
    void end() {
        if (one_in(2)) return solo_.shutdown();
        solo_.consume(solo_.tcb.rcv.unread);
        if (one_in(4)) {
            static_cast<void>(on_close(solo_.env, solo_.tcb, solo_.now, {}));
        } else {
            solo_.close();
        }
    }
    void arrive() {
        const Tcb& tcb = solo_.tcb;
        const std::uint32_t flight = tcb.snd.nxt - tcb.snd.una;
        testing::In in;
        in.flags = one_in(4) ? "F." : one_in(3) ? "P." : ".";
        in.seq = tcb.rcv.nxt - testing::kPeerIss - (one_in(20) ? 1 : 0);
        in.length = one_in(2) ? random_.below(100) : 0;
        in.ack = tcb.snd.una - tcb.iss + (one_in(4) ? random_.below(flight + 1) : flight);
        in.window = one_in(10) ? random_.below(300) : 0xffff;
        in.ecn = one_in(20) ? EcnField::marked : EcnField::not_capable;
        in.ts_back = one_in(20) ? 1 : 0;
        solo_.segment(in);
    }

    Random random_;
    Solo solo_;
};

TEST(HeaderPrediction, TakesWhatTheEightStepsWouldTakeAlike) {
    const auto taken = [] {
        std::array<std::uint64_t, kStateCount> count;
        for (std::size_t i = 0; i < kStateCount; ++i)
            count[i] = testing::predicted_in(static_cast<State>(i));
        return count;
    };
    const auto before = taken();
    for (std::uint64_t seed = 1; seed <= 3000; ++seed) {
        SCOPED_TRACE(seed);
        Exchange(seed).run();
        if (HasFailure()) return;
    }
    const auto after = taken();
    for (const State state : {State::syn_received, State::established, State::fin_wait_1,
                              State::fin_wait_2, State::closing, State::last_ack}) {
        const auto i = static_cast<std::size_t>(state);
        EXPECT_GT(after[i] - before[i], 10u) << state_name(state);
    }
}

}  // namespace
}  // namespace mtcp::tcp
