// SPDX-License-Identifier: Apache-2.0
// A frame on loan from a packet I/O queue: received and not yet released, or allocated and not yet
// transmitted. The bytes belong to the queue that lent it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "base/cache_line.h"

namespace mtcp::io {

// What is known of the TCP checksum of a received frame, or wanted for a transmitted one.
enum class Checksum : std::uint8_t {
    in_frame,  // rx: must be verified; tx: complete
    verified,  // rx only: the device, or a wire that cannot corrupt, vouches for it
    partial,   // the field may hold the folded pseudo-header sum: rx, the sender may have left the
               // rest to a device that never was (af_xdp on veth), so valid or equal to that sum is
               // accepted, which is checked; tx, it does hold it and the device completes it
};

struct Frame {
    std::byte* data = nullptr;   // first byte: the Ethernet header on L2, the IP header on L3
    std::uint32_t length = 0;    // bytes that are valid
    std::uint32_t capacity = 0;  // bytes usable from data (for frames allocated to transmit)
    std::uint64_t token = 0;     // of the queue that lent the frame; nobody else looks at it
    Checksum checksum = Checksum::in_frame;
    std::uint8_t reserved = 0;
    std::uint16_t checksum_start = 0;  // tx with Checksum::partial: offset of the TCP header
    std::uint16_t segment_size = 0;    // >0: payload is to be cut into segments of this many bytes
                                       // (tx, TSO), or was joined from such segments (rx, GRO)
    std::uint16_t header_length = 0;  // tx with segment_size: bytes up to the end of the TCP header

    [[nodiscard]] std::span<std::byte> bytes() const { return {data, length}; }
};
static_assert(sizeof(Frame) == 32);

// Bytes left free before `data` in every allocated frame, so that a header can be put in front.
inline constexpr std::size_t kFrameHeadroom = 64;

}  // namespace mtcp::io
