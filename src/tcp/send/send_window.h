// SPDX-License-Identifier: Apache-2.0
// The window that the peer offers.
#pragma once

#include <cstdint>

#include "tcp/tcb.h"
#include "wire/segment.h"

namespace mtcp::tcp {

// RFC 9293 §3.10.7.4: only a segment that is not older than the last one may set the window. One
// that acknowledges more is newer also when it carries a retransmission, whose number is lower.
inline void update_send_window(Tcb& tcb, const wire::Segment& seg, std::uint32_t window) {
    const bool newer = tcb.snd.wl1 < seg.seq || tcb.snd.wl2 < seg.ack ||
                       (tcb.snd.wl1 == seg.seq && tcb.snd.wl2 == seg.ack);
    if (!newer) return;
    tcb.snd.wnd = window;
    tcb.snd.wl1 = higher(tcb.snd.wl1, seg.seq);
    tcb.snd.wl2 = higher(tcb.snd.wl2, seg.ack);
    if (window > tcb.max_wnd) tcb.max_wnd = window;
}

}  // namespace mtcp::tcp
