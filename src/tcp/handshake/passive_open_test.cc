// SPDX-License-Identifier: Apache-2.0
// Listener, half-open records, SYN cookies.
#include "tcp/passive_open.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "base/random.h"
#include "tcp/clock.h"
#include "tcp/congestion/controller.h"
#include "tcp/handshake/isn.h"
#include "tcp/handshake/syn_cookies.h"
#include "tcp/testing/solo.h"

namespace mtcp::tcp {
namespace {

using testing::kPeerIss;
using wire::Flags;
using wire::Segment;

class PassiveOpen : public ::testing::Test {
  protected:
    PassiveOpen() { testing::prepare(env, counters); }

    [[nodiscard]] static Segment segment(std::uint8_t flags, std::uint32_t seq = 0) {
        Segment seg;
        seg.seq = kPeerIss + seq;
        seg.flags = {flags};
        seg.window = 30'000;
        return seg;
    }
    [[nodiscard]] static Segment full_syn() {
        Segment syn = segment(Flags::syn);
        syn.options.mss = 1400;
        syn.options.window_shift = 9;
        syn.options.sack_permitted = true;
        syn.options.timestamps = true;
        syn.options.ts_value = 777;
        return syn;
    }
    [[nodiscard]] ListenDecision listen(const Segment& seg, Backlog backlog = Backlog::has_room) {
        return on_listen_segment(env, listener, flow, seg, backlog, now);
    }
    // The ACK that completes the handshake.
    [[nodiscard]] Segment completing(const wire::OutgoingSegment& syn_ack) const {
        Segment ack = segment(Flags::ack, 1);
        ack.ack = syn_ack.seq + 1;
        if (syn_ack.options.timestamps) {
            ack.options.timestamps = true;
            ack.options.ts_value = 800;
            ack.options.ts_echo = syn_ack.options.ts_value;
        }
        return ack;
    }

