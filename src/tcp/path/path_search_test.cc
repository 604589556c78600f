// SPDX-License-Identifier: Apache-2.0
// Searching for the path MTU from one end; what the path takes is the tests' word.
#include "tcp/path/path_search.h"

#include <gtest/gtest.h>

#include "tcp/testing/solo.h"

namespace mtcp::tcp {
namespace {

using testing::In;
using testing::Solo;
using testing::some_flow;
using Probing = Configuration::PathProbing;

constexpr std::uint32_t kEnough = 100'000;

class Search : public ::testing::Test {
  protected:
    void connect(Probing probing, std::uint16_t base_mss = 512) {
        solo.env.configuration.path_probing = probing;
        solo.env.configuration.path_base_mss = base_mss;
        solo.env.configuration.initial_window_segments = 12;
        solo.peer_options.mss = 1460;
        solo.connect();
    }
    // What left, lengths only; "!": larger than the MSS was.
    std::string lengths() {
        const std::uint32_t mss = solo.tcb.mss;
        static_cast<void>(solo.out());
        std::string text;
        for (const wire::OutgoingSegment& segment : solo.sent) {
            text += (text.empty() ? "" : " ") + std::to_string(segment.data_length);
            if (segment.data_length > mss) text += "!";
        }
        return text;
    }
    [[nodiscard]] std::uint32_t una() const { return solo.tcb.snd.una - solo.tcb.iss; }
    [[nodiscard]] std::uint32_t nxt() const { return solo.tcb.snd.nxt - solo.tcb.iss; }
    [[nodiscard]] PathSearch& search() { return *search_of(solo.env, solo.tcb); }
    void ack_all() {
        solo.now = solo.now + milliseconds(10);
        solo.segment({.ack = nxt()});
    }
    // The path takes packets up to `mtu`: whatever is larger is lost, and SACK tells.
    void round_trip(std::uint32_t mtu) {
        static_cast<void>(solo.out());
        solo.now = solo.now + milliseconds(10);
        for (int again = 0; again < 5 && una() != nxt(); ++again) {
            std::uint32_t arrived = una();
            std::uint32_t next = 0;
            const auto sent = solo.sent;
            for (const wire::OutgoingSegment& segment : sent) {
                const std::uint32_t begin = segment.seq - solo.tcb.iss;
                const std::uint32_t end = begin + segment.data_length;
                if (segment.data_length + 40 > mtu) {
                    next = end;
                } else if (begin == arrived) {
                    arrived = end;
                } else {
                    solo.segment({.ack = arrived, .sack = {{next, end}}});
                }
            }
            const std::string more = solo.out();
            if (more.empty()) solo.segment({.ack = nxt()});
            // What went again fills the hole.
            if (!more.empty() && arrived != nxt()) solo.segment({.ack = nxt()});
        }
    }
    // From the start of a connection, so many round trips over such a path.
    void search_path(std::uint32_t mtu, int round_trips) {
        connect(Probing::always);
        solo.send(kEnough * 100);
        for (int i = 0; i < round_trips; ++i)
            round_trip(mtu);
    }

