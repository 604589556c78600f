// SPDX-License-Identifier: Apache-2.0
// HyStart++ (RFC 9406), and the classic HyStart (Ha and Rhee 2011) with Linux's parameters.
#include "tcp/congestion/hystart.h"

#include <algorithm>

#include "tcp/clock.h"
#include "tcp/congestion/controller.h"

namespace mtcp::tcp::congestion::hystart {
namespace {

// RFC 9406 §4.3.
constexpr std::uint32_t kThresholdMinUs = 4'000;
constexpr std::uint32_t kThresholdMaxUs = 16'000;
constexpr std::uint8_t kSamples = 8;
constexpr std::uint32_t kGrowthDivisor = 4;
constexpr std::uint8_t kConservativeRounds = 5;

// Classic: below this many segments of cwnd nothing is looked at; ACKs that follow one another
// within this time are a train; and half of this is granted for the train beyond half the delay.
constexpr std::uint32_t kLowWindow = 16;
constexpr std::uint32_t kTrainGapUs = 2'000;
constexpr std::uint32_t kTrainSlackUs = 1'000;

std::uint32_t threshold(std::uint32_t rtt_us) {
    return std::clamp(rtt_us / 8, kThresholdMinUs, kThresholdMaxUs);
}

void begin_round(HyStart& h, const Tcb& tcb, Instant now) {
    h.round_end = tcb.snd.nxt;
    h.last_round_min_us = h.round_min_us;
    h.round_min_us = kNoRtt;
    h.samples = 0;
    h.round_start_us = to_us(now);
    h.last_ack_us = h.round_start_us;
}

void end_slow_start(Tcb& tcb) { tcb.ssthresh = tcb.cwnd; }

// RFC 9406 §4.2.
void look_at_delay(HyStart& h) {
    if (h.samples < kSamples || h.round_min_us == kNoRtt) return;
    if (h.conservative_rounds != 0) {
        if (h.round_min_us < h.baseline_us) h.conservative_rounds = 0;  // it was a false alarm
    } else if (h.last_round_min_us != kNoRtt &&
               h.round_min_us >= h.last_round_min_us + threshold(h.last_round_min_us)) {
        h.baseline_us = h.round_min_us;
        h.conservative_rounds = 1;
    }
}

// Beyond SND.NXT lies the end of a round of half the numbers ago: the window was not in use since.
bool round_is_over(const HyStart& h, const Tcb& tcb) {
    return tcb.snd.una > h.round_end || h.round_end > tcb.snd.nxt;
}

std::uint32_t plus_plus(HyStart& h, Tcb& tcb, const AckContext& ack, Instant now) {
    if (round_is_over(h, tcb)) {
        begin_round(h, tcb, now);
        if (h.conservative_rounds != 0 && ++h.conservative_rounds > kConservativeRounds) {
            end_slow_start(tcb);
            return 0;
        }
    }
    if (ack.rtt_us != 0) {
        h.round_min_us = std::min(h.round_min_us, ack.rtt_us);
        if (h.samples < kSamples) ++h.samples;
    }
    look_at_delay(h);
    // L is infinite, paced or not: see new_reno::slow_start().
    const std::uint32_t grown = ack.acked - ack.reported;
    return h.conservative_rounds != 0 ? grown / kGrowthDivisor : grown;
}

void classic(HyStart& h, Tcb& tcb, const AckContext& ack, Instant now) {
    if (ack.rtt_us == 0) return;
    h.min_us = std::min(h.min_us, ack.rtt_us);
    if (round_is_over(h, tcb)) begin_round(h, tcb, now);
    if (tcb.cwnd < kLowWindow * tcb.mss) return;
    const std::uint32_t now_us = to_us(now);
    if (now_us - h.last_ack_us <= kTrainGapUs) {
        h.last_ack_us = now_us;
        // The train of one window's ACKs is as long as the one-way delay: the pipe is full.
        if (now_us - h.round_start_us > (h.min_us + kTrainSlackUs) / 2) end_slow_start(tcb);
    }
    h.round_min_us = std::min(h.round_min_us, ack.rtt_us);
    if (h.samples < kSamples) {
        ++h.samples;
    } else if (h.round_min_us > h.min_us + threshold(h.min_us)) {
        end_slow_start(tcb);
    }
}

}  // namespace

void begin(HyStart& h, const Tcb& tcb, Instant now) {
    h = {};
    h.min_us = kNoRtt;
    h.round_min_us = kNoRtt;
    begin_round(h, tcb, now);
    h.round_end = tcb.snd.una - 1;  // the first ACK begins a round
}

std::uint32_t on_ack(HyStart& h, Tcb& tcb, const AckContext& ack, Configuration::HyStart variant,
                     Instant now) {
    switch (variant) {
        case Configuration::HyStart::plus_plus:
            // RFC 9406 §4.3: later slow starts end at the ssthresh that was found.
            if (tcb.ssthresh == kSsthreshInitial) return plus_plus(h, tcb, ack, now);
            break;
        case Configuration::HyStart::classic: classic(h, tcb, ack, now); break;
        case Configuration::HyStart::off: break;
    }
    return ack.acked - ack.reported;
}

}  // namespace mtcp::tcp::congestion::hystart
