// SPDX-License-Identifier: Apache-2.0
// Runs are kept in one array from `first` on; the array is closed up when its end is reached.
#include "tcp/recovery/transmission_log.h"

#include <algorithm>
#include <cstring>

namespace mtcp::tcp {
namespace {

using wire::SequenceNumber;

constexpr std::uint8_t kKind = Run::sacked | Run::lost | Run::resent;

Run* runs(TransmissionLog& log) { return log.runs.data() + log.first; }

SequenceNumber run_end(const TransmissionLog& log, std::size_t i) {
    return end_of(log, begin_of(log) + i);
}

bool same_kind(const Run& a, const Run& b) { return ((a.flags ^ b.flags) & kKind) == 0; }

bool same_time(const Run& a, const Run& b) {
    return a.sent_us == b.sent_us && a.delivered == b.delivered && a.flags == b.flags;
}

// From the earliest time of either to the latest.
std::uint16_t spread_of(const Run& a, const Run& b) {
    if (a.spread_us == Run::kBlurred || b.spread_us == Run::kBlurred) return Run::kBlurred;
    const auto ahead_us = static_cast<std::int32_t>(b.sent_us - a.sent_us);
    const std::uint32_t latest_us = ahead_us > 0 ? b.sent_us : a.sent_us;
    const std::uint32_t us = std::max(latest_us - a.first_us(), latest_us - b.first_us());
    return us < Run::kBlurred ? static_cast<std::uint16_t>(us) : Run::kBlurred;
}

// Run i takes over run i + 1: the later time counts.
void absorb(Run& run, const Run& next) {
    const SequenceNumber begin = run.begin;
    const auto flags = static_cast<std::uint8_t>(run.flags | next.flags);
    const std::uint16_t spread_us = spread_of(run, next);
    if (static_cast<std::int32_t>(next.sent_us - run.sent_us) >= 0) run = next;
    run.begin = begin;
    run.flags = flags;
    run.spread_us = spread_us;
}

void remove(TransmissionLog& log, std::size_t from, std::size_t how_many) {
    Run* const at = runs(log) + from;
    std::memmove(at, at + how_many, (log.count - from - how_many) * sizeof(Run));
    log.count = static_cast<std::uint16_t>(log.count - how_many);
}

// Neighbours of one kind become one run, as long as it spans `most_us` at most.
void thin_out(TransmissionLog& log, std::uint16_t most_us) {
    Run* const run = runs(log);
    std::size_t kept = 0;
    for (std::size_t i = 0; i < log.count; ++i) {
        const bool joins = kept > 0 && same_kind(run[kept - 1], run[i]) &&
                           spread_of(run[kept - 1], run[i]) <= most_us;
        if (joins) {
            absorb(run[kept - 1], run[i]);
        } else {
            run[kept++] = run[i];
        }
    }
    log.count = static_cast<std::uint16_t>(kept);
}

// What left close together becomes one: first within a share of all the time that the log covers,
// so that a round trip is known to that, then as far apart as it takes to make room.
void thin_out(TransmissionLog& log, std::size_t room) {
    constexpr std::uint32_t kShares = 64;
    const Run* const run = runs(log);
    std::uint32_t covers_us = 0;
    for (std::size_t i = 0; i < log.count; ++i) {
        const auto ahead_us = static_cast<std::int32_t>(run[i].sent_us - run[0].sent_us);
        covers_us = std::max(covers_us, static_cast<std::uint32_t>(std::max(ahead_us, 0)));
    }
    std::uint32_t most_us = std::max(covers_us / kShares, 1u);
    for (std::size_t pass = 0; pass < 3; ++pass, most_us *= 4) {
        thin_out(log, static_cast<std::uint16_t>(std::min<std::uint32_t>(most_us, Run::kBlurred)));
        if (log.count + room <= kRunsMax - kRunsForSending) return;
    }
    thin_out(log, Run::kBlurred);
}

std::uint32_t in_segments(const TransmissionLog& log, std::uint32_t length) {
    return (length + log.segment - 1) / log.segment;
}

void count(TransmissionLog& log, const Run& run, std::uint32_t length) {
    if (run.is(Run::sacked)) {
        log.sacked_bytes += length;
        log.sacked_segments += in_segments(log, length);
    }
    if (run.is(Run::lost)) log.lost_bytes += length;
    if (run.is(Run::resent)) log.resent_bytes += length;
    if ((run.flags & kKind) == Run::lost) log.waiting_bytes += length;
}

void uncount(TransmissionLog& log, const Run& run, std::uint32_t length) {
    if (run.is(Run::sacked)) {  // small ones that have become one run: their share
        const std::uint64_t share = std::uint64_t{log.sacked_segments} * length;
        log.sacked_segments -= static_cast<std::uint32_t>(share / log.sacked_bytes);
        log.sacked_bytes -= length;
    }
    if (run.is(Run::lost)) log.lost_bytes -= length;
    if (run.is(Run::resent)) log.resent_bytes -= length;
    if ((run.flags & kKind) == Run::lost) log.waiting_bytes -= length;
}

// No neighbours are alike: what is known of one short range is forgotten. That it was SACKed is
// forgotten first, as the peer's word is only advice (RFC 2018 §8).
void forget_one(TransmissionLog& log) {
    Run* const run = runs(log);
    std::size_t chosen = log.count - 1u;
    for (std::size_t i = log.count; i-- > 1;) {
        const bool better = run[i].is(Run::sacked) > run[chosen].is(Run::sacked);
        const std::uint32_t length = run_end(log, i) - run[i].begin;
        const bool alike = run[i].is(Run::sacked) == run[chosen].is(Run::sacked);
        if (better || (alike && length < run_end(log, chosen) - run[chosen].begin)) chosen = i;
    }
    Run& before = run[chosen - 1];
    const std::uint8_t kind =
        (before.is(Run::sacked) ? run[chosen].flags & ~Run::sacked : before.flags) & kKind;
    uncount(log, before, run[chosen].begin - before.begin);
    uncount(log, run[chosen], run_end(log, chosen) - run[chosen].begin);
    const SequenceNumber end = run_end(log, chosen);
    absorb(before, run[chosen]);
    before.flags = static_cast<std::uint8_t>((before.flags & ~kKind) | kind);
    count(log, before, end - before.begin);
    log.waiting_from = lower(log.waiting_from, before.begin);
    remove(log, chosen, 1);
}

// Room for `more` further runs at the end of the array.
void make_room(TransmissionLog& log, std::size_t more) {
    if (log.first + log.count + more <= kRunsMax) return;
    if (log.count + more > kRunsMax - kRunsForSending) thin_out(log, more);
    while (log.count + more > kRunsMax)
        forget_one(log);
    std::memmove(log.runs.data(), runs(log), log.count * sizeof(Run));
    log.first = 0;
}

// Index of the run that holds `seq`. Precondition: SND.UNA <= seq < log.end.
std::size_t find(const TransmissionLog& log, SequenceNumber seq) {
    const Run* const run = begin_of(log);
    std::size_t low = 0;
    std::size_t high = log.count;
    while (high - low > 1) {
        const std::size_t middle = (low + high) / 2;
        (run[middle].begin <= seq ? low : high) = middle;
    }
    return low;
}

// Makes a run begin at `seq`, which may be log.end; its index. The caller has made room.
std::size_t split(TransmissionLog& log, SequenceNumber seq) {
    if (seq == log.end) return log.count;
    const std::size_t i = find(log, seq);
    Run* const run = runs(log) + i;
    if (run->begin == seq) return i;
    std::memmove(run + 1, run, (log.count - i) * sizeof(Run));
    ++log.count;
    run[1].begin = seq;
    return i + 1;
}

// Joins run i with the one before it if they are alike. True: run i is gone.
bool join(TransmissionLog& log, std::size_t i) {
    if (i == 0 || i >= log.count) return false;
    Run* const run = runs(log) + i;
    // Of SACKed bytes only the time matters, and only if the peer reneges.
    const bool both_sacked = run[-1].is(Run::sacked) && run[0].is(Run::sacked);
    if (!both_sacked && !same_time(run[-1], run[0])) return false;
    absorb(run[-1], run[0]);
    remove(log, i, 1);
    return true;
}

void note_delivered(const Run& run, SequenceNumber end, Delivery& d) {
    if (!d.has_newest || sent_after(run.sent_us, end, d.newest.sent_us, d.newest_end)) {
        d.newest = run;
        d.newest_end = end;
        d.has_newest = true;
    }
    // It may have been the first of the run: the longer time, and the earlier departure.
    const bool known = run.spread_us != Run::kBlurred;
    const std::uint32_t rtt_us = d.now_us - run.first_us();
    if (!run.is(Run::ever_resent)) {
        if (!d.has_original || run.begin < d.lowest_original) d.lowest_original = run.begin;
        if (known && (d.rtt_us == 0 || end > d.original_end)) {
            d.original_end = end;
            d.rtt_us = rtt_us > 0 ? rtt_us : 1;
        }
        d.has_original = true;
        if (end <= d.recover) d.original_old = true;
    } else if (rtt_us < d.rtt_min_us || rtt_us <= d.not_within_us) {
        return;  // RFC 8985 §6.2 step 2: likely, or surely, the ACK of the copy before
    }
    if (!known || rtt_us > kEvidenceLifeUs) return;
    // Of the segment looked at last, not of the one sent last: where the ACK of a copy sent again
    // also covers originals, their longer time counts.
    d.rack_rtt_us = rtt_us;
    if (!d.has_evidence || sent_after(run.first_us(), end, d.rack_sent_us, d.rack_end)) {
        d.rack_sent_us = run.first_us();
        d.rack_end = end;
        d.has_evidence = true;
    }
}

}  // namespace

void reset(TransmissionLog& log, SequenceNumber una, std::uint16_t segment) {
    log.first = 0;
    log.count = 0;
    log.segment = segment;
    log.end = una;
    log.sacked_bytes = 0;
    log.sacked_segments = 0;
    log.lost_bytes = 0;
    log.resent_bytes = 0;
    log.waiting_bytes = 0;
    log.waiting_from = una;
}

void append(TransmissionLog& log, SequenceNumber end, const Run& stamp) {
    Run* last = runs(log) + log.count;
    // Full segments only are cut again where they were cut.
    const bool joins = log.count > 0 && same_time(last[-1], stamp) &&
                       (log.end - last[-1].begin) % log.segment == 0;
    if (joins) {
        last[-1].tx_in_flight = stamp.tx_in_flight;
    } else {
        make_room(log, 1);
        last = runs(log) + log.count;
        *last = stamp;
        last->begin = log.end;
        ++log.count;
    }
    log.end = end;
}

void send_again(TransmissionLog& log, SequenceRange range, const Run& stamp) {
    make_room(log, 2);
    const std::size_t begin = split(log, range.begin);
    const std::size_t end = split(log, range.end);
    Run* const run = runs(log);
    const Run& last = run[log.count - 1u];
    const bool new_data_left = last.sent_us == stamp.sent_us && !last.is(Run::ever_resent);
    const std::uint8_t order = new_data_left ? Run::behind_new_data : 0;
    for (std::size_t i = begin; i < end; ++i) {
        const std::uint32_t length = run_end(log, i) - run[i].begin;
        if ((run[i].flags & kKind) == Run::lost) log.waiting_bytes -= length;
        if (!run[i].is(Run::resent)) log.resent_bytes += length;
        const SequenceNumber at = run[i].begin;
        const auto kind = static_cast<std::uint8_t>(run[i].flags & kKind);
        run[i] = stamp;
        run[i].begin = at;
        run[i].flags =
            static_cast<std::uint8_t>(stamp.flags | kind | order | Run::resent | Run::ever_resent);
    }
    for (std::size_t i = end; i-- > begin;)
        static_cast<void>(join(log, i));
    if (range.begin <= log.waiting_from) log.waiting_from = range.end;
}

void acknowledge(TransmissionLog& log, SequenceNumber una, Delivery& delivery) {
    while (log.count > 0 && runs(log)->begin < una) {
        Run& run = *runs(log);
        const SequenceNumber end = lower(end_of(log, &run), una);
        const std::uint32_t length = end - run.begin;
        uncount(log, run, length);
        if (!run.is(Run::sacked)) {
            delivery.acked += length;
            note_delivered(run, end, delivery);
        }
        if (run.is(Run::ever_resent)) delivery.resent_acked = true;
        if (end_of(log, &run) <= una) {
            ++log.first;
            --log.count;
        } else {
            run.begin = una;
        }
    }
    if (log.count == 0) log.first = 0;
    log.waiting_from = higher(log.waiting_from, una);
}

namespace {

// The whole segments within a block. A peer has no reason to split them, unless it wants to make
// work or to make us believe in losses that a byte more would disprove; Linux does the same.
SequenceRange whole_segments(const TransmissionLog& log, SequenceRange block) {
    const Run* const first = begin_of(log) + find(log, block.begin);
    const Run* const last = begin_of(log) + find(log, block.end - 1);
    const std::uint32_t into = (block.begin - first->begin) % log.segment;
    if (into != 0) block.begin = lower(block.begin + (log.segment - into), end_of(log, first));
    if (block.end != end_of(log, last)) {
        block.end = block.end - (block.end - last->begin) % log.segment;
    }
    return block;
}

}  // namespace

void note_sacked(TransmissionLog& log, SequenceRange block, Delivery& delivery) {
    block = whole_segments(log, block);
    if (block.begin >= block.end) return;
    const std::size_t whole = find(log, block.begin);
    const Run* const known = begin_of(log) + whole;
    if (known->is(Run::sacked) && end_of(log, known) >= block.end) return;
    if (log.count + std::size_t{2} > kRunsMax - kRunsForSending) thin_out(log, std::size_t{2});
    if (log.count + std::size_t{2} > kRunsMax - kRunsForSending) return;
    make_room(log, 2);
    const std::size_t begin = split(log, block.begin);
    const std::size_t end = split(log, block.end);
    Run* const run = runs(log);
    for (std::size_t i = begin; i < end; ++i) {
        if (run[i].is(Run::sacked)) continue;
        const std::uint32_t length = run_end(log, i) - run[i].begin;
        note_delivered(run[i], run_end(log, i), delivery);
        uncount(log, run[i], length);
        run[i].flags = static_cast<std::uint8_t>((run[i].flags & ~kKind) | Run::sacked);
        log.sacked_bytes += length;
        log.sacked_segments += in_segments(log, length);
        delivery.newly_sacked += length;
    }
    // All of the block is one run now, and with SACKed neighbours they are one.
    for (std::size_t i = begin + 1; i < end; ++i)
        absorb(run[begin], run[i]);
    if (end > begin + 1) remove(log, begin + 1, end - begin - 1);
    static_cast<void>(join(log, begin + 1));
    static_cast<void>(join(log, begin));
}

void forget_sacks(TransmissionLog& log) {
    for (std::size_t i = 0; i < log.count; ++i)
        runs(log)[i].flags &= static_cast<std::uint8_t>(~Run::sacked);
    log.sacked_bytes = 0;
    log.sacked_segments = 0;
}

std::uint32_t mark_lost(TransmissionLog& log, Run& run) {
    const std::uint32_t length = end_of(log, &run) - run.begin;
    if (run.is(Run::sacked) || (run.flags & kKind) == Run::lost) return 0;
    if (run.is(Run::resent)) log.resent_bytes -= length;
    if (!run.is(Run::lost)) log.lost_bytes += length;
    log.waiting_bytes += length;
    log.waiting_from = lower(log.waiting_from, run.begin);
    run.flags = static_cast<std::uint8_t>((run.flags & ~kKind) | Run::lost);
    return length;
}

std::uint32_t mark_front_lost(TransmissionLog& log, std::uint32_t length) {
    if (log.count == 0) return 0;
    const SequenceNumber una = runs(log)->begin;
    make_room(log, 1);
    const std::size_t end = split(log, lower(una + length, log.end));
    std::uint32_t lost = 0;
    for (std::size_t i = 0; i < end; ++i)
        lost += mark_lost(log, runs(log)[i]);
    return lost;
}

void unmark_lost(TransmissionLog& log) {
    for (std::size_t i = 0; i < log.count; ++i)
        runs(log)[i].flags &= static_cast<std::uint8_t>(~Run::lost);
    log.lost_bytes = 0;
    log.waiting_bytes = 0;
}

SequenceRange next_waiting(const TransmissionLog& log, std::uint32_t length) {
    if (log.waiting_bytes == 0) return {log.end, log.end};
    const auto waits = [](const Run& run) { return (run.flags & kKind) == Run::lost; };
    const Run* const end = end_of(log);
    const Run* run = begin_of(log) + find(log, log.waiting_from);
    while (run != end && !waits(*run))
        ++run;
    if (run == end) return {log.end, log.end};
    const SequenceNumber begin = run->begin;
    while (run != end && waits(*run) && run->begin < begin + length)
        ++run;
    const SequenceNumber limit = run == end ? log.end : run->begin;
    return {begin, lower(limit, begin + length)};
}

SequenceNumber highest_sacked(const TransmissionLog& log) {
    if (log.sacked_bytes == 0) return log.count > 0 ? begin_of(log)->begin : log.end;
    const Run* run = end_of(log) - 1;
    while (!run->is(Run::sacked))
        --run;
    return end_of(log, run);
}

}  // namespace mtcp::tcp
