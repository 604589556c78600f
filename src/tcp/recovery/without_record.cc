// SPDX-License-Identifier: Apache-2.0
// RFC 6582 with nothing but the TCB.
#include "tcp/recovery/without_record.h"

#include "tcp/congestion/controller.h"
#include "tcp/counting.h"
#include "tcp/path/ecn.h"
#include "tcp/timers.h"

namespace mtcp::tcp::without_record {
namespace {

using wire::SequenceNumber;

constexpr std::uint8_t kDupThresh = 3;  // RFC 5681 §3.2

// Losses of one flight are repaired once: not before SND.UNA has passed `recover` (RFC 6582 §3.2
// step 2).
bool loss_is_proven(const Tcb& tcb) {
    return tcb.snd.una > tcb.recover && tcb.dup_acks >= kDupThresh;
}

void enter_fast_recovery(Environment& env, Tcb& tcb, const AckContext& ack, Instant now) {
    if (!congestion::has_answered_marks(tcb)) {
        congestion::on_loss(env, tcb, ack.flight_before, now);
        queue_cwr(tcb);
    }
    tcb.phase = Phase::fast_recovery;
    tcb.recover = tcb.snd.nxt;
    tcb.high_rxt = tcb.snd.una;
    // Every duplicate is a segment that left the network: the window is inflated by it (RFC 6582
    // §3.2).
    if (!congestion::governs_recovery(tcb)) tcb.cwnd = tcb.ssthresh + kDupThresh * tcb.mss;
    tcb.repair.undoable = false;
    tcb.pending.retransmit = true;
    arm_retransmission(tcb, env.configuration.rto_max, now);
    count(env, &Counters::fast_retransmits);
}

// RFC 6582 §3.2 step 3, full acknowledgment.
void leave_recovery(Environment& env, Tcb& tcb, Instant now) {
    if (tcb.phase == Phase::fast_recovery && !congestion::governs_recovery(tcb)) {
        const std::uint32_t flight = tcb.snd.nxt - tcb.snd.una;
        const std::uint32_t room = (flight > tcb.mss ? flight : tcb.mss) + tcb.mss;
        tcb.cwnd = tcb.ssthresh < room ? tcb.ssthresh : room;
    }
    tcb.dup_acks = 0;
    tcb.pending.retransmit = false;
    tcb.phase = Phase::open;
    congestion::on_recovered(env, tcb, now);
}

void on_ack_in_fast_recovery(Tcb& tcb, const AckContext& ack) {
    // Partial: the next hole begins right here (RFC 6582 §3.2 step 3).
    if (ack.acked > 0 && tcb.snd.una >= tcb.high_rxt) tcb.pending.retransmit = true;
    if (congestion::governs_recovery(tcb)) return;
    if (ack.acked > 0) {
        const std::uint32_t deflated = tcb.cwnd > ack.acked ? tcb.cwnd - ack.acked : 0;
        tcb.cwnd = ack.acked >= tcb.mss ? deflated + tcb.mss : deflated;
        if (tcb.cwnd < tcb.mss) tcb.cwnd = tcb.mss;
    } else if (ack.duplicate == AckContext::Duplicate::yes) {
        // RFC 5681 §3.2 step 4: not by more than was outstanding; the rest is forged.
        const std::uint32_t most = tcb.ssthresh + (tcb.recover - tcb.snd.una);
        if (tcb.cwnd < most) tcb.cwnd += tcb.mss;
    }
}

}  // namespace

void recover_on_ack(Environment& env, Tcb& tcb, const AckContext& ack, Instant now) {
    if (ack.acked > 0) tcb.high_rxt = higher(tcb.high_rxt, tcb.snd.una);
    const bool in_repair = tcb.phase >= Phase::fast_recovery;
    if (in_repair && tcb.snd.una < tcb.recover) {
        if (tcb.phase == Phase::fast_recovery) on_ack_in_fast_recovery(tcb, ack);
        congestion::on_ack(env, tcb, ack, now);
        return;
    }
    if (in_repair) {
        leave_recovery(env, tcb, now);
    } else {
        if (ack.acked > 0) tcb.dup_acks = 0;
        congestion::on_ack(env, tcb, ack, now);
    }
    if (ack.duplicate == AckContext::Duplicate::yes && tcb.dup_acks < UINT8_MAX) ++tcb.dup_acks;
    if (loss_is_proven(tcb)) {
        enter_fast_recovery(env, tcb, ack, now);
        return;
    }
    if (tcb.phase <= Phase::disorder) {
        tcb.phase = tcb.dup_acks > 0 ? Phase::disorder : Phase::open;
    }
}

void enter_loss(Environment& env, Tcb& tcb, Instant now) {
    const bool first = tcb.retransmissions == 0;
    congestion::on_timeout(env, tcb,
                           first ? congestion::Timeout::first : congestion::Timeout::repeated, now);
    tcb.dup_acks = 0;
    tcb.repair.undoable = false;
    tcb.phase = Phase::loss;
    tcb.recover = tcb.snd.nxt;
    tcb.high_rxt = tcb.snd.una;
    tcb.pending.retransmit = true;
}

std::uint32_t pipe(const Tcb& tcb) {
    // After a time-out all that was in flight counts as gone, unless sent again since.
    if (tcb.phase == Phase::loss) {
        return (tcb.high_rxt - tcb.snd.una) + (tcb.snd.nxt - tcb.recover);
    }
    return tcb.snd.nxt - tcb.snd.una;
}

SequenceRange next_to_repair(const Tcb& tcb) {
    const SequenceNumber from = higher(tcb.high_rxt, tcb.snd.una);
    if (tcb.phase != Phase::loss || from >= tcb.recover) return {from, from};
    return {from, tcb.recover};
}

}  // namespace mtcp::tcp::without_record
