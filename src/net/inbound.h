// SPDX-License-Identifier: Apache-2.0
// What the network layer makes of a received frame: a TCP segment for us, an error about a path of
// ours, or nothing that anyone else needs to see.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "base/counters.h"
#include "io/frame.h"
#include "net/configuration.h"
#include "wire/ip_address.h"
#include "wire/sequence_number.h"

namespace mtcp::net {

enum class Verdict : std::uint8_t {
    tcp,         // `Inbound` is filled; the frame stays on loan until the segment was processed
    path_error,  // `PathErrorNotice` is filled; the frame may be released
    consumed,    // answered or kept as a copy; the frame may be released
    dropped,     // counted under exactly one Drop; the frame may be released
};

// A TCP segment addressed to us. `bytes` (TCP header and payload, padding removed) lie in the
// frame, or, for a datagram put together from fragments, in a buffer that is lent until
// Network::flush().
struct Inbound {
    wire::FlowKey key;  // `local` is one of ours; the ports are for who decodes the segment
    std::span<const std::byte> bytes;
    io::Checksum checksum = io::Checksum::in_frame;
    PartialChecksums partial_checksums = PartialChecksums::rejected;
    std::uint8_t ecn = 0;  // the two ECN bits of the IP header
    std::uint8_t interface = 0;
    std::uint16_t segment_size = 0;  // >0: joined from segments of this many bytes (GRO)
    bool follows_addresses = false;  // both IPv4 addresses stand right before `bytes`
};

// Whether the TCP checksum stands (RFC 9293 MUST-3): verified by the device, valid, or, where frame
// or interface allow it, the mere pseudo-header sum. Not done by input(), so that the core that
// owns the flow pays for it. Counts checksum_partial, or the drop tcp_bad_checksum.
[[nodiscard]] bool verify_checksum(const Inbound& inbound, Counters& counters);

// The meanings of tcp::PathError, in its order.
enum class PathError : std::uint8_t {
    net_unreachable,
    host_unreachable,
    protocol_unreachable,
    port_unreachable,
    time_exceeded,
    parameter_problem,
    fragmentation_needed,  // mtu is valid
    no_neighbour,          // address resolution failed
    no_route,
};

// Something is wrong with the path of the flow `key` (local is ours). From ICMP: the quoted packet
// is of our address and of TCP; whether it was ever sent is for the connection to judge (RFC 5927).
struct PathErrorNotice {
    wire::FlowKey key;
    wire::SequenceNumber seq;
    PathError kind = PathError::net_unreachable;
    std::uint16_t mtu = 0;
};

}  // namespace mtcp::net
