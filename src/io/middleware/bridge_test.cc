// SPDX-License-Identifier: Apache-2.0
// The bridge between two links, and between links through a fault injector.
#include "io/middleware/bridge.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <vector>

#include "io/link/link.h"
#include "io/middleware/fault_injector.h"
#include "io/middleware/software_offload.h"

namespace mtcp::io {
namespace {

// 10.0.0.1:1 > 10.0.0.2:2 on the IP layer with `payload` bytes; checksums are zero.
std::vector<std::byte> tcp_packet(std::size_t payload) {
    std::vector<std::byte> packet(40 + payload);
    std::fill(packet.begin() + 40, packet.end(), std::byte{7});
    packet[0] = std::byte{0x45};
    packet[2] = static_cast<std::byte>(packet.size() >> 8);
    packet[3] = static_cast<std::byte>(packet.size());
    packet[8] = std::byte{64};
    packet[9] = std::byte{6};
    packet[12] = packet[16] = std::byte{10};
    packet[15] = std::byte{1};
    packet[19] = std::byte{2};
    packet[21] = std::byte{1};
    packet[23] = std::byte{2};
    packet[32] = std::byte{0x50};
    packet[33] = std::byte{0x10};
    return packet;
}

class BridgeOfLinks : public ::testing::Test {
  protected:
    static LinkConfig config(bool offload) {
        return {.layer = Layer::ip,
                .threads = LinkThreads::one,
                .frame_count = 64,
                .frame_size = 16'384,
                .ring_frames = 16,
                .transmit_segmentation = offload ? 16'000u : 0u,
                .transmit_checksum = offload,
                .cannot_corrupt = false};
    }
    void build(bool far_offloads) {
        near_ = std::move(make_link(config(true))).value();
        far_ = std::move(make_link(config(far_offloads))).value();
        bridge_ = std::make_unique<BridgeDirection>(near_.b->queue(0), far_.a->queue(0), counters_);
    }
    void send(const std::vector<std::byte>& packet, const Frame& like) {
        std::array<Frame, 1> frame;
        ASSERT_EQ(near_.a->queue(0).allocate(frame), 1u);
        std::memcpy(frame[0].data, packet.data(), packet.size());
        frame[0].length = static_cast<std::uint32_t>(packet.size());
        frame[0].checksum = like.checksum;
        frame[0].checksum_start = like.checksum_start;
        frame[0].segment_size = like.segment_size;
        frame[0].header_length = like.header_length;
        ASSERT_EQ(near_.a->queue(0).transmit(frame, {}), 1u);
    }
    std::vector<Frame> arrivals() {
        std::vector<Frame> frames(64);
        frames.resize(far_.b->queue(0).receive(frames, {}));
        return frames;
    }
    void expect_no_leak() {
        EXPECT_EQ(near_.a->end(0).frames_available(), 64u);
        EXPECT_EQ(far_.a->end(0).frames_available(), 64u);
    }
    static Frame large() {
        return {.checksum = Checksum::partial,
                .checksum_start = 20,
                .segment_size = 1000,
                .header_length = 40};
    }

