// SPDX-License-Identifier: Apache-2.0
// What was sent and is not yet acknowledged: when each range left, what SACK said of it, whether it
// is lost, whether it went again (RFC 8985 §6, the scoreboard of RFC 6675 §4 with times). The runs
// lie side by side and cover SND.UNA to SND.NXT; neighbours of one kind and one time are one run.
//
// Bounded: looking up is a binary search, changing moves at most kRunsMax runs. When it is full,
// neighbours become one run with the later time, so that loss is seen later but never wrongly, and
// it remembers how much earlier the first left, so that a round trip is taken for longer but never
// for shorter.
#pragma once

#include <array>
#include <cstdint>

#include "tcp/receive/reassembly.h"
#include "wire/sequence_number.h"

namespace mtcp::tcp {

inline constexpr std::size_t kRunsMax = 256;
// SACK may not fill the log so far that new data finds no place.
inline constexpr std::size_t kRunsForSending = 8;

struct Run {
    static constexpr std::uint8_t sacked = 1 << 0;       // the peer has it
    static constexpr std::uint8_t lost = 1 << 1;         // neither sacked nor on its way...
    static constexpr std::uint8_t resent = 1 << 2;       // ...unless it was sent again since
    static constexpr std::uint8_t ever_resent = 1 << 3;  // an ACK may be for either copy (Karn)
    static constexpr std::uint8_t app_limited = 1 << 4;  // sent when the application had no more
    static constexpr std::uint8_t behind_new_data = 1
                                                    << 5;  // sent again after new data of its turn

    wire::SequenceNumber begin;  // ends where the next run begins
    std::uint32_t sent_us;       // the latest time
    // The connection when it was sent (draft-cheng-iccrg-delivery-rate-estimation-02 §3.2).
    std::uint32_t delivered;
    std::uint32_t delivered_us;
    std::uint32_t first_sent_us;
    std::uint32_t tx_in_flight;
    std::uint32_t lost_then;
    std::uint16_t spread_us;  // the earliest time is so much earlier; kBlurred: unknown
    std::uint8_t flags;

    static constexpr std::uint16_t kBlurred = UINT16_MAX;
    [[nodiscard]] std::uint32_t first_us() const { return sent_us - spread_us; }
    [[nodiscard]] bool is(std::uint8_t any_of) const { return (flags & any_of) != 0; }
};
static_assert(sizeof(Run) == 32);

struct TransmissionLog {
    std::uint16_t first;
    std::uint16_t count;
    std::uint16_t segment;     // bytes of a full one: a run is cut into these
    wire::SequenceNumber end;  // SND.NXT
    std::uint32_t sacked_bytes;
    std::uint32_t sacked_segments;      // in how many they came; within a run all count alike
    std::uint32_t lost_bytes;           // with those sent again
    std::uint32_t resent_bytes;         // on their way a further time
    std::uint32_t waiting_bytes;        // lost and not sent again
    wire::SequenceNumber waiting_from;  // nothing waits below
    std::array<Run, kRunsMax> runs;
};

[[nodiscard]] inline const Run* begin_of(const TransmissionLog& log) {
    return log.runs.data() + log.first;
}
[[nodiscard]] inline const Run* end_of(const TransmissionLog& log) {
    return begin_of(log) + log.count;
}
[[nodiscard]] inline wire::SequenceNumber end_of(const TransmissionLog& log, const Run* run) {
    return run + 1 == end_of(log) ? log.end : run[1].begin;
}

void reset(TransmissionLog& log, wire::SequenceNumber una, std::uint16_t segment);
// New data: [log.end, end) left as `stamp` says (its begin is not read).
void append(TransmissionLog& log, wire::SequenceNumber end, const Run& stamp);
// [range) left again.
void send_again(TransmissionLog& log, SequenceRange range, const Run& stamp);

// What one ACK delivered. The first four are told to the log's functions.
struct Delivery {
    std::uint32_t now_us = 0;
    std::uint32_t rtt_min_us = 0;
    wire::SequenceNumber recover;  // SND.NXT when the phase began
    // For acknowledge(): a copy that left within this time is not what arrived, by the timestamp.
    std::uint32_t not_within_us = 0;

    std::uint32_t acked = 0;         // bytes acknowledged that were not SACKed before
    std::uint32_t newly_sacked = 0;  // bytes
    bool has_newest = false;
    bool has_original = false;  // bytes that were sent once only arrived...
    bool original_old = false;  // ...from below `recover` (RFC 5682 §3.1)
    bool resent_acked = false;  // SND.UNA passed bytes that were sent again
    bool has_evidence = false;  // rack_* are valid
    Run newest;                 // the run sent last, among those delivered now
    wire::SequenceNumber newest_end;
    std::uint32_t rtt_us = 0;  // of the original sent last, 0: none
    wire::SequenceNumber original_end;
    wire::SequenceNumber lowest_original;
    std::uint32_t rack_sent_us = 0;  // RFC 8985 §6.2 step 2
    std::uint32_t rack_rtt_us = 0;
    wire::SequenceNumber rack_end;
};
// SND.UNA is now `una`.
void acknowledge(TransmissionLog& log, wire::SequenceNumber una, Delivery& delivery);
// The peer reports `block`, una <= begin < end <= log.end. Segments that it covers in part count as
// not there; a block for which there is no room is forgotten.
void note_sacked(TransmissionLog& log, SequenceRange block, Delivery& delivery);
// The peer threw away what it had reported (RFC 2018 §8).
void forget_sacks(TransmissionLog& log);

// These change one run in place and return the bytes that newly count as lost.
std::uint32_t mark_lost(TransmissionLog& log, Run& run);
// The first `length` bytes not acknowledged.
std::uint32_t mark_front_lost(TransmissionLog& log, std::uint32_t length);
// Nothing was lost after all.
void unmark_lost(TransmissionLog& log);

// The first bytes that wait to be sent again, at most `length`; empty: none.
[[nodiscard]] SequenceRange next_waiting(const TransmissionLog& log, std::uint32_t length);
// One past the highest byte reported; SND.UNA if none is.
[[nodiscard]] wire::SequenceNumber highest_sacked(const TransmissionLog& log);
// RFC 6675 §4 Pipe().
[[nodiscard]] inline std::uint32_t in_network(const TransmissionLog& log,
                                              wire::SequenceNumber una) {
    return (log.end - una) - log.sacked_bytes - log.lost_bytes + log.resent_bytes;
}
// What left longer ago says nothing of the order in which segments leave today: times half a turn
// of the clock apart would compare the wrong way round.
inline constexpr std::uint32_t kEvidenceLifeUs = 1u << 30;
// Did `a` leave after `b`? (RFC 8985 §6.2, RACK_sent_after)
[[nodiscard]] inline bool sent_after(std::uint32_t a_us, wire::SequenceNumber a_end,
                                     std::uint32_t b_us, wire::SequenceNumber b_end) {
    const auto ahead_us = static_cast<std::int32_t>(a_us - b_us);
    return ahead_us > 0 || (ahead_us == 0 && a_end > b_end);
}

}  // namespace mtcp::tcp
