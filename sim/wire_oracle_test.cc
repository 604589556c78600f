// SPDX-License-Identifier: Apache-2.0
// The oracle of the wire must be able to fail: one test for each thing it forbids.
#include "sim/wire_oracle.h"

#include <gtest/gtest.h>

#include <array>
#include <string>
#include <vector>

#include "wire/big_endian.h"
#include "wire/checksum.h"
#include "wire/ethernet.h"
#include "wire/ipv4.h"

namespace mtcp::sim {
namespace {

using wire::Flags;
using wire::SequenceNumber;

constexpr auto kA = wire::IpAddress::v4(0x0a000001);
constexpr auto kB = wire::IpAddress::v4(0x0a000002);

struct Sent {
    Side from = Side::a;
    std::uint8_t flags = Flags::ack;
    std::uint32_t seq = 0;  // relative to 1000 at a, 2000 at b
    std::uint32_t ack = 0;
    std::uint16_t window = 1000;
    std::string payload;
    std::vector<std::pair<std::uint32_t, std::uint32_t>> sack;  // relative as `ack`
    bool lost = false;
};

std::vector<std::byte> packet_of(const Sent& sent) {
    const bool a = sent.from == Side::a;
    wire::OutgoingSegment segment;
    segment.seq = SequenceNumber{(a ? 1000u : 2000u) + sent.seq};
    if ((sent.flags & Flags::ack) != 0)
        segment.ack = SequenceNumber{(a ? 2000u : 1000u) + sent.ack};
    segment.flags = {sent.flags};
    segment.window = sent.window;
    if ((sent.flags & Flags::syn) != 0) {
        segment.options.mss = 100;
        segment.options.sack_permitted = true;
    }
    for (const auto& [begin, end] : sent.sack) {
        const SequenceNumber first{a ? 2000u : 1000u};
        segment.options.sack[segment.options.sack_count++] = {first + begin, first + end};
    }
    std::vector<std::byte> bytes(wire::kIpv4HeaderMin + wire::kTcpHeaderMax);
    std::byte* const tcp = bytes.data() + wire::kIpv4HeaderMin;
    const std::size_t header =
        wire::emit_segment(segment, a ? 5000 : 80, a ? 80 : 5000, {tcp, wire::kTcpHeaderMax});
    bytes.resize(wire::kIpv4HeaderMin + header);
    for (const char c : sent.payload)
        bytes.push_back(static_cast<std::byte>(c));
    wire::emit_ipv4({.total_length = static_cast<std::uint16_t>(bytes.size()),
                     .protocol = wire::kProtocolTcp,
                     .source = a ? kA : kB,
                     .destination = a ? kB : kA},
                    bytes.data());
    const std::span<std::byte> whole = std::span(bytes).subspan(wire::kIpv4HeaderMin);
    const std::uint32_t pseudo = wire::pseudo_header_sum(
        a ? kA : kB, a ? kB : kA, wire::kProtocolTcp, static_cast<std::uint32_t>(whole.size()));
    wire::store_be16(whole.data() + 16, wire::finish(wire::checksum_add(pseudo, whole)));
    return bytes;
}

class WireOracleTest : public testing::Test {
  protected:
    void send(const Sent& sent) {
        oracle_.on_sent(sent.from, packet_of(sent), World::kStart);
        if (!sent.lost) oracle_.on_delivered(sent.from, packet_of(sent), true, World::kStart);
    }
    void handshake() {
        send({.flags = Flags::syn});
        send({.from = Side::b, .flags = Flags::syn | Flags::ack, .ack = 1});
        send({.seq = 1, .ack = 1});
    }
    // What was found; empty: nothing.
    [[nodiscard]] std::string found() const {
        return findings_.none() ? "" : findings_.texts().front();
    }

