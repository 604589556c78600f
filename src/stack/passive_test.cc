// SPDX-License-Identifier: Apache-2.0
// Connections from outside, at a core with two wires of which the test holds the other ends.
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <span>
#include <string>
#include <vector>

#include "io/link/link.h"
#include "stack/testing/core_fixture.h"
#include "wire/big_endian.h"
#include "wire/checksum.h"
#include "wire/ipv4.h"
#include "wire/segment.h"

namespace mtcp::stack {
namespace {

constexpr std::uint16_t kPort = 80;
constexpr std::uint16_t kClientPort = 40'000;
const wire::IpAddress kWideOwn = kOwn;                                   // 10.0.0.2
constexpr wire::IpAddress kNarrowOwn = wire::IpAddress::v4(0x0a010002);  // 10.1.0.2
constexpr wire::IpAddress kNarrowRouter = wire::IpAddress::v4(0x0a0100fe);
constexpr wire::IpAddress kFarClient = wire::IpAddress::v4(0xc0000207);  // 192.0.2.7

struct Wire {
    explicit Wire(std::uint32_t mtu)
        : config{.layer = io::Layer::ip,
                 .threads = io::LinkThreads::one,
                 .mtu = mtu,
                 .frame_size = mtu + 200,
                 .cannot_corrupt = false},
          ours(config, 0),
          theirs(config, 1) {
        EXPECT_TRUE(ours.open(Pages::normal));
        EXPECT_TRUE(theirs.open(Pages::normal));
        io::LinkEnd::join(ours, theirs);
    }
    io::LinkConfig config;
    io::LinkEnd ours;
    io::LinkEnd theirs;
};

class PassiveTest : public CoreTest {
  protected:
    ~PassiveTest() override {
        app.reset();
        driver.reset();
        core.reset();  // before the wires
    }
    // The way back to everybody far away is the narrow wire.
    void begin() {
        CoreSetup setup = small_setup();
        setup.loopback_addresses.clear();
        setup.queues = {&wide.ours, &narrow.ours};
        setup.network.interfaces = {interface("wide", 9000, kWideOwn),
                                    interface("narrow", 1500, kNarrowOwn)};
        setup.network.routes = {
            {.destination = {wire::IpAddress::v4(0), 0}, .gateway = kNarrowRouter, .interface = 1}};
        setup.network.announcement = net::Announcement::silent;
        start(std::move(setup));
    }
    static net::InterfaceConfiguration interface(const char* name, std::uint32_t mtu,
                                                 const wire::IpAddress& own) {
        net::InterfaceConfiguration made;
        made.name = name;
        made.layer = io::Layer::ip;
        made.mtu = mtu;
        made.addresses = {{own, 24}};
        return made;
    }
    void client_sends(const wire::OutgoingSegment& segment, std::uint16_t port = kClientPort) {
        std::array<io::Frame, 1> frame;
        ASSERT_EQ(wide.theirs.allocate(frame), 1u);
        std::byte* tcp = frame[0].data + wire::kIpv4HeaderMin;
        const std::size_t length =
            wire::emit_segment(segment, port, kPort, {tcp, wire::kTcpHeaderMax});
        const std::uint64_t sum = wire::pseudo_header_sum_v4(
            kFarClient, kWideOwn, wire::kProtocolTcp, static_cast<std::uint32_t>(length));
        wire::store_be16(tcp + 16, wire::finish(wire::checksum_add(sum, {tcp, length})));
        wire::Ipv4Header header;
        header.total_length = static_cast<std::uint16_t>(wire::kIpv4HeaderMin + length);
        header.protocol = wire::kProtocolTcp;
        header.source = kFarClient;
        header.destination = kWideOwn;
        wire::emit_ipv4(header, frame[0].data);
        frame[0].length = static_cast<std::uint32_t>(wire::kIpv4HeaderMin + length);
        ASSERT_EQ(wide.theirs.transmit(frame, world.now), 1u);
        world.settle();
    }
    [[nodiscard]] static wire::OutgoingSegment make(std::uint8_t flags, std::uint32_t seq,
                                                    wire::SequenceNumber ack = {}) {
        wire::OutgoingSegment segment;
        segment.seq = wire::SequenceNumber{seq};
        segment.ack = ack;
        segment.flags = {flags};
        segment.window = 65'535;
        return segment;
    }
    // SYN and ACK; what our ACK says, that is, the server's next number.
    wire::SequenceNumber handshake(std::uint16_t port) {
        client_sends(make(wire::Flags::syn, 1000), port);
        const auto answers = client_receives();
        EXPECT_EQ(answers.size(), 1u);
        if (answers.empty()) return {};
        client_sends(make(wire::Flags::ack, 1001, answers[0].seq + 1), port);
        return answers[0].seq + 1;
    }
    // The segments of all packets that wait on the narrow wire, whose sizes are noted.
    std::vector<wire::Segment> client_receives() {
        std::array<io::Frame, io::kBurst> frames;
        const std::size_t count = narrow.theirs.receive(frames, world.now);
        std::vector<wire::Segment> segments;
        for (const io::Frame& frame : std::span(frames).first(count)) {
            largest = std::max(largest, frame.length);
            const auto segment = wire::parse_segment(frame.bytes().subspan(wire::kIpv4HeaderMin));
            EXPECT_TRUE(segment.ok());
            bytes += segment->length();
            segments.push_back(*segment);
            segments.back().payload = {};
        }
        narrow.theirs.release(std::span(frames).first(count));
        return segments;
    }

