// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include <string>

#include "base/log.h"
#include "net/testing/host.h"

namespace mtcp::net {
namespace {

using namespace testing;  // NOLINT: packet builders

wire::ArpPacket arp_in(const Bytes& frame) {
    const auto packet = wire::parse_arp(std::span(frame).subspan(wire::kEthernetHeader));
    EXPECT_TRUE(packet);
    return packet.value_or(wire::ArpPacket{});
}
wire::MacOctets destination(const Bytes& frame) { return wire::parse_ethernet(frame)->destination; }

TEST(ArpInput, QuestionsForOurAddressAreAnswered) {
    Host host;
    EXPECT_EQ(host.input(arp_request(kPeerIp, kPeerMac, kOurIp)), Verdict::consumed);
    const auto sent = host.flush();
    ASSERT_EQ(sent.size(), 1u);
    EXPECT_EQ(destination(sent[0]), kPeerMac);
    const wire::ArpPacket reply = arp_in(sent[0]);
    EXPECT_EQ(reply.operation, wire::ArpOperation::reply);
    EXPECT_EQ(reply.sender, kOurIp);
    EXPECT_EQ(reply.sender_mac, kOurMac);
    EXPECT_EQ(reply.target, kPeerIp);
    EXPECT_EQ(reply.target_mac, kPeerMac);
    EXPECT_EQ(host.counters.arp_in, 1u);
    EXPECT_EQ(host.counters.arp_out, 1u);
}

TEST(ArpInput, WhoAsksIsKnownAndNeedsNoQuestion) {
    Host host;
    host.meet();
    Path path = host.path_to(kPeerIp);
    ASSERT_TRUE(host.send_tcp(path, kPeerIp));
    const auto sent = host.flush();
    ASSERT_EQ(sent.size(), 2u) << "the segment, and a unicast question that confirms";
    EXPECT_EQ(destination(sent[0]), kPeerMac);
    EXPECT_EQ(destination(sent[1]), kPeerMac);
    EXPECT_EQ(arp_in(sent[1]).operation, wire::ArpOperation::request);
}

TEST(ArpInput, QuestionsForOthersAreNotOurs) {
    Host host;
    EXPECT_EQ(host.input(arp_request(kPeerIp, kPeerMac, ip(10, 0, 0, 3))), Verdict::dropped);
    EXPECT_EQ(host.only_drop(), Drop::arp_not_ours);
    EXPECT_TRUE(host.flush().empty());
}

TEST(ArpInput, AddressesOfOtherInterfacesAreNotAnsweredFor) {
    NetworkConfiguration configuration = one_ethernet();
    configuration.interfaces.push_back(configuration.interfaces[0]);
    configuration.interfaces[1].addresses = {Prefix{ip(10, 9, 0, 1), 24}};
    Host host(configuration);
    EXPECT_EQ(host.input(arp_request(kPeerIp, kPeerMac, ip(10, 9, 0, 1))), Verdict::dropped);
    EXPECT_TRUE(host.flush().empty());
}

TEST(ArpInput, ProbesAreAnsweredButTeachNothing) {
    Host host;
    EXPECT_EQ(host.input(arp_request(ip(0, 0, 0, 0), kPeerMac, kOurIp)), Verdict::consumed);
    const auto sent = host.flush();
    ASSERT_EQ(sent.size(), 1u);
    EXPECT_EQ(arp_in(sent[0]).sender, kOurIp);
}

TEST(ArpInput, SendersOffTheLinkAreAnsweredButNotRemembered) {
    Host host;
    EXPECT_EQ(host.input(arp_request(kFarIp, kPeerMac, kOurIp)), Verdict::consumed);
    EXPECT_EQ(host.flush().size(), 1u);
    Path path = host.path_to(kFarIp);
    ASSERT_TRUE(host.send_tcp(path, kFarIp));
    const auto sent = host.flush();
    ASSERT_EQ(sent.size(), 1u);
    EXPECT_EQ(arp_in(sent[0]).target, kGatewayIp);
}

TEST(ArpInput, UnsolicitedAnswersAreDropped) {
    Host host;
    EXPECT_EQ(host.input(arp_reply(kPeerIp, kPeerMac)), Verdict::dropped);
    EXPECT_EQ(host.only_drop(), Drop::arp_unsolicited);
}

TEST(ArpInput, MalformedPacketsAreDropped) {
    Host host;
    Bytes frame = arp_request(kPeerIp, kPeerMac, kOurIp);
    frame.pop_back();
    EXPECT_EQ(host.input(frame), Verdict::dropped);
    EXPECT_EQ(host.only_drop(), Drop::arp_malformed);
}

TEST(ArpInput, OurOwnPacketComingBackIsNoConflict) {
    Host host;
    EXPECT_EQ(host.input(arp_request(kOurIp, kOurMac, kOurIp)), Verdict::dropped);
    EXPECT_EQ(host.only_drop(), Drop::arp_reflected);
    EXPECT_TRUE(host.flush().empty());
}

TEST(ArpInput, AFreshEntryIsPutToTheTestByAContradiction) {
    Host host;
    Path path = host.path_to(kPeerIp);
    ASSERT_TRUE(host.send_tcp(path, kPeerIp));
    ASSERT_EQ(host.input(arp_reply(kPeerIp, kPeerMac)), Verdict::consumed);
    host.flush();
    EXPECT_EQ(host.input(arp_reply(kPeerIp, kOtherMac)), Verdict::dropped);
    EXPECT_EQ(host.only_drop(), Drop::arp_spoofed);
    const auto sent = host.flush();
    ASSERT_EQ(sent.size(), 1u);
    EXPECT_EQ(destination(sent[0]), kPeerMac) << "the known station is asked";
    ASSERT_TRUE(host.send_tcp(path, kPeerIp));
    EXPECT_EQ(destination(host.flush().at(0)), kPeerMac);
}

TEST(ArpInput, AConflictIsLoggedAndTheAddressDefendedOnceInTenSeconds) {
    static std::string logged;
    logged.clear();
    set_log_sink([](LogLevel, const char* text, void*) { logged += text; }, nullptr);
    Host host;
    for (int i = 0; i < 5; ++i) {
        EXPECT_EQ(host.input(arp_request(kOurIp, kOtherMac, kOurIp)), Verdict::dropped);
        host.now = host.now + seconds(1);
    }
    EXPECT_EQ(host.counters.drops(Drop::arp_conflict), 5u);
    const auto sent = host.flush();
    ASSERT_EQ(sent.size(), 1u);
    EXPECT_EQ(destination(sent[0]), wire::kMacBroadcast);
    EXPECT_EQ(arp_in(sent[0]).sender, kOurIp);
    EXPECT_EQ(arp_in(sent[0]).target, kOurIp);
    EXPECT_NE(logged.find("10.0.0.1 is claimed by 02:00:00:00:00:03"), std::string::npos) << logged;
    host.now = host.now + seconds(6);
    EXPECT_EQ(host.input(arp_request(kOurIp, kOtherMac, kPeerIp)), Verdict::dropped);
    EXPECT_EQ(host.flush().size(), 1u);
    set_log_sink(nullptr, nullptr);
}

TEST(ArpInput, EachAddressIsDefendedByItself) {
    static std::string logged;
    logged.clear();
    set_log_sink([](LogLevel, const char* text, void*) { logged += text; }, nullptr);
    NetworkConfiguration configuration = one_ethernet();
    configuration.interfaces[0].addresses.push_back(Prefix{ip(10, 0, 0, 9), 24});
    Host host(configuration);
    EXPECT_EQ(host.input(arp_request(kOurIp, kOtherMac, kOurIp)), Verdict::dropped);
    EXPECT_EQ(host.flush().size(), 1u);
    host.now = host.now + seconds(1);
    EXPECT_EQ(host.input(arp_request(ip(10, 0, 0, 9), kOtherMac, kOurIp)), Verdict::dropped);
    const auto sent = host.flush();
    ASSERT_EQ(sent.size(), 1u);
    EXPECT_EQ(arp_in(sent[0]).sender, ip(10, 0, 0, 9));
    EXPECT_NE(logged.find("10.0.0.9 is claimed by 02:00:00:00:00:03"), std::string::npos) << logged;
    set_log_sink(nullptr, nullptr);
}

TEST(ArpAnnouncement, IsSentTwiceForEveryAddressTwoSecondsApart) {
    NetworkConfiguration configuration = one_ethernet();
    configuration.announcement = Announcement::announces;
    configuration.interfaces[0].addresses.push_back(Prefix{ip(10, 0, 0, 9), 24});
    Host host(configuration);
    host.now = Instant{0};
    host.pass(milliseconds(0));
    auto sent = host.flush();
    ASSERT_EQ(sent.size(), 2u);
    EXPECT_EQ(arp_in(sent[0]).operation, wire::ArpOperation::request);
    EXPECT_EQ(arp_in(sent[0]).sender, arp_in(sent[0]).target);
    EXPECT_EQ(arp_in(sent[1]).sender, ip(10, 0, 0, 9));
    host.pass(milliseconds(1999));
    EXPECT_TRUE(host.flush().empty());
    host.pass(milliseconds(1));
    EXPECT_EQ(host.flush().size(), 2u);
    host.pass(seconds(100));
    EXPECT_TRUE(host.flush().empty());
    EXPECT_EQ(host.network().deadline(), kNever);
}

TEST(ArpOnSeveralCores, AnAnswerReachesTheCoreThatAsked) {
    NetworkConfiguration configuration = one_ethernet();
    configuration.core.of = 2;
    Host asks(configuration);
    Host hears(configuration);
    Path path = asks.path_to(kPeerIp);
    ASSERT_TRUE(asks.send_tcp(path, kPeerIp));
    ASSERT_EQ(asks.flush().size(), 1u);

    EXPECT_EQ(hears.input(arp_reply(kPeerIp, kPeerMac)), Verdict::consumed);
    EXPECT_EQ(hears.drops(), 0u);
    NeighbourUpdate update;
    ASSERT_TRUE(hears.network().poll_update(update));
    asks.network().apply(update, asks.now);
    const auto sent = asks.flush();
    ASSERT_EQ(sent.size(), 1u);
    EXPECT_EQ(destination(sent[0]), kPeerMac);
    EXPECT_FALSE(hears.network().poll_update(update));
}

TEST(ArpOnSeveralCores, ForgedUpdatesAreHeldOffAsEverywhere) {
    NetworkConfiguration configuration = one_ethernet();
    configuration.core.of = 2;
    Host host(configuration);
    Path path = host.path_to(kPeerIp);
    ASSERT_TRUE(host.send_tcp(path, kPeerIp));
    ASSERT_EQ(host.input(arp_reply(kPeerIp, kPeerMac)), Verdict::consumed);
    host.flush();
    host.network().apply({kPeerIp, kOtherMac, 0, Evidence::answer}, host.now);
    host.flush();
    ASSERT_TRUE(host.send_tcp(path, kPeerIp));
    EXPECT_EQ(destination(host.flush().at(0)), kPeerMac);
}

TEST(ArpOnSeveralCores, AFloodOfAnswersFillsTheOutboxAndNoMore) {
    NetworkConfiguration configuration = one_ethernet();
    configuration.core.of = 2;
    Host host(configuration);
    for (unsigned i = 2; i < 202; ++i) {
        const Verdict verdict = host.input(arp_reply(ip(10, 0, 0, i), kPeerMac));
        EXPECT_NE(verdict, Verdict::tcp);
    }
    NeighbourUpdate update;
    unsigned updates = 0;
    while (host.network().poll_update(update))
        ++updates;
    EXPECT_EQ(updates, 64u);
    EXPECT_EQ(host.counters.drops(Drop::arp_unsolicited), 200u - 64u);
}

}  // namespace
}  // namespace mtcp::net
