// SPDX-License-Identifier: Apache-2.0
// One queue of a TUN/TAP interface: a descriptor and the buffers frames lie in. The kernel moves
// one frame per read or write; there is no call for a burst.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "base/memory.h"
#include "io/packet_io.h"
#include "io/tap/tap_device.h"

namespace mtcp::io {

class TapQueue final : public Queue {
  public:
    // Takes over `descriptor`, non-blocking and attached. nullptr when memory is refused. `config`
    // has the interface's real name.
    [[nodiscard]] static std::unique_ptr<TapQueue> make(int descriptor, const TapConfig& config,
                                                        TapOffload granted);
    ~TapQueue() override;

    std::size_t receive(std::span<Frame> frames, Instant now) override;
    std::size_t allocate(std::span<Frame> frames) override;
    std::size_t transmit(std::span<Frame> frames, Instant now) override;
    void release(std::span<Frame> frames) override;
    [[nodiscard]] const Capabilities& capabilities() const override { return capabilities_; }
    bool prepare_wait() override { return !more_expected_; }
    void finish_wait() override {}
    [[nodiscard]] int wait_descriptor() const override { return descriptor_; }

  private:
    enum class Sent { yes, full, refused };

    TapQueue(int descriptor, std::string name) : descriptor_(descriptor), name_(std::move(name)) {}
    void close();
    void lose_interface();
    [[nodiscard]] Sent send(const Frame& frame);
    [[nodiscard]] std::byte* buffer(std::uint32_t index) const;

    int descriptor_;  // -1: the interface is gone
    std::string name_;
    Capabilities capabilities_;
    // The last burst was full: the kernel probably has more, and sleeping would cost two calls.
    bool more_expected_ = false;
    Region region_;
    std::vector<std::uint32_t> free_;  // buffers not on loan; the last one released is used first
};

}  // namespace mtcp::io
