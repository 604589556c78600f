// SPDX-License-Identifier: Apache-2.0
// As Linux does it, where the RFCs leave a choice.
#include "tcp/recovery/undo.h"

#include "tcp/clock.h"
#include "tcp/congestion/controller.h"
#include "tcp/recovery/prr.h"
#include "tcp/recovery/tail_loss_probe.h"

namespace mtcp::tcp {
namespace {

constexpr std::uint16_t kNoneYet = UINT16_MAX;  // undo_resent: nothing was sent again so far

// Is a copy of `seq` on its way, so that the log has counted it?
bool is_resent(const TransmissionLog& log, wire::SequenceNumber seq) {
    for (const Run* run = end_of(log); run != begin_of(log); --run) {
        if (run[-1].begin <= seq) return seq < log.end && run[-1].is(Run::resent);
    }
    return false;
}

}  // namespace

void prepare_undo(Tcb& tcb, const Recovery* r) {
    tcb.repair.undoable = true;
    tcb.undo_from = tcb.snd.una;
    // What is on its way a further time may bring a D-SACK, too.
    std::uint32_t resent = r != nullptr ? (r->log.resent_bytes + tcb.mss - 1) / tcb.mss : 0;
    const bool probed = probe_is_out(tcb) && tcb.repair.probe_resent;
    if (probed && (r == nullptr || !is_resent(r->log, tcb.probe_end - 1))) ++resent;
    tcb.undo_resent = static_cast<std::uint16_t>(
        resent == 0 ? kNoneYet : (resent < kNoneYet ? resent : kNoneYet - 1u));
}

void note_resent(Tcb& tcb, std::uint32_t segments, Instant now) {
    if (!tcb.repair.resent) {
        tcb.repair.resent = true;
        tcb.first_resent = to_ms(now) + tcb.ts_offset;
    }
    if (tcb.undo_resent == kNoneYet) tcb.undo_resent = 0;
    if (tcb.undo_resent + segments < kNoneYet) {
        tcb.undo_resent = static_cast<std::uint16_t>(tcb.undo_resent + segments);
    }
}

bool was_only_delayed(const Tcb& tcb, const wire::Segment& seg) {
    if (!tcb.repair.resent) return true;
    if (!tcb.flags.timestamps || !seg.options.timestamps || seg.options.ts_echo == 0) return false;
    return static_cast<std::int32_t>(seg.options.ts_echo - tcb.first_resent) < 0;
}

void undo_reduction(Environment& env, Tcb& tcb, Recovery* r, Losses losses, Instant now) {
    if (losses == Losses::forget && r != nullptr) unmark_lost(r->log);
    congestion::on_undo(env, tcb, {.cwnd = tcb.prior_cwnd, .ssthresh = tcb.prior_ssthresh}, now);
    forget_undo(tcb);
    tcb.ecn.cwr = false;
    if (r == nullptr) return;
    r->rack_advanced = true;       // what is still lost must be found again
    r->lost_told = r->lost_total;  // and the rest was not
}

}  // namespace mtcp::tcp
