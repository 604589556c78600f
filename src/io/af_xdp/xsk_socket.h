// SPDX-License-Identifier: Apache-2.0
// One AF_XDP socket: a packet area (UMEM) registered with the kernel, its four rings, bound to one
// queue of an interface.
#pragma once

#include <linux/if_xdp.h>

#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>

#include "base/problem.h"
#include "base/result.h"
#include "io/af_xdp/ring.h"

namespace mtcp::io {

// Sizes in entries, powers of two.
struct RingSizes {
    std::uint32_t fill = 2048;
    std::uint32_t completion = 2048;
    std::uint32_t receive = 2048;
    std::uint32_t transmit = 2048;
};

struct PacketArea {
    std::byte* data = nullptr;
    std::size_t size = 0;
    std::uint32_t frame_size = 0;  // bytes; 2048 or 4096
};

// The kernel's counts, since the socket was bound.
struct XskStatistics {
    std::uint64_t no_frame = 0;  // fill ring empty; with zero-copy, tries of the driver
    std::uint64_t dropped = 0;   // for want of a frame, or because the frame was too large
    std::uint64_t receive_ring_full = 0;
};

// What went wrong where, for whoever knows what was wanted.
struct XskFailure {
    enum class Step : std::uint8_t { create, register_area, make_rings, map_rings, bind } step;
    int error = 0;  // errno
};

class XskSocket {
  public:
    XskSocket() = default;
    // Not bound yet. `area` must outlive the socket.
    static Result<XskSocket, XskFailure> open(const PacketArea& area, const RingSizes& sizes);
    XskSocket(XskSocket&& other) noexcept { swap(other); }
    XskSocket& operator=(XskSocket&& other) noexcept {
        XskSocket(std::move(other)).swap(*this);
        return *this;
    }
    ~XskSocket();

    // `flags`: XDP_COPY, XDP_USE_NEED_WAKEUP …
    Result<Done, XskFailure> bind(int interface_index, std::uint32_t queue, std::uint16_t flags);

    [[nodiscard]] int descriptor() const { return descriptor_; }
    [[nodiscard]] bool zero_copy() const;
    [[nodiscard]] XskStatistics statistics() const;
    // ENETDOWN, once, when the interface was deleted or moved to another namespace; 0 otherwise.
    [[nodiscard]] int take_error() const;
    ProducerRing<std::uint64_t>& fill() { return fill_; }
    ConsumerRing<std::uint64_t>& completion() { return completion_; }
    ConsumerRing<xdp_desc>& received() { return received_; }
    ProducerRing<xdp_desc>& transmitted() { return transmitted_; }

    // In a forked child: closes the descriptor; the rings were not inherited (MADV_DONTFORK).
    void abandon();

  private:
    struct Mapping {
        void* address = nullptr;
        std::size_t size = 0;
    };
    void swap(XskSocket& other) noexcept;
    template <typename Entry>
    Result<RingMemory<Entry>, XskFailure> map_ring(Mapping& mapping, const xdp_ring_offset& offsets,
                                                   std::uint32_t entries,
                                                   std::uint64_t page_offset);
    [[nodiscard]] int make_rings(const RingSizes& sizes) const;
    Result<Done, XskFailure> map_rings(const RingSizes& sizes);

    int descriptor_ = -1;
    Mapping mappings_[4];
    ProducerRing<std::uint64_t> fill_;
    ConsumerRing<std::uint64_t> completion_;
    ConsumerRing<xdp_desc> received_;
    ProducerRing<xdp_desc> transmitted_;
};

}  // namespace mtcp::io