    Wire wide{9000};
    Wire narrow{1500};
    std::uint32_t largest = 0;  // packet received
    std::size_t bytes = 0;      // of sequence space
};

TEST_F(PassiveTest, SegmentsFitTheWayOutNotTheOneTheSynCameInBy) {  // Checks RFC 9293 MUST-16.
    begin();
    const long listener = listen_on(kPort);
    wire::OutgoingSegment segment;
    segment.seq = wire::SequenceNumber{1000};
    segment.flags = {wire::Flags::syn};
    segment.window = 65'535;
    segment.options.mss = 8960;
    client_sends(segment);
    const auto syn_acks = client_receives();
    ASSERT_EQ(syn_acks.size(), 1u);
    EXPECT_EQ(syn_acks[0].options.mss, 1460u);

    segment = {};
    segment.seq = wire::SequenceNumber{1001};
    segment.ack = syn_acks[0].seq + 1;
    segment.flags = {wire::Flags::ack};
    segment.window = 65'535;
    client_sends(segment);
    const long server = accept_from(listener);
    ASSERT_GE(server, 0);
    constexpr std::size_t kBytes = 20'000;
    bytes = 0;
    ASSERT_EQ(send_all(server, std::string(kBytes, 'x')), static_cast<long>(kBytes));
    for (int round = 0; round < 20 && bytes < kBytes; ++round) {
        world.run_for(milliseconds(1));
        if (client_receives().empty()) continue;
        segment.ack = syn_acks[0].seq + 1 + static_cast<std::uint32_t>(bytes);
        client_sends(segment);
    }
    EXPECT_EQ(bytes, kBytes);
    EXPECT_EQ(largest, 1500u);
    EXPECT_EQ(core->counters().drops(Drop::io_oversize), 0u);
    EXPECT_EQ(core->counters().segments_retransmitted, 0u);
}

// RFC 1122 §4.2.2.13. A SYN that finds the queue full must not take the record of TIME-WAIT along:
// the next one would be answered by numbers that know nothing of the last ones.
TEST_F(PassiveTest, ASynFromTimeWaitWaitsForRoomInTheQueue) {
    begin();
    const long listener = socket::make_stream(*app);
    ASSERT_EQ(socket::bind(*app, descriptor(listener), {{}, kPort}), 0);
    ASSERT_EQ(socket::listen(*app, descriptor(listener), 1), 0);
    const wire::SequenceNumber first = handshake(kClientPort);
    const long server = accept_from(listener);
    ASSERT_GE(server, 0);
    close(server);
    world.settle();
    ASSERT_FALSE(client_receives().empty());
    client_sends(make(wire::Flags::fin | wire::Flags::ack, 1001, first + 1));
    ASSERT_EQ(core->levels().time_wait, 1u);
    ASSERT_EQ(client_receives().size(), 1u);  // our ACK
    static_cast<void>(handshake(kClientPort + 1));
    static_cast<void>(handshake(kClientPort + 2));  // one more than the backlog, as on Linux
    client_sends(make(wire::Flags::syn, 500'000));
    EXPECT_EQ(core->counters().drops(Drop::tcp_accept_queue_full), 1u);
    EXPECT_EQ(core->levels().time_wait, 1u);
    EXPECT_TRUE(client_receives().empty());
    EXPECT_GE(accept_from(listener), 0);
    client_sends(make(wire::Flags::syn, 500'000));
    EXPECT_EQ(core->levels().time_wait, 0u);
    const auto answers = client_receives();
    ASSERT_EQ(answers.size(), 1u);
    EXPECT_GT(answers[0].seq, first + 1);
}

}  // namespace
}  // namespace mtcp::stack