    LinkPair near_;
    LinkPair far_;
    Counters counters_;
    std::unique_ptr<BridgeDirection> bridge_;
};

TEST_F(BridgeOfLinks, CopiesFramesAsTheyAre) {
    build(false);
    const auto packet = tcp_packet(100);
    send(packet, {});
    EXPECT_EQ(bridge_->move({}), 1u);
    EXPECT_EQ(bridge_->move({}), 0u);
    auto frames = arrivals();
    ASSERT_EQ(frames.size(), 1u);
    ASSERT_EQ(frames[0].length, packet.size());
    EXPECT_EQ(std::memcmp(frames[0].data, packet.data(), packet.size()), 0);
    far_.b->queue(0).release(frames);
    EXPECT_EQ(counters_.frames_in, 1u);
    EXPECT_EQ(counters_.bytes_out, packet.size());
    expect_no_leak();
}

// The tag comes on top of the MTU (IEEE 802.3 §3.2.7).
TEST(BridgeOfEthernets, CarriesTaggedFramesOfTheFullMtu) {
    Counters counters;
    const LinkConfig config{.threads = LinkThreads::one, .transmit_segmentation = 0};
    const LinkPair near = std::move(make_link(config)).value();
    const LinkPair far = std::move(make_link(config)).value();
    BridgeDirection bridge(near.b->queue(0), far.a->queue(0), counters);
    for (const std::uint16_t segment_size : {std::uint16_t{0}, std::uint16_t{1460}}) {
        std::array<Frame, 1> frame;
        ASSERT_EQ(near.a->queue(0).allocate(frame), 1u);
        const auto packet = tcp_packet(1460);
        std::memset(frame[0].data, 0, 18);
        frame[0].data[12] = std::byte{0x81};
        frame[0].data[16] = std::byte{0x08};
        std::memcpy(frame[0].data + 18, packet.data(), packet.size());
        frame[0].length = 1518;
        frame[0].segment_size = segment_size;
        ASSERT_EQ(near.a->queue(0).transmit(frame, {}), 1u);
        bridge.move({});
        ASSERT_EQ(far.b->queue(0).receive(frame, {}), 1u) << segment_size;
        EXPECT_EQ(frame[0].length, 1518u);
        far.b->queue(0).release(frame);
    }
    EXPECT_EQ(counters.drops(Drop::io_oversize), 0u);
}

TEST_F(BridgeOfLinks, PassesLargeSegmentsWholeToADeviceThatCutsThem) {
    build(true);
    send(tcp_packet(5'500), large());
    bridge_->move({});
    auto frames = arrivals();
    ASSERT_EQ(frames.size(), 1u);
    EXPECT_EQ(frames[0].segment_size, 1000);
    EXPECT_EQ(frames[0].checksum, Checksum::partial);
    EXPECT_EQ(frames[0].checksum_start, 20);
    far_.b->queue(0).release(frames);
    expect_no_leak();
}

TEST_F(BridgeOfLinks, CutsLargeSegmentsForADeviceThatDoesNot) {
    build(false);
    send(tcp_packet(5'500), large());
    bridge_->move({});
    auto frames = arrivals();
    ASSERT_EQ(frames.size(), 6u);
    for (std::size_t i = 0; i < 6; ++i) {
        EXPECT_EQ(frames[i].length, i < 5 ? 1040u : 540u);
        std::vector<std::byte> copy(frames[i].data, frames[i].data + frames[i].length);
        ASSERT_TRUE(complete_checksum(copy, Layer::ip));
        EXPECT_EQ(std::memcmp(copy.data(), frames[i].data, copy.size()), 0) << "was complete";
    }
    far_.b->queue(0).release(frames);
    expect_no_leak();
}

TEST_F(BridgeOfLinks, CompletesChecksumsForADeviceThatDoesNot) {
    build(false);
    send(tcp_packet(10), {.checksum = Checksum::partial, .checksum_start = 20});
    send(tcp_packet(10), {.checksum = Checksum::verified});
    bridge_->move({});
    auto frames = arrivals();
    ASSERT_EQ(frames.size(), 2u);
    auto expected = tcp_packet(10);
    ASSERT_TRUE(complete_checksum(expected, Layer::ip));
    for (const Frame& frame : frames) {
        EXPECT_EQ(std::memcmp(frame.data, expected.data(), expected.size()), 0);
    }
    far_.b->queue(0).release(frames);
}

TEST_F(BridgeOfLinks, CountsWhatIsTooLongOrFindsNoRoom) {
    build(false);
    send(tcp_packet(3'000), {});
    bridge_->move({});
    EXPECT_EQ(counters_.drops(Drop::io_oversize), 1u);
    for (int i = 0; i < 20; ++i) {
        send(tcp_packet(1), {});
        bridge_->move({});
    }
    EXPECT_EQ(counters_.drops(Drop::io_transmit_full), 4u) << "ring of 16";
    auto frames = arrivals();
    EXPECT_EQ(frames.size(), 16u);
    far_.b->queue(0).release(frames);
    expect_no_leak();
}

// A queue that discards a frame each time it is asked for some, and tells of each it sends.
class Discarding final : public Queue {
  public:
    explicit Discarding(Queue& inner) : inner_(inner) {}
    std::size_t receive(std::span<Frame>, Instant) override {
        count_drop(Drop::ethernet_short);
        return 0;
    }
    std::size_t allocate(std::span<Frame> frames) override { return inner_.allocate(frames); }
    std::size_t transmit(std::span<Frame> frames, Instant now) override {
        if (!frames.empty()) count_drop(Drop::io_device_refused);
        return inner_.transmit(frames, now);
    }
    void release(std::span<Frame> frames) override { inner_.release(frames); }
    [[nodiscard]] const Capabilities& capabilities() const override {
        return inner_.capabilities();
    }
    bool prepare_wait() override { return true; }
    void finish_wait() override {}
    [[nodiscard]] int wait_descriptor() const override { return -1; }

  private:
    Queue& inner_;
};

TEST_F(BridgeOfLinks, CountsByDirectionWhatEitherDeviceDiscards) {
    build(false);
    Discarding discarding(far_.a->queue(0));
    Faults faults;
    faults.delay = milliseconds(1);
    auto injector = FaultInjectorQueue::create(discarding, {.transmit = faults});
    ASSERT_TRUE(injector.ok());
    Counters back_counters;
    BridgeDirection there(near_.b->queue(0), **injector, counters_);
    BridgeDirection back(**injector, near_.b->queue(0), back_counters);
    send(tcp_packet(10), {});
    for (const Instant now : {Instant{}, Instant{} + milliseconds(1)}) {
        there.send_due(now);
        back.send_due(now);
        there.move(now);
        back.move(now);
    }
    EXPECT_EQ(back_counters.drops(Drop::ethernet_short), 2u) << "came from there";
    EXPECT_EQ(counters_.drops(Drop::ethernet_short), 0u);
    EXPECT_EQ(counters_.drops(Drop::io_device_refused), 1u) << "was held, and went there";
    EXPECT_EQ(back_counters.drops(Drop::io_device_refused), 0u);
    auto frames = arrivals();
    far_.b->queue(0).release(frames);
}

TEST_F(BridgeOfLinks, GivesTheInjectorFramesOfTheSizeOfTheWire) {
    build(true);
    Faults faults;
    faults.loss_ppm = 200'000;
    auto injector = FaultInjectorQueue::create(far_.a->queue(0), {.transmit = faults});
    ASSERT_TRUE(injector.ok());
    BridgeDirection lossy(near_.b->queue(0), **injector, counters_);
    for (int i = 0; i < 200; ++i) {
        send(tcp_packet(9'900), large());
        lossy.move({});
        auto frames = arrivals();
        far_.b->queue(0).release(frames);
    }
    EXPECT_NEAR(static_cast<double>((*injector)->transmit_counts().lost), 400, 60)
        << "of 2000 segments, not of 200 large ones";
    expect_no_leak();
}

}  // namespace
}  // namespace mtcp::io
