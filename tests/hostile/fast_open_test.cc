// SPDX-License-Identifier: Apache-2.0
// Data in SYNs from those who have no right to it (RFC 7413 §5): guessed cookies, stolen ones, more
// than the queue holds, floods.
#include "tests/hostile/hostile_fixture.h"

namespace mtcp::victim {
namespace {

constexpr int kOptionTcpFastOpen = 23;  // TCP_FASTOPEN

class FastOpenAttack : public Hostile {
  protected:
    void SetUp() override {
        Hostile::SetUp();
        setup.stack.tcp.fast_open = tcp::FastOpen::client | tcp::FastOpen::server;
        setup.stack.half_open_max = 256;
    }
    // The listener takes data in SYNs, from so many at a time.
    void allow(int limit) {
        victim();
        const auto value = std::as_bytes(std::span(&limit, 1));
        ASSERT_EQ(sockets().set_option(listener, 6, kOptionTcpFastOpen, value), 0);
        victim().settle();
    }
    static Bytes option_of(const Bytes& cookie) {
        Bytes option = bytes_of({34, static_cast<unsigned>(cookie.size() + 2)});
        option.insert(option.end(), cookie.begin(), cookie.end());
        return option;
    }
    // What an honest client at this address is given.
    Bytes cookie_for(wire::IpAddress address) {
        RawPeer peer(victim(), 30'000, 80, address);
        peer.snd_nxt = peer.iss;
        TcpFields syn = peer.segment(Flags::syn);
        syn.options = option_of({});
        peer.throw_in(syn);
        const auto heard = victim().take_heard();
        EXPECT_EQ(heard.size(), 1u);
        if (heard.empty()) return {};
        const wire::Options& options = heard[0].segment.options;
        EXPECT_EQ(options.fast_open_length, 8);
        peer.snd_nxt = peer.iss + 1;
        peer.throw_in(peer.segment(Flags::rst));
        const auto bytes = std::as_bytes(std::span(options.fast_open_cookie)).first(8);
        return {bytes.begin(), bytes.end()};
    }
    // Does the SYN-ACK acknowledge the data, too?
    bool opens(std::uint16_t port, const Bytes& cookie, wire::IpAddress from = kAttacker) {
        RawPeer peer(victim(), port, 80, from);
        peer.snd_nxt = peer.iss;
        TcpFields syn = peer.segment(Flags::syn, text("stolen goods"));
        syn.options = option_of(cookie);
        peer.throw_in(syn);
        const auto heard = victim().take_heard();
        EXPECT_LE(heard.size(), 1u) << "one answer for one SYN";
        return !heard.empty() && heard[0].segment.ack.raw == peer.iss + 1 + 12;
    }
    int accepted() {
        int count = 0;
        while (accept() >= 0)
            ++count;
        return count;
    }
};

TEST_F(FastOpenAttack, ARightCookieOpensTheDoor) {
    allow(16);
    EXPECT_TRUE(opens(31'000, cookie_for(kAttacker)));
    EXPECT_EQ(accepted(), 1);
}

// Every bit of it counts, and no answer tells how near a guess was.
TEST_F(FastOpenAttack, GuessedCookiesOpenNothing) {
    allow(16);
    const Bytes right = cookie_for(kAttacker);
    for (std::size_t bit = 0; bit < 64; ++bit) {
        Bytes wrong = right;
        wrong[bit / 8] ^= static_cast<std::byte>(1u << bit % 8);
        EXPECT_FALSE(opens(static_cast<std::uint16_t>(31'000 + bit), wrong)) << bit;
    }
    Random random(3);
    for (int i = 0; i < 5'000; ++i) {
        Bytes guess(4 + 2 * random.below(7));  // 4 to 16 bytes
        for (std::byte& byte : guess)
            byte = static_cast<std::byte>(random.below(256));
        EXPECT_FALSE(opens(static_cast<std::uint16_t>(32'000 + i), guess));
    }
    EXPECT_EQ(accepted(), 0);
    EXPECT_GE(victim().counters().fast_open_refused, 64u);
    EXPECT_EQ(victim().counters().fast_opens_passive, 0u);
}

// RFC 7413 §4.1.2: a cookie is of an address.
TEST_F(FastOpenAttack, AStolenCookieIsWorthNothingElsewhere) {
    allow(16);
    const Bytes right = cookie_for(kAttacker);
    for (std::uint32_t i = 0; i < 200; ++i) {
        const auto other = wire::IpAddress::v4(0x0a000064 + i % 100);
        EXPECT_FALSE(opens(static_cast<std::uint16_t>(33'000 + i), right, other)) << i;
    }
    EXPECT_EQ(accepted(), 0);
    EXPECT_GE(victim().counters().fast_open_refused, 64u) << "as many as the backlog holds";
}

// RFC 7413 §5.1: whoever shows a right cookie and never completes the handshake fills the queue and
// nothing else; resets do not empty it at once.
TEST_F(FastOpenAttack, TheQueueIsLimited) {
    allow(5);
    const Bytes right = cookie_for(kAttacker);
    int opened = 0;
    for (std::uint16_t i = 0; i < 100; ++i)
        opened += opens(static_cast<std::uint16_t>(34'000 + i), right) ? 1 : 0;
    EXPECT_EQ(opened, 5);
    EXPECT_GE(victim().counters().fast_open_overflows, 50u);
    for (std::uint16_t i = 0; i < 5; ++i) {
        RawPeer peer(victim(), static_cast<std::uint16_t>(34'000 + i));
        peer.snd_nxt = peer.iss + 1 + 12;
        peer.throw_in(peer.segment(Flags::rst));
    }
    EXPECT_FALSE(opens(35'000, right)) << "not by resetting one's own";
    static_cast<void>(accepted());
    victim().run_for(seconds(130));  // the half-open ones go, too
    static_cast<void>(victim().take_heard());
    EXPECT_TRUE(opens(36'000, right));
}

// Without a cookie the data is not even stored; with a wrong one neither.
TEST_F(FastOpenAttack, AFloodOfDataInSynsHoldsNoChunks) {
    allow(16);
    victim().keep_nothing();
    const std::uint64_t chunks = victim().core().levels().chunks;
    const Bytes guess(8, std::byte{7});
    for (std::uint32_t i = 0; i < 20'000; ++i) {
        RawPeer peer(victim(), static_cast<std::uint16_t>(1024 + i), 80,
                     wire::IpAddress::v4(0x0a000043 + i % 100));
        peer.snd_nxt = peer.iss;
        TcpFields syn = peer.segment(Flags::syn, Bytes(1400, std::byte{'x'}));
        if (i % 2 == 0) syn.options = option_of(guess);
        peer.throw_in(syn);
    }
    EXPECT_EQ(victim().core().levels().chunks, chunks);
    EXPECT_LE(victim().core().levels().half_open, 256u);
    EXPECT_EQ(victim().counters().fast_opens_passive, 0u);
    EXPECT_EQ(accepted(), 0);
}

}  // namespace
}  // namespace mtcp::victim
