// SPDX-License-Identifier: Apache-2.0
// Frames of an interface of the kernel by a packet socket, copied: works on any driver and beside
// the kernel's own stack, which sees every frame too. The slow way, and the one that needs nothing;
// it serves `mtcp bridge`.
//
// With offload, checksums and large TCP segments cross as the kernel has them (PACKET_VNET_HDR).
// Without, frames above the MTU are dropped: `ethtool -K PEER tso off gso off` keeps them away.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "base/memory.h"
#include "base/problem.h"
#include "base/result.h"
#include "io/packet_io.h"

namespace mtcp::io {

enum class PacketOffload : std::uint8_t { none, checksum_and_segmentation };

struct AfPacketConfig {
    std::string interface;
    std::uint32_t frames = 512;  // buffers, for both directions; more than 2 * kBurst
    PacketOffload offload = PacketOffload::checksum_and_segmentation;
};

class AfPacketQueue final : public Queue {
  public:
    AfPacketQueue(int descriptor, const AfPacketConfig& config, std::uint32_t mtu);
    ~AfPacketQueue() override;
    // False when the memory for the buffers is refused.
    [[nodiscard]] bool reserve(std::uint32_t frames);

    std::size_t receive(std::span<Frame> frames, Instant now) override;
    std::size_t allocate(std::span<Frame> frames) override;
    std::size_t transmit(std::span<Frame> frames, Instant now) override;
    void release(std::span<Frame> frames) override;
    [[nodiscard]] const Capabilities& capabilities() const override { return capabilities_; }
    bool prepare_wait() override { return !more_expected_; }
    void finish_wait() override {}
    [[nodiscard]] int wait_descriptor() const override { return descriptor_; }

  private:
    // One call's arrays for recvmmsg and sendmmsg.
    struct Messages;
    [[nodiscard]] std::byte* buffer(std::uint32_t index) const;
    [[nodiscard]] bool accept(Frame& frame, const Messages& messages, std::size_t index);
    std::size_t transmit_burst(std::span<Frame> frames);

    int descriptor_;
    bool offload_;
    Capabilities capabilities_;
    std::unique_ptr<Messages> messages_;
    Region memory_;
    std::vector<std::uint32_t> free_;  // the last one released is used first
    bool more_expected_ = false;       // the last burst was full
};

class AfPacketDevice final : public Device {
  public:
    // Promiscuous, in the network namespace of the calling thread. The problem's error: ENODEV,
    // EPERM (lacking CAP_NET_RAW), ENETDOWN, EINVAL.
    [[nodiscard]] static Result<std::unique_ptr<AfPacketDevice>, Problem> open(
        const AfPacketConfig& config);

    [[nodiscard]] std::size_t queue_count() const override { return 1; }
    [[nodiscard]] Queue& queue(std::size_t) override { return *queue_; }
    [[nodiscard]] MacAddress mac() const override { return mac_; }
    [[nodiscard]] std::string description() const override;

  private:
    AfPacketDevice() = default;
    AfPacketConfig config_;
    MacAddress mac_;
    std::unique_ptr<AfPacketQueue> queue_;
};

}  // namespace mtcp::io
