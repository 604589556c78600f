// SPDX-License-Identifier: Apache-2.0
// RFC 8985 §6.2, as Linux reads it.
#include "tcp/recovery/rack.h"

#include "tcp/clock.h"

namespace mtcp::tcp {
namespace {

using wire::SequenceNumber;

constexpr std::uint32_t kReorderingMax = 255;  // segments

// Step 4. Small segments are counted by duplicates only, as without SACK: where the ACK advances as
// well Linux waits, too, as what it acknowledges left some microseconds before what is looked for.
bool is_dup_thresh_reached(const Tcb& tcb, const Recovery& r, Duplicate duplicate) {
    if (r.log.sacked_bytes >= std::uint32_t{tcb.reordering} * tcb.mss) return true;
    return duplicate == Duplicate::yes && r.log.sacked_segments >= tcb.reordering;
}

std::uint32_t reordering_window_us(const Tcb& tcb, const Recovery& r, Duplicate duplicate) {
    if (tcb.reorderings == 0) {
        if (tcb.phase >= Phase::fast_recovery) return 0;
        if (is_dup_thresh_reached(tcb, r, duplicate)) return 0;
    }
    const std::uint32_t window_us = tcb.rtt_min_us / 4 * tcb.window_steps;
    return window_us < tcb.srtt_us ? window_us : tcb.srtt_us;
}

}  // namespace

void rack_advance(Recovery& r, const Delivery& delivery) {
    if (!delivery.has_evidence) return;
    r.rack_advanced = true;
    r.rack_rtt_us = delivery.rack_rtt_us;
    if (!r.rack_known ||
        sent_after(delivery.rack_sent_us, delivery.rack_end, r.rack_sent_us, r.rack_end)) {
        r.rack_sent_us = delivery.rack_sent_us;
        r.rack_end = delivery.rack_end;
        r.rack_known = true;
    }
}

void note_reordering(Tcb& tcb, SequenceNumber from, SequenceNumber highest) {
    if (from >= highest) return;
    const std::uint32_t segments = (highest - from + tcb.mss - 1) / tcb.mss;
    if (segments > tcb.reordering) {
        tcb.reordering =
            static_cast<std::uint8_t>(segments < kReorderingMax ? segments : kReorderingMax);
    }
    if (tcb.reorderings < UINT8_MAX) ++tcb.reorderings;
}

void adapt_reordering_window(Tcb& tcb, std::uint32_t round_from, std::uint32_t total) {
    // Within a round trip of the last change D-SACKs may still tell of the time before it.
    if (static_cast<std::int32_t>(round_from - tcb.window_grown_at) < 0) {
        tcb.repair.dsack_seen = false;
    }
    if (tcb.repair.dsack_seen) {
        tcb.repair.dsack_seen = false;
        if (tcb.window_steps < UINT8_MAX) ++tcb.window_steps;
        tcb.window_grown_at = total;
        tcb.window_persists = kWindowPersists;
    } else if (tcb.window_persists == 0) {
        tcb.window_steps = 1;
    }
}

RackVerdict rack_detect_loss(const Tcb& tcb, Recovery& r, Duplicate duplicate, Instant now) {
    RackVerdict verdict;
    r.rack_advanced = false;
    if (!r.rack_known) return verdict;
    const std::uint32_t window_us = reordering_window_us(tcb, r, duplicate);
    for (std::size_t i = 0; i < r.log.count; ++i) {
        Run& run = r.log.runs[r.log.first + i];
        const bool waits = (run.flags & (Run::lost | Run::resent)) == Run::lost;
        if (run.is(Run::sacked) || waits) continue;
        if (!sent_after(r.rack_sent_us, r.rack_end, run.sent_us, end_of(r.log, &run))) continue;
        // All segments of a turn bear one time, and the numbers, which then decide between
        // originals (RFC 8985 §6.2), do not tell whether new data left before a copy.
        if (run.is(Run::behind_new_data) && run.sent_us == r.rack_sent_us) continue;
        const std::uint32_t age_us = to_us(now) - run.sent_us;
        const std::uint32_t limit_us = r.rack_rtt_us + window_us;
        if (age_us >= limit_us) {
            verdict.lost += mark_lost(r.log, run);
        } else if (limit_us - age_us > verdict.wait_us) {
            verdict.wait_us = limit_us - age_us;
        }
    }
    r.lost_total += verdict.lost;
    return verdict;
}

bool rack_has_timed_out(const Recovery& r, std::uint32_t sent_us, Instant now) {
    return !r.rack_known || to_us(now) - sent_us >= r.rack_rtt_us;
}

}  // namespace mtcp::tcp
