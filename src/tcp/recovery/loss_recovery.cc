// SPDX-License-Identifier: Apache-2.0
// One function a phase; what follows from each is in rack, prr, undo and tail_loss_probe.
#include "tcp/recovery/loss_recovery.h"

#include "tcp/congestion/controller.h"
#include "tcp/counting.h"
#include "tcp/path/ecn.h"
#include "tcp/path/path_search.h"
#include "tcp/recovery/delivery_rate.h"
#include "tcp/recovery/prr.h"
#include "tcp/recovery/rack.h"
#include "tcp/recovery/side_record.h"
#include "tcp/recovery/tail_loss_probe.h"
#include "tcp/recovery/undo.h"
#include "tcp/recovery/without_record.h"
#include "tcp/timers.h"

namespace mtcp::tcp {
namespace {

using wire::SequenceNumber;

// RFC 8985 §6.2 step 5: a shorter wait than two ticks is not worth a timer.
constexpr Duration kReorderingSlack = milliseconds(2);
// The peer reneged: what it threw away goes again without waiting for the whole time-out; but a
// SACK that is late may still explain it (as Linux).
constexpr Duration kRenegingDelayMin = milliseconds(10);

Duration reneging_delay(const Tcb& tcb) {
    return std::max(microseconds(tcb.srtt_us / 2), kRenegingDelayMin);
}

struct Recovering {
    Environment& env;
    Tcb& tcb;
    Recovery& r;
    const Evidence& evidence;
    Instant now;
    bool advanced;            // SND.UNA did
    bool lost_again = false;  // a retransmission was found lost
    bool timer_is_set = false;
};

bool has_sack(const Tcb& tcb) { return tcb.flags.selective_ack; }

// --- entering and leaving ---

// RFC 5681 §3.1 through PRR: cwnd comes down to ssthresh from here on.
void begin_reduction(Environment& env, Tcb& tcb, Recovery& r, std::uint32_t flight, Instant now) {
    tcb.prior_cwnd = tcb.cwnd;
    if (congestion::has_answered_marks(tcb)) {
        // PRR brings what is in flight down to where the mark has brought cwnd.
        forget_undo(tcb);
    } else {
        // RFC 5681 §3.2 step 2: without what limited transmit let out.
        congestion::on_loss(env, tcb, flight < tcb.cwnd ? flight : tcb.cwnd, now);
        queue_cwr(tcb);
    }
    tcb.recover = tcb.snd.nxt;
    forget_probe(tcb);
    r.recover_fs = tcb.snd.nxt - tcb.snd.una - r.log.sacked_bytes - r.reno_sacked;
    r.prr_delivered = 0;
    r.prr_out = 0;
}

// ssthresh to return to: a window that was used is not forgotten (RFC 4015 §3.2 step (DET)).
std::uint32_t ssthresh_to_restore(const Tcb& tcb) {
    const std::uint32_t most = tcb.cwnd / 4 * 3;
    return tcb.ssthresh > most ? tcb.ssthresh : most;
}

void begin_recovery(Environment& env, Tcb& tcb, Recovery& r, std::uint32_t flight, Instant now) {
    tcb.repair.resent = false;
    prepare_undo(tcb, &r);
    tcb.prior_ssthresh = ssthresh_to_restore(tcb);
    begin_reduction(env, tcb, r, flight, now);
    tcb.phase = Phase::fast_recovery;
    tcb.pending.tail_probe = false;
    count(env, &Counters::fast_retransmits);
}

void end_reduction(Environment& env, Tcb& tcb, Instant now) {
    if (!congestion::governs_recovery(tcb)) tcb.cwnd = tcb.ssthresh;
    congestion::on_recovered(env, tcb, now);
}

bool anything_left(const Recovery& r) {
    return r.log.sacked_bytes + r.reno_sacked + r.log.lost_bytes + r.log.resent_bytes > 0;
}

// Back to a phase without repair, whichever the log allows. What a time-out wanted sent and the
// device had no room for is not needed any more.
void keep_open(Tcb& tcb, const Recovery& r) {
    tcb.phase = anything_left(r) ? Phase::disorder : Phase::open;
    tcb.pending.retransmit = false;
    if (tcb.phase != Phase::open) tcb.pending.tail_probe = false;
}

enum class Outcome : std::uint8_t { repaired, undone };

// SND.UNA has passed what was in flight when the phase began. Undone: it had been a mistake.
Outcome recovered(Recovering& on) {
    Tcb& tcb = on.tcb;
    tcb.dup_acks = 0;
    on.r.reno_sacked = 0;
    if (may_undo(tcb, on.evidence.seg)) {
        undo_reduction(on.env, tcb, &on.r, Losses::keep, on.now);
        return Outcome::undone;
    }
    if (tcb.window_persists > 0) --tcb.window_persists;
    return Outcome::repaired;
}

// --- finding losses ---

void add_lost(Recovering& on, std::uint32_t lost) { on.evidence.ack.lost += lost; }

// Without SACK (RFC 6582): the third duplicate, and in recovery every partial ACK, say that the
// first segment is lost.
void find_losses_by_duplicates(Recovering& on) {
    Tcb& tcb = on.tcb;
    Recovery& r = on.r;
    const bool first = tcb.phase < Phase::fast_recovery && tcb.snd.una > tcb.recover &&
                       tcb.dup_acks >= tcb.reordering;
    const bool partial = tcb.phase == Phase::fast_recovery && on.advanced;
    if (!first && !partial) return;
    if (r.log.count == 0 || begin_of(r.log)->is(Run::lost)) return;
    const std::uint32_t lost = mark_front_lost(r.log, tcb.mss);
    r.lost_total += lost;
    add_lost(on, lost);
}

void find_losses(Recovering& on) {
    if (on.r.log.count == 0) return;
    if (!has_sack(on.tcb)) {
        find_losses_by_duplicates(on);
        return;
    }
    if (!on.r.rack_advanced) return;
    const std::uint32_t resent = on.r.log.resent_bytes;
    const Duplicate duplicate = on.advanced ? Duplicate::no : Duplicate::yes;
    const RackVerdict verdict = rack_detect_loss(on.tcb, on.r, duplicate, on.now);
    add_lost(on, verdict.lost);
    on.lost_again = on.r.log.resent_bytes < resent;
    if (verdict.wait_us == 0) return;
    arm_repair(on.tcb, WaitsFor::reordering, microseconds(verdict.wait_us) + kReorderingSlack,
               on.now);
    on.timer_is_set = true;
}

// How many bytes duplicates can tell of. RFC 5681 §3.2 step 4: no more than was outstanding when
// the recovery began, or forged ones would call out new data that then counts as outstanding, and
// so on. After a time-out that all counts as lost, and what is told of is newer.
std::uint32_t duplicates_most(const Tcb& tcb, const Recovery& r) {
    const std::uint32_t flight = r.log.end - tcb.snd.una;
    std::uint32_t most = flight;
    if (tcb.phase == Phase::fast_recovery && tcb.recover < r.log.end) {
        most = tcb.recover > tcb.snd.una ? tcb.recover - tcb.snd.una : 0;
    } else if (tcb.phase == Phase::loss) {
        most = r.log.lost_bytes + tcb.ssthresh < flight ? r.log.lost_bytes + tcb.ssthresh : flight;
    }
    return most > r.log.lost_bytes ? most - r.log.lost_bytes : 0;
}

// RFC 6582: duplicates tell of segments that left the network. They cannot be more than there are.
void count_duplicates(Recovering& on) {
    Tcb& tcb = on.tcb;
    Recovery& r = on.r;
    if (!on.evidence.duplicate) return;
    if (tcb.dup_acks < UINT8_MAX) ++tcb.dup_acks;
    const std::uint32_t most = duplicates_most(tcb, r);
    const std::uint32_t before = r.reno_sacked;
    const std::uint32_t more = before + tcb.mss;
    r.reno_sacked = more < most ? more : (before > most ? before : most);
    on.evidence.ack.newly_sacked += r.reno_sacked - before;
}

// --- undoing ---

bool undo_if_all_were_duplicates(Recovering& on) {
    Tcb& tcb = on.tcb;
    if (!all_were_duplicates(tcb)) return false;
    // The reordering window of the next recoveries stays what made this one look right.
    if (tcb.window_persists < kWindowPersists) ++tcb.window_persists;
    undo_reduction(on.env, tcb, &on.r, Losses::keep, on.now);
    return true;
}

// RFC 4015: a partial ACK came from before our retransmission. True: wait for what else comes.
bool undo_partial(Recovering& on) {
    Tcb& tcb = on.tcb;
    if (!tcb.repair.undoable || !was_only_delayed(tcb, on.evidence.seg)) return false;
    note_reordering(tcb, tcb.snd.una - on.evidence.ack.acked, highest_sacked(on.r.log));
    if (on.r.log.resent_bytes > 0) return true;
    tcb.repair.resent = false;
    undo_reduction(on.env, tcb, &on.r, Losses::forget, on.now);
    keep_open(tcb, on.r);
    return false;
}

enum class Proof : std::uint8_t { duplicates_or_timestamps, frto };

bool undo_loss(Recovering& on, Proof proof) {
    Tcb& tcb = on.tcb;
    if (proof != Proof::frto && !may_undo(tcb, on.evidence.seg)) return false;
    undo_reduction(on.env, tcb, &on.r, Losses::forget, on.now);
    tcb.retransmissions = 0;
    tcb.repair.new_data_first = false;
    keep_open(tcb, on.r);
    return true;
}

// --- phases ---

// RFC 5682 §3.1, §3.2 (with SACK). True: the phase is over, or waits for what new data says.
bool judge_by_frto(Recovering& on, bool recovered_now) {
    Tcb& tcb = on.tcb;
    if (!tcb.repair.frto) return false;
    // Step 3b: something arrived that was sent only once. Without SACK the ACK of what was sent
    // again takes along all that had waited behind it at the peer, since before the time-out.
    const Delivery& delivery = on.evidence.delivery;
    const bool tells = delivery.original_old && (has_sack(tcb) || !delivery.resent_acked);
    if (tells && undo_loss(on, Proof::frto)) return true;
    if (tcb.snd.nxt > tcb.recover) {
        if (on.evidence.ack.newly_sacked > 0 || on.evidence.duplicate) tcb.repair.frto = false;
    } else if (on.advanced && !recovered_now) {
        tcb.recover = tcb.snd.nxt;
        const bool can_send = tcb.snd.end > tcb.snd.nxt && tcb.snd.una + tcb.snd.wnd > tcb.snd.nxt;
        if (can_send) {
            tcb.repair.new_data_first = true;  // step 2b
            return true;
        }
        tcb.repair.frto = false;
    }
    return false;
}

void on_ack_in_loss(Recovering& on) {
    Tcb& tcb = on.tcb;
    const bool recovered_now = tcb.snd.una >= tcb.recover;
    tcb.repair.new_data_first = false;
    if (on.advanced && undo_loss(on, Proof::duplicates_or_timestamps)) return;
    if (judge_by_frto(on, recovered_now)) return;
    if (recovered_now) {
        static_cast<void>(recovered(on));
        keep_open(tcb, on.r);
        congestion::on_recovered(on.env, tcb, on.now);
        return;
    }
    if (has_sack(tcb)) return;
    if (tcb.snd.nxt > tcb.recover) {
        count_duplicates(on);
    } else if (on.advanced) {
        on.r.reno_sacked = 0;
    }
}

bool loss_is_proven(const Recovering& on) { return on.r.log.lost_bytes > 0; }

// A packet too large for its path is no congestion (RFC 4821 §7.6.2): its bytes go again in smaller
// ones, and that is all.
bool only_a_path_probe(Environment& env, Tcb& tcb, Recovery& r, Instant now) {
    if (!tcb.path_search || judge_path_loss(env, tcb, r, now) != LossIs::the_probe) return false;
    tcb.phase = Phase::loss;
    tcb.recover = tcb.snd.nxt;
    tcb.repair.frto = false;
    tcb.repair.new_data_first = false;
    forget_undo(tcb);
    tcb.pending.retransmit = true;
    return true;
}

void enter_recovery(Recovering& on) {
    if (!only_a_path_probe(on.env, on.tcb, on.r, on.now)) {
        begin_recovery(on.env, on.tcb, on.r, on.evidence.ack.flight_before, on.now);
        // RFC 9937 §6: with what this ACK delivered, which prr_on_ack() is about to count.
        on.r.recover_fs += on.evidence.ack.delivered();
    }
    // RFC 6298 (5.4) counts from the retransmission, which leaves now.
    if (!on.timer_is_set) arm_retransmission(on.tcb, on.env.configuration.rto_max, on.now);
    on.timer_is_set = true;
}

void on_ack_before_recovery(Recovering& on) {
    Tcb& tcb = on.tcb;
    if (!has_sack(tcb)) {
        if (on.advanced) {
            on.r.reno_sacked = 0;
            tcb.dup_acks = 0;
        }
        count_duplicates(on);
    }
    if (tcb.phase <= Phase::disorder) static_cast<void>(undo_if_all_were_duplicates(on));
    find_losses(on);
    if (loss_is_proven(on)) {
        enter_recovery(on);
    } else if (tcb.phase <= Phase::disorder) {
        keep_open(tcb, on.r);
    }
}

void on_ack_in_recovery(Recovering& on) {
    Tcb& tcb = on.tcb;
    if (!on.advanced) {
        if (!has_sack(tcb)) count_duplicates(on);
    } else {
        if (!has_sack(tcb)) {  // the ACK of a hole, and of what duplicates told of
            const std::uint32_t told = on.evidence.ack.reported;
            on.r.reno_sacked = on.r.reno_sacked > told ? on.r.reno_sacked - told : 0;
        }
        if (undo_partial(on)) return;
    }
    if (undo_if_all_were_duplicates(on)) keep_open(tcb, on.r);
    find_losses(on);
    if (tcb.phase != Phase::fast_recovery && loss_is_proven(on)) enter_recovery(on);
}

void leave_if_passed(Recovering& on) {
    Tcb& tcb = on.tcb;
    if (tcb.phase == Phase::fast_recovery && tcb.snd.una >= tcb.recover) {
        if (recovered(on) == Outcome::repaired) {
            end_reduction(on.env, tcb, on.now);
        } else {
            congestion::on_recovered(on.env, tcb, on.now);
        }
        keep_open(tcb, on.r);
    }
}

// What is not acknowledged begins with what SACK had told of: the peer has thrown it away, and who
// knows what else (RFC 2018 §8).
bool has_reneged(const Recovery& r) { return r.log.count > 0 && begin_of(r.log)->is(Run::sacked); }

// The time-out took for still under way what left within the last round trip, and the window holds
// it (enter_loss). What is found lost of it makes no room for as much new data.
void find_losses_after_timeout(Recovering& on) {
    Tcb& tcb = on.tcb;
    const std::uint32_t before = on.evidence.ack.lost;
    find_losses(on);
    const std::uint32_t lost = on.evidence.ack.lost - before;
    if (lost == 0 || congestion::governs_recovery(tcb)) return;
    tcb.cwnd = tcb.cwnd > lost + tcb.mss ? tcb.cwnd - lost : tcb.mss;
}

void move_phase(Recovering& on) {
    Tcb& tcb = on.tcb;
    if (on.advanced && has_reneged(on.r)) {
        // RFC 2018 §8: what is acknowledged ends where it had told of more. The time-out clears up.
        tcb.pending.retransmit = false;
        arm_repair(tcb, WaitsFor::timeout, reneging_delay(tcb), on.now);
        on.timer_is_set = true;
        return;
    }
    if (tcb.phase == Phase::open) tcb.repair.resent = false;
    leave_if_passed(on);
    switch (tcb.phase) {
        case Phase::fast_recovery: on_ack_in_recovery(on); break;
        case Phase::loss:
            on_ack_in_loss(on);
            if (tcb.phase == Phase::loss) {
                find_losses_after_timeout(on);
                // A lost retransmission is congestion after the time-out.
                if (on.lost_again) {
                    tcb.repair.new_data_first = false;
                    enter_recovery(on);
                }
            } else {
                on_ack_before_recovery(on);
            }
            break;
        default: on_ack_before_recovery(on); break;
    }
}

// RFC 8985 §7.4.2: the loss that the probe repaired costs what a loss costs.
void account_hidden_loss(Recovering& on) {
    Tcb& tcb = on.tcb;
    begin_reduction(on.env, tcb, on.r, on.evidence.ack.flight_before, on.now);
    forget_undo(tcb);
    end_reduction(on.env, tcb, on.now);
    keep_open(tcb, on.r);
}

void set_timer(Recovering& on) {
    Tcb& tcb = on.tcb;
    if (tcb.snd.una == tcb.snd.nxt) {  // RFC 6298 (5.2)
        disarm(tcb, Timer::retransmit);
        tcb.pending.retransmit = false;
        tcb.pending.tail_probe = false;
        return;
    }
    if (on.timer_is_set) return;
    // RFC 6298 (5.3). SACK restarts the time-out only for what left before the oldest segment did,
    // or it would never come for a lost retransmission.
    bool restart = on.advanced;
    const Delivery& delivery = on.evidence.delivery;
    if (!restart && delivery.has_original && on.evidence.ack.newly_sacked > 0) {
        const std::uint32_t head_age_us = to_us(on.now) - begin_of(on.r.log)->sent_us;
        restart = delivery.rtt_us > head_age_us;
    }
    if (restart) await_answer(on.env, tcb, Since::now, on.now);
}

void set_window(Recovering& on) {
    Tcb& tcb = on.tcb;
    const AckContext& ack = on.evidence.ack;
    if (is_reducing(tcb) && !congestion::governs_recovery(tcb)) {
        congestion::watch_marks(on.env, tcb, ack, on.now);
        const bool good = on.advanced && ack.lost == 0;
        prr_on_ack(tcb, on.r, ack.delivered(), good ? Progress::good : Progress::none);
        return;
    }
    if (ack.acked > 0 || ack.newly_sacked > 0 || on.evidence.duplicate) {
        congestion::on_ack(on.env, tcb, ack, on.now);
    }
}

void finish_context(Recovering& on) {
    AckContext& ack = on.evidence.ack;
    ack.total_delivered = total_delivered(on.tcb, on.r);
    ack.in_flight = pipe(on.tcb, on.r);
    ack.lost_since = on.r.lost_total - on.r.lost_told;
    on.r.lost_told = on.r.lost_total;
    sample_rate(on.tcb, on.r, on.evidence.delivery, ack, on.now);
}

}  // namespace

void recover_on_ack(Environment& env, Tcb& tcb, Recovery& r, const Evidence& evidence,
                    Instant now) {
    Recovering on{env, tcb, r, evidence, now, evidence.ack.acked > 0};
    const ProbeEvidence probe{.advanced = on.advanced,
                              .duplicate = evidence.duplicate,
                              .told_twice = evidence.probe_twice};
    if (judge_probe(tcb, probe) == HiddenLoss::yes) account_hidden_loss(on);
    if (tcb.path_search) [[unlikely]]
        search_on_ack(env, tcb, &r, now);
    move_phase(on);
    set_timer(on);
    finish_context(on);
    set_window(on);
}

void judge_without_record(Environment& env, Tcb& tcb, const ProbeEvidence& evidence, Instant now) {
    if (judge_probe(tcb, evidence) == HiddenLoss::yes) {
        congestion::on_loss(env, tcb, tcb.snd.nxt - tcb.snd.una, now);
        end_reduction(env, tcb, now);
        forget_undo(tcb);
    }
    if (tcb.phase <= Phase::disorder && all_were_duplicates(tcb)) {
        if (tcb.window_persists < kWindowPersists) ++tcb.window_persists;
        undo_reduction(env, tcb, nullptr, Losses::keep, now);
    }
}

void recover_on_old_ack(Environment& env, Tcb& tcb, Recovery& r, const Evidence& evidence,
                        Instant now) {
    Recovering on{env, tcb, r, evidence, now, false};
    move_phase(on);
    finish_context(on);
    set_window(on);  // RFC 9937 §6: on every ACK that delivers something
}

void on_reordering_timeout(Environment& env, Tcb& tcb, Instant now) {
    Recovery* r = record_of(env, tcb);
    if (r == nullptr) {
        arm_retransmission(tcb, env.configuration.rto_max, now);
        return;
    }
    const std::uint32_t flight = tcb.snd.nxt - tcb.snd.una;
    const RackVerdict verdict = rack_detect_loss(tcb, *r, Duplicate::no, now);
    const bool probe_only =
        verdict.lost > 0 && tcb.phase <= Phase::disorder && only_a_path_probe(env, tcb, *r, now);
    if (verdict.lost > 0 && tcb.phase != Phase::fast_recovery && !probe_only) {
        begin_recovery(env, tcb, *r, flight, now);
        if (!congestion::governs_recovery(tcb)) prr_on_ack(tcb, *r, tcb.mss, Progress::none);
    }
    await_answer(env, tcb, Since::sending, now);
}

namespace {

bool forget_if_reneged(Recovery& r) {
    const bool reneged = has_reneged(r);
    if (reneged) forget_sacks(r.log);
    return reneged;
}

// All that could have arrived by now is lost; what left within the last round trip may come yet.
void mark_timed_out(Recovery& r, Instant now) {
    const bool reneged = forget_if_reneged(r);
    r.reno_sacked = 0;
    if (to_us(now) - r.rack_sent_us > kEvidenceLifeUs) r.rack_known = false;
    for (std::size_t i = 0; i < r.log.count; ++i) {
        Run& run = r.log.runs[r.log.first + i];
        const bool recent = i > 0 && !reneged && !rack_has_timed_out(r, run.sent_us, now);
        if (!recent) r.lost_total += mark_lost(r.log, run);
    }
}

}  // namespace

void enter_loss(Environment& env, Tcb& tcb, Instant now) {
    Recovery* r = take_record(env, tcb, now);
    if (r == nullptr || r->log.count == 0) {
        without_record::enter_loss(env, tcb, now);
        return;
    }
    const bool fresh = tcb.phase < Phase::fast_recovery;
    const std::uint32_t told = r->log.sacked_segments + r->reno_sacked / tcb.mss;
    mark_timed_out(*r, now);
    // RFC 5681 §3.1: ssthresh is set once per loss, not again by further time-outs of one segment.
    const bool first = tcb.phase <= Phase::disorder || tcb.snd.una >= tcb.recover ||
                       (tcb.phase == Phase::loss && tcb.retransmissions == 0);
    if (first) {
        tcb.prior_ssthresh = ssthresh_to_restore(tcb);
        tcb.prior_cwnd = tcb.cwnd;
        tcb.repair.resent = false;
        prepare_undo(tcb, r);
    }
    congestion::on_timeout(env, tcb,
                           first ? congestion::Timeout::first : congestion::Timeout::repeated, now);
    if (!congestion::governs_recovery(tcb)) tcb.cwnd = pipe(tcb, *r) + tcb.mss;
    if (fresh && told >= kDupThresh && tcb.reordering > kDupThresh) {
        tcb.reordering = kDupThresh;  // was believed too large
    }
    tcb.phase = Phase::loss;
    tcb.recover = tcb.snd.nxt;
    tcb.dup_acks = 0;
    forget_probe(tcb);
    tcb.repair.new_data_first = false;
    tcb.pending.tail_probe = false;
    // RFC 5682 §3.1 step 1: not in the middle of another recovery.
    tcb.repair.frto = fresh || tcb.retransmissions > 0;
    tcb.pending.retransmit = true;
}

void resend_all(Environment& env, Tcb& tcb) {
    tcb.phase = Phase::loss;
    tcb.recover = tcb.snd.nxt;
    tcb.high_rxt = tcb.snd.una;
    tcb.repair.frto = false;
    tcb.repair.new_data_first = false;
    forget_probe(tcb);  // a tail loss probe was as large: its repair hid no loss
    forget_undo(tcb);
    tcb.pending.retransmit = tcb.snd.una != tcb.snd.nxt;
    Recovery* r = record_of(env, tcb);
    if (r == nullptr) return;
    static_cast<void>(forget_if_reneged(*r));
    for (std::size_t i = 0; i < r->log.count; ++i)
        static_cast<void>(mark_lost(r->log, r->log.runs[r->log.first + i]));
}

std::uint32_t pipe(const Environment& env, const Tcb& tcb) {
    const Recovery* r = record_of(env, tcb);
    return r != nullptr ? pipe(tcb, *r) : without_record::pipe(tcb);
}

SequenceRange next_to_repair(const Environment& env, const Tcb& tcb) {
    const Recovery* r = record_of(env, tcb);
    return r != nullptr ? next_waiting(r->log, tcb.mss) : without_record::next_to_repair(tcb);
}

}  // namespace mtcp::tcp
