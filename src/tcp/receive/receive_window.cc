// SPDX-License-Identifier: Apache-2.0
// RFC 9293 MUST-39: the receiver's side of silly window avoidance.
#include "tcp/receive/receive_window.h"

namespace mtcp::tcp {
namespace {

// The least by which the right edge moves: min(buffer / 2, MSS), RFC 9293 §3.8.6.2.2.
std::uint32_t step(const Tcb& tcb) {
    const std::uint32_t half = tcb.settings.receive_buffer / 2;
    return half < tcb.mss ? half : tcb.mss;
}

// What the buffer, the window field and the core's memory allow.
// RFC 9293 MAY-8: as closed as the buffer is full.
std::uint32_t window_allowed(const Environment& env, const Tcb& tcb) {
    const std::uint32_t buffer = tcb.settings.receive_buffer;
    std::uint32_t window = buffer > tcb.rcv.unread ? buffer - tcb.rcv.unread : 0;
    const std::uint32_t field_max = std::uint32_t{0xffff} << tcb.receive_window_shift;
    if (window > field_max) window = field_max;
    if (env.memory == Environment::Memory::low) {
        // Two segments keep every connection alive and let the pool drain.
        const std::uint32_t trickle = 2u * tcb.mss;
        const std::uint32_t limit = tcb.rcv.wnd > trickle ? tcb.rcv.wnd : trickle;
        if (window > limit) window = limit;
    }
    return window;
}

// What window_allowed() cannot exceed, whatever else limits it.
bool buffer_holds(const Tcb& tcb, std::uint32_t window) {
    return std::uint64_t{window} + tcb.rcv.unread <= tcb.settings.receive_buffer;
}

std::uint16_t move_window(const Environment& env, Tcb& tcb) {
    const std::uint8_t shift = tcb.receive_window_shift;
    const std::uint32_t allowed = window_allowed(env, tcb);
    const bool grows = allowed >= tcb.rcv.wnd + step(tcb);
    std::uint32_t field = (grows ? allowed : tcb.rcv.wnd) >> shift;
    // A buffer smaller than a unit could never be offered.
    if (grows && field == 0 && allowed != 0) field = 1;
    if ((field << shift) < tcb.rcv.wnd) {
        // Rounding down takes back a part of a unit, rounding up gives as much away, and does so
        // with every ACK: a peer that sends byte by byte would never see the window close. So up,
        // as SHLD-14 wants, until a sixteenth of the buffer is given away.
        const std::uint32_t rounded_up = (field + 1) << shift;
        const std::uint32_t buffer = tcb.settings.receive_buffer;
        const std::uint32_t slack = buffer / 16 > (1u << shift) ? buffer / 16 : 1u << shift;
        if (rounded_up + tcb.rcv.unread <= buffer + slack) ++field;
    }
    if (field > 0xffff) field = 0xffff;
    // What was once offered stays acceptable (RFC 7323 §2.4).
    if ((field << shift) > tcb.rcv.wnd) tcb.rcv.wnd = field << shift;
    return static_cast<std::uint16_t>(field);
}

}  // namespace

// Mostly the edge stays where it is: the buffer has no room for another step, but for what is
// offered, in whole units. move_window() comes to the same then.
std::uint16_t advertise_window(const Environment& env, Tcb& tcb) {
    const std::uint8_t shift = tcb.receive_window_shift;
    const std::uint32_t field = (tcb.rcv.wnd + (1u << shift) - 1) >> shift;
    const bool stays = !buffer_holds(tcb, tcb.rcv.wnd + step(tcb)) &&
                       buffer_holds(tcb, field << shift) && field <= 0xffff;
    if (!stays) [[unlikely]]
        return move_window(env, tcb);
    tcb.rcv.wnd = field << shift;
    return static_cast<std::uint16_t>(field);
}

bool window_update_is_due(const Environment& env, const Tcb& tcb) {
    if (!buffer_holds(tcb, 2 * tcb.rcv.wnd)) return false;
    const std::uint32_t allowed = window_allowed(env, tcb);
    // At least doubled, as Linux: an update per read would be an ACK per read.
    return allowed >= 2 * tcb.rcv.wnd && allowed >= tcb.rcv.wnd + step(tcb);
}

}  // namespace mtcp::tcp
