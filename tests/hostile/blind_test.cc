// SPDX-License-Identifier: Apache-2.0
// Attackers who do not see the traffic and guess (RFC 5961, RFC 1337, CVE-2016-5696).
#include "tests/hostile/hostile_fixture.h"

namespace mtcp::victim {
namespace {

class Blind : public Hostile {
  protected:
    // A connection that the victim has closed first: it is in TIME-WAIT.
    Pair close_first() {
        Pair pair = establish();
        EXPECT_EQ(sockets().close(pair.fd), 0);
        victim().settle();
        pair.peer->listen();
        pair.peer->send(pair.peer->segment(Flags::ack | Flags::fin));
        return pair;
    }
};

// RFC 5961 §3.2: only the exact number resets; one within the window is challenged; others count
// for nothing.
TEST_F(Blind, AResetMustHitTheExactNumber) {
    Pair pair = establish();
    RawPeer& peer = *pair.peer;
    TcpFields rst = peer.segment(Flags::rst);
    rst.seq = peer.snd_nxt + 1;
    peer.throw_in(rst);
    auto answers = peer.listen();
    ASSERT_EQ(answers.size(), 1u) << "in the window: a challenge ACK";
    EXPECT_TRUE(answers[0].is(Flags::ack));
    rst.seq = peer.snd_nxt + peer.window + 1;
    peer.throw_in(rst);
    rst.seq = peer.snd_nxt - 1;
    peer.throw_in(rst);
    EXPECT_TRUE(peer.listen().empty()) << "outside: silence, never an ACK for a reset";
    expect_alive(pair);
    rst.seq = peer.snd_nxt;
    peer.throw_in(rst);
    EXPECT_EQ(read(pair.fd), "errno " + std::to_string(ECONNRESET));
}

// All numbers of a window, spaced as an attacker would space them: not one guess resets.
TEST_F(Blind, AThousandResetsInTheWindowGetOneChallengeInAHalfSecond) {
    Pair pair = establish();
    TcpFields rst = pair.peer->segment(Flags::rst);
    for (std::uint32_t i = 1; i <= 1000; ++i) {
        rst.seq = pair.peer->snd_nxt + i * 7;
        pair.peer->throw_in(rst);
    }
    EXPECT_EQ(pair.peer->listen().size(), 1u);
    victim().run_for(milliseconds(600));
    pair.peer->throw_in(rst);
    EXPECT_EQ(pair.peer->listen().size(), 1u);
    expect_alive(pair);
}

// RFC 5961 §4.2: a SYN is challenged, whatever its number.
TEST_F(Blind, ASynIsChallengedWhateverItsNumber) {
    Pair pair = establish();
    for (const std::uint32_t offset : {0u, 1u, 5000u, 0x8000'0000u, 0xffff'ffffu}) {
        victim().run_for(milliseconds(600));
        TcpFields syn = pair.peer->segment(Flags::syn);
        syn.seq = pair.peer->snd_nxt + offset;
        pair.peer->throw_in(syn);
        const auto answers = pair.peer->listen();
        ASSERT_EQ(answers.size(), 1u) << offset;
        EXPECT_TRUE(answers[0].is(Flags::ack));
        EXPECT_EQ(answers[0].segment.ack.raw, pair.peer->snd_nxt);
    }
    expect_alive(pair);
}

// RFC 5961 §5.2: data whose ACK was never valid is not taken (RFC 9293 MAY-12).
TEST_F(Blind, DataWithAnImpossibleAckIsNotTaken) {
    Pair pair = establish();
    for (const std::uint32_t offset : {1u, 100'000u, 0x4000'0000u, 0x8000'0000u, 0xfff0'0000u}) {
        TcpFields data = pair.peer->segment(Flags::ack | Flags::psh, text("forged"));
        data.ack = pair.peer->rcv_nxt + offset;
        pair.peer->throw_in(data);
    }
    EXPECT_EQ(read(pair.fd), "errno " + std::to_string(EAGAIN));
    EXPECT_EQ(victim().drops(Drop::tcp_bad_ack), 5u);
    victim().run_for(seconds(1));
    expect_alive(pair);
}

TEST_F(Blind, AnAckOfWhatWasNeverSentIsAnsweredAndWithoutEffect) {
    Pair pair = establish();
    EXPECT_EQ(write(pair.fd, 1000), 1000);
    pair.peer->listen();
    TcpFields ack = pair.peer->segment(Flags::ack);
    ack.ack = pair.peer->rcv_nxt + 1;
    pair.peer->throw_in(ack);
    const auto answers = pair.peer->listen();
    ASSERT_EQ(answers.size(), 1u);
    EXPECT_TRUE(answers[0].payload.empty());
    EXPECT_EQ(sockets().send(pair.fd, pattern(0, 1), 0), 1);
}

// CVE-2016-5696: nothing an attacker does to his own connection changes how another is challenged.
TEST_F(Blind, ChallengesOfOneConnectionSayNothingAboutAnother) {
    Pair own = establish(40'000);
    Pair others = establish(40'001);
    TcpFields rst = others.peer->segment(Flags::rst);
    rst.seq = others.peer->snd_nxt + 10;
    others.peer->throw_in(rst);
    EXPECT_EQ(others.peer->listen().size(), 1u);
    TcpFields syn = own.peer->segment(Flags::syn);
    own.peer->throw_in(syn);
    EXPECT_EQ(own.peer->listen().size(), 1u) << "his own limit is untouched";
    // And the other way round: exhausting one's own leaves the other's whole.
    for (int i = 0; i < 200; ++i)
        own.peer->throw_in(syn);
    EXPECT_TRUE(own.peer->listen().empty());
    victim().run_for(milliseconds(600));
    for (int i = 0; i < 200; ++i)
        own.peer->throw_in(syn);
    others.peer->throw_in(rst);
    victim().settle();
    int for_others = 0;
    for (const Heard& heard : victim().take_heard())
        for_others += heard.key.remote_port == others.peer->port ? 1 : 0;
    EXPECT_EQ(for_others, 1);
}

// RFC 1337: a reset in TIME-WAIT does not end it; old data is answered with an ACK.
TEST_F(Blind, TimeWaitIsNotAssassinated) {
    const Pair pair = close_first();
    ASSERT_EQ(victim().core().levels().time_wait, 1u);
    for (const std::uint32_t offset : {0u, 1u, 0xffff'ffffu}) {
        TcpFields rst = pair.peer->segment(Flags::rst);
        rst.seq = pair.peer->snd_nxt + offset;
        pair.peer->throw_in(rst);
    }
    EXPECT_EQ(victim().core().levels().time_wait, 1u);
    TcpFields old = pair.peer->segment(Flags::ack, text("old"));
    old.seq = pair.peer->snd_nxt - 100;
    pair.peer->throw_in(old);
    const auto answers = pair.peer->listen();
    ASSERT_FALSE(answers.empty());
    EXPECT_TRUE(answers[0].is(Flags::ack));
    EXPECT_EQ(victim().core().levels().time_wait, 1u);
    victim().run_for(seconds(130));
    EXPECT_EQ(victim().core().levels().time_wait, 0u);
}

// A client, or a server that listens no more: nothing new begins, and so nothing ends.
TEST_F(Blind, ASynDoesNotEndTimeWaitWhereNobodyListens) {
    const Pair pair = close_first();
    EXPECT_EQ(sockets().close(listener), 0);
    victim().settle();
    ASSERT_EQ(victim().core().levels().time_wait, 1u);
    pair.peer->listen();
    TcpFields syn = pair.peer->segment(Flags::syn);
    syn.seq = pair.peer->snd_nxt + 5000;
    pair.peer->throw_in(syn);
    EXPECT_EQ(victim().core().levels().time_wait, 1u);
    const auto answers = pair.peer->listen();
    ASSERT_EQ(answers.size(), 1u);
    EXPECT_TRUE(answers[0].is(Flags::rst | Flags::ack));
}

// A SYN with a higher number may open the tuple anew (RFC 9293 MAY-2, RFC 6191); an old one may
// not.
TEST_F(Blind, OnlyANewerSynReopensTimeWait) {
    const Pair pair = close_first();
    ASSERT_EQ(victim().core().levels().time_wait, 1u);
    TcpFields syn = pair.peer->segment(Flags::syn);
    syn.seq = pair.peer->snd_nxt - 5000;
    pair.peer->throw_in(syn);
    EXPECT_EQ(victim().core().levels().time_wait, 1u);
    pair.peer->listen();
    victim().run_for(seconds(1));  // our next ISS must be beyond all we sent
    syn.seq = pair.peer->snd_nxt + 5000;
    pair.peer->throw_in(syn);
    EXPECT_EQ(victim().core().levels().time_wait, 0u);
    const auto answers = pair.peer->listen();
    ASSERT_EQ(answers.size(), 1u);
    EXPECT_TRUE(answers[0].is(Flags::syn | Flags::ack));
}

// --- a receiver that wants more than its share

class Greedy : public Hostile {
  protected:
    static constexpr std::uint32_t kMss = 1460;
    Pair sending() {
        setup.stack.chunks.count = {4096, 2048, 64};
        Pair pair = establish(40'000, bytes_of({2, 4, 5, 0xb4}));
        write(pair.fd, 200'000);
        pair.peer->listen();
        first_ = pair.peer->victim_iss + 1;
        return pair;
    }
    // Bytes the victim sent so far.
    std::uint32_t sent(const Pair& pair) const { return pair.peer->rcv_nxt - first_; }
    std::uint32_t first_ = 0;
};

// RFC 3465, Savage et al.: ACK division earns no more than the bytes it acknowledges.
TEST_F(Greedy, AckDivisionEarnsBytesNotAcks) {
    Pair pair = sending();
    const std::uint32_t before = sent(pair);
    TcpFields ack = pair.peer->segment(Flags::ack);
    for (std::uint32_t i = 1; i <= kMss; ++i) {  // one segment, byte by byte
        ack.ack = first_ + i;
        pair.peer->throw_in(ack);
    }
    pair.peer->listen();
    // One segment acknowledged in slow start: at most two leave.
    EXPECT_LE(sent(pair) - before, 2 * kMss + kMss);
}

// Forged duplicate ACKs neither open the window without bound nor send the same data for ever.
TEST_F(Greedy, DuplicateAcksAreBoundedByWhatIsInFlight) {
    Pair pair = sending();
    const std::uint32_t before = sent(pair);
    const std::uint64_t retransmitted = victim().counters().segments_retransmitted;
    TcpFields ack = pair.peer->segment(Flags::ack);
    ack.ack = first_;
    for (int i = 0; i < 1000; ++i)
        pair.peer->throw_in(ack);
    pair.peer->listen();
    // RFC 5681 §3.2 step 4: they stand for what was in flight, no more.
    EXPECT_LE(sent(pair), 2 * before);
    EXPECT_LE(victim().counters().segments_retransmitted - retransmitted, 2 * (before / kMss + 1));
}

// An optimistic ACK for what is not sent yet is refused; one for what is in flight is all it gets.
TEST_F(Greedy, OptimisticAcksCannotRunAhead) {
    Pair pair = sending();
    TcpFields ack = pair.peer->segment(Flags::ack);
    std::uint32_t before = sent(pair);
    for (int i = 0; i < 100; ++i) {
        ack.ack = pair.peer->rcv_nxt + kMss * 3;
        pair.peer->throw_in(ack);
    }
    pair.peer->listen();
    EXPECT_EQ(sent(pair), before);
    EXPECT_GE(victim().drops(Drop::tcp_bad_ack), 100u);
}

}  // namespace
}  // namespace mtcp::victim
