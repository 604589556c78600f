// SPDX-License-Identifier: Apache-2.0
// From a TCP segment to the wire: routes, headers, checksums, address resolution.
#include <gtest/gtest.h>

#include <set>

#include "net/testing/host.h"

namespace mtcp::net {
namespace {

using namespace testing;  // NOLINT: packet builders

bool is_arp(const Bytes& frame) { return wire::parse_ethernet(frame)->type == wire::kEtherTypeArp; }
wire::IpAddress asked_for(const Bytes& frame) {
    return wire::parse_arp(std::span(frame).subspan(14))->target;
}
std::span<const std::byte> segment_in(const Bytes& frame) {
    return std::span(frame).subspan(wire::kEthernetHeader + wire::kIpv4HeaderMin);
}

// The peer answers the question for its address.
void resolve(Host& host, wire::IpAddress peer = kPeerIp) {
    Path path = host.path_to(peer);
    ASSERT_TRUE(host.send_tcp(path, peer));
    host.flush();
    ASSERT_EQ(host.input(arp_reply(peer, kPeerMac)), Verdict::consumed);
    host.flush();
}

TEST(Route, IsChosenWithSourceMtuAndNextHop) {
    Host host;
    const auto near = host.network().route(kPeerIp, {});
    ASSERT_TRUE(near.ok());
    EXPECT_EQ(near->path.interface, 0);
    EXPECT_EQ(near->path.mtu, 1500);
    EXPECT_EQ(near->path.header_room, 34);
    EXPECT_EQ(near->source, kOurIp);
    EXPECT_TRUE(host.network().has_route(kFarIp));
    EXPECT_FALSE(host.network().has_route(ip(224, 0, 0, 1)));
}

TEST(Route, FailuresAreToldApart) {
    NetworkConfiguration configuration = one_ethernet();
    configuration.routes.clear();
    Host host(configuration);
    EXPECT_EQ(host.network().route(kFarIp, {}).error(), RouteError::no_route);
    EXPECT_EQ(host.network().route(kPeerIp, kFarIp).error(), RouteError::source_not_ours);
    for (const wire::IpAddress bad : {ip(10, 0, 0, 255), ip(224, 0, 0, 1), ip(0, 0, 0, 0)}) {
        EXPECT_EQ(host.network().route(bad, {}).error(), RouteError::bad_destination);
    }
}

// Whether or not the cache knows the way.
TEST(Route, ALoopbackSourceLeavesByNoWire) {
    NetworkConfiguration configuration = one_ethernet();
    InterfaceConfiguration loopback;
    loopback.name = "lo";
    loopback.layer = io::Layer::ip;
    loopback.kind = InterfaceKind::loopback;
    loopback.addresses = {Prefix{ip(127, 0, 0, 1), 8}};
    configuration.interfaces.push_back(loopback);
    Host host(configuration);
    for (int i = 0; i < 2; ++i) {
        const auto outwards = host.network().route(kPeerIp, ip(127, 0, 0, 1));
        ASSERT_FALSE(outwards.ok());
        EXPECT_EQ(outwards.error(), RouteError::source_loops);
        EXPECT_TRUE(host.network().route(kPeerIp, {}).ok());
        EXPECT_TRUE(host.network().route(kOurIp, ip(127, 0, 0, 1)).ok());
        EXPECT_TRUE(host.network().route(ip(127, 0, 0, 2), ip(127, 0, 0, 1)).ok());
    }
}

TEST(Route, OwnAddressesStayInside) {
    Host host;
    const auto route = host.network().route(kOurIp, {});
    ASSERT_TRUE(route.ok());
    EXPECT_EQ(route->path.interface, kLocal);
    EXPECT_EQ(route->source, kOurIp);
}

TEST(Route, TheDeviceHasTheLastWordOnTheMtu) {
    io::Capabilities narrow;
    narrow.mtu = 1400;
    Host host(one_ethernet(), narrow);
    EXPECT_EQ(host.path_to(kPeerIp).mtu, 1400);
}

TEST(Output, AnUnknownNeighbourIsAskedForAndTheSegmentFollows) {  // Checks RFC 9293 MUST-2.
    Host host;
    Path path = host.path_to(kPeerIp);
    ASSERT_TRUE(host.send_tcp(path, kPeerIp, 100));
    auto sent = host.flush();
    ASSERT_EQ(sent.size(), 1u);
    ASSERT_TRUE(is_arp(sent[0]));
    EXPECT_EQ(asked_for(sent[0]), kPeerIp);
    EXPECT_EQ(wire::parse_ethernet(sent[0])->destination, wire::kMacBroadcast);

    ASSERT_EQ(host.input(arp_reply(kPeerIp, kPeerMac)), Verdict::consumed);
    sent = host.flush();
    ASSERT_EQ(sent.size(), 1u);
    const auto ethernet_header = wire::parse_ethernet(sent[0]);
    EXPECT_EQ(ethernet_header->destination, kPeerMac);
    EXPECT_EQ(ethernet_header->source, kOurMac);
    const auto header = wire::parse_ipv4(std::span(sent[0]).subspan(14));
    ASSERT_TRUE(header.ok());
    EXPECT_EQ(header->total_length, 140);
    EXPECT_EQ(header->fragment, wire::kIpv4DontFragment);
    EXPECT_EQ(header->ttl, 64);
    EXPECT_EQ(header->source, kOurIp);
    EXPECT_EQ(header->destination, kPeerIp);
    EXPECT_TRUE(wire::tcp_checksum_valid(kOurIp, kPeerIp, segment_in(sent[0])));
}

wire::Ipv4Header ip_header_in(const Bytes& frame) {
    const auto header = wire::parse_ipv4(std::span(frame).subspan(wire::kEthernetHeader));
    EXPECT_TRUE(header.ok());
    return header.ok() ? *header : wire::Ipv4Header{};
}

// Checks RFC 6864 §4.3.
TEST(Output, PacketsThatMayBeCutHaveAnIdentificationOfTheirOwn) {
    Host host;
    resolve(host);
    Path path = host.path_to(kPeerIp);
    host.may_be_cut = true;
    std::set<std::uint16_t> seen;
    for (std::size_t i = 1; i <= 2000; ++i) {
        ASSERT_TRUE(host.send_tcp(path, kPeerIp));
        const auto frames = host.flush();
        ASSERT_EQ(frames.size(), 1u);
        const wire::Ipv4Header header = ip_header_in(frames[0]);
        EXPECT_EQ(header.fragment, 0);
        seen.insert(header.identification);
        ASSERT_EQ(seen.size(), i);
    }
}

// The device gives each packet that it cuts from a train the next number.
TEST(Output, ATrainThatMayBeCutTakesAnIdentificationForEachOfItsPackets) {
    io::Capabilities tso;
    tso.transmit_segmentation = 60'000;
    tso.frame_size = 60'000;
    Host host(one_ethernet(), tso, 16);
    resolve(host);
    Path path = host.path_to(kPeerIp);
    host.may_be_cut = true;
    ASSERT_TRUE(host.send_tcp(path, kPeerIp, 10'001, 1000));
    ASSERT_TRUE(host.send_tcp(path, kPeerIp));
    const auto frames = host.flush();
    ASSERT_EQ(frames.size(), 2u);
    const std::uint16_t first = ip_header_in(frames[0]).identification;
    EXPECT_EQ(ip_header_in(frames[1]).identification, static_cast<std::uint16_t>(first + 11));
}

TEST(Output, FarHostsAreReachedThroughTheGateway) {
    Host host;
    Path path = host.path_to(kFarIp);
    ASSERT_TRUE(host.send_tcp(path, kFarIp));
    auto sent = host.flush();
    ASSERT_EQ(sent.size(), 1u);
    EXPECT_EQ(asked_for(sent[0]), kGatewayIp);
    ASSERT_EQ(host.input(arp_reply(kGatewayIp, kOtherMac)), Verdict::consumed);
    sent = host.flush();
    ASSERT_EQ(sent.size(), 1u);
    EXPECT_EQ(wire::parse_ethernet(sent[0])->destination, kOtherMac);
    EXPECT_EQ(wire::parse_ipv4(std::span(sent[0]).subspan(14))->destination, kFarIp);
}

TEST(Output, SegmentsThatWaitAreBoundedPerNeighbourAndLeaveInOrder) {
    Host host;
    Path path = host.path_to(kPeerIp);
    for (std::size_t i = 0; i < 68; ++i)
        ASSERT_TRUE(host.send_tcp(path, kPeerIp, i));
    EXPECT_EQ(host.counters.drops(Drop::neighbour_queue_full), 4u);
    host.flush();
    host.input(arp_reply(kPeerIp, kPeerMac));
    const auto sent = host.flush();
    ASSERT_EQ(sent.size(), 64u);
    for (std::size_t i = 0; i < 64; ++i) {
        EXPECT_EQ(segment_in(sent[i]).size(), 20 + i + 4) << "the latest stay";
    }
}

TEST(Output, SegmentsThatWaitAreBoundedInAll) {
    NetworkConfiguration configuration = one_ethernet();
    configuration.limits.parked = 10;
    Host host(configuration);
    for (unsigned i = 2; i < 22; ++i) {
        Path path = host.path_to(ip(10, 0, 0, i));
        ASSERT_TRUE(host.send_tcp(path, ip(10, 0, 0, i)));
    }
    EXPECT_EQ(host.counters.drops(Drop::neighbour_queue_full), 10u);
    host.destroy_network();
    EXPECT_EQ(host.queue().free_frames(), 512u) << "every frame comes home";
}

TEST(Output, ANeighbourThatDoesNotAnswerFailsTheFlowsThatWait) {
    Host host;
    Path path = host.path_to(kFarIp);
    ASSERT_TRUE(host.send_tcp(path, kFarIp));
    ASSERT_TRUE(host.send_tcp(path, kFarIp));
    host.pass(milliseconds(2999));
    EXPECT_EQ(host.flush().size(), 3u) << "three questions";
    PathErrorNotice notice;
    EXPECT_FALSE(host.network().poll_failure(notice));
    host.pass(milliseconds(1));
    for (int i = 0; i < 2; ++i) {
        ASSERT_TRUE(host.network().poll_failure(notice));
        EXPECT_EQ(notice.kind, PathError::no_neighbour);
        EXPECT_EQ(notice.key, (wire::FlowKey{kOurIp, kFarIp, 80, 1000}));
        EXPECT_EQ(notice.seq.raw, 99u);
    }
    EXPECT_FALSE(host.network().poll_failure(notice));
    EXPECT_EQ(host.counters.drops(Drop::neighbour_failed), 2u);
    EXPECT_TRUE(host.flush().empty());
    EXPECT_EQ(host.network().deadline(), kNever);
}

TEST(Output, EchoRepliesThatWaitFailWithoutANotice) {
    Host host;
    IpFields fields;
    fields.source = ip(10, 0, 0, 77);
    fields.protocol = wire::kProtocolIcmp;
    host.input(ethernet(ipv4(fields, testing::icmp(8, 0, 1, pattern(8)))));
    host.pass(seconds(10));
    PathErrorNotice notice;
    EXPECT_FALSE(host.network().poll_failure(notice));
    EXPECT_EQ(host.only_drop(), Drop::neighbour_failed);
}

TEST(Output, APathWhoseRecordWasReusedFindsItsNextHopAgain) {
    NetworkConfiguration configuration = one_ethernet();
    configuration.limits.neighbours = 4;
    Host host(configuration);
    resolve(host);
    Path old = host.path_to(kPeerIp);
    for (unsigned i = 10; i < 30; ++i)
        static_cast<void>(host.path_to(ip(10, 0, 0, i)));
    ASSERT_TRUE(host.send_tcp(old, kPeerIp));
    const auto sent = host.flush();
    ASSERT_EQ(sent.size(), 1u);
    EXPECT_TRUE(is_arp(sent[0])) << "never to a stranger's MAC address";
    EXPECT_EQ(asked_for(sent[0]), kPeerIp);
}

TEST(Output, ADeviceThatCompletesChecksumsGetsThePseudoHeaderSum) {
    io::Capabilities device;
    device.transmit_checksum = true;
    device.transmit_segmentation = 65535;
    device.frame_size = 8000;
    Host host(one_ethernet(), device, 64);
    resolve(host);
    Path path = host.path_to(kPeerIp);
    ASSERT_TRUE(host.send_tcp(path, kPeerIp, 4000, 1460));
    const auto sent = host.flush();
    ASSERT_EQ(sent.size(), 1u);
    const io::Frame& frame = host.queue().sent_frames.back();
    EXPECT_EQ(frame.checksum, io::Checksum::partial);
    EXPECT_EQ(frame.checksum_start, 34);
    EXPECT_EQ(frame.header_length, 54);
    EXPECT_EQ(frame.segment_size, 1460);
    EXPECT_EQ(wire::load_be16(segment_in(sent[0]).data() + 16),
              wire::fold(wire::pseudo_header_sum(kOurIp, kPeerIp, 6, 4020)));
    EXPECT_EQ(wire::parse_ipv4(std::span(sent[0]).subspan(14))->total_length, 4040);
}

TEST(Output, TheChecksumIsRightForEveryLengthOfPayload) {
    Host host;
    resolve(host);
    for (std::size_t length = 0; length < 70; ++length) {
        Path path = host.path_to(kPeerIp);
        io::Frame frame;
        ASSERT_TRUE(host.network().allocate(0, frame));
        Bytes segment = testing::tcp(kOurIp, kPeerIp, 80, 1000, 99);
        wire::store_be16(segment.data() + 16, 0);
        std::memcpy(frame.data + path.header_room, segment.data(), 20);
        const TcpPacket packet{.source = kOurIp,
                               .destination = kPeerIp,
                               .length = static_cast<std::uint32_t>(20 + length),
                               .header = {20, wire::checksum_add(0, std::span(segment).first(20))}};
        const Bytes payload = pattern(length, 0xf0);
        std::copy(payload.begin(), payload.end(), frame.data + path.header_room + 20);
        host.network().output(path, packet, frame, host.now);
        const auto sent = host.flush();
        ASSERT_EQ(sent.size(), 1u);
        EXPECT_TRUE(wire::tcp_checksum_valid(kOurIp, kPeerIp, segment_in(sent[0]))) << length;
    }
}

TEST(Output, OversizeSegmentsAreDroppedAndTheFrameComesHome) {
    Host host;
    resolve(host);
    Path path = host.path_to(kPeerIp);
    ASSERT_TRUE(host.send_tcp(path, kPeerIp, 1460));
    EXPECT_EQ(host.drops(), 0u);
    ASSERT_TRUE(host.send_tcp(path, kPeerIp, 1461));
    EXPECT_EQ(host.only_drop(), Drop::io_oversize);
    EXPECT_EQ(host.flush().size(), 1u);
    host.destroy_network();
    EXPECT_EQ(host.queue().free_frames(), 512u);
}

TEST(Output, AnIdleNeighbourIsConfirmedWithoutDelayingTheSegment) {
    Host host;
    resolve(host);
    host.pass(seconds(61));
    Path path = host.path_to(kPeerIp);
    ASSERT_TRUE(host.send_tcp(path, kPeerIp));
    auto sent = host.flush();
    ASSERT_EQ(sent.size(), 2u);
    EXPECT_FALSE(is_arp(sent[0]));
    EXPECT_TRUE(is_arp(sent[1]));
    EXPECT_EQ(wire::parse_ethernet(sent[1])->destination, kPeerMac);
    host.input(arp_reply(kPeerIp, kPeerMac));
    host.pass(seconds(30));
    EXPECT_TRUE(host.flush().empty());
}

TEST(Output, LayerThreeDevicesGetBareIpPackets) {
    NetworkConfiguration configuration = one_ethernet();
    configuration.interfaces[0].layer = io::Layer::ip;
    Host host(configuration);
    Path path = host.path_to(kFarIp);
    EXPECT_EQ(path.header_room, 20);
    ASSERT_TRUE(host.send_tcp(path, kFarIp, 10));
    const auto sent = host.flush();
    ASSERT_EQ(sent.size(), 1u);
    EXPECT_EQ(sent[0].size(), 50u);
    EXPECT_TRUE(wire::parse_ipv4(sent[0]).ok());
}

TEST(Output, AFullRingKeepsFramesForTheNextFlush) {
    Host host;
    resolve(host);
    host.queue().ring_room = 0;
    Path path = host.path_to(kPeerIp);
    ASSERT_TRUE(host.send_tcp(path, kPeerIp));
    EXPECT_EQ(host.network().flush(host.now), 1u);
    host.queue().ring_room = 100;
    EXPECT_EQ(host.network().flush(host.now), 0u);
}

}  // namespace
}  // namespace mtcp::net
