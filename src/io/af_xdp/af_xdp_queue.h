// SPDX-License-Identifier: Apache-2.0
// One core's pair of rings on an AF_XDP device, over a packet area of its own. Nothing is copied
// between the area and the stack, but for received frames that lie in several buffers.
//
// The area has two parts, so that neither direction can starve the other: buffers to receive into
// (in the fill ring, in the receive ring, or lent), and frames to transmit, each of one buffer or,
// where the MTU needs it, of several adjacent ones.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "base/memory.h"
#include "io/af_xdp/interface_watch.h"
#include "io/af_xdp/xsk_socket.h"
#include "io/frame_stack.h"
#include "io/packet_io.h"

namespace mtcp::io {

enum class BusyPoll : std::uint8_t { off, on };

// How a packet area is divided; bytes unless said otherwise.
struct AreaLayout {
    std::uint32_t buffer_size = 2048;
    std::uint32_t receive_buffers = 0;    // count
    std::uint32_t transmit_frames = 0;    // count
    std::uint32_t buffers_per_frame = 1;  // of a frame to transmit

    [[nodiscard]] std::uint64_t transmit_start() const {
        return std::uint64_t{receive_buffers} * buffer_size;
    }
    [[nodiscard]] std::uint64_t transmit_frame_size() const {
        return std::uint64_t{buffers_per_frame} * buffer_size;
    }
    [[nodiscard]] std::uint64_t size() const {
        return transmit_start() + transmit_frames * transmit_frame_size();
    }
};

class AfXdpQueue final : public Queue {
  public:
    struct Parts {
        std::string name;  // "veth0 queue 1", for the log
        XskSocket socket;  // bound
        std::unique_ptr<Region> area;
        AreaLayout layout;
        Capabilities capabilities;
        Checksum received_checksum = Checksum::in_frame;
        BusyPoll busy_poll = BusyPoll::off;
        std::string oversize_mend;              // what to do about frames too large to be received
        std::unique_ptr<InterfaceWatch> watch;  // only one of an interface's queues has it
    };
    // nullptr without memory.
    static std::unique_ptr<AfXdpQueue> make(Parts parts);

    std::size_t receive(std::span<Frame> frames, Instant now) override;
    std::size_t allocate(std::span<Frame> frames) override;
    std::size_t transmit(std::span<Frame> frames, Instant now) override;
    void release(std::span<Frame> frames) override;
    [[nodiscard]] const Capabilities& capabilities() const override { return parts_.capabilities; }
    bool prepare_wait() override;
    void finish_wait() override {}
    [[nodiscard]] int wait_descriptor() const override { return parts_.socket.descriptor(); }
    [[nodiscard]] Instant next_deadline() const override;

    // From now on what is added to `frames` counts as io_no_queue here. The first time is told with
    // `warning`. `frames` must outlive the last call of receive().
    void count_unclaimed(std::uint64_t* frames, std::string warning);

    [[nodiscard]] bool zero_copy() const { return zero_copy_; }
    [[nodiscard]] bool on_huge_pages() const { return parts_.area->huge(); }
    // In a forked child: gives up everything without touching the parent's rings.
    void abandon();

  private:
    explicit AfXdpQueue(Parts parts);
    [[nodiscard]] bool fill_stacks();

    void refill();
    void wake_receiver();
    [[nodiscard]] std::size_t take_received(std::span<Frame> frames);
    [[nodiscard]] bool gather(const xdp_desc& descriptor, Frame& frame);
    void take_back(std::uint64_t token);
    void lend(const xdp_desc& descriptor, Frame& frame);

    [[nodiscard]] std::uint32_t describe(const Frame& frame, std::uint32_t at);
    void reap_completions();
    void take_back_sent(std::uint64_t address);
    void kick();
    void repeat_kick();
    void retry_kick(int error);
    void spoil_held();
    std::size_t refuse(std::span<const Frame> frames);
    void count_kernel_drops();
    void count_up_to(std::uint64_t total, std::uint64_t& counted, Drop reason);
    void look_at_unclaimed();

    Parts parts_;
    std::byte* data_ = nullptr;
    FrameStack<std::uint64_t> receive_free_;
    FrameStack<std::uint64_t> transmit_free_;
    FrameStack<std::uint64_t> joined_free_;
    Region joined_area_;  // contiguous copies of received frames that lay in several buffers
    std::unique_ptr<std::uint8_t[]> buffers_in_flight_;  // of each transmit frame

    static constexpr std::uint64_t kNone = ~std::uint64_t{0};
    std::uint64_t joining_ = kNone;  // offset in joined_area_ of the frame being joined
    std::uint32_t joined_length_ = 0;
    bool joining_discards_ = false;  // the rest of a frame for which there was no room

    bool zero_copy_ = false;
    bool kick_pending_ = false;
    int kick_error_ = 0;  // ENETDOWN, ENXIO …: told once
    int kick_error_told_ = 0;
    bool given_up_ = false;  // frames are refused, not kept for when the interface is up again
    Instant now_;            // of the last receive or transmit
    Instant kick_again_ = kNever;
    Instant failing_since_ = kNever;  // with a kick_error_
    Instant statistics_due_;
    std::uint64_t no_frame_counted_ = 0;
    std::uint64_t oversize_counted_ = 0;
    std::uint64_t* unclaimed_ = nullptr;  // of the interface; only one of its queues has it
    std::string unclaimed_warning_;       // until it has been told
    std::uint64_t unclaimed_counted_ = 0;
};

}  // namespace mtcp::io