    Findings findings_;
    WireOracle oracle_{findings_, io::Layer::ip, 1500, {}};
};

TEST_F(WireOracleTest, LegalConversationPasses) {
    handshake();
    send({.seq = 1, .ack = 1, .payload = "hello"});
    send({.from = Side::b, .seq = 1, .ack = 6, .window = 995});
    send({.seq = 1, .ack = 1, .payload = "hello"});
    send({.flags = Flags::fin | Flags::ack, .seq = 6, .ack = 1});
    send({.from = Side::b, .flags = Flags::fin | Flags::ack, .seq = 1, .ack = 7});
    send({.seq = 7, .ack = 2});
    EXPECT_EQ(found(), "");
}

TEST_F(WireOracleTest, AcknowledgementOfUnsentDataIsFound) {
    handshake();
    send({.from = Side::b, .seq = 1, .ack = 2});
    EXPECT_NE(found().find("acknowledges what was never sent"), std::string::npos);
}

TEST_F(WireOracleTest, AcknowledgementOfLostDataIsFound) {
    handshake();
    send({.seq = 1, .ack = 1, .payload = "hello", .lost = true});
    send({.seq = 6, .ack = 1, .payload = "world"});
    send({.from = Side::b, .seq = 1, .ack = 1});
    EXPECT_EQ(found(), "");
    send({.from = Side::b, .seq = 1, .ack = 11});
    EXPECT_NE(found().find("acknowledges what never arrived"), std::string::npos);
}

TEST_F(WireOracleTest, AcknowledgementOfALostFinIsFound) {
    handshake();
    send({.flags = Flags::fin | Flags::ack, .seq = 1, .ack = 1, .lost = true});
    send({.from = Side::b, .seq = 1, .ack = 2});
    EXPECT_NE(found().find("acknowledges what never arrived"), std::string::npos);
}

TEST_F(WireOracleTest, SackOfWhatIsHeldPassesAndOfLostDataIsFound) {
    handshake();
    send({.seq = 1, .ack = 1, .payload = "hello", .lost = true});
    send({.seq = 6, .ack = 1, .payload = "world"});
    send({.from = Side::b, .seq = 1, .ack = 1, .sack = {{6, 11}}});
    EXPECT_EQ(found(), "");
    send({.from = Side::b, .seq = 1, .ack = 1, .sack = {{5, 11}}});
    EXPECT_NE(found().find("SACK block for what never arrived"), std::string::npos);
}

TEST_F(WireOracleTest, AcknowledgementThatTakesASackBackIsFound) {
    handshake();
    send({.seq = 1, .ack = 1, .payload = "hello", .lost = true});
    send({.seq = 6, .ack = 1, .payload = "world"});
    send({.from = Side::b, .seq = 1, .ack = 1, .sack = {{6, 11}}});
    send({.seq = 1, .ack = 1, .payload = "hello"});
    send({.from = Side::b, .seq = 1, .ack = 6});
    EXPECT_NE(found().find("where SACK told of more"), std::string::npos);
}

TEST_F(WireOracleTest, DsackOfWhatCameOnceIsFound) {
    handshake();
    send({.seq = 1, .ack = 1, .payload = "hello"});
    send({.seq = 1, .ack = 1, .payload = "hello"});
    send({.from = Side::b, .seq = 1, .ack = 6, .sack = {{1, 6}}});
    EXPECT_EQ(found(), "");
    send({.seq = 6, .ack = 1, .payload = "world"});
    send({.from = Side::b, .seq = 1, .ack = 11, .sack = {{6, 11}}});
    EXPECT_NE(found().find("D-SACK for what did not come twice"), std::string::npos);
}

TEST_F(WireOracleTest, AcknowledgementThatGoesBackIsFound) {
    handshake();
    send({.seq = 1, .ack = 1, .payload = "hello"});
    send({.from = Side::b, .seq = 1, .ack = 6});
    send({.from = Side::b, .seq = 1, .ack = 3, .window = 1010});
    EXPECT_NE(found().find("goes back"), std::string::npos);
}

TEST_F(WireOracleTest, ShrinkingWindowIsFound) {
    handshake();
    send({.from = Side::b, .seq = 1, .ack = 1, .window = 999});
    EXPECT_NE(found().find("retreats by 1"), std::string::npos);
}

TEST_F(WireOracleTest, ChangedByteIsFound) {
    handshake();
    send({.seq = 1, .ack = 1, .payload = "hello"});
    send({.seq = 1, .ack = 1, .payload = "hullo"});
    EXPECT_NE(found().find("changed"), std::string::npos);
}

TEST_F(WireOracleTest, DataBeyondTheWindowIsFound) {
    send({.flags = Flags::syn});
    send({.from = Side::b, .flags = Flags::syn | Flags::ack, .ack = 1, .window = 3});
    send({.seq = 1, .ack = 1, .payload = "hello"});
    EXPECT_NE(found().find("beyond the window by 2"), std::string::npos);
}

TEST_F(WireOracleTest, DataBeyondTheWindowThatArrivedIsFound) {
    send({.flags = Flags::syn});
    send({.from = Side::b, .flags = Flags::syn | Flags::ack, .ack = 1, .window = 3});
    send({.seq = 1, .ack = 1});
    send({.from = Side::b, .seq = 1, .ack = 1, .window = 100, .lost = true});
    send({.seq = 1, .ack = 1, .payload = "hell"});
    EXPECT_NE(found().find("beyond the window by 1"), std::string::npos);
}

TEST_F(WireOracleTest, FinBeyondTheWindowIsFound) {
    send({.flags = Flags::syn});
    send({.from = Side::b, .flags = Flags::syn | Flags::ack, .ack = 1, .window = 4});
    send({.flags = Flags::fin | Flags::ack, .seq = 1, .ack = 1, .payload = "hell"});
    EXPECT_NE(found().find("beyond the window by 1"), std::string::npos);
}

TEST_F(WireOracleTest, DataBehindAHoleIsFound) {
    handshake();
    send({.seq = 10, .ack = 1, .payload = "hello"});
    EXPECT_NE(found().find("hole"), std::string::npos);
}

TEST_F(WireOracleTest, DataBehindAFinIsFound) {
    handshake();
    send({.flags = Flags::fin | Flags::ack, .seq = 1, .ack = 1});
    send({.seq = 1, .ack = 1, .payload = "hello"});
    EXPECT_NE(found().find("behind a FIN"), std::string::npos);
}

TEST_F(WireOracleTest, SegmentsAboveTheMssAreFound) {
    handshake();
    send({.seq = 1, .ack = 1, .payload = std::string(101, 'x')});
    EXPECT_NE(found().find("MSS of 100"), std::string::npos);
}

TEST_F(WireOracleTest, FlagsThatExcludeEachOtherAreFound) {
    send({.flags = Flags::syn | Flags::fin});
    EXPECT_NE(found().find("exclude"), std::string::npos);
}

TEST_F(WireOracleTest, WrongChecksumIsFound) {
    std::vector<std::byte> packet = packet_of({.flags = Flags::syn});
    packet.back() ^= std::byte{1};
    oracle_.on_sent(Side::a, packet, World::kStart);
    EXPECT_NE(found().find("checksum"), std::string::npos);
}

TEST_F(WireOracleTest, SegmentBeforeAnySynIsFound) {
    send({.seq = 1, .ack = 1});
    EXPECT_NE(found().find("never began"), std::string::npos);
}

TEST_F(WireOracleTest, AnswerBeforeASynIsFoundWhereNoSynWaits) {
    send({.from = Side::b, .flags = Flags::syn});
    send({.seq = 1, .ack = 1});
    EXPECT_NE(found().find("never began"), std::string::npos);
}

// A SYN that waited for the neighbour's address may never have been seen.
class EthernetOracleTest : public WireOracleTest {
  protected:
    void send(const Sent& sent) {
        std::vector<std::byte> frame(wire::kEthernetHeader);
        const std::vector<std::byte> packet = packet_of(sent);
        wire::store_be16(frame.data() + 12, wire::kEtherTypeIpv4);
        frame.insert(frame.end(), packet.begin(), packet.end());
        ethernet_.on_sent(sent.from, frame, World::kStart);
    }
    WireOracle ethernet_{findings_, io::Layer::ethernet, 1500, {}};
};

TEST_F(EthernetOracleTest, AckOfASynPassesWhereTheOwnSynWasDropped) {
    send({.from = Side::b, .flags = Flags::syn});
    send({.seq = 1, .ack = 1});
    send({.flags = Flags::syn | Flags::ack, .ack = 1});
    EXPECT_EQ(found(), "");
    send({.seq = 1, .ack = 2});
    EXPECT_NE(found().find("acknowledges what was never sent"), std::string::npos);
}

TEST_F(EthernetOracleTest, NothingElsePassesBeforeTheOwnSyn) {
    const std::array<Sent, 4> kForbidden{
        Sent{.seq = 1, .ack = 2}, Sent{.seq = 1, .ack = 1, .payload = "x"},
        Sent{.flags = Flags::fin | Flags::ack, .seq = 1, .ack = 1}, Sent{.seq = 1, .ack = 0}};
    send({.from = Side::b, .flags = Flags::syn});
    for (std::size_t i = 0; i < kForbidden.size(); ++i) {
        send(kForbidden[i]);
        EXPECT_EQ(findings_.texts().size(), i + 1) << findings_.texts().back();
    }
}

TEST_F(WireOracleTest, OutstandingDataIsKnownUntilItsAckIsDelivered) {
    handshake();
    EXPECT_EQ(oracle_.outstanding(Side::a), "");
    send({.seq = 1, .ack = 1, .payload = "hello"});
    EXPECT_NE(oracle_.outstanding(Side::a), "");
    send({.from = Side::b, .seq = 1, .ack = 6, .lost = true});
    EXPECT_NE(oracle_.outstanding(Side::a), "");
    send({.from = Side::b, .seq = 1, .ack = 6});
    EXPECT_EQ(oracle_.outstanding(Side::a), "");
}

}  // namespace
}  // namespace mtcp::sim
