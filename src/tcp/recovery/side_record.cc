// SPDX-License-Identifier: Apache-2.0
// Taking, stamping and giving back.
#include "tcp/recovery/side_record.h"

#include "tcp/clock.h"
#include "tcp/recovery/prr.h"

namespace mtcp::tcp {

using wire::SequenceNumber;

namespace {

void begin(Recovery& r, const Tcb& tcb, Instant now) {
    reset(r.log, tcb.snd.una, tcb.mss);
    r.delivered_us = to_us(now);
    r.first_sent_us = to_us(now);
    // Until now there was at most one segment in flight: the application had no more.
    r.app_limited = true;
    r.app_limited_until = tcb.snd.nxt - tcb.iss;
    r.unclear = false;
    r.lost_total = 0;
    r.lost_told = 0;
    r.rack_known = false;
    r.rack_advanced = false;
    r.reno_sacked = 0;
    r.recover_fs = 0;
    r.prr_delivered = 0;
    r.prr_out = 0;
    r.rate = {};
}

}  // namespace

Recovery* take_record(Environment& env, Tcb& tcb, Instant now) {
    if (has_record(tcb)) return &env.recoveries[tcb.recovery];
    if (tcb.phase > Phase::disorder) return nullptr;
    tcb.recovery = env.recoveries.take();
    if (!has_record(tcb)) return nullptr;
    Recovery& r = env.recoveries[tcb.recovery];
    begin(r, tcb, now);
    if (tcb.snd.una != tcb.snd.nxt) {
        Run before = stamp_now(tcb, r, now);
        // One timed segment; or more than that, when the pool was empty as they left.
        if (tcb.flags.timing && tcb.timed_seq == tcb.snd.nxt) {
            before.sent_us = tcb.timed_us;
            before.first_sent_us = tcb.timed_us;
            before.delivered_us = tcb.timed_us;
            r.first_sent_us = tcb.timed_us;
            r.delivered_us = tcb.timed_us;
        } else {
            before.flags |= Run::ever_resent;  // Karn
        }
        before.tx_in_flight = tcb.snd.nxt - tcb.snd.una;
        append(r.log, tcb.snd.nxt, before);
    }
    // From here on the log says what time a segment took.
    tcb.flags.timing = false;
    tcb.timed_seq = tcb.snd.una;
    return &r;
}

void release_idle_record(Environment& env, Tcb& tcb) {
    if (!has_record(tcb) || tcb.snd.una != tcb.snd.nxt || tcb.phase != Phase::open) return;
    env.recoveries.give_back(tcb.recovery);
    tcb.recovery = kNoIndex;
}

std::uint32_t total_delivered(const Tcb& tcb, const Recovery& r) {
    return (tcb.snd.una - tcb.iss) + r.log.sacked_bytes + r.reno_sacked;
}

std::uint32_t pipe(const Tcb& tcb, const Recovery& r) {
    const std::uint32_t bytes = in_network(r.log, tcb.snd.una);
    return bytes > r.reno_sacked ? bytes - r.reno_sacked : 0;
}

Run stamp_now(const Tcb& tcb, Recovery& r, Instant now) {
    const std::uint32_t now_us = to_us(now);
    const std::uint32_t in_flight = pipe(tcb, r);
    if (in_flight == 0) {  // draft-cheng-iccrg-delivery-rate-estimation-02 §3.2
        r.first_sent_us = now_us;
        r.delivered_us = now_us;
    }
    Run run;
    run.begin = tcb.snd.nxt;
    run.sent_us = now_us;
    run.delivered = total_delivered(tcb, r);
    run.delivered_us = r.delivered_us;
    run.first_sent_us = r.first_sent_us;
    run.tx_in_flight = in_flight;
    run.lost_then = r.lost_total;
    run.spread_us = 0;
    run.flags = r.app_limited ? Run::app_limited : std::uint8_t{0};
    return run;
}

void log_new_data(Tcb& tcb, Recovery& r, SequenceNumber end, Instant now) {
    Run run = stamp_now(tcb, r, now);
    r.log.segment = tcb.mss;
    run.tx_in_flight += end - r.log.end;
    if (is_reducing(tcb)) r.prr_out += end - r.log.end;
    append(r.log, end, run);
}

void log_repair(Tcb& tcb, Recovery& r, SequenceRange range, Instant now) {
    Run run = stamp_now(tcb, r, now);
    run.tx_in_flight += range.length();
    if (is_reducing(tcb)) r.prr_out += range.length();
    send_again(r.log, range, run);
}

}  // namespace mtcp::tcp
