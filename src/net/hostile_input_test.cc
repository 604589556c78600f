// SPDX-License-Identifier: Apache-2.0
// Packets that nobody sane sends: every truncation, and many random bit errors. The rule: no read
// beyond the frame (a sanitizer watches), exactly one counter for what is dropped, and all frames
// come home.
#include <gtest/gtest.h>

#include "net/testing/host.h"

namespace mtcp::net {
namespace {

using namespace testing;  // NOLINT: packet builders

std::vector<Bytes> specimens() {
    IpFields icmp_to_us;
    icmp_to_us.protocol = wire::kProtocolIcmp;
    IpFields udp;
    udp.protocol = wire::kProtocolUdp;
    IpFields first_fragment;
    first_fragment.fragment = wire::kIpv4MoreFragments;
    IpFields last_fragment;
    last_fragment.fragment = 6;
    IpFields options;
    options.options = {std::byte{7}, std::byte{7}, std::byte{4}, std::byte{0},
                       std::byte{0}, std::byte{0}, std::byte{0}, std::byte{0}};
    IpFields quoted;
    quoted.source = kOurIp;
    quoted.destination = kFarIp;
    const Bytes quote = ipv4(quoted, testing::tcp(kOurIp, kFarIp, 80, 1000, 1));
    const Bytes segment = testing::tcp(kPeerIp, kOurIp, 1000, 80, 7, pattern(28));
    return {
        tcp_frame(pattern(40)),
        ethernet(ipv4(options, segment)),
        ethernet(ipv4(first_fragment, segment)),
        ethernet(ipv4(last_fragment, segment)),
        ethernet(ipv4(icmp_to_us, testing::icmp(8, 0, 1, pattern(40)))),
        ethernet(ipv4(icmp_to_us, testing::icmp(3, 4, 1280, quote))),
        ethernet(ipv4(icmp_to_us, testing::icmp(3, 1, 0, quote))),
        ethernet(ipv4(icmp_to_us, testing::icmp(11, 0, 0, quote))),
        ethernet(ipv4(udp, pattern(40))),
        arp_request(kPeerIp, kPeerMac, kOurIp),
        arp_reply(kPeerIp, kPeerMac),
    };
}

// Inputs one frame and checks the counting rule.
void check_input(Host& host, const Bytes& frame) {
    const std::uint64_t before = host.drops();
    const std::uint64_t evicted_before = host.counters.drops(Drop::fragment_table_full);
    const Verdict verdict = host.input(frame);
    const std::uint64_t counted = host.drops() - before;
    // What the packet pushed out of the reassembly table is another packet's drop.
    const std::uint64_t evicted = host.counters.drops(Drop::fragment_table_full) - evicted_before;
    if (verdict == Verdict::dropped) {
        ASSERT_TRUE(counted - evicted == 1 || (counted == 1 && evicted == 1));
    } else {
        ASSERT_EQ(counted - evicted, 0u);
    }
    if (verdict == Verdict::tcp) {
        // Read every byte that was promised.
        Counters unused;
        static_cast<void>(verify_checksum(host.tcp_in, unused));
    }
}

NetworkConfiguration generous() {
    NetworkConfiguration configuration = one_ethernet();
    configuration.limits.parked_per_neighbour = 1000;  // so that answers that wait are not dropped
    configuration.limits.parked = 4000;
    configuration.limits.icmp_errors_per_second = 1'000'000;
    configuration.limits.echo_replies_per_second = 1'000'000;
    return configuration;
}

TEST(HostileInput, EveryTruncationIsDroppedOrHarmless) {
    for (const Bytes& frame : specimens()) {
        Host host(generous());
        host.meet();
        for (std::size_t length = 0; length <= frame.size(); ++length) {
            check_input(host,
                        Bytes(frame.begin(), frame.begin() + static_cast<std::ptrdiff_t>(length)));
            host.flush();
        }
    }
}

// With the IP header checksum repaired, so that the errors reach what lies behind it.
void repair(Bytes& frame) {
    if (frame.size() < 34 || wire::parse_ethernet(frame)->type != wire::kEtherTypeIpv4) return;
    const std::size_t length = (std::to_integer<std::size_t>(frame[14]) & 15) * 4;
    if (length < 20 || frame.size() < 14 + length) return;
    wire::store_be16(frame.data() + 24, 0);
    wire::store_be16(frame.data() + 24,
                     wire::finish(wire::checksum_add(0, std::span(frame).subspan(14, length))));
}

TEST(HostileInput, RandomBitErrorsNeverCrashAndAlwaysCountOnce) {
    const std::vector<Bytes> good = specimens();
    Random random(2026);
    Host host(generous(), {}, 8192);
    host.meet();
    for (int i = 0; i < 100'000; ++i) {
        Bytes frame = good[random.below(static_cast<std::uint32_t>(good.size()))];
        const std::uint32_t errors = 1 + random.below(6);
        for (std::uint32_t e = 0; e < errors; ++e) {
            const std::uint32_t bit = random.below(static_cast<std::uint32_t>(frame.size()) * 8);
            frame[bit / 8] ^= std::byte{1} << (bit % 8);
        }
        if (random.chance(700'000)) repair(frame);
        if (random.chance(100'000))
            frame.resize(random.below(static_cast<std::uint32_t>(frame.size())));
        check_input(host, frame);
        if (HasFatalFailure()) return;
        if (i % 64 == 0) {
            host.pass(milliseconds(random.below(300)));
            host.flush();
            PathErrorNotice notice;
            while (host.network().poll_failure(notice)) {
            }
        }
    }
    host.pass(seconds(60));
    host.flush();
    host.destroy_network();
    EXPECT_EQ(host.queue().free_frames(), 8192u);
}

TEST(HostileInput, RandomBytesNeverCrash) {
    Random random(7);
    Host host(generous());
    for (int i = 0; i < 20'000; ++i) {
        Bytes frame(random.below(200));
        for (std::byte& byte : frame)
            byte = static_cast<std::byte>(random.next());
        if (frame.size() >= 14 && random.chance(900'000)) {
            wire::emit_ethernet(
                {kOurMac, kPeerMac,
                 random.chance(800'000) ? wire::kEtherTypeIpv4 : wire::kEtherTypeArp},
                frame.data());
            if (frame.size() >= 15) frame[14] = std::byte{0x45};
            repair(frame);
        }
        check_input(host, frame);
        if (HasFatalFailure()) return;
        host.flush();
    }
}

TEST(HostileInput, AFloodFromEveryAddressLeavesRoomForKnownNeighbours) {
    Host host;
    Path path = host.path_to(kPeerIp);
    ASSERT_TRUE(host.send_tcp(path, kPeerIp));
    host.input(arp_reply(kPeerIp, kPeerMac));
    host.flush();
    NetworkConfiguration wide;
    IpFields fields;
    fields.protocol = wire::kProtocolIcmp;
    for (unsigned i = 3; i < 250; ++i) {
        fields.source = ip(10, 0, 0, i);
        host.input(ethernet(ipv4(fields, testing::icmp(8, 0, 1, pattern(8)))));
        host.now = host.now + milliseconds(1);
    }
    host.flush();
    ASSERT_TRUE(host.send_tcp(path, kPeerIp));
    const auto sent = host.flush();
    ASSERT_EQ(sent.size(), 1u);
    EXPECT_EQ(wire::parse_ethernet(sent[0])->destination, kPeerMac);
}

TEST(HostileInput, ExhaustedTransmitFramesComeBack) {
    Host host(one_ethernet(), {}, 3);
    Path path = host.path_to(kPeerIp);
    for (int i = 0; i < 3; ++i)
        static_cast<void>(host.send_tcp(path, kPeerIp));
    EXPECT_FALSE(host.send_tcp(path, kPeerIp));
    host.pass(seconds(10));
    host.flush();
    EXPECT_TRUE(host.send_tcp(path, kPeerIp)) << "the failed resolution gave the frames back";
}

}  // namespace
}  // namespace mtcp::net