    Solo solo;
};

TEST_F(Search, IsNotThereUnlessAskedFor) {
    connect(Probing::off);
    EXPECT_EQ(search_of(solo.env, solo.tcb), nullptr);
    EXPECT_EQ(solo.tcb.mss, 1460);
    solo.send(4380);
    EXPECT_EQ(lengths(), "1460 1460 1460");
}

// RFC 4821 §7.2, §7.5: from a size that always passes, and one probe among others.
TEST_F(Search, BeginsSmallAndProbesTheMiddle) {
    connect(Probing::always);
    EXPECT_EQ(solo.tcb.mss, 512);
    EXPECT_EQ(solo.tcb.advertised_mss, 1460) << "what the peer may send is another matter";
    solo.send(kEnough);
    EXPECT_EQ(lengths().substr(0, 12), "986! 512 512");
    EXPECT_EQ(solo.counters.path_probes, 1u);
    EXPECT_EQ(solo.sent[0].segment_size, 0u) << "one packet, not a train";
    ack_all();  // RFC 4821 §7.6.1
    EXPECT_EQ(solo.tcb.mss, 986);
    EXPECT_EQ(lengths().substr(0, 8), "1223! 98");
}

TEST_F(Search, EndsAtWhatTheFirstHopTakes) {
    search_path(9000, 12);
    EXPECT_EQ(solo.tcb.path_mtu, 1500);
    EXPECT_EQ(search().probe, PathSearch::Probe::none);
    EXPECT_EQ(solo.counters.path_probes_lost, 0u);
    EXPECT_LE(solo.counters.path_probes, 7u);
}

// RFC 4821 §7.6.2: the loss of a probe alone is no congestion.
TEST_F(Search, ALostProbeCostsNoWindow) {
    connect(Probing::always);
    solo.send(kEnough);
    static_cast<void>(solo.out());
    const std::uint32_t cwnd = solo.tcb.cwnd;
    solo.now = solo.now + milliseconds(10);
    for (std::uint32_t end = 1499; end <= 987 + 3 * 512; end += 512)
        solo.segment({.ack = 1, .sack = {{987, end}}});
    solo.now = solo.now + milliseconds(10);
    EXPECT_EQ(solo.counters.path_probes_lost, 1u);
    EXPECT_EQ(solo.counters.fast_retransmits, 0u);
    const std::string again = solo.out();
    EXPECT_EQ(again.substr(0, 25), ". 1:513(512) ack 1 | . 51") << again;
    EXPECT_GE(solo.tcb.cwnd, cwnd);
    EXPECT_EQ(search().high, 1025);
    ack_all();
    EXPECT_EQ(solo.tcb.phase, Phase::open);
    EXPECT_EQ(lengths().substr(0, 4), "748!") << "between 552 and 1025";
}

TEST_F(Search, ALostProbeIsSeenWithoutSack) {
    solo.peer_options.sack_permitted = false;
    connect(Probing::always);
    solo.send(kEnough);
    static_cast<void>(solo.out());
    const std::uint32_t cwnd = solo.tcb.cwnd;
    for (int i = 0; i < 3; ++i)
        solo.segment({.ack = 1});
    EXPECT_EQ(solo.counters.path_probes_lost, 1u);
    EXPECT_EQ(solo.out().substr(0, 18), ". 1:513(512) ack 1");
    EXPECT_GE(solo.tcb.cwnd, cwnd);
}

// RFC 4821 §7.6.4: where others are lost too it is congestion, and says nothing of the size.
TEST_F(Search, ManyLossesAreCongestion) {
    connect(Probing::always);
    solo.send(kEnough);
    static_cast<void>(solo.out());
    solo.now = solo.now + milliseconds(10);
    for (std::uint32_t end = 2011; end <= 1499 + 4 * 512; end += 512)
        solo.segment({.ack = 1, .sack = {{1499, end}}});
    EXPECT_EQ(solo.counters.fast_retransmits, 1u);
    EXPECT_EQ(solo.counters.path_probes_lost, 0u);
    EXPECT_EQ(search().high, 1500);
    EXPECT_NE(search().probe, PathSearch::Probe::out);
}

// What went again in pieces says nothing of the size when it is acknowledged.
TEST_F(Search, AProbeSentAgainProvesNothing) {
    connect(Probing::always);
    solo.send(kEnough);
    static_cast<void>(solo.out());
    ASSERT_EQ(search().probe, PathSearch::Probe::out);
    note_sent_again(solo.env, solo.tcb, search().begin + 512, search().begin + 1024);
    EXPECT_EQ(search().probe, PathSearch::Probe::none);
    ack_all();
    EXPECT_EQ(solo.tcb.path_mtu, 552);
}

TEST_F(Search, FindsASmallerPathByItself) {
    search_path(1280, 20);
    EXPECT_LE(solo.tcb.path_mtu, 1280);
    EXPECT_GT(solo.tcb.path_mtu, 1280 - 16);
    EXPECT_EQ(search().probe, PathSearch::Probe::none);
    const Destination* const known = solo.env.destinations.find(some_flow(), solo.now);
    ASSERT_NE(known, nullptr);
    EXPECT_EQ(known->path_mtu, solo.tcb.path_mtu);
}

// RFC 1191 §6.3: ten minutes later the path may be wider.
TEST_F(Search, TriesAgainAfterTheLifetime) {
    search_path(1280, 20);
    solo.now = solo.now + seconds(601);
    for (int i = 0; i < 12; ++i)
        round_trip(1500);
    EXPECT_EQ(solo.tcb.path_mtu, 1500);
}

// RFC 4821 §7.7: several time-outs in a row, and nobody says why.
TEST_F(Search, LeavesABlackHole) {
    connect(Probing::black_hole, 1024);
    solo.send(kEnough);
    EXPECT_EQ(lengths().substr(0, 9), "1460 1460");
    std::string left = solo.advance(seconds(1));
    EXPECT_EQ(solo.tcb.mss, 1460) << "two time-outs may be bad luck";
    left = solo.advance(seconds(2));
    EXPECT_NE(left.find(". 1:1025(1024) ack 1"), std::string::npos) << left;
    EXPECT_EQ(solo.counters.path_black_holes, 1u);
    EXPECT_EQ(solo.tcb.path_mtu, 1064);
    // With data flowing again the search goes up.
    for (int i = 0; i < 40; ++i)
        round_trip(1400);
    EXPECT_GT(solo.tcb.path_mtu, 1400 - 16);
    EXPECT_LE(solo.tcb.path_mtu, 1400);
}

TEST_F(Search, ASmallMessageThatTimesOutFellInNoBlackHole) {
    connect(Probing::black_hole, 1024);
    solo.send(300);
    static_cast<void>(solo.out());
    static_cast<void>(solo.advance(seconds(20)));
    EXPECT_EQ(solo.counters.path_black_holes, 0u);
    EXPECT_EQ(solo.tcb.path_mtu, 1500);
}

TEST_F(Search, NoProbingOnceRoutersMayCut) {
    solo.settings.path_discovery = 0;
    connect(Probing::always);
    EXPECT_EQ(solo.tcb.mss, 1460);
    solo.send(kEnough);
    static_cast<void>(solo.out());
    static_cast<void>(solo.advance(seconds(20)));
    EXPECT_EQ(solo.counters.path_black_holes, 0u);
}

// --- ICMP

class Claims : public Search {
  protected:
    void fill() {
        connect(Probing::off);
        solo.send(kEnough * 100);
        static_cast<void>(solo.out());
    }
    void claim(std::uint16_t mtu) {
        solo.path_error(PathError::fragmentation_needed, mtu, una());
        repeated += static_cast<std::uint32_t>(solo.tcb.total_retransmissions);
        static_cast<void>(solo.out());
    }
    // Acknowledgments contradict the first claim, so that the next has to be proved.
    void hold_a_claim() {
        fill();
        ack_all();
        static_cast<void>(solo.out());
        claim(1400);
        for (int i = 0; i < 2; ++i) {
            ack_all();
            static_cast<void>(solo.out());
        }
        claim(1200);
    }
    std::uint64_t repeated = 0;
};

// RFC 5927 §7: ever lower claims do not send the flight again and again.
TEST_F(Claims, OnlySoManyAreBelievedAtOnce) {
    fill();
    const std::uint32_t segments = (nxt() - una()) / 512 + 1;
    for (std::uint16_t mtu = 1400; mtu > 700; --mtu)
        claim(mtu);
    EXPECT_EQ(solo.counters.path_mtu_lowered, 3u);
    EXPECT_EQ(solo.counters.path_claims_held, 697u);
    EXPECT_EQ(solo.tcb.path_mtu, 1398);
    EXPECT_LE(solo.tcb.total_retransmissions, 3 * segments);
}

// What the peer has acknowledged did come through: the next time-out has to prove the claim.
TEST_F(Claims, AgainstAcknowledgmentsOneIsBelieved) {
    fill();
    ack_all();
    static_cast<void>(solo.out());
    claim(1400);
    EXPECT_EQ(solo.tcb.path_mtu, 1400);
    for (int i = 0; i < 2; ++i) {
        ack_all();
        static_cast<void>(solo.out());
    }
    claim(1200);
    EXPECT_EQ(solo.tcb.path_mtu, 1400);
    EXPECT_EQ(solo.counters.path_claims_held, 1u);
    ack_all();  // so much for that claim
    static_cast<void>(solo.out());
    static_cast<void>(solo.advance(milliseconds(400)));
    EXPECT_EQ(solo.counters.retransmission_timeouts, 1u);
    EXPECT_EQ(solo.tcb.path_mtu, 1400);
}

TEST_F(Claims, ATimeOutHalfTheNumbersLaterProvesNone) {
    hold_a_claim();
    ASSERT_EQ(solo.counters.path_claims_held, 1u);
    ack_all();
    static_cast<void>(solo.out());
    search_of(solo.env, solo.tcb)->claim_seq = solo.tcb.snd.nxt;  // as after 2 GB
    static_cast<void>(solo.advance(milliseconds(400)));
    EXPECT_EQ(solo.counters.retransmission_timeouts, 1u);
    EXPECT_EQ(solo.tcb.path_mtu, 1400);
}

TEST_F(Claims, ATimeOutProvesOne) {
    hold_a_claim();
    EXPECT_EQ(solo.tcb.path_mtu, 1400);
    static_cast<void>(solo.advance(milliseconds(400)));
    EXPECT_EQ(solo.counters.retransmission_timeouts, 1u);
    EXPECT_EQ(solo.tcb.path_mtu, 1200);
}

// RFC 1191 §6.3, RFC 8201 §5.3.
TEST_F(Claims, AreForgottenAfterTheLifetime) {
    fill();
    claim(1000);
    EXPECT_EQ(solo.tcb.path_mtu, 1000);
    ack_all();
    solo.now = solo.now + seconds(601);
    ack_all();
    static_cast<void>(solo.out());
    ack_all();
    EXPECT_EQ(solo.tcb.path_mtu, 1500);
}

TEST_F(Claims, AProbeThatWasTooLargeTellsTheSize) {
    connect(Probing::always);
    solo.send(kEnough);
    static_cast<void>(solo.out());
    solo.path_error(PathError::fragmentation_needed, 800, 1);
    EXPECT_EQ(solo.tcb.path_mtu, 552) << "smaller ones arrive";
    EXPECT_EQ(search().high, 800);
    EXPECT_EQ(solo.out(), "") << "nothing is sent again for it";
}

// --- what others have learnt

class KnownPaths : public Search {};

TEST_F(KnownPaths, TheNextConnectionBeginsThere) {
    solo.env.destinations.note_path_mtu(some_flow(), 1200, seconds(600), solo.now);
    connect(Probing::off);
    EXPECT_EQ(solo.tcb.path_mtu, 1200);
    EXPECT_EQ(solo.tcb.advertised_mss, 1460);
    solo.send(3000);
    EXPECT_EQ(lengths(), "1160 1160 680");
}

TEST_F(KnownPaths, SegmentsMayBeCutThereAtOnce) {
    solo.env.destinations.note_path_mtu(some_flow(), 400, seconds(600), solo.now);
    connect(Probing::off);
    EXPECT_EQ(solo.tcb.path_mtu, 552);
    EXPECT_TRUE(may_be_cut(solo.env, solo.tcb));
}

TEST_F(KnownPaths, APassiveOneToo) {
    solo.env.destinations.note_path_mtu(some_flow(), 1200, seconds(600), solo.now);
    solo.peer_options.mss = 1460;
    solo.accept();
    EXPECT_EQ(solo.tcb.mss, 1160);
}

TEST_F(KnownPaths, NotForEver) {
    solo.env.destinations.note_path_mtu(some_flow(), 1200, seconds(600), solo.now);
    solo.now = solo.now + seconds(600);
    EXPECT_FALSE(solo.env.destinations.knows_paths(solo.now));
    connect(Probing::off);
    EXPECT_EQ(solo.tcb.path_mtu, 1500);
}

TEST_F(KnownPaths, ClaimsAreRemembered) {
    connect(Probing::off);
    solo.send(3000);
    static_cast<void>(solo.out());
    solo.path_error(PathError::fragmentation_needed, 1200, 1);
    static_cast<void>(solo.out());
    EXPECT_TRUE(solo.env.destinations.knows_paths(solo.now));
    EXPECT_EQ(solo.env.destinations.find(some_flow(), solo.now)->path_mtu, 1200);
}

}  // namespace
}  // namespace mtcp::tcp
