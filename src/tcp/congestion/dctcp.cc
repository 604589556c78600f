// SPDX-License-Identifier: Apache-2.0
// RFC 8257 §3.3.
#include "tcp/congestion/dctcp.h"

#include <algorithm>

namespace mtcp::tcp::congestion::dctcp {
namespace {

constexpr unsigned kGainShift = 4;  // §4.2: g = 1/16

}  // namespace

void begin(Dctcp& d, const Tcb& tcb) {
    d = {};
    d.window_end = tcb.snd.nxt;
    d.alpha = kAlphaOne;  // §4.2: the first mark halves, as for any other
}

void observe(Dctcp& d, const Tcb& tcb, const AckContext& ack) {
    d.acked += ack.acked;
    if (ack.ecn_echo == AckContext::EcnEcho::yes) d.marked += ack.acked;
    if (tcb.snd.una <= d.window_end) return;
    const std::uint64_t fraction = d.acked == 0 ? 0 : std::uint64_t{d.marked} * kAlphaOne / d.acked;
    // Whatever is left below 1/64 would never go away by a shift alone.
    d.alpha -= std::max(d.alpha >> kGainShift, std::min(d.alpha, 1u));
    d.alpha = std::min<std::uint32_t>(d.alpha + static_cast<std::uint32_t>(fraction >> kGainShift),
                                      kAlphaOne);
    d.acked = 0;
    d.marked = 0;
    d.window_end = tcb.snd.nxt;
}

std::uint32_t after_mark(const Dctcp& d, const Tcb& tcb) {
    const std::uint64_t cut = std::uint64_t{tcb.cwnd} * d.alpha / (2 * kAlphaOne);
    return std::max(tcb.cwnd - static_cast<std::uint32_t>(cut), 2u * tcb.mss);
}

}  // namespace mtcp::tcp::congestion::dctcp
