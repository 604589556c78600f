// SPDX-License-Identifier: Apache-2.0
// The window we offer (RFC 9293 §3.8.6.2.2, RFC 7323 §2).
#pragma once

#include <cstdint>

#include "tcp/connection.h"

namespace mtcp::tcp {

// What the header of the next segment says; updates RCV.WND to match. The right edge never moves
// left (RFC 9293 SHLD-14), but for less than a unit of the scaled field once the buffer is
// overdrawn.
[[nodiscard]] std::uint16_t advertise_window(const Environment& env, Tcb& tcb);
// The window as it stands, for the header of a segment that does not move it.
[[nodiscard]] inline std::uint16_t offered_field(const Tcb& tcb) {
    const std::uint32_t field = tcb.rcv.wnd >> tcb.receive_window_shift;
    return static_cast<std::uint16_t>(field < 0xffff ? field : 0xffff);
}
// Has the application read so much that the peer must hear of it now?
[[nodiscard]] bool window_update_is_due(const Environment& env, const Tcb& tcb);

}  // namespace mtcp::tcp
