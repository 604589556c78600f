// SPDX-License-Identifier: Apache-2.0
// A kernel interface whose other end is this process: multi-queue /dev/net/tun, with the virtio
// header that lets checksums be left undone and large TCP segments cross whole.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "base/problem.h"
#include "base/result.h"
#include "io/packet_io.h"

namespace mtcp::io {

enum class TapKind : std::uint8_t {
    tap,  // Ethernet frames
    tun,  // IP packets
};

enum class TapOffload : std::uint8_t {
    none,                       // complete checksums and frames of at most the MTU, both ways
    checksum_and_segmentation,  // partial checksums and segments of up to 64 KB, both ways
};

struct TapConfig {
    std::string name;  // "" or one with %d: the kernel picks the number
    std::size_t queues = 1;
    TapKind kind = TapKind::tap;
    std::uint32_t mtu = 1500;
    TapOffload offload = TapOffload::checksum_and_segmentation;
    // Address with prefix for the KERNEL's end, "10.0.0.1/24" or "fd00::1/64"; empty: none is set.
    std::string kernel_address;
};

class TapQueue;

class TapDevice final : public Device {
  public:
    // Makes the interface (or attaches to a persistent one of that name), sets its MTU and address
    // and brings it up. It vanishes with the device unless it was persistent.
    [[nodiscard]] static Result<std::unique_ptr<TapDevice>, Problem> open(const TapConfig& config);
    ~TapDevice() override;

    [[nodiscard]] std::size_t queue_count() const override { return queues_.size(); }
    [[nodiscard]] Queue& queue(std::size_t index) override;
    // Random and locally administered; the kernel's end has another one.
    [[nodiscard]] MacAddress mac() const override { return mac_; }
    [[nodiscard]] std::string description() const override;

    // What the kernel calls the interface.
    [[nodiscard]] const std::string& name() const { return name_; }

  private:
    TapDevice() = default;

    std::string name_;
    TapKind kind_ = TapKind::tap;
    TapOffload offload_ = TapOffload::none;
    MacAddress mac_;
    std::vector<std::unique_ptr<TapQueue>> queues_;
};

}  // namespace mtcp::io
