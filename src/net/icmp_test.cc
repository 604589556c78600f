// SPDX-License-Identifier: Apache-2.0
// ICMP in and out.
#include <gtest/gtest.h>

#include <map>
#include <set>

#include "net/testing/host.h"

namespace mtcp::net {
namespace {

using namespace testing;  // NOLINT: packet builders

IpFields icmp_fields(wire::IpAddress source = kPeerIp) {
    IpFields fields;
    fields.source = source;
    fields.protocol = wire::kProtocolIcmp;
    return fields;
}
Bytes echo_request(std::size_t payload, wire::IpAddress source = kPeerIp) {
    return ethernet(ipv4(icmp_fields(source), testing::icmp(8, 0, 0x12340001, pattern(payload))));
}
// The ICMP message of a frame that must be an unfragmented IP packet.
wire::IcmpMessage message_in(const Bytes& frame) {
    const auto bytes = std::span(frame).subspan(wire::kEthernetHeader);
    const auto header = wire::parse_ipv4(bytes);
    EXPECT_TRUE(header.ok() && header->protocol == wire::kProtocolIcmp && !header->is_fragment());
    const auto message = wire::parse_icmp(bytes.subspan(20, header->total_length - 20u));
    EXPECT_TRUE(message.ok());
    return message.ok() ? *message : wire::IcmpMessage{};
}

TEST(IcmpEcho, IsAnsweredWithTheSameBytes) {
    Host host;
    host.meet();
    EXPECT_EQ(host.input(echo_request(56)), Verdict::consumed);
    const auto sent = host.flush();
    ASSERT_GE(sent.size(), 1u);
    EXPECT_EQ(wire::parse_ethernet(sent[0])->destination, kPeerMac);
    const auto header = wire::parse_ipv4(std::span(sent[0]).subspan(14));
    EXPECT_EQ(header->source, kOurIp);
    EXPECT_EQ(header->destination, kPeerIp);
    const auto reply = message_in(sent[0]);
    EXPECT_EQ(reply.type, wire::kIcmpEchoReply);
    EXPECT_EQ(reply.rest, 0x12340001u);
    EXPECT_EQ(Bytes(reply.payload.begin(), reply.payload.end()), pattern(56));
    EXPECT_EQ(host.counters.icmp_in, 1u);
    EXPECT_EQ(host.counters.icmp_out, 1u);
}

TEST(IcmpEcho, AStrangerIsAskedForFirst) {
    Host host;
    EXPECT_EQ(host.input(echo_request(10, ip(10, 0, 0, 77))), Verdict::consumed);
    EXPECT_EQ(host.flush().size(), 1u) << "the question";
    EXPECT_EQ(host.input(arp_reply(ip(10, 0, 0, 77), kOtherMac)), Verdict::consumed);
    const auto sent = host.flush();
    ASSERT_EQ(sent.size(), 1u);
    EXPECT_EQ(message_in(sent[0]).type, wire::kIcmpEchoReply);
}

// Checks RFC 6864 §4.3: pieces of two replies are never taken for those of one.
TEST(IcmpEcho, RepliesInFragmentsDoNotShareAnIdentification) {
    io::Capabilities narrow;
    narrow.mtu = 68;
    NetworkConfiguration configuration = one_ethernet();
    configuration.limits.echo_replies_per_second = 1'000'000;
    Host host(configuration, narrow);
    host.meet();
    std::set<std::uint16_t> seen;
    for (std::size_t i = 1; i <= 5000; ++i) {
        ASSERT_EQ(host.input(echo_request(60)), Verdict::consumed);
        std::set<std::uint16_t> of_reply;
        for (const Bytes& frame : host.flush()) {
            if (wire::parse_ethernet(frame)->type != wire::kEtherTypeIpv4) continue;
            const auto header = wire::parse_ipv4(std::span(frame).subspan(14));
            ASSERT_TRUE(header.ok() && header->is_fragment());
            of_reply.insert(header->identification);
        }
        ASSERT_EQ(of_reply.size(), 1u);
        seen.merge(of_reply);
        ASSERT_EQ(seen.size(), i);
    }
}

TEST(IcmpEcho, TheLargestIsTakenFromFragmentsAndAnsweredInFragments) {
    Host host;
    host.meet();
    const Bytes message = testing::icmp(8, 0, 5, pattern(65507));
    Verdict verdict = Verdict::dropped;
    for (std::size_t at = 0; at < message.size(); at += 1480) {
        IpFields fields = icmp_fields();
        const std::size_t length = std::min<std::size_t>(1480, message.size() - at);
        fields.fragment = static_cast<std::uint16_t>(at / 8);
        if (at + length < message.size()) fields.fragment |= wire::kIpv4MoreFragments;
        verdict = host.input(ethernet(ipv4(fields, std::span(message).subspan(at, length))));
        ASSERT_EQ(verdict, Verdict::consumed);
    }
    // Another host puts the answer together.
    NetworkConfiguration configuration = one_ethernet();
    configuration.interfaces[0].mac = io::MacAddress{{2, 0, 0, 0, 0, 2}};
    configuration.interfaces[0].addresses = {Prefix{kPeerIp, 24}};
    Host peer(configuration);
    std::size_t frames = 0;
    for (const Bytes& frame : host.flush()) {
        if (wire::parse_ethernet(frame)->type != wire::kEtherTypeIpv4) continue;
        EXPECT_LE(frame.size(), 1514u);
        ++frames;
        peer.input(frame);
    }
    EXPECT_EQ(frames, 45u);
    EXPECT_EQ(peer.counters.fragments_reassembled, 1u);
    EXPECT_EQ(peer.counters.icmp_in, 1u);
    EXPECT_EQ(peer.only_drop(), Drop::icmp_ignored) << "an echo reply with a valid checksum";
}

TEST(IcmpEcho, RepliesAreRateLimited) {
    NetworkConfiguration configuration = one_ethernet();
    configuration.limits.echo_replies_per_second = 3;
    Host host(configuration);
    host.meet();
    for (int i = 0; i < 10; ++i)
        host.input(echo_request(8));
    EXPECT_EQ(host.counters.icmp_out, 3u);
    EXPECT_EQ(host.counters.drops(Drop::icmp_rate_limited), 7u);
    EXPECT_EQ(host.drops(), 7u);
}

TEST(IcmpEcho, WithoutATransmitFrameTheRequestIsDropped) {
    Host host(one_ethernet(), {}, 0);
    EXPECT_EQ(host.input(echo_request(8)), Verdict::dropped);
    EXPECT_EQ(host.only_drop(), Drop::no_transmit_frame);
}

TEST(IcmpEcho, BadChecksumsAndTruncationsAreDropped) {
    Host host;
    Bytes message = testing::icmp(8, 0, 1, pattern(8));
    message[9] ^= std::byte{1};
    EXPECT_EQ(host.input(ethernet(ipv4(icmp_fields(), message))), Verdict::dropped);
    EXPECT_EQ(host.only_drop(), Drop::icmp_bad_checksum);
    EXPECT_EQ(host.input(ethernet(ipv4(icmp_fields(), Bytes(7)))), Verdict::dropped);
    EXPECT_EQ(host.counters.drops(Drop::icmp_malformed), 1u);
}

Bytes quoted(wire::IpAddress source = kOurIp, std::uint16_t total_length = 1500) {
    IpFields fields;
    fields.source = source;
    fields.destination = kFarIp;
    Bytes packet = ipv4(fields, testing::tcp(source, kFarIp, 80, 1000, 0xabcd));
    wire::store_be16(packet.data() + 2, total_length);
    packet.resize(28);
    return packet;
}
Bytes error(std::uint8_t type, std::uint8_t code, std::uint32_t rest = 0,
            const Bytes& quote = quoted()) {
    return ethernet(ipv4(icmp_fields(ip(198, 51, 100, 1)), testing::icmp(type, code, rest, quote)));
}

TEST(IcmpErrors, BecomeNoticesAboutTheFlow) {  // Checks RFC 9293 MUST-54.
    struct Row {
        std::uint8_t type, code;
        PathError kind;
    };
    const Row rows[] = {
        {3, 0, PathError::net_unreachable},      {3, 1, PathError::host_unreachable},
        {3, 2, PathError::protocol_unreachable}, {3, 3, PathError::port_unreachable},
        {3, 13, PathError::host_unreachable},    {11, 0, PathError::time_exceeded},
        {11, 1, PathError::time_exceeded},       {12, 0, PathError::parameter_problem}};
    for (const Row& row : rows) {
        Host host;
        ASSERT_EQ(host.input(error(row.type, row.code)), Verdict::path_error) << int{row.code};
        EXPECT_EQ(host.notice.kind, row.kind);
        EXPECT_EQ(host.notice.key, (wire::FlowKey{kOurIp, kFarIp, 80, 1000}));
        EXPECT_EQ(host.notice.seq.raw, 0xabcdu);
        EXPECT_EQ(host.notice.mtu, 0u);
        EXPECT_TRUE(host.flush().empty());
        EXPECT_EQ(host.drops(), 0u);
    }
}

TEST(IcmpErrors, FragmentationNeededTellsTheMtuOrThePlateau) {
    Host host;
    ASSERT_EQ(host.input(error(3, 4, 1280)), Verdict::path_error);
    EXPECT_EQ(host.notice.kind, PathError::fragmentation_needed);
    EXPECT_EQ(host.notice.mtu, 1280);
    ASSERT_EQ(host.input(error(3, 4, 0)), Verdict::path_error);
    EXPECT_EQ(host.notice.mtu, 1492);
    EXPECT_EQ(host.input(error(3, 4, 67)), Verdict::dropped);
    EXPECT_EQ(host.only_drop(), Drop::icmp_malformed);
}

TEST(IcmpErrors, QuotesOfWhatWeNeverSentAreDropped) {
    Host host;
    EXPECT_EQ(host.input(error(3, 3, 0, quoted(kPeerIp))), Verdict::dropped);
    EXPECT_EQ(host.only_drop(), Drop::icmp_stale);
}

TEST(IcmpErrors, TypesWithoutEffectAreIgnored) {  // Checks RFC 9293 MUST-55.
    Host host;
    const std::pair<int, int> rows[] = {{0, 0}, {4, 0}, {5, 1}, {9, 0}, {13, 0}, {3, 16}, {255, 0}};
    for (const auto& [type, code] : rows) {
        EXPECT_EQ(
            host.input(error(static_cast<std::uint8_t>(type), static_cast<std::uint8_t>(code))),
            Verdict::dropped);
    }
    EXPECT_EQ(host.counters.drops(Drop::icmp_ignored), 7u);
    EXPECT_TRUE(host.flush().empty());
}

TEST(IcmpOutput, UnknownProtocolsAndUdpAreReportedWithAQuote) {
    const std::map<std::uint8_t, std::uint8_t> code_of{{17, 3}, {132, 2}};
    for (const auto& [protocol, code] : code_of) {
        Host host;
        host.meet();
        IpFields fields;
        fields.protocol = protocol;
        const Bytes packet = ipv4(fields, pattern(2));
        EXPECT_EQ(host.input(ethernet(packet)), Verdict::dropped);
        EXPECT_EQ(host.only_drop(), Drop::ip_unknown_protocol);
        const auto sent = host.flush();
        ASSERT_GE(sent.size(), 1u);
        const auto message = message_in(sent[0]);
        EXPECT_EQ(message.type, wire::kIcmpUnreachable);
        EXPECT_EQ(message.code, code);
        EXPECT_EQ(Bytes(message.payload.begin(), message.payload.end()), packet);
    }
}

TEST(IcmpOutput, AReportOnFragmentsQuotesTheFirstOne) {
    Host host;
    host.meet();
    const Bytes datagram = pattern(2000);
    IpFields fields;
    fields.protocol = wire::kProtocolUdp;
    fields.fragment = wire::kIpv4MoreFragments;
    const Bytes first = ipv4(fields, std::span(datagram).first(1480));
    EXPECT_EQ(host.input(ethernet(first)), Verdict::consumed);
    fields.fragment = 1480 / 8;
    const Bytes last = ipv4(fields, std::span(datagram).subspan(1480));
    EXPECT_EQ(host.input(ethernet(last)), Verdict::dropped);
    const auto sent = host.flush();
    ASSERT_GE(sent.size(), 1u);
    const auto quote = message_in(sent[0]).payload;
    ASSERT_LE(quote.size(), first.size());
    EXPECT_TRUE(std::equal(quote.begin(), quote.end(), first.begin()));
}

TEST(IcmpOutput, ErrorsAreRateLimitedAndCountedOncePerPacket) {
    NetworkConfiguration configuration = one_ethernet();
    configuration.limits.icmp_errors_per_second = 2;
    Host host(configuration);
    host.meet();
    IpFields fields;
    fields.protocol = wire::kProtocolUdp;
    for (int i = 0; i < 20; ++i)
        host.input(ethernet(ipv4(fields, pattern(1400))));
    EXPECT_EQ(host.counters.icmp_out, 2u);
    EXPECT_EQ(host.drops(), 20u);
}

}  // namespace
}  // namespace mtcp::net
