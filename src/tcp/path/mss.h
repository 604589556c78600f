// SPDX-License-Identifier: Apache-2.0
// Segment sizes (RFC 9293 §3.7.1, RFC 6691 §2, §3.1).
#pragma once

#include <cstdint>

#include "tcp/settings.h"
#include "tcp/tcb.h"
#include "wire/ip_address.h"

namespace mtcp::tcp {

inline constexpr std::uint16_t kTimestampsOptionLength = 12;
// Whatever limits say, progress must be possible: what a packet of 68 bytes has room for beside the
// headers and timestamps (RFC 791: every link carries as much).
inline constexpr std::uint16_t kMssMinimum = 16;

// Bytes of IP and TCP header without options.
[[nodiscard]] constexpr std::uint16_t header_bytes(const wire::IpAddress& address) {
    return address.is_v4() ? 20 + 20 : 40 + 20;
}
// RFC 9293 MUST-15: of a peer that sent no MSS option.
[[nodiscard]] constexpr std::uint16_t default_send_mss(const wire::IpAddress& address) {
    return address.is_v4() ? 536 : 1220;
}

// RFC 9293 MUST-67: what we offer in the MSS option.
[[nodiscard]] std::uint16_t mss_to_advertise(const Settings& settings, std::uint16_t path_mtu,
                                             const wire::IpAddress& address);
// The peer's option (0: absent), not below the core's floor: tiny segments are an attack on our
// queues.
[[nodiscard]] std::uint16_t mss_of_peer(const Configuration& configuration, std::uint16_t option,
                                        const wire::IpAddress& address);
// Keeps what the peer can take, as mss_of_peer() has it.
void set_peer_mss(Tcb& tcb, std::uint16_t mss);
// RFC 9293 MUST-16: recomputes tcb.mss from the peer's MSS, the path and the options in use. cwnd
// does not stay below one segment, nor ssthresh, to which it may come, below two.
void update_effective_mss(Tcb& tcb);

}  // namespace mtcp::tcp
