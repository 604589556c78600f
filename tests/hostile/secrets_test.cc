// SPDX-License-Identifier: Apache-2.0
// What an observer must not be able to predict (NUMBER:JACK, CVE-2022-1012): initial sequence
// numbers, ports, timestamps, IP identifications.
#include <algorithm>
#include <set>

#include "tests/hostile/hostile_fixture.h"

namespace mtcp::victim {
namespace {

class Secrets : public Hostile {
  protected:
    void SetUp() override {
        Hostile::SetUp();
        setup.stack.half_open_max = 4096;
        setup.stack.max_concurrency = 2048;
    }
    // The victim's ISS for a SYN from this tuple, and what else its SYN-ACK says.
    Heard probe(std::uint16_t port, wire::IpAddress from = kAttacker) {
        RawPeer peer(victim(), port, 80, from);
        peer.snd_nxt = peer.iss;
        peer.timestamps = true;
        peer.throw_in(peer.segment(Flags::syn));
        auto heard = victim().take_heard();
        EXPECT_EQ(heard.size(), 1u);
        peer.snd_nxt = peer.iss + 1;
        peer.throw_in(peer.segment(Flags::rst));
        return heard.empty() ? Heard{} : std::move(heard[0]);
    }
    // How many of the 32 bits of `values` are set half of the time, give or take a tenth.
    static int fair_bits(const std::vector<std::uint32_t>& values) {
        int fair = 0;
        for (int bit = 0; bit < 32; ++bit) {
            const auto ones = std::count_if(values.begin(), values.end(),
                                            [bit](std::uint32_t v) { return (v >> bit & 1) != 0; });
            const double share = static_cast<double>(ones) / static_cast<double>(values.size());
            fair += share > 0.4 && share < 0.6 ? 1 : 0;
        }
        return fair;
    }
};

// RFC 6528: other tuples are unrelated, the same tuple only grows.
TEST_F(Secrets, InitialNumbersOfDifferentTuplesAreUnrelated) {
    std::vector<std::uint32_t> numbers;
    std::vector<std::uint32_t> steps;
    std::vector<std::uint32_t> second_steps;
    for (std::uint16_t i = 0; i < 1000; ++i) {
        numbers.push_back(probe(static_cast<std::uint16_t>(10'000 + i)).segment.seq.raw);
        if (i > 0) steps.push_back(numbers[i] - numbers[i - 1u]);
        if (i > 1) second_steps.push_back(steps[i - 1u] - steps[i - 2u]);
    }
    EXPECT_EQ(fair_bits(numbers), 32);
    EXPECT_EQ(fair_bits(steps), 32) << "no fixed increment";
    EXPECT_EQ(fair_bits(second_steps), 32);
    EXPECT_EQ(std::set<std::uint32_t>(numbers.begin(), numbers.end()).size(), numbers.size());
}

TEST_F(Secrets, InitialNumbersOfOneTupleOnlyGrow) {
    std::uint32_t last = probe(10'000).segment.seq.raw;
    for (int i = 0; i < 100; ++i) {
        victim().run_for(milliseconds(10));
        const std::uint32_t next = probe(10'000).segment.seq.raw;
        EXPECT_GT(static_cast<std::int32_t>(next - last), 0);
        EXPECT_LT(next - last, 1u << 20) << "250 kHz";
        last = next;
    }
}

TEST_F(Secrets, InitialNumbersDependOnTheSecret) {
    const std::uint32_t first = probe(10'000).segment.seq.raw;
    VictimSetup other;
    other.seed = 99;
    Victim second(other);
    sim::Sockets& sockets = second.sockets();
    const int fd = static_cast<int>(sockets.make(sim::Blocking::never_blocks));
    EXPECT_EQ(sockets.bind(fd, {{}, 80}), 0);
    EXPECT_EQ(sockets.listen(fd, 8), 0);
    second.settle();
    RawPeer peer(second, 10'000);
    EXPECT_TRUE(peer.connect());
    EXPECT_NE(peer.victim_iss, first);
}

// RFC 7323 §5.4: timestamps of different tuples start anywhere, so that they count no uptime.
TEST_F(Secrets, TimestampsTellNoUptime) {
    std::vector<std::uint32_t> values;
    for (std::uint16_t i = 0; i < 500; ++i) {
        const Heard heard = probe(static_cast<std::uint16_t>(10'000 + i));
        ASSERT_TRUE(heard.segment.options.timestamps);
        values.push_back(heard.segment.options.ts_value);
    }
    EXPECT_EQ(fair_bits(values), 32);
}

// RFC 6864: an atomic datagram (DF, no fragment) needs no identification; nothing counts up.
TEST_F(Secrets, IpIdentificationsCountNothing) {
    std::set<std::uint16_t> seen;
    for (std::uint16_t i = 0; i < 200; ++i) {
        const Heard heard = probe(static_cast<std::uint16_t>(10'000 + i));
        EXPECT_EQ(heard.fragment & 0x4000, 0x4000);
        seen.insert(heard.identification);
    }
    // All the same (0), or all over the place: not one after another.
    EXPECT_TRUE(seen.size() == 1 || seen.size() > 150) << seen.size();
    std::uint16_t last = *seen.begin();
    int successors = 0;
    for (const std::uint16_t id : seen) {
        successors += id == static_cast<std::uint16_t>(last + 1) ? 1 : 0;
        last = id;
    }
    EXPECT_LT(successors, 20);
}

// Checks RFC 6056 §3.3.4: ports to different destinations start at different, secret places.
TEST_F(Secrets, PortsAreNotGuessedFromOneDestinationToTheNext) {
    victim();
    std::vector<std::uint16_t> ports;
    for (std::uint32_t i = 0; i < 200; ++i) {
        const int fd = static_cast<int>(sockets().make(sim::Blocking::never_blocks));
        static_cast<void>(sockets().connect(fd, {wire::IpAddress::v4(0x0a000100 + i), 443}));
        victim().settle();
        for (const Heard& heard : victim().take_heard())
            if (heard.is(Flags::syn)) ports.push_back(heard.key.local_port);
        EXPECT_EQ(sockets().abort(fd), 0);
    }
    ASSERT_GE(ports.size(), 200u);
    int near = 0;
    for (std::size_t i = 1; i < ports.size(); ++i)
        near += std::abs(int{ports[i]} - int{ports[i - 1]}) < 256 ? 1 : 0;
    EXPECT_LT(near, 10);
    EXPECT_GT(*std::max_element(ports.begin(), ports.end()) -
                  *std::min_element(ports.begin(), ports.end()),
              40'000);
}

}  // namespace
}  // namespace mtcp::victim