    Environment env;
    Counters counters;
    ListenerSettings listener;
    wire::FlowKey flow = testing::some_flow();
    Instant now{seconds(5'000).ns};
    const std::array<std::byte, 100> payload{};
};

TEST_F(PassiveOpen, SynMakesARecordAndASynAckWithTheAgreedOptions) {
    const ListenDecision decision = listen(full_syn());
    EXPECT_EQ(decision.verdict, ListenVerdict::record);
    EXPECT_EQ(decision.drop, Drop::count_);
    EXPECT_EQ(decision.reply.flags.bits, Flags::syn | Flags::ack);
    EXPECT_EQ(decision.reply.ack, kPeerIss + 1);
    EXPECT_EQ(decision.reply.options.ts_echo, 777u);
    EXPECT_TRUE(decision.reply.options.sack_permitted);
    EXPECT_EQ(decision.reply.options.window_shift, env.configuration.window_shift);
    EXPECT_EQ(decision.reply.options.mss, 1460);
    EXPECT_EQ(decision.half_open.send_mss, 1400);
}

TEST_F(PassiveOpen, OptionsThatWereNotOfferedAreNotUsed) {
    const ListenDecision decision = listen(segment(Flags::syn));
    EXPECT_FALSE(decision.reply.options.timestamps);
    EXPECT_FALSE(decision.reply.options.sack_permitted);
    EXPECT_EQ(decision.reply.options.window_shift, wire::kNoWindowShift);
    EXPECT_EQ(decision.half_open.send_mss, 536);  // Checks RFC 9293 MUST-15.
}

TEST_F(PassiveOpen, StrayFlagsAreAnsweredAsTheRfcSays) {
    EXPECT_EQ(listen(segment(Flags::rst)).verdict, ListenVerdict::drop);
    EXPECT_EQ(listen(segment(Flags::rst | Flags::syn)).verdict, ListenVerdict::drop);
    EXPECT_EQ(listen(segment(0)).verdict, ListenVerdict::drop);
    EXPECT_EQ(listen(segment(Flags::fin)).verdict, ListenVerdict::drop);
    EXPECT_EQ(listen(segment(Flags::fin | Flags::psh | Flags::urg)).drop, Drop::tcp_bad_flags);
    EXPECT_EQ(listen(segment(Flags::syn | Flags::fin)).drop, Drop::tcp_bad_flags);
    Segment ack = segment(Flags::ack | Flags::fin);
    ack.ack = {4711};
    const ListenDecision decision = listen(ack);
    EXPECT_EQ(decision.verdict, ListenVerdict::reset);
    EXPECT_EQ(decision.reply.seq.raw, 4711u);
    EXPECT_EQ(decision.reply.flags.bits, Flags::rst);
}

TEST_F(PassiveOpen, OddAddressesAreDropped) {  // Checks RFC 9293 MUST-57, MUST-63.
    const wire::FlowKey sane = flow;
    for (const std::uint32_t address : {0xe0000001u, 0xffffffffu, 0u}) {
        flow = sane;
        flow.remote = wire::IpAddress::v4(address);
        EXPECT_EQ(listen(full_syn()).drop, Drop::tcp_bad_address) << address;
        flow = sane;
        flow.local = wire::IpAddress::v4(address);
        EXPECT_EQ(listen(full_syn()).drop, Drop::tcp_bad_address) << address;
    }
    flow = sane;  // LAND
    flow.remote = flow.local;
    flow.remote_port = flow.local_port;
    EXPECT_EQ(listen(full_syn()).drop, Drop::tcp_bad_address);
}

TEST_F(PassiveOpen, CompletingAckIsPromotedAndItsDataArrives) {
    ListenDecision decision = listen(full_syn());
    now = now + milliseconds(25);
    Segment ack = completing(decision.reply);
    ack.payload = payload;
    ASSERT_EQ(on_half_open_segment(env, listener, decision.half_open, ack, now).verdict,
              HalfOpenVerdict::promote);
    Tcb tcb;
    promote(env, listener, decision.half_open, tcb, now);
    EXPECT_EQ(state(tcb), State::syn_received);
    const Reaction reaction = on_segment(env, tcb, ack, now);
    EXPECT_EQ(state(tcb), State::established);
    EXPECT_EQ(reaction.received_bytes, 100u);
    EXPECT_TRUE(reaction.has(Events::connected));
    EXPECT_TRUE(reaction.has(Events::readable));
    EXPECT_EQ(tcb.srtt_us, 25'000u);
    EXPECT_EQ(tcb.snd.wnd, 30'000u << 9);
    EXPECT_EQ(effective_mss(tcb), 1388u);
    EXPECT_EQ(tcb.ts_recent, 800u);
}

// RFC 6298 §2: the handshake is a round trip like any other, however short; Linux's server has its
// 200 ms from it as well.
TEST_F(PassiveOpen, HandshakeBelowAMillisecondIsMeasuredToo) {
    for (const std::int64_t begin_us : {0, 1, 300, 999}) {
        for (const std::int64_t trip_us : {1, 40, 700, 1'000, 1'999, 65'535, 70'001, 900'000}) {
            now = Instant{seconds(5'000).ns} + microseconds(begin_us);
            ListenDecision decision = listen(full_syn());
            now = now + microseconds(trip_us);
            Tcb tcb;
            promote(env, listener, decision.half_open, tcb, now);
            static_cast<void>(on_segment(env, tcb, completing(decision.reply), now));
            ASSERT_EQ(state(tcb), State::established);
            EXPECT_EQ(tcb.srtt_us, trip_us);
            EXPECT_EQ(tcb.rto_us, trip_us + std::max<std::int64_t>(200'000, 2 * trip_us));
        }
    }
}

TEST_F(PassiveOpen, RepeatedSynIsAnsweredAgain) {
    ListenDecision decision = listen(full_syn());
    const HalfOpenDecision again =
        on_half_open_segment(env, listener, decision.half_open, full_syn(), now);
    EXPECT_EQ(again.verdict, HalfOpenVerdict::reply);
    EXPECT_EQ(again.reply.seq, decision.reply.seq);
    EXPECT_EQ(again.reply.flags.bits, Flags::syn | Flags::ack);
}

// RFC 6298 (5.4), (5.5): that was the retransmission; the next one has its time.
TEST_F(PassiveOpen, TheAnswerToARepeatedSynStandsForARetransmission) {
    ListenDecision decision = listen(full_syn());
    HalfOpen& half = decision.half_open;
    now = now + milliseconds(990);
    EXPECT_EQ(on_half_open_segment(env, listener, half, full_syn(), now).verdict,
              HalfOpenVerdict::reply);
    EXPECT_EQ(half.deadline_ms, to_ms(now) + 2000);
}

TEST_F(PassiveOpen, RepeatedSynsAreAnsweredButKeepNoRecordForEver) {
    ListenDecision decision = listen(full_syn());
    HalfOpen& half = decision.half_open;
    const Instant start = now;
    while (now < start + seconds(600)) {
        if (has_come(half.deadline_ms, to_ms(now)) &&
            on_half_open_deadline(env, listener, half, now).verdict == HalfOpenVerdict::drop) {
            break;
        }
        EXPECT_EQ(on_half_open_segment(env, listener, half, full_syn(), now).verdict,
                  HalfOpenVerdict::reply);
        now = now + milliseconds(100);
    }
    EXPECT_LT(now, start + seconds(64));
}

TEST_F(PassiveOpen, SynAckIsSentAgainFiveTimesThenTheRecordGoes) {
    ListenDecision decision = listen(full_syn());
    HalfOpen& half = decision.half_open;
    std::vector<std::uint32_t> waits;
    std::uint32_t last = static_cast<std::uint32_t>(now.ns / 1'000'000);
    while (true) {
        waits.push_back(half.deadline_ms - last);
        last = half.deadline_ms;
        now = Instant{std::int64_t{half.deadline_ms} * 1'000'000};
        const HalfOpenDecision step = on_half_open_deadline(env, listener, half, now);
        if (step.verdict == HalfOpenVerdict::drop) break;
        ASSERT_EQ(step.verdict, HalfOpenVerdict::reply);
        EXPECT_EQ(step.reply.seq, decision.reply.seq);
    }
    EXPECT_EQ(waits, (std::vector<std::uint32_t>{1000, 2000, 4000, 8000, 16'000, 32'000}));
}

TEST_F(PassiveOpen, HowOftenCanBeSetButHasAnEnd) {
    for (const std::uint8_t retries : {std::uint8_t{3}, std::uint8_t{15}, std::uint8_t{200}}) {
        env.configuration.syn_ack_retries = retries;
        ListenDecision decision = listen(full_syn());
        int replies = 0;
        while (replies < 1000 &&
               on_half_open_deadline(env, listener, decision.half_open, now).verdict ==
                   HalfOpenVerdict::reply) {
            ++replies;
        }
        EXPECT_EQ(replies, retries < 15 ? retries : 15);
    }
}

TEST_F(PassiveOpen, WrongAckIsAnsweredWithAResetAndTheRecordStays) {
    ListenDecision decision = listen(full_syn());
    Segment ack = completing(decision.reply);
    ack.ack += 1;
    const HalfOpenDecision step = on_half_open_segment(env, listener, decision.half_open, ack, now);
    EXPECT_EQ(step.verdict, HalfOpenVerdict::reply);
    EXPECT_EQ(step.reply.flags.bits, Flags::rst);
    EXPECT_EQ(step.reply.seq, ack.ack);
}

TEST_F(PassiveOpen, OnlyTheExactResetEndsTheRecord) {  // RFC 5961 §3.2
    ListenDecision decision = listen(full_syn());
    HalfOpen& half = decision.half_open;
    EXPECT_EQ(on_half_open_segment(env, listener, half, segment(Flags::rst, 1), now).verdict,
              HalfOpenVerdict::drop);
    EXPECT_EQ(on_half_open_segment(env, listener, half, segment(Flags::rst, 5), now).verdict,
              HalfOpenVerdict::reply);
    EXPECT_EQ(on_half_open_segment(env, listener, half, segment(Flags::rst, 100'000), now).drop,
              Drop::tcp_outside_window);
}

TEST_F(PassiveOpen, OldTimestampIsChallenged) {
    ListenDecision decision = listen(full_syn());
    Segment ack = completing(decision.reply);
    ack.options.ts_value = 700;
    EXPECT_EQ(on_half_open_segment(env, listener, decision.half_open, ack, now).drop,
              Drop::tcp_paws);
}

TEST_F(PassiveOpen, DeferAcceptWaitsForDataThenAsksAgain) {
    listener.defer_accept_s = 2;
    ListenDecision decision = listen(full_syn());
    HalfOpen& half = decision.half_open;
    const Segment bare = completing(decision.reply);
    EXPECT_EQ(on_half_open_segment(env, listener, half, bare, now).verdict, HalfOpenVerdict::keep);
    EXPECT_EQ(half.acked, 1);
    Segment with_data = bare;
    with_data.payload = payload;
    HalfOpen copy = half;
    EXPECT_EQ(on_half_open_segment(env, listener, copy, with_data, now).verdict,
              HalfOpenVerdict::promote);
    EXPECT_EQ(on_half_open_deadline(env, listener, half, now).verdict, HalfOpenVerdict::keep);
    EXPECT_EQ(on_half_open_deadline(env, listener, half, now).verdict, HalfOpenVerdict::reply);
    EXPECT_EQ(on_half_open_segment(env, listener, half, bare, now).verdict,
              HalfOpenVerdict::promote);
}

// The client thinks before it asks: nothing was lost (RFC 6928 §2), and its pause is no round trip.
TEST_F(PassiveOpen, ADeferredRequestMeetsAWindowAndARoundTripOfTheHandshake) {
    listener.defer_accept_s = 5;
    ListenDecision decision = listen(full_syn());
    HalfOpen& half = decision.half_open;
    Segment bare = completing(decision.reply);
    now = now + milliseconds(30);
    EXPECT_EQ(on_half_open_segment(env, listener, half, bare, now).verdict, HalfOpenVerdict::keep);
    now = now + seconds(1);
    EXPECT_EQ(on_half_open_deadline(env, listener, half, now).verdict, HalfOpenVerdict::keep);
    bare.payload = payload;
    now = now + milliseconds(500);
    ASSERT_EQ(on_half_open_segment(env, listener, half, bare, now).verdict,
              HalfOpenVerdict::promote);
    Tcb tcb;
    promote(env, listener, half, tcb, now);
    EXPECT_NEAR(tcb.srtt_us, 30'000, 40);
    static_cast<void>(on_segment(env, tcb, bare, now));
    EXPECT_EQ(tcb.state, State::established);
    EXPECT_EQ(tcb.cwnd, congestion::initial_window(env.configuration, tcb.mss));
    EXPECT_NEAR(tcb.srtt_us, 30'000, 40);
    static_cast<void>(on_abort(env, tcb, now));
}

// One whose SYN-ACK went again before it answered has no round trip to tell of (Karn).
TEST_F(PassiveOpen, ADeferredRequestBehindTwoLossesMeetsASmallWindow) {
    listener.defer_accept_s = 5;
    ListenDecision decision = listen(full_syn());
    HalfOpen& half = decision.half_open;
    Segment bare = completing(decision.reply);
    for (const int wait_s : {1, 2}) {
        now = now + seconds(wait_s);
        EXPECT_EQ(on_half_open_deadline(env, listener, half, now).verdict, HalfOpenVerdict::reply);
    }
    EXPECT_EQ(on_half_open_segment(env, listener, half, bare, now).verdict, HalfOpenVerdict::keep);
    bare.payload = payload;
    Tcb tcb;
    promote(env, listener, half, tcb, now);
    EXPECT_EQ(tcb.srtt_us, 0u);
    static_cast<void>(on_segment(env, tcb, bare, now));
    EXPECT_EQ(tcb.cwnd, tcb.mss);
    static_cast<void>(on_abort(env, tcb, now));
}

TEST_F(PassiveOpen, DeferAcceptMayWaitLongerThanASynAckIsSent) {
    listener.defer_accept_s = 100;
    ListenDecision decision = listen(full_syn());
    HalfOpen& half = decision.half_open;
    const Segment bare = completing(decision.reply);
    EXPECT_EQ(on_half_open_segment(env, listener, half, bare, now).verdict, HalfOpenVerdict::keep);
    for (int seconds = 1; seconds <= 32; seconds *= 2)
        EXPECT_EQ(on_half_open_deadline(env, listener, half, now).verdict, HalfOpenVerdict::keep);
    EXPECT_EQ(on_half_open_deadline(env, listener, half, now).verdict, HalfOpenVerdict::reply);
    HalfOpen copy = half;
    EXPECT_EQ(on_half_open_deadline(env, listener, copy, now).verdict, HalfOpenVerdict::drop);
    EXPECT_EQ(on_half_open_segment(env, listener, half, bare, now).verdict,
              HalfOpenVerdict::promote);
}

TEST_F(PassiveOpen, FullBacklogWithoutCookiesDropsTheSyn) {
    env.configuration.syn_cookies = Configuration::Cookies::off;
    EXPECT_EQ(listen(full_syn(), Backlog::full).drop, Drop::tcp_half_open_full);
}

// --- cookies, RFC 4987 ---

TEST_F(PassiveOpen, CookieRemembersTheWholeOffer) {
    const ListenDecision decision = listen(full_syn(), Backlog::full);
    ASSERT_EQ(decision.verdict, ListenVerdict::cookie);
    EXPECT_EQ(counters.cookies_sent, 1u);
    now = now + milliseconds(40);
    const Segment ack = completing(decision.reply);
    HalfOpen half;
    ASSERT_TRUE(check_cookie(env, listener, flow, ack, now, half));
    EXPECT_EQ(half.send_mss, 1380);  // the table's, not above the peer's 1400
    EXPECT_EQ(half.window_shift, 9);
    EXPECT_EQ(half.selective_ack, 1);
    EXPECT_EQ(half.timestamps, 1);
    EXPECT_EQ(half.irs, kPeerIss);
    Tcb tcb;
    promote(env, listener, half, tcb, now);
    const Reaction reaction = on_segment(env, tcb, ack, now);
    EXPECT_TRUE(reaction.has(Events::connected));
    EXPECT_EQ(tcb.cwnd, 10u * 1368);  // not taken for a retransmitted SYN-ACK
    EXPECT_EQ(tcb.srtt_us, 0u);
}

TEST_F(PassiveOpen, CookieWithoutTimestampsRemembersTheMssOnly) {
    Segment syn = full_syn();
    syn.options.timestamps = false;
    const ListenDecision decision = listen(syn, Backlog::full);
    EXPECT_FALSE(decision.reply.options.sack_permitted);
    EXPECT_EQ(decision.reply.options.window_shift, wire::kNoWindowShift);
    HalfOpen half;
    ASSERT_TRUE(check_cookie(env, listener, flow, completing(decision.reply), now, half));
    EXPECT_EQ(half.window_shift, wire::kNoWindowShift);
    EXPECT_EQ(half.selective_ack, 0);
}

// Checks RFC 7323 §3.2.
TEST_F(PassiveOpen, CookieKnowsWhetherTimestampsWereAgreedOn) {
    Segment syn = full_syn();
    syn.options.timestamps = false;
    HalfOpen half;
    Segment ack = completing(listen(syn, Backlog::full).reply);
    ack.options.timestamps = true;  // nobody offered them: what it says means nothing
    ack.options.ts_value = 5;
    ack.options.ts_echo = cookie_timestamp(1000, {.window_shift = 7, .selective_ack = true});
    ASSERT_TRUE(check_cookie(env, listener, flow, ack, now, half));
    EXPECT_EQ(half.timestamps, 0);
    EXPECT_EQ(half.window_shift, wire::kNoWindowShift);
    EXPECT_EQ(half.selective_ack, 0);

    ack = completing(listen(full_syn(), Backlog::full).reply);
    ack.options.timestamps = false;  // every segment must have them now
    EXPECT_FALSE(check_cookie(env, listener, flow, ack, now, half));
}

TEST_F(PassiveOpen, CookieHoldsForTwoPeriodsOnly) {
    now = Instant{seconds(64 * 100).ns};
    const ListenDecision decision = listen(full_syn(), Backlog::full);
    const Segment ack = completing(decision.reply);
    HalfOpen half;
    EXPECT_TRUE(check_cookie(env, listener, flow, ack, now + seconds(127), half));
    EXPECT_FALSE(check_cookie(env, listener, flow, ack, now + seconds(128), half));
    EXPECT_FALSE(check_cookie(env, listener, flow, ack, now + seconds(64 * 32), half));
}

TEST_F(PassiveOpen, CookieOfAnotherFlowOrNumberIsRefused) {
    const ListenDecision decision = listen(full_syn(), Backlog::full);
    const Segment ack = completing(decision.reply);
    HalfOpen half;
    wire::FlowKey other = flow;
    ++other.remote_port;
    EXPECT_FALSE(check_cookie(env, listener, other, ack, now, half));
    Segment shifted = ack;
    shifted.seq += 1;
    EXPECT_FALSE(check_cookie(env, listener, flow, shifted, now, half));
    Random random(1);
    int accepted = 0;
    for (int i = 0; i < 100'000; ++i) {
        Segment guess = ack;
        guess.ack = {static_cast<std::uint32_t>(random.next())};
        accepted += check_cookie(env, listener, flow, guess, now, half) ? 1 : 0;
    }
    EXPECT_LE(accepted, 1);
}

TEST_F(PassiveOpen, CookieTimestampIsNeverAheadOfTheClock) {
    for (std::uint32_t clock = 0; clock < 1000; ++clock) {
        CookieOffer offered;
        offered.window_shift = static_cast<std::uint8_t>(clock % 15);
        offered.selective_ack = clock % 2 == 0;
        offered.ecn = clock % 3 == 0;
        const std::uint32_t stamped = cookie_timestamp(clock, offered);
        EXPECT_LE(static_cast<std::int32_t>(stamped - clock), 0);
        EXPECT_GT(static_cast<std::int32_t>(stamped - clock), -64);
        const CookieOffer offer = offer_of_timestamp(stamped + 12'345, 12'345);
        EXPECT_EQ(offer.window_shift, offered.window_shift);
        EXPECT_EQ(offer.selective_ack, offered.selective_ack);
        EXPECT_EQ(offer.ecn, offered.ecn);
    }
}

TEST(ResetFor, AnswersAsRfc9293Says) {  // RFC 9293 §3.10.7.1
    Segment seg;
    seg.seq = {1000};
    seg.flags = {Flags::syn};
    wire::OutgoingSegment reply;
    ASSERT_TRUE(reset_for(seg, reply));
    EXPECT_EQ(reply.seq.raw, 0u);
    EXPECT_EQ(reply.ack.raw, 1001u);
    EXPECT_EQ(reply.flags.bits, Flags::rst | Flags::ack);
    seg.flags = {Flags::ack};
    seg.ack = {77};
    ASSERT_TRUE(reset_for(seg, reply));
    EXPECT_EQ(reply.seq.raw, 77u);
    EXPECT_EQ(reply.flags.bits, Flags::rst);
    seg.flags = {Flags::rst};
    EXPECT_FALSE(reset_for(seg, reply));
}

}  // namespace
}  // namespace mtcp::tcp
