// SPDX-License-Identifier: Apache-2.0
// What a network card does for its driver, done in software where frames pass between a device that
// offloads and one that does not: checksums completed, large TCP segments cut.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "io/frame.h"
#include "io/packet_io.h"

namespace mtcp::io {

// Where the headers of a TCP or UDP packet stand in a frame, as offsets from its first byte.
struct TransportPlace {
    std::uint16_t ip = 0;
    std::uint16_t transport = 0;
    std::uint16_t payload = 0;
    std::uint8_t ip_version = 0;
    std::uint8_t protocol = 0;  // 6 or 17; 0: neither, a fragment, or malformed
    std::uint32_t end = 0;      // of the IP packet: beyond it is Ethernet padding
};
[[nodiscard]] TransportPlace find_transport(std::span<const std::byte> frame, Layer layer);

// The version that the IP header of a frame states, behind VLAN tags; 0 when there is no IP header.
[[nodiscard]] std::uint8_t ip_version_of(std::span<const std::byte> frame, Layer layer);

// Puts the full checksum into a TCP or UDP packet; false (and nothing changed) for anything else.
bool complete_checksum(std::span<std::byte> frame, Layer layer);

// Completes a checksum that the sender left at the sum of the pseudo-header: the sum over the bytes
// from `start` on goes into the field `offset` bytes behind it. False when that lies outside.
bool finish_partial_checksum(std::span<std::byte> frame, std::size_t start, std::size_t offset);

// Writes segment `index` of the large TCP segment `whole` (segment_size > 0) into `out`, headers
// and checksums complete; returns its length, or 0 when there is no such segment, `whole` is not
// TCP, or `out` is too small.
[[nodiscard]] std::size_t cut_segment(const Frame& whole, Layer layer, std::size_t index,
                                      std::span<std::byte> out);

}  // namespace mtcp::io
