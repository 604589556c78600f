// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include "net/testing/host.h"

namespace mtcp::net {
namespace {

using namespace testing;  // NOLINT: packet builders

Bytes segment(std::size_t payload = 0) {
    return testing::tcp(kPeerIp, kOurIp, 1000, 80, 7, pattern(payload));
}

TEST(Ipv4Input, TcpSegmentsComeOutWithTheirAddressesAndMarks) {
    Host host;
    IpFields fields;
    fields.tos = 0xbb;
    const Bytes sent = segment(100);
    Bytes frame = ethernet(ipv4(fields, sent));
    ASSERT_EQ(host.input(frame), Verdict::tcp);
    EXPECT_EQ(host.tcp_in.key.remote, kPeerIp);
    EXPECT_EQ(host.tcp_in.key.local, kOurIp);
    EXPECT_EQ(host.tcp_in.ecn, 3);
    EXPECT_EQ(host.tcp_in.interface, 0);
    EXPECT_EQ(Bytes(host.tcp_in.bytes.begin(), host.tcp_in.bytes.end()), sent);
    EXPECT_TRUE(verify_checksum(host.tcp_in, host.counters));
}

TEST(Ipv4Input, PaddingIsTakenOff) {
    Host host;
    Bytes frame = tcp_frame();
    frame.resize(60, std::byte{0xff});
    ASSERT_EQ(host.input(frame), Verdict::tcp);
    EXPECT_EQ(host.tcp_in.bytes.size(), 20u);
}

TEST(Ipv4Input, HarmlessOptionsAreSkipped) {  // Checks RFC 9293 MUST-50.
    Host host;
    IpFields fields;
    fields.options = {std::byte{148}, std::byte{4}, std::byte{0}, std::byte{0}};
    ASSERT_EQ(host.input(ethernet(ipv4(fields, segment(5)))), Verdict::tcp);
    EXPECT_EQ(host.tcp_in.bytes.size(), 25u);
}

TEST(Ipv4Input, EveryReasonToDropIsCountedOnce) {
    struct Row {
        const char* name;
        IpFields fields;
        wire::MacOctets to;
        Drop expected;
    };
    const Bytes source_route{std::byte{131}, std::byte{7}, std::byte{4}, std::byte{1},
                             std::byte{1},   std::byte{1}, std::byte{1}, std::byte{0}};
    const Bytes bad_option{std::byte{68}, std::byte{0}, std::byte{0}, std::byte{0}};
    const auto from = [](wire::IpAddress source) { return IpFields{source}; };
    const auto to = [](wire::IpAddress destination, std::uint8_t protocol) {
        return IpFields{kPeerIp, destination, protocol};
    };
    const auto with = [](const Bytes& options) {
        IpFields fields;
        fields.options = options;
        return fields;
    };
    const Row rows[] = {
        {"source route", with(source_route), kOurMac, Drop::ip_bad_option},
        {"malformed option", with(bad_option), kOurMac, Drop::ip_bad_option},
        {"LAND", from(kOurIp), kOurMac, Drop::ip_bad_source},
        {"loopback source", from(ip(127, 0, 0, 1)), kOurMac, Drop::ip_bad_source},
        {"broadcast source", from(ip(10, 0, 0, 255)), kOurMac, Drop::ip_bad_source},
        {"multicast source", from(ip(224, 0, 0, 5)), kOurMac, Drop::ip_bad_source},
        {"zero source", from(ip(0, 0, 0, 0)), kOurMac, Drop::ip_bad_source},
        {"another host", to(ip(10, 0, 0, 3), 6), kOurMac, Drop::ip_not_ours},
        {"multicast", to(ip(224, 0, 0, 1), 6), wire::kMacBroadcast, Drop::ip_not_ours},
        {"loopback", to(ip(127, 0, 0, 1), 6), kOurMac, Drop::ip_not_ours},
        {"TCP to broadcast", to(ip(10, 0, 0, 255), 6), wire::kMacBroadcast, Drop::tcp_bad_address},
        {"echo to broadcast", to(ip(255, 255, 255, 255), 1), kOurMac, Drop::icmp_ignored},
        {"UDP to broadcast", to(ip(255, 255, 255, 255), 17), wire::kMacBroadcast,
         Drop::ip_not_ours},
        {"unicast in a broadcast frame", IpFields{}, wire::kMacBroadcast, Drop::ip_group_frame},
        {"unknown protocol", to(kOurIp, 132), kOurMac, Drop::ip_unknown_protocol},
    };
    for (const Row& row : rows) {
        Host host;
        EXPECT_EQ(host.input(ethernet(ipv4(row.fields, segment()), wire::kEtherTypeIpv4, row.to)),
                  Verdict::dropped)
            << row.name;
        EXPECT_EQ(host.only_drop(), row.expected) << row.name;
    }
}

TEST(Ipv4Input, AnOwnAddressOfAnotherInterfaceIsOursToo) {
    NetworkConfiguration configuration = one_ethernet();
    configuration.interfaces.push_back(configuration.interfaces[0]);
    configuration.interfaces[1].addresses = {Prefix{ip(10, 9, 0, 1), 24}};
    Host host(configuration);
    EXPECT_EQ(host.input(ethernet(ipv4({kPeerIp, ip(10, 9, 0, 1)}, segment()))), Verdict::tcp);
}

TEST(Ipv4Input, LoopbackInterfaceCarriesOwnAddresses) {
    NetworkConfiguration configuration = one_ethernet();
    InterfaceConfiguration loopback;
    loopback.name = "lo";
    loopback.layer = io::Layer::ip;
    loopback.kind = InterfaceKind::loopback;
    loopback.mtu = 65535;
    loopback.addresses = {Prefix{ip(127, 0, 0, 1), 8}};
    configuration.interfaces.push_back(loopback);
    io::Capabilities wide;
    wide.mtu = 65535;
    Host host(configuration, wide, 64);

    auto route = host.network().route(kOurIp, {});
    ASSERT_TRUE(route.ok());
    EXPECT_EQ(route->path.interface, 1);
    EXPECT_EQ(route->source, kOurIp);
    ASSERT_TRUE(host.send_tcp(route->path, kOurIp));
    const auto sent = host.flush(1);
    ASSERT_EQ(sent.size(), 1u);
    EXPECT_EQ(host.input(sent[0], 1), Verdict::tcp);
    EXPECT_EQ(host.tcp_in.key.remote, kOurIp);
    EXPECT_TRUE(verify_checksum(host.tcp_in, host.counters));
    EXPECT_EQ(host.input(ipv4({kPeerIp, kOurIp}, segment()), 1), Verdict::dropped);
    EXPECT_EQ(host.only_drop(), Drop::ip_bad_source);
}

std::vector<Bytes> fragments(const IpFields& fields, const Bytes& payload, std::size_t piece) {
    std::vector<Bytes> frames;
    for (std::size_t at = 0; at < payload.size(); at += piece) {
        IpFields one = fields;
        const std::size_t length = std::min(piece, payload.size() - at);
        one.fragment = static_cast<std::uint16_t>(at / 8);
        if (at + length < payload.size()) one.fragment |= wire::kIpv4MoreFragments;
        frames.push_back(ethernet(ipv4(one, std::span(payload).subspan(at, length))));
    }
    return frames;
}

TEST(Ipv4Input, FragmentedTcpIsPutTogetherAndStaysUntilTheFlush) {
    Host host;
    const Bytes sent = segment(3000);
    const auto frames = fragments({}, sent, 1480);
    ASSERT_EQ(frames.size(), 3u);
    EXPECT_EQ(host.input(frames[2]), Verdict::consumed);
    EXPECT_EQ(host.input(frames[0]), Verdict::consumed);
    host.checksum = io::Checksum::verified;  // a device may say so of a fragment: it means nothing
    ASSERT_EQ(host.input(frames[1]), Verdict::tcp);
    const Inbound first = host.tcp_in;
    EXPECT_EQ(first.checksum, io::Checksum::in_frame);
    EXPECT_TRUE(verify_checksum(first, host.counters));
    IpFields other;
    other.identification = 2;
    for (const Bytes& frame : fragments(other, segment(2000), 1480))
        EXPECT_NE(host.input(frame), Verdict::dropped);
    EXPECT_EQ(Bytes(first.bytes.begin(), first.bytes.end()), sent);
    host.flush();
    EXPECT_EQ(host.counters.fragments_in, 5u);
    EXPECT_EQ(host.counters.fragments_reassembled, 2u);
    EXPECT_EQ(host.drops(), 0u);
}

TEST(Ipv4Input, AnIncompleteDatagramIsReportedToItsSender) {
    Host host;
    host.meet();
    IpFields fields;
    fields.protocol = wire::kProtocolUdp;
    const Bytes payload = pattern(3000);
    ASSERT_EQ(host.input(fragments(fields, payload, 1480)[0]), Verdict::consumed);
    host.pass(seconds(29));
    EXPECT_TRUE(host.flush().empty());
    host.pass(seconds(1));
    const auto sent = host.flush();
    ASSERT_GE(sent.size(), 1u);
    const auto bytes = std::span(sent[0]).subspan(wire::kEthernetHeader);
    const auto header = wire::parse_ipv4(bytes);
    ASSERT_TRUE(header.ok());
    EXPECT_EQ(header->destination, kPeerIp);
    EXPECT_LE(header->total_length, 576);
    const auto message = wire::parse_icmp(bytes.subspan(20, header->total_length - 20u));
    ASSERT_TRUE(message.ok());
    EXPECT_EQ(message->type, wire::kIcmpTimeExceeded);
    EXPECT_EQ(message->code, wire::kIcmpReassemblyTimeExceeded);
    EXPECT_TRUE(std::equal(message->payload.begin() + 20, message->payload.end(), payload.begin()));
    EXPECT_EQ(host.only_drop(), Drop::fragment_timeout);
}

}  // namespace
}  // namespace mtcp::net
