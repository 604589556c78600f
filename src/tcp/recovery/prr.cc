// SPDX-License-Identifier: Apache-2.0
// RFC 9937 §6 in bytes, what may leave rounded up to segments as Linux counts them.
#include "tcp/recovery/prr.h"

#include "tcp/recovery/side_record.h"

namespace mtcp::tcp {

void prr_on_ack(Tcb& tcb, Recovery& r, std::uint32_t delivered, Progress progress) {
    if (delivered == 0 || r.recover_fs == 0) return;
    const std::int64_t mss = tcb.mss;
    const std::int64_t in_network = pipe(tcb, r);
    const std::int64_t target = tcb.ssthresh;
    r.prr_delivered += delivered;
    std::int64_t may_leave = 0;
    if (in_network > target) {  // proportional to what arrived
        const std::int64_t share = target * r.prr_delivered / r.recover_fs;
        may_leave = (share + mss - 1) / mss * mss - r.prr_out;
    } else {  // the safe reduction bound: conservative, or slow start while all goes well
        const std::int64_t behind = std::int64_t{r.prr_delivered} - r.prr_out;
        may_leave = behind > delivered ? behind : delivered;
        if (progress == Progress::good) may_leave += mss;
        if (may_leave > target - in_network) may_leave = target - in_network;
    }
    // The fast retransmission leaves in any case.
    const std::int64_t least = r.prr_out == 0 ? mss : 0;
    if (may_leave < least) may_leave = least;
    const std::int64_t window = in_network + may_leave;
    tcb.cwnd = static_cast<std::uint32_t>(window > mss ? window : mss);
}

}  // namespace mtcp::tcp
