// SPDX-License-Identifier: Apache-2.0
// TIME-WAIT records.
#include "tcp/time_wait.h"

#include <gtest/gtest.h>

#include "tcp/handshake/isn.h"
#include "tcp/testing/solo.h"

namespace mtcp::tcp {
namespace {

using testing::Solo;
using wire::Flags;
using wire::Segment;

class TimeWaitRecord : public ::testing::Test {
  protected:
    void SetUp() override { make(Configuration::Use::off); }
    void make(Configuration::Use timestamps) {
        solo.env.configuration.timestamps = timestamps;
        solo.peer_options.timestamps = timestamps == Configuration::Use::on;
        solo.peer_options.ts_value = 5000;
        solo.open();
        static_cast<void>(solo.out());
        testing::In in{.flags = "S.", .seq = 0};
        in.options = solo.peer_options;
        solo.segment(in);
        solo.close();
        static_cast<void>(solo.out());
        testing::In fin{.flags = "F.", .ack = 2};
        fin.options = {};
        solo.segment(fin);
        static_cast<void>(solo.out());
        ASSERT_TRUE(solo.events & Events::time_wait);
        record = make_time_wait(solo.env, solo.tcb, solo.now);
    }
    [[nodiscard]] static Segment segment(std::uint8_t flags, std::uint32_t seq) {
        Segment seg;
        seg.seq = testing::kPeerIss + seq;
        seg.flags = {flags};
        return seg;
    }
    [[nodiscard]] TimeWaitDecision give(const Segment& seg) {
        return on_time_wait_segment(solo.env, record, seg, solo.now);
    }
    Solo solo;
    TimeWait record;
};

TEST_F(TimeWaitRecord, ItsTimestampsGoOnWhereTheConnectionsEnded) {
    make(Configuration::Use::on);
    const TimeWaitDecision decision = give(segment(Flags::fin | Flags::ack, 1));
    ASSERT_EQ(decision.verdict, TimeWaitVerdict::ack);
    EXPECT_TRUE(decision.reply.options.timestamps);
    EXPECT_EQ(decision.reply.options.ts_value,
              static_cast<std::uint32_t>(solo.now.ns / 1'000'000) + solo.tcb.ts_offset);
    EXPECT_EQ(decision.reply.options.ts_echo, solo.tcb.ts_recent);
}

TEST_F(TimeWaitRecord, LastsAMinute) {
    EXPECT_EQ(record.expires_ms, static_cast<std::uint32_t>(solo.now.ns / 1'000'000) + 60'000);
}

TEST_F(TimeWaitRecord, PeersFinAgainIsAcknowledgedAndRestartsTheClock) {
    const TimeWaitDecision decision = give(segment(Flags::fin | Flags::ack, 1));
    EXPECT_EQ(decision.verdict, TimeWaitVerdict::ack);
    EXPECT_TRUE(decision.restart);
    EXPECT_EQ(decision.reply.ack, testing::kPeerIss + 2);
    EXPECT_EQ(decision.reply.seq, solo.tcb.iss + 2);
}

TEST_F(TimeWaitRecord, ResetsAreIgnored) {  // RFC 1337
    EXPECT_EQ(give(segment(Flags::rst, 2)).verdict, TimeWaitVerdict::drop);
}

TEST_F(TimeWaitRecord, OldDataIsAcknowledgedABoundedNumberOfTimes) {
    int acks = 0;
    const std::byte payload[10] = {};
    for (int i = 0; i < 1000; ++i) {
        Segment seg = segment(Flags::ack, 1);
        seg.payload = payload;
        acks += give(seg).verdict == TimeWaitVerdict::ack ? 1 : 0;
    }
    EXPECT_EQ(acks, 32);
}

TEST_F(TimeWaitRecord, PlainAckIsNotAnswered) {
    EXPECT_EQ(give(segment(Flags::ack, 2)).verdict, TimeWaitVerdict::drop);
}

// Checks RFC 9293 MAY-2.
TEST_F(TimeWaitRecord, NewSynBeyondTheOldNumbersReopens) {  // RFC 1122 §4.2.2.13
    solo.now = solo.now + seconds(1);
    EXPECT_EQ(give(segment(Flags::syn, 100)).verdict, TimeWaitVerdict::reopen);
    EXPECT_EQ(give(segment(Flags::syn, 2)).verdict, TimeWaitVerdict::ack);
    EXPECT_EQ(give(segment(Flags::syn | Flags::ack, 100)).verdict, TimeWaitVerdict::ack);
}

// The listener then begins beyond them, as on Linux, instead of letting the client wait.
TEST_F(TimeWaitRecord, ReopensThoughOurOwnNumbersHaveNotComeSoFar) {
    record.snd_nxt = record.snd_nxt + 10'000'000;  // 10 MB in no time
    const Segment syn = segment(Flags::syn, 100);
    EXPECT_EQ(give(syn).verdict, TimeWaitVerdict::reopen);
    ListenerSettings listener;
    const auto decide = [&] {
        return on_listen_segment(solo.env, listener, record.key, syn, Backlog::has_room, solo.now);
    };
    const auto iss = [&] { return decide().half_open.iss; };
    EXPECT_LE(iss(), record.snd_nxt);
    listener.sent_before = record.snd_nxt;
    EXPECT_EQ(iss(), record.snd_nxt + 65'537);
    // A cookie would be any number.
    solo.env.configuration.syn_cookies = Configuration::Cookies::always;
    EXPECT_EQ(decide().verdict, ListenVerdict::record);
    solo.now = solo.now + seconds(50);
    EXPECT_EQ(iss(), initial_numbers(solo.env.isn_key, record.key, solo.now).iss);
}

// Checks RFC 9293 SHLD-4.
TEST_F(TimeWaitRecord, NewerTimestampReopensWhateverTheNumber) {  // RFC 6191
    make(Configuration::Use::on);
    Segment syn = segment(Flags::syn, 0x9000'0000);
    syn.options.timestamps = true;
    syn.options.ts_value = record.ts_recent;
    EXPECT_EQ(give(syn).verdict, TimeWaitVerdict::ack);
    syn.options.ts_value = record.ts_recent + 1;
    EXPECT_EQ(give(syn).verdict, TimeWaitVerdict::reopen);
}

TEST_F(TimeWaitRecord, SoDoesALargerNumberWithinOneTickOfThePeersClock) {  // RFC 6191 §2
    make(Configuration::Use::on);
    Segment syn = segment(Flags::syn, 100);
    syn.options.timestamps = true;
    syn.options.ts_value = record.ts_recent;
    EXPECT_EQ(give(syn).verdict, TimeWaitVerdict::reopen);
    syn.options.ts_value = record.ts_recent - 1;
    EXPECT_EQ(give(syn).verdict, TimeWaitVerdict::ack);
}

TEST_F(TimeWaitRecord, ActiveOpenMayReuseAfterASecondWithTimestamps) {
    EXPECT_FALSE(may_reuse(solo.env, record, solo.now + seconds(30)));
    make(Configuration::Use::on);
    EXPECT_FALSE(may_reuse(solo.env, record, solo.now + milliseconds(999)));
    EXPECT_TRUE(may_reuse(solo.env, record, solo.now + seconds(1)));
}

}  // namespace
}  // namespace mtcp::tcp
