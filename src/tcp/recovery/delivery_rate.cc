// SPDX-License-Identifier: Apache-2.0
// C.delivered is not kept: it is SND.UNA plus what was SACKed.
#include "tcp/recovery/delivery_rate.h"

#include "tcp/clock.h"
#include "tcp/recovery/side_record.h"

namespace mtcp::tcp {
namespace {

// Without SACK the ACK of what filled a hole tells of all that had waited behind it at the peer. Of
// what no duplicate had told (a time-out forgets them) nobody knows when it came: to count it as
// delivered in the last round trip would make the path look many times as fast as it is.
bool tells_of_the_past(const Tcb& tcb, const Delivery& delivery, const AckContext& ack) {
    constexpr std::uint32_t kDelayedSegments = 2;  // that an ACK may be for (RFC 9293 SHLD-18)
    return !tcb.flags.selective_ack && delivery.resent_acked &&
           ack.delivered() > kDelayedSegments * tcb.mss;
}

}  // namespace

void sample_rate(const Tcb& tcb, Recovery& r, const Delivery& delivery, AckContext& ack,
                 Instant now) {
    const std::uint32_t total = ack.total_delivered;
    if (r.app_limited && static_cast<std::int32_t>(total - r.app_limited_until) > 0) {
        r.app_limited = false;
    }
    if (ack.delivered() == 0) return;
    if (tells_of_the_past(tcb, delivery, ack)) {
        r.unclear = true;
        r.clear_from = total;
    }
    r.delivered_us = to_us(now);
    if (!delivery.has_newest) return;
    const Run& run = delivery.newest;
    r.first_sent_us = run.sent_us;
    const std::uint32_t sending_us = run.sent_us - run.first_sent_us;
    const std::uint32_t acking_us = to_us(now) - run.delivered_us;
    const std::uint32_t interval_us = sending_us > acking_us ? sending_us : acking_us;
    const auto delivered = static_cast<std::int32_t>(total - run.delivered);
    ack.rate.prior_delivered = run.delivered;
    ack.rate.tx_in_flight = run.tx_in_flight;
    ack.rate.lost = r.lost_total - run.lost_then;
    ack.rate.limit =
        run.is(Run::app_limited) ? RateSample::Limit::application : RateSample::Limit::network;
    if (r.unclear) {
        if (static_cast<std::int32_t>(run.delivered - r.clear_from) < 0) return;
        r.unclear = false;
    }
    // Shorter than any round trip: the ACK of an earlier copy, or an ACK of what was just sent.
    if (interval_us < tcb.rtt_min_us || interval_us == 0 || delivered <= 0) return;
    ack.rate.delivered = static_cast<std::uint32_t>(delivered);
    ack.rate.interval_us = interval_us;
    r.rate = ack.rate;
}

void note_application_limit(const Tcb& tcb, Recovery& r) {
    const std::uint32_t in_flight = pipe(tcb, r);
    if (bytes_unsent(tcb) >= tcb.mss || in_flight >= tcb.cwnd || r.log.waiting_bytes > 0) return;
    r.app_limited = true;
    r.app_limited_until = total_delivered(tcb, r) + in_flight;
}

}  // namespace mtcp::tcp
