// SPDX-License-Identifier: Apache-2.0
// TCP Fast Open from both ends (RFC 7413).
#include "tcp/handshake/fast_open.h"

#include <gtest/gtest.h>

#include <cerrno>
#include <cstring>

#include "base/siphash.h"
#include "tcp/invariants.h"
#include "tcp/testing/solo.h"

namespace mtcp::tcp {
namespace {

using testing::In;
using testing::kPeerIss;
using testing::Solo;
using testing::some_flow;
using wire::Flags;

const std::byte kData[2000] = {};

void offer_cookie(wire::Options& options, std::uint8_t first, std::uint8_t length = 8) {
    options.fast_open_length = length;
    options.fast_open_cookie = {first, 2, 3, 4, 5, 6, 7, 8};
}

// --- client ---

In syn_ack(const Solo& solo, std::uint32_t ack, std::uint8_t cookie = 0) {
    In in{.flags = "S.", .seq = 0, .ack = ack};
    in.options = solo.peer_options;
    if (cookie != 0) offer_cookie(in.options, cookie);
    return in;
}

// A connection asks for a cookie, gets it and ends.
void learn_cookie(Solo& solo) {
    solo.fast_open = FastOpenWish::cookie;
    solo.open();
    static_cast<void>(solo.out());
    ASSERT_EQ(solo.sent.at(0).options.fast_open_length, 0);  // a request
    solo.segment(syn_ack(solo, 1, 9));
    static_cast<void>(solo.out());
    solo.abort();
    static_cast<void>(solo.out());
    release(solo.env, solo.tcb);
}

// Checks RFC 7413 §4.1.3, §4.2.1.
TEST(FastOpenClient, CookieIsRememberedAndDataGoesWithTheSyn) {
    Solo solo;
    learn_cookie(solo);
    solo.open();
    solo.send(500);
    EXPECT_EQ(solo.out(), "S 0:500(500)");
    EXPECT_EQ(solo.sent.at(0).options.fast_open_length, 8);
    EXPECT_EQ(solo.sent.at(0).options.fast_open_cookie[0], 9);
    EXPECT_EQ(solo.sent.at(0).data_offset, 0u);
    solo.acked = 0;
    solo.segment(syn_ack(solo, 501));
    EXPECT_EQ(solo.acked, 500u);
    EXPECT_EQ(solo.state(), State::established);
    EXPECT_TRUE(solo.tcb.fast_open.took_data);
    EXPECT_EQ(solo.out(), ". 501:501(0) ack 1");
    EXPECT_EQ(solo.counters.fast_opens_active, 1u);
}

TEST(FastOpenClient, DataOfTheSynIsDeliveredAlsoWhenTheProgramClosesBeforeTheAnswer) {
    Solo solo;
    learn_cookie(solo);
    for (const bool left : {false, true}) {
        solo.open();
        solo.send(500);
        std::string seen;
        if (left) seen = solo.out();
        solo.close();
        EXPECT_EQ(solo.state(), State::syn_sent);
        EXPECT_EQ(seen + solo.out(), "S 0:500(500)");
        solo.segment(syn_ack(solo, left ? 1 : 501));
        EXPECT_EQ(solo.state(), State::fin_wait_1);
        EXPECT_EQ(solo.out(),
                  left ? "P. 1:501(500) ack 1 | F. 501:501(0) ack 1" : "F. 501:501(0) ack 1");
        solo.abort();
        static_cast<void>(solo.out());
        release(solo.env, solo.tcb);
    }
}

TEST(FastOpenClient, WhatWasClosedBeforeTheAnswerIsGivenUpLikeAnyOrphan) {
    Solo solo;
    learn_cookie(solo);
    solo.env.configuration.orphan_retries = 2;
    solo.open();
    solo.send(500);
    solo.close();
    EXPECT_EQ(solo.out(), "S 0:500(500)");
    EXPECT_EQ(solo.advance(seconds(60)), "+1000 S 0:0(0) | +3000 S 0:0(0)");
    EXPECT_EQ(solo.state(), State::closed);
    EXPECT_EQ(solo.error, 0);
}

TEST(FastOpenClient, WithoutDataACloseBeforeTheAnswerEndsAtOnce) {
    Solo solo;
    learn_cookie(solo);
    solo.open();
    solo.close();
    EXPECT_EQ(solo.out(), "");
    EXPECT_EQ(solo.state(), State::closed);
}

TEST(FastOpenClient, RoomFollowsWhatThePeerCouldTakeLastTime) {
    Solo solo;
    const OpenRequest request{
        .key = some_flow(), .settings = solo.settings, .fast_open = FastOpenWish::cookie};
    EXPECT_EQ(fast_open_room(solo.env, request, solo.now).use, FastOpenRoom::Use::no_data);
    learn_cookie(solo);  // its MSS is 1000
    EXPECT_EQ(fast_open_room(solo.env, request, solo.now).bytes, 960u);
    solo.open();
    solo.send(3000);
    EXPECT_EQ(solo.out(), "S 0:960(960)");
    solo.segment(syn_ack(solo, 961));
    EXPECT_EQ(solo.out(),
              ". 961:1961(1000) ack 1 | . 1961:2961(1000) ack 1 | P. 2961:3001(40) ack 1");
    solo.env.configuration.fast_open = 0;
    EXPECT_EQ(fast_open_room(solo.env, request, solo.now).use, FastOpenRoom::Use::off);
}

TEST(FastOpenClient, DataThatWasNotTakenIsSentAgainAtOnce) {
    Solo solo;
    learn_cookie(solo);
    solo.open();
    solo.send(700);
    EXPECT_EQ(solo.out(), "S 0:700(700)");
    solo.segment(syn_ack(solo, 101));
    EXPECT_FALSE(solo.tcb.fast_open.took_data);
    EXPECT_EQ(solo.out(), "P. 101:701(600) ack 1");
    solo.segment({.ack = 701});
    EXPECT_EQ(solo.tcb.phase, Phase::open);
    EXPECT_EQ(bytes_queued(solo.tcb), 0u);
}

TEST(FastOpenClient, DataOfTheSynIsPushedWhenItIsSentAgain) {
    Solo solo;
    learn_cookie(solo);
    solo.open();
    solo.send(700);
    EXPECT_EQ(solo.out(), "S 0:700(700)");
    solo.send(500);
    solo.segment(syn_ack(solo, 1));
    EXPECT_EQ(solo.out(), "P. 1:701(700) ack 1 | P. 701:1201(500) ack 1");
}

TEST(FastOpenClient, DataSentAgainAndLostIsSeenByWhatArrivesBehindIt) {
    Solo solo;
    learn_cookie(solo);
    solo.open();
    solo.send(700);
    EXPECT_EQ(solo.out(), "S 0:700(700)");
    solo.now = solo.now + milliseconds(10);
    solo.segment(syn_ack(solo, 101));
    EXPECT_EQ(solo.out(), "P. 101:701(600) ack 1");
    solo.send(4000);
    static_cast<void>(solo.out());
    solo.now = solo.now + milliseconds(10);
    solo.segment({.ack = 101, .sack = {{701, 4701}}});
    EXPECT_EQ(solo.out(), "P. 101:701(600) ack 1");
    solo.segment({.ack = 4701});
    EXPECT_EQ(solo.tcb.phase, Phase::open);
}

TEST(FastOpenClient, RetransmittedSynHasNeitherOptionNorData) {  // Checks RFC 7413 §4.2.1.
    Solo solo;
    learn_cookie(solo);
    solo.open();
    solo.send(700);
    EXPECT_EQ(solo.out(), "S 0:700(700)");
    EXPECT_EQ(solo.advance(seconds(1)), "+1000 S 0:0(0)");
    EXPECT_EQ(solo.sent.back().options.fast_open_length, wire::kNoFastOpen);
    solo.segment(syn_ack(solo, 1));
    EXPECT_EQ(solo.out(), "P. 1:701(700) ack 1");
}

TEST(FastOpenClient, CookieNobodyAskedForIsIgnored) {
    Solo solo;
    solo.open();
    EXPECT_EQ(solo.out(), "S 0:0(0)");
    EXPECT_EQ(solo.sent.at(0).options.fast_open_length, wire::kNoFastOpen);
    solo.segment(syn_ack(solo, 1, 9));
    EXPECT_EQ(solo.env.destinations.find(some_flow(), solo.now), nullptr);
    static_cast<void>(solo.out());
}

TEST(FastOpenClient, WithoutCookieDataGoesBare) {
    Solo solo;
    solo.fast_open = FastOpenWish::without_cookie;
    solo.open();
    solo.send(100);
    EXPECT_EQ(solo.out(), "S 0:100(100)");
    EXPECT_EQ(solo.sent.at(0).options.fast_open_length, wire::kNoFastOpen);
    solo.segment(syn_ack(solo, 101));
    EXPECT_EQ(solo.out(), ". 101:101(0) ack 1");
}

// Checks RFC 7413 Appendix B.
TEST(FastOpenClient, SilentServerIsAskedOnceInTheExperimentalForm) {
    Solo solo;
    solo.fast_open = FastOpenWish::cookie;
    for (const bool experimental : {false, true, false, false}) {
        solo.open();
        static_cast<void>(solo.out());
        EXPECT_EQ(solo.sent.at(0).options.fast_open_length, 0);
        EXPECT_EQ(solo.sent.at(0).options.fast_open_experimental, experimental);
        solo.segment(syn_ack(solo, 1));
        solo.abort();
        static_cast<void>(solo.out());
        release(solo.env, solo.tcb);
    }
    solo.open();
}

// Checks RFC 7413 §7.3.
TEST(FastOpenClient, BlackHoleMakesItRestForAnHourThenTwo) {
    Solo solo;
    learn_cookie(solo);
    solo.open();
    solo.send(100);
    static_cast<void>(solo.out());
    static_cast<void>(solo.advance(seconds(7)));  // the third time-out in a row
    EXPECT_EQ(solo.counters.fast_open_pauses, 1u);
    const OpenRequest request{
        .key = some_flow(), .settings = solo.settings, .fast_open = FastOpenWish::cookie};
    const auto use_after = [&](Duration span) {
        return fast_open_room(solo.env, request, solo.now + span).use;
    };
    EXPECT_EQ(use_after(seconds(3599)), FastOpenRoom::Use::no_data);
    EXPECT_EQ(use_after(seconds(3600)), FastOpenRoom::Use::data);
    pause_fast_open(solo.env, solo.now);
    EXPECT_EQ(use_after(seconds(7199)), FastOpenRoom::Use::no_data);
    EXPECT_EQ(use_after(seconds(7200)), FastOpenRoom::Use::data);
    for (int i = 0; i < 20; ++i)
        pause_fast_open(solo.env, solo.now);
    EXPECT_EQ(use_after(seconds(3600 * 64)), FastOpenRoom::Use::data);
}

TEST(Destinations, TheOldestMakesRoomAndNoneMeansNothingIsKept) {
    Destinations table;
    const Instant now{seconds(100).ns};
    EXPECT_EQ(table.obtain(some_flow(), now), nullptr);
    ASSERT_TRUE(table.reserve(4, {1, 2}));  // one set
    wire::FlowKey flow = some_flow();
    for (std::uint8_t i = 0; i < 4; ++i) {
        flow.remote.octet[15] = i;
        ASSERT_NE(table.obtain(flow, now + seconds(i)), nullptr);
    }
    flow.remote.octet[15] = 0;
    ASSERT_NE(table.find(flow, now + seconds(10)), nullptr);  // used again
    flow.remote.octet[15] = 77;
    ASSERT_NE(table.obtain(flow, now + seconds(11)), nullptr);
    flow.remote.octet[15] = 1;
    EXPECT_EQ(table.find(flow, now + seconds(12)), nullptr);
    flow.remote.octet[15] = 0;
    EXPECT_NE(table.find(flow, now + seconds(12)), nullptr);
    ++flow.local_port;  // ports do not matter
    EXPECT_NE(table.find(flow, now + seconds(12)), nullptr);
}

// --- server ---

class FastOpenServer : public ::testing::Test {
  protected:
    FastOpenServer() {
        testing::prepare(env, counters);
        env.configuration.fast_open = FastOpen::server;
        env.configuration.timestamps = Configuration::Use::off;
        env.configuration.window_shift = 0;
        listener.fast_open = FastOpenQueue::has_room;
        syn.seq = kPeerIss;
        syn.flags = {Flags::syn};
        syn.window = 60'000;
        syn.options.mss = 1000;
        syn.payload = {kData, 300};
    }
    ~FastOpenServer() override {
        if (open) release(env, tcb);
    }
    ListenDecision listen() {
        return on_listen_segment(env, listener, some_flow(), syn, Backlog::has_room, now);
    }
    // Shows the cookie, and makes the connection if it may be made.
    void accept_early() {
        write_cookie(env.configuration.fast_open_keys.primary, some_flow(), syn.options);
        ListenDecision decision = listen();
        ASSERT_EQ(decision.verdict, ListenVerdict::open);
        reaction = promote_early(env, listener, decision, tcb, syn, now);
        reply = decision.reply;
        open = true;
    }
    Reaction segment(const In& in) {
        wire::Segment seg;
        seg.seq = kPeerIss + in.seq;
        seg.ack = tcb.iss + in.ack;
        seg.window = 60'000;
        seg.flags = {static_cast<std::uint8_t>(in.flags == "S"   ? Flags::syn
                                               : in.flags == "R" ? Flags::rst
                                                                 : Flags::ack)};
        seg.payload = {kData, in.length};
        return on_segment(env, tcb, seg, now);
    }
    std::vector<wire::OutgoingSegment> drain() {
        std::vector<wire::OutgoingSegment> all;
        wire::OutgoingSegment out;
        while (poll_segment(env, tcb, now, {}, out) != Polled::nothing)
            all.push_back(out);
        return all;
    }

