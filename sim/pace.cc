// SPDX-License-Identifier: Apache-2.0
// Two rules, each with what an honest sender may need beside them.
#include "sim/pace.h"

namespace mtcp::sim {
namespace {

constexpr std::uint32_t kFirstWindow = 10;  // segments: RFC 6928 §2
// Limited transmit (RFC 3042), a tail loss probe (RFC 8985 §7.3), a segment that rounding adds.
constexpr std::uint32_t kBeside = 4;
constexpr std::uint32_t kAfterTimeout = 2;  // RFC 5682 §3.1 step 2b
constexpr Duration kTimeoutLeast = milliseconds(180);
constexpr Duration kTimeoutMost = seconds(100);  // it does not double beyond rto_max
constexpr Duration kDelay = milliseconds(30);    // of timers, and of a device that is full

}  // namespace

// The retransmission timer doubles while nothing comes back (RFC 6298 §5.5), and each time one
// segment leaves, or records (MSG_EOR) of no more bytes (RFC 5681 §3.1). The first may have been a
// probe or a repair.
const char* Pace::sends_again(Instant at, std::uint32_t bytes, std::uint32_t mss) {
    Quiet& q = quiet_;
    ++timeouts_;
    ++q.count;
    const Duration gap = at - q.last;
    const Duration before = q.gap;
    const std::uint32_t at_once = q.bytes;
    q.last = at;
    q.gap = gap;
    q.bytes = bytes;
    if (q.count < 2) return nullptr;
    if (gap < kTimeoutLeast) return "again in silence, sooner than a time-out takes";
    if (q.count < 3) return nullptr;
    if (at_once > mss) return "again in silence, and more than one segment at the last time-out";
    const bool doubled = gap + kDelay >= before + before - before / 16;
    if (!doubled && gap < kTimeoutMost) return "again in silence, after a time-out not doubled";
    return nullptr;
}

// All that leaves for the first time was let out by an arrival: slow start sends two bytes for one
// that came, everything else less (RFC 5681 §3.1).
const char* Pace::on_sent(const Sending& sending, Timer timer) {
    const bool again = sending.end <= sending.highest;
    if (!again) {
        // Without SACK whatever repeats an acknowledgment counts as a segment that has arrived.
        const std::uint64_t duplicates = sending.sack ? 0 : 2 * heard_;
        const std::uint64_t segments =
            kFirstWindow + kBeside + kAfterTimeout * timeouts_ + duplicates;
        const std::uint64_t most = segments * sending.mss + sending.in_syn + 2 * arrived_;
        if (sending.end > most) return "more than congestion control can have let out";
    }
    if (timer == Timer::left_alone) return nullptr;
    const std::uint32_t bytes = sending.end - sending.begin;
    if (again && sending.begin == sending.acked) return sends_again(sending.at, bytes, sending.mss);
    quiet_.bytes += bytes;
    return nullptr;
}

}  // namespace mtcp::sim
