// SPDX-License-Identifier: Apache-2.0
// Phases of loss recovery.
#include "tcp/recovery/loss_recovery.h"

#include "tcp/congestion/controller.h"
#include "tcp/counting.h"
#include "tcp/timers.h"

namespace mtcp::tcp {
namespace {

using wire::SequenceNumber;

constexpr std::uint8_t kDupThresh = 3;  // RFC 5681 §3.2

bool has_scoreboard(const Tcb& tcb) { return tcb.recovery != kNoIndex; }

// RFC 6675 §5: duplicates are counted, or SACK alone proves the loss. Losses of one flight are
// repaired once: not before SND.UNA has passed `recover` (RFC 6582 §3.2 step 2).
bool loss_is_proven(const Environment& env, const Tcb& tcb) {
    if (tcb.snd.una <= tcb.recover) return false;
    if (tcb.dup_acks >= kDupThresh) return true;
    return has_scoreboard(tcb) && env.recoveries[tcb.recovery].lost_below > tcb.snd.una;
}

void enter_fast_recovery(Environment& env, Tcb& tcb, const AckContext& ack, Instant now) {
    tcb.phase = Phase::fast_recovery;
    tcb.recover = tcb.snd.nxt;
    tcb.high_rxt = tcb.snd.una;
    congestion::on_loss(env, tcb, ack.flight_before, now);
    // Without SACK every duplicate is a segment that left the network: the window is inflated by it
    // (RFC 6582 §3.2). With SACK the pipe is counted instead (RFC 6675 §5).
    if (!congestion::governs_recovery(tcb)) {
        tcb.cwnd = has_scoreboard(tcb) ? tcb.ssthresh : tcb.ssthresh + kDupThresh * tcb.mss;
    }
    tcb.pending.retransmit = true;
    tcb.pending.rescue = has_scoreboard(tcb);
    arm_retransmission(tcb, env.configuration.rto_max, now);
    count(env, &Counters::fast_retransmits);
}

// RFC 6582 §3.2 step 3, full acknowledgment.
void leave_recovery(Environment& env, Tcb& tcb, Instant now) {
    if (tcb.phase == Phase::fast_recovery && !congestion::governs_recovery(tcb)) {
        if (has_scoreboard(tcb)) {
            tcb.cwnd = tcb.ssthresh;
        } else {
            const std::uint32_t flight = tcb.snd.nxt - tcb.snd.una;
            const std::uint32_t room = (flight > tcb.mss ? flight : tcb.mss) + tcb.mss;
            tcb.cwnd = tcb.ssthresh < room ? tcb.ssthresh : room;
        }
    }
    tcb.dup_acks = 0;
    tcb.pending.retransmit = false;
    tcb.pending.rescue = false;
    const bool more_sacked = has_scoreboard(tcb) && env.recoveries[tcb.recovery].count > 0;
    tcb.phase = more_sacked ? Phase::disorder : Phase::open;
    congestion::on_recovered(env, tcb, now);
}

void on_ack_in_fast_recovery(const Environment& env, Tcb& tcb, const AckContext& ack) {
    const bool sack = has_scoreboard(tcb);
    if (ack.acked > 0) {  // partial
        const bool nothing_sacked = !sack || env.recoveries[tcb.recovery].count == 0;
        // RFC 6582 §3.2 step 3: the next hole begins right here.
        if (nothing_sacked && tcb.snd.una >= tcb.high_rxt) tcb.pending.retransmit = true;
        if (sack || congestion::governs_recovery(tcb)) return;
        const std::uint32_t deflated = tcb.cwnd > ack.acked ? tcb.cwnd - ack.acked : 0;
        tcb.cwnd = ack.acked >= tcb.mss ? deflated + tcb.mss : deflated;
        if (tcb.cwnd < tcb.mss) tcb.cwnd = tcb.mss;
    } else if (!sack && !congestion::governs_recovery(tcb) &&
               ack.duplicate == AckContext::Duplicate::yes) {
        tcb.cwnd += tcb.mss;
    }
}

}  // namespace

bool is_plausible(const Tcb& tcb, const wire::SackBlock& block) {
    return block.begin > tcb.snd.una && block.end > block.begin && block.end <= tcb.snd.nxt &&
           block.begin < tcb.snd.nxt;
}

std::uint32_t take_sack(Environment& env, Tcb& tcb, const wire::Options& options) {
    std::uint32_t fresh = 0;
    for (std::size_t i = 0; i < options.sack_count; ++i) {
        if (!is_plausible(tcb, options.sack[i])) continue;
        const SequenceRange block{options.sack[i].begin, options.sack[i].end};
        if (!has_scoreboard(tcb)) {
            // A record in the middle of a recovery without SACK would change the meaning of cwnd.
            if (tcb.phase == Phase::fast_recovery) return 0;
            tcb.recovery = env.recoveries.take();
            if (!has_scoreboard(tcb)) return 0;
            reset(env.recoveries[tcb.recovery], tcb.snd.una);
        }
        fresh += add(env.recoveries[tcb.recovery], block);
    }
    return fresh;
}

namespace {

// Moves the phase on.
void judge(Environment& env, Tcb& tcb, const AckContext& ack, Instant now) {
    if (ack.acked > 0) tcb.high_rxt = higher(tcb.high_rxt, tcb.snd.una);
    if (has_scoreboard(tcb)) update_lost(env.recoveries[tcb.recovery], tcb.snd.una, tcb.mss);
    const bool in_repair = tcb.phase == Phase::fast_recovery || tcb.phase == Phase::loss;
    if (in_repair && tcb.snd.una < tcb.recover) {
        if (tcb.phase == Phase::fast_recovery) on_ack_in_fast_recovery(env, tcb, ack);
        return;
    }
    if (in_repair) {
        leave_recovery(env, tcb, now);
    } else if (ack.acked > 0) {
        tcb.dup_acks = 0;
    }
    if (ack.duplicate == AckContext::Duplicate::yes && tcb.dup_acks < UINT8_MAX) ++tcb.dup_acks;
    if (loss_is_proven(env, tcb)) {
        enter_fast_recovery(env, tcb, ack, now);
        return;
    }
    const bool more_sacked = has_scoreboard(tcb) && env.recoveries[tcb.recovery].count > 0;
    tcb.phase = tcb.dup_acks > 0 || more_sacked ? Phase::disorder : Phase::open;
    release_idle_scoreboard(env, tcb);
}

}  // namespace

void recover_on_ack(Environment& env, Tcb& tcb, const AckContext& ack, Instant now) {
    judge(env, tcb, ack, now);
    congestion::on_ack(env, tcb, ack, now);
}

void enter_loss(Environment& env, Tcb& tcb, Instant now) {
    const bool first = tcb.retransmissions == 0;
    congestion::on_timeout(env, tcb,
                           first ? congestion::Timeout::first : congestion::Timeout::repeated, now);
    if (!first && has_scoreboard(tcb)) {
        // A second time-out: the receiver may have thrown away what it reported (RFC 2018 §8).
        reset(env.recoveries[tcb.recovery], tcb.snd.una);
    }
    tcb.dup_acks = 0;
    tcb.pending.rescue = false;
    resend_all(tcb);
}

void resend_all(Tcb& tcb) {
    tcb.phase = Phase::loss;
    tcb.recover = tcb.snd.nxt;
    tcb.high_rxt = tcb.snd.una;
    tcb.pending.retransmit = true;
    tcb.flags.timing = false;
}

std::uint32_t pipe(const Environment& env, const Tcb& tcb) {
    const SequenceNumber una = tcb.snd.una;
    const SequenceNumber nxt = tcb.snd.nxt;
    const bool in_loss = tcb.phase == Phase::loss;
    if (!has_scoreboard(tcb)) {
        // After a time-out all that was in flight counts as gone, unless sent again since.
        return in_loss ? (tcb.high_rxt - una) + (nxt - tcb.recover) : nxt - una;
    }
    const Recovery& s = env.recoveries[tcb.recovery];
    const SequenceNumber lost_below = in_loss ? tcb.recover : s.lost_below;
    std::uint32_t bytes = (nxt - lost_below) - sacked_within(s, lost_below, nxt);
    if (tcb.phase >= Phase::fast_recovery) {
        bytes += (tcb.high_rxt - una) - sacked_within(s, una, tcb.high_rxt);
    }
    return bytes;
}

SequenceRange next_to_repair(const Environment& env, const Tcb& tcb, Urgency urgency) {
    const SequenceNumber from = higher(tcb.high_rxt, tcb.snd.una);
    const SequenceRange none{from, from};
    if (tcb.phase == Phase::loss) {
        if (urgency != Urgency::lost || from >= tcb.recover) return none;
        if (!has_scoreboard(tcb)) return {from, tcb.recover};
        return next_unsacked(env.recoveries[tcb.recovery], from, tcb.recover);
    }
    if (tcb.phase != Phase::fast_recovery || !has_scoreboard(tcb)) return none;
    const Recovery& s = env.recoveries[tcb.recovery];
    if (s.count > 0 && from < highest_sacked(s)) {
        const SequenceRange hole = next_unsacked(s, from, highest_sacked(s));
        const bool lost = hole.begin < s.lost_below;
        if (hole.length() > 0 && lost == (urgency == Urgency::lost)) return hole;
        if (hole.length() > 0) return none;
    }
    if (urgency == Urgency::lost || !tcb.pending.rescue) return none;
    // NextSeg (4): once per recovery, the end of what is outstanding, so that its SACK shows the
    // rest.
    const SequenceNumber highest = s.count > 0 ? highest_sacked(s) : tcb.snd.una;
    if (highest >= tcb.snd.nxt) return none;
    const SequenceNumber last_segment = tcb.snd.nxt - tcb.mss;
    return {higher(highest, last_segment), tcb.snd.nxt};
}

void release_idle_scoreboard(Environment& env, Tcb& tcb) {
    if (!has_scoreboard(tcb) || tcb.phase >= Phase::fast_recovery) return;
    if (env.recoveries[tcb.recovery].count > 0) return;
    env.recoveries.give_back(tcb.recovery);
    tcb.recovery = kNoIndex;
}

}  // namespace mtcp::tcp
