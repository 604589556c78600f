// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include "net/testing/host.h"

namespace mtcp::net {
namespace {

using namespace testing;  // NOLINT: packet builders

// The frame with a tag of IEEE 802.1Q; `tag`: priority and VLAN.
Bytes tagged(std::uint16_t tag, const Bytes& frame) {
    Bytes four(4);
    wire::store_be16(four.data(), wire::kEtherTypeVlan);
    wire::store_be16(four.data() + 2, tag);
    Bytes all = frame;
    all.insert(all.begin() + 12, four.begin(), four.end());
    return all;
}

TEST(EthernetInput, FramesForUsPass) {
    Host host;
    EXPECT_EQ(host.input(tcp_frame()), Verdict::tcp);
    EXPECT_EQ(host.drops(), 0u);
}

TEST(EthernetInput, OtherStationsFramesAreDropped) {
    Host host;
    const Bytes packet = ipv4({}, testing::tcp(kPeerIp, kOurIp, 1, 2, 3));
    EXPECT_EQ(host.input(ethernet(packet, wire::kEtherTypeIpv4, kOtherMac)), Verdict::dropped);
    EXPECT_EQ(host.only_drop(), Drop::ethernet_not_ours);
}

TEST(EthernetInput, ShortFramesAreDropped) {
    Host host;
    EXPECT_EQ(host.input(Bytes(13)), Verdict::dropped);
    EXPECT_EQ(host.only_drop(), Drop::ethernet_short);
}

TEST(EthernetInput, VlanTagsAreDroppedAndCounted) {
    Host host;
    const Bytes packet = ipv4({}, testing::tcp(kPeerIp, kOurIp, 1, 2, 3));
    EXPECT_EQ(host.input(tagged(0xa005, ethernet(packet))), Verdict::dropped);
    EXPECT_EQ(host.input(ethernet(Bytes(50), wire::kEtherTypeServiceVlan)), Verdict::dropped);
    EXPECT_EQ(host.counters.drops(Drop::ethernet_vlan), 2u);
}

TEST(EthernetInput, ATagWithoutAVlanIsPassedOver) {
    Host host;
    const Bytes packet = ipv4({}, testing::tcp(kPeerIp, kOurIp, 1, 2, 3));
    EXPECT_EQ(host.input(tagged(0xa000, ethernet(packet))), Verdict::tcp);
    EXPECT_EQ(host.tcp_in.key.remote, kPeerIp);
    EXPECT_EQ(host.tcp_in.bytes.size(), 20u);
    EXPECT_EQ(host.input(tagged(0xa000, arp_request(kPeerIp, kPeerMac, kOurIp))),
              Verdict::consumed);
    EXPECT_EQ(host.flush().size(), 1u);
    EXPECT_EQ(host.drops(), 0u);
    // No room for the tag, and another tag behind it.
    EXPECT_EQ(host.input(ethernet(Bytes(3), wire::kEtherTypeVlan)), Verdict::dropped);
    EXPECT_EQ(host.input(tagged(0, tagged(5, ethernet(packet)))), Verdict::dropped);
    EXPECT_EQ(host.counters.drops(Drop::ethernet_vlan), 2u);
}

TEST(EthernetInput, UnknownTypesAndLengthsAreDropped) {
    Host host;
    for (const int type : {0x0026, 0x05ff, 0x0801, 0x86dd, 0x88cc}) {
        EXPECT_EQ(host.input(ethernet(Bytes(50), static_cast<std::uint16_t>(type))),
                  Verdict::dropped);
    }
    EXPECT_EQ(host.counters.drops(Drop::ethernet_unknown_type), 5u);
}

TEST(EthernetInput, DevicesWithoutEthernetBeginWithIp) {
    NetworkConfiguration configuration = one_ethernet();
    configuration.interfaces[0].layer = io::Layer::ip;
    Host host(configuration);
    EXPECT_EQ(host.input(ipv4({}, testing::tcp(kPeerIp, kOurIp, 1, 2, 3))), Verdict::tcp);
    EXPECT_EQ(host.input(tcp_frame()), Verdict::dropped);
    EXPECT_EQ(host.only_drop(), Drop::ip_bad_version);
}

}  // namespace
}  // namespace mtcp::net