    Environment env;
    Counters counters;
    ListenerSettings listener;
    wire::Segment syn;
    Tcb tcb;
    bool open = false;
    Reaction reaction;
    wire::OutgoingSegment reply;
    Instant now{seconds(1'000).ns};
};

TEST_F(FastOpenServer, CookieIsSipHashOfBothAddressesClientFirst) {
    const std::uint8_t packet[8] = {10, 0, 0, 2, 10, 0, 0, 1};
    const std::uint64_t expected = siphash({5, 6}, std::as_bytes(std::span{packet}));
    wire::Options options;
    write_cookie({5, 6}, some_flow(), options);
    std::uint64_t written = 0;
    std::memcpy(&written, options.fast_open_cookie.data(), sizeof written);
    EXPECT_EQ(written, expected);
    EXPECT_EQ(options.fast_open_length, 8);
}

TEST_F(FastOpenServer, RequestGetsACookieAndDataIsLeftOut) {  // Checks RFC 7413 §4.2.2.
    syn.options.fast_open_length = 0;
    const ListenDecision decision = listen();
    EXPECT_EQ(decision.verdict, ListenVerdict::record);
    EXPECT_EQ(decision.reply.ack, kPeerIss + 1);
    EXPECT_EQ(decision.reply.options.fast_open_length, 8);
    EXPECT_EQ(counters.fast_open_requests, 1u);
}

TEST_F(FastOpenServer, WrongCookieGetsARightOneInItsForm) {
    offer_cookie(syn.options, 1);
    syn.options.fast_open_experimental = true;
    const ListenDecision decision = listen();
    EXPECT_EQ(decision.verdict, ListenVerdict::record);
    EXPECT_EQ(decision.reply.ack, kPeerIss + 1);
    EXPECT_EQ(decision.reply.options.fast_open_length, 8);
    EXPECT_TRUE(decision.reply.options.fast_open_experimental);
    EXPECT_EQ(counters.fast_open_refused, 1u);
}

TEST_F(FastOpenServer, RightCookieBringsTheDataIn) {
    accept_early();
    EXPECT_EQ(reaction.received_bytes, 300u);
    EXPECT_TRUE(reaction.has(Events::connected));
    EXPECT_EQ(reply.ack, kPeerIss + 301);
    EXPECT_EQ(reply.options.fast_open_length, wire::kNoFastOpen);
    EXPECT_EQ(tcb.state, State::syn_received);
    EXPECT_EQ(counters.fast_opens_passive, 1u);
}

// What came with the SYN lies below RCV.NXT: a SYN-ACK, as of a simultaneous open, brings it again.
TEST_F(FastOpenServer, ASynAckBringsNothingThatTheSynHasBrought) {
    accept_early();
    wire::Segment seg;
    seg.seq = kPeerIss;
    seg.ack = tcb.snd.nxt;
    seg.window = 60'000;
    seg.flags = {Flags::syn | Flags::ack};
    seg.payload = {kData, 5};
    const Reaction answer = on_segment(env, tcb, seg, now);
    EXPECT_EQ(answer.placement_count, 0);
    EXPECT_EQ(answer.received_bytes, 0u);
    EXPECT_EQ(check_invariants(env, tcb), nullptr);
    EXPECT_EQ(tcb.rcv.nxt, kPeerIss + 301);
}

TEST_F(FastOpenServer, WindowIsWhatTheBufferStillTakes) {
    listener.settings.receive_buffer = 1000;
    accept_early();
    EXPECT_EQ(reply.window, 700);
    EXPECT_EQ(tcb.rcv.wnd, 700u);
}

TEST_F(FastOpenServer, WindowIsAllTheFieldCanSayOfALargeBuffer) {
    listener.settings.receive_buffer = 100'000;
    accept_early();
    EXPECT_EQ(reply.window, 0xffff);
    EXPECT_EQ(tcb.rcv.wnd, 0xffffu);
}

TEST_F(FastOpenServer, ReplyNeedNotWaitForTheHandshake) {
    accept_early();
    static_cast<void>(on_send(env, tcb, 2500, SendHint::none, now));
    const auto sent = drain();
    ASSERT_EQ(sent.size(), 3u);
    EXPECT_EQ(sent[0].seq, tcb.iss + 1);
    EXPECT_EQ(sent[0].data_offset, 0u);
    EXPECT_EQ(sent[2].data_offset, 2000u);
    const Reaction ack = segment({.seq = 301, .ack = 1001});
    EXPECT_EQ(tcb.state, State::established);
    EXPECT_EQ(ack.acked_bytes, 1000u);
    EXPECT_FALSE(ack.has(Events::connected));  // was told before
    EXPECT_NE(deadline(tcb), kNever);
    static_cast<void>(segment({.seq = 301, .ack = 2501}));
    EXPECT_EQ(bytes_queued(tcb), 0u);
}

// The ACK of the SYN-ACK alone: what was sent behind it is still in flight, and in the log.
TEST_F(FastOpenServer, TheLogForgetsTheSynThatWasAcknowledged) {
    accept_early();
    static_cast<void>(on_send(env, tcb, 2500, SendHint::none, now));
    static_cast<void>(drain());
    static_cast<void>(segment({.seq = 301, .ack = 1}));
    EXPECT_EQ(check_invariants(env, tcb), nullptr);
    now = deadline(tcb);
    static_cast<void>(on_deadline(env, tcb, now));
    const auto sent = drain();
    ASSERT_GE(sent.size(), 1u);
    EXPECT_LT(sent[0].data_offset, 2500u);
    static_cast<void>(segment({.seq = 301, .ack = 2501}));
}

TEST_F(FastOpenServer, OnlyTheSynAckIsSentAgainBeforeTheHandshakeEnds) {
    accept_early();
    static_cast<void>(on_send(env, tcb, 100, SendHint::none, now));
    static_cast<void>(drain());
    now = deadline(tcb);
    static_cast<void>(on_deadline(env, tcb, now));
    const auto sent = drain();
    ASSERT_EQ(sent.size(), 1u);
    EXPECT_TRUE(sent[0].flags.all(Flags::syn | Flags::ack));
    EXPECT_EQ(sent[0].ack, kPeerIss + 301);
}

TEST_F(FastOpenServer, RepeatedSynGetsTheSynAckAgain) {
    accept_early();
    static_cast<void>(drain());
    static_cast<void>(segment({.flags = "S", .seq = 0}));
    const auto sent = drain();
    ASSERT_EQ(sent.size(), 1u);
    EXPECT_TRUE(sent[0].flags.all(Flags::syn | Flags::ack));
}

TEST_F(FastOpenServer, CloseBeforeTheHandshakeEndsSendsFin) {
    accept_early();
    static_cast<void>(on_consume(env, tcb, 300, now));
    static_cast<void>(on_close(env, tcb, now));
    const auto sent = drain();
    ASSERT_EQ(sent.size(), 1u);
    EXPECT_TRUE(sent[0].flags.has(Flags::fin));
    static_cast<void>(segment({.seq = 301, .ack = 2}));
    EXPECT_EQ(tcb.state, State::fin_wait_2);
}

TEST_F(FastOpenServer, ResetEndsIt) {
    accept_early();
    const Reaction end = segment({.flags = "R", .seq = 301});
    EXPECT_EQ(end.error, ECONNRESET);
    EXPECT_EQ(tcb.state, State::closed);
}

TEST_F(FastOpenServer, BackupKeyIsTakenAndTheNewCookieTold) {
    env.configuration.fast_open_keys = {
        .primary = {50, 60}, .backup = {5, 6}, .chosen = true, .has_backup = true};
    write_cookie({5, 6}, some_flow(), syn.options);
    const ListenDecision decision = listen();
    EXPECT_EQ(decision.verdict, ListenVerdict::open);
    wire::Options renewed;
    write_cookie({50, 60}, some_flow(), renewed);
    EXPECT_EQ(std::memcmp(decision.reply.options.fast_open_cookie.data(),
                          renewed.fast_open_cookie.data(), renewed.fast_open_length),
              0);
}

TEST_F(FastOpenServer, ListenersKeyWins) {
    const FastOpenKeys own{.primary = {8, 9}, .backup = {}, .chosen = true};
    listener.fast_open_keys = &own;
    write_cookie({5, 6}, some_flow(), syn.options);
    EXPECT_EQ(listen().verdict, ListenVerdict::record);
    write_cookie({8, 9}, some_flow(), syn.options);
    EXPECT_EQ(listen().verdict, ListenVerdict::open);
}

TEST_F(FastOpenServer, FullQueueTreatsTheSynAsAnyOther) {  // Checks RFC 7413 §5.1.
    listener.fast_open = FastOpenQueue::full;
    write_cookie({5, 6}, some_flow(), syn.options);
    EXPECT_EQ(listen().verdict, ListenVerdict::record);
    EXPECT_EQ(counters.fast_open_overflows, 1u);
    listener.fast_open = FastOpenQueue::off;
    const ListenDecision decision = listen();
    EXPECT_EQ(decision.verdict, ListenVerdict::record);
    EXPECT_EQ(decision.reply.options.fast_open_length, wire::kNoFastOpen);
}

TEST_F(FastOpenServer, WithoutCookieEverySynMayBringData) {
    env.configuration.fast_open |= FastOpen::server_without_cookie;
    EXPECT_EQ(listen().verdict, ListenVerdict::open);
    syn.payload = {};
    EXPECT_EQ(listen().verdict, ListenVerdict::record);  // nothing asks for it
}

TEST_F(FastOpenServer, SoftErrorEndsWhatOnlyACookieVouchesFor) {  // Checks RFC 5461 §4.1.
    accept_early();
    const Reaction end = on_path_error(env, tcb, PathError::host_unreachable, 0, tcb.iss, now);
    EXPECT_EQ(end.error, EHOSTUNREACH);
}

}  // namespace
}  // namespace mtcp::tcp
