// SPDX-License-Identifier: Apache-2.0
// What leaves alone has a way of its own through poll_segment(): it must be the same segment, and
// leave the connection the same, as on the way that all others go.
#include <gtest/gtest.h>

#include <cstring>

#include "base/random.h"
#include "tcp/testing/solo.h"

namespace mtcp::tcp {
namespace {

using testing::Solo;
using wire::OutgoingSegment;

// A connection with nothing in flight, in a state that need not be a likely one: each of the
// conditions for that way is wanted both true and false.
class Alone {
  public:
    Alone(const Solo& solo, std::uint64_t seed) : tcb_(solo.tcb), now_(solo.now), random_(seed) {
        tcb_.snd.end = tcb_.snd.nxt + (one_in(4) ? 0 : number_below(tcb_.mss + 1u));
        tcb_.snd.una = tcb_.snd.nxt;
        tcb_.snd.wnd = one_in(4) ? number_below(2u * tcb_.mss) : 0xffff;
        tcb_.cwnd = one_in(4) ? number_below(2u * tcb_.mss) : 10u * tcb_.mss;
        tcb_.small_end = tcb_.snd.nxt - number_below(3);
        constexpr State kStates[] = {State::established, State::close_wait, State::fin_wait_1,
                                     State::fin_wait_2,  State::closing,    State::last_ack,
                                     State::time_wait,   State::syn_sent};
        tcb_.state = kStates[number_below(8)];
        choose_flags();
        choose_timers();
        choose_window();
        tcb_.srtt_us = one_in(4) ? 0 : 1 + number_below(400'000);
        tcb_.rto_us = 200'000 + number_below(800'000);
        tcb_.backoff = static_cast<std::uint8_t>(one_in(8) ? number_below(3) : 0);
        tcb_.owed_acks = static_cast<std::uint8_t>(one_in(8) ? number_below(3) : 0);
        tcb_.phase = one_in(8) ? Phase::disorder : Phase::open;
        tcb_.limit = one_in(2) ? SendLimit::busy : SendLimit::idle;
        tcb_.settings.max_pacing_rate = one_in(8) ? 1'000'000 : 0;
        now_ = now_ + microseconds(number_below(5'000'000));
    }
    // Both ways send the same. True: data or a FIN.
    bool leaves_alike(Environment& env) {
        const OutputBudget budget{.payload_max = one_in(4) ? 60'000u : 0u};
        OutgoingSegment segments[2];
        Tcb after[2] = {tcb_, tcb_};
        Polled polled[2];
        for (const bool predicts : {false, true}) {
            env.configuration.header_prediction =
                predicts ? Configuration::Use::on : Configuration::Use::off;
            polled[predicts] = poll_segment(env, after[predicts], now_, budget, segments[predicts]);
        }
        EXPECT_EQ(polled[0], polled[1]);
        EXPECT_EQ(std::memcmp(&after[0], &after[1], sizeof(Tcb)), 0);
        if (polled[0] == Polled::nothing) return false;
        expect_same(segments[0], segments[1]);
        return segments[0].data_length != 0 || segments[0].flags.has(wire::Flags::fin);
    }

  private:
    std::uint32_t number_below(std::uint32_t bound) {
        return static_cast<std::uint32_t>(random_.below(bound));
    }
    bool one_in(std::uint32_t n) { return number_below(n) == 0; }
    void choose_flags() {
        ConnectionFlags& flags = tcb_.flags;
        flags.timestamps = one_in(2);
        flags.selective_ack = !one_in(4);
        flags.fin_queued = one_in(3);
        flags.no_delay = one_in(2);
        flags.cork = one_in(16);
        flags.more_follows = one_in(16);
        flags.timing = one_in(8);
        flags.push_now = one_in(8);
        flags.user_timeout = one_in(8);
        flags.send_urgent = one_in(16);
        tcb_.send_up = tcb_.snd.nxt + number_below(100);
        tcb_.timed_seq = tcb_.snd.nxt;
        tcb_.timed_us = static_cast<std::uint32_t>(now_.ns / 1000) - number_below(100'000);
        tcb_.settings.user_timeout_ms = 1 + number_below(1'000);
        tcb_.progress_ms = static_cast<std::uint32_t>(now_.ns / 1'000'000) - number_below(2'000);
        tcb_.pending.ack = one_in(2);
        tcb_.pending.loosen = one_in(16);
        tcb_.pending.probe = one_in(16);
        tcb_.ecn.agreed = one_in(2);
        tcb_.ecn.echo = one_in(4);
        tcb_.ecn.cwr = one_in(4);
        tcb_.ecn.split = one_in(16);
        tcb_.stray_ack = tcb_.rcv.nxt - number_below(100);
        tcb_.converses = one_in(2);
        tcb_.waited_in_vain = one_in(2);
    }
    void choose_timers() {
        tcb_.armed = 0;
        for (const std::uint8_t timer : {Timer::delayed_ack, Timer::keepalive})
            tcb_.armed = static_cast<std::uint8_t>(tcb_.armed | (one_in(2) ? timer : 0));
        for (const std::uint8_t timer :
             {Timer::retransmit, Timer::persist, Timer::cork, Timer::pacing})
            tcb_.armed = static_cast<std::uint8_t>(tcb_.armed | (one_in(16) ? timer : 0));
        const auto soon = static_cast<std::uint32_t>(now_.ns / 1'000'000) + number_below(500);
        tcb_.retransmit_at_ms = tcb_.delayed_ack_at_ms = tcb_.cork_at_ms = soon;
        tcb_.waits_for = one_in(2) ? WaitsFor::timeout : WaitsFor::tail_probe;
    }
    void choose_window() {
        tcb_.settings.receive_buffer = one_in(4) ? number_below(3'000) : 10'000;
        tcb_.rcv.wnd = number_below(12'000);
        tcb_.rcv.unread = one_in(2) ? 0 : number_below(12'000);
        tcb_.receive_window_shift = static_cast<std::uint8_t>(number_below(8)) & 15;
        tcb_.rcv.acked = tcb_.rcv.nxt - number_below(2'000);
    }
    static void expect_same(const OutgoingSegment& a, const OutgoingSegment& b) {
        EXPECT_EQ(a.seq, b.seq);
        EXPECT_EQ(a.ack, b.ack);
        EXPECT_EQ(a.window, b.window);
        EXPECT_EQ(a.urgent, b.urgent);
        EXPECT_EQ(a.flags, b.flags);
        EXPECT_EQ(a.ecn, b.ecn);
        EXPECT_EQ(a.segment_size, b.segment_size);
        EXPECT_EQ(a.data_length, b.data_length);
        EXPECT_EQ(a.data_offset, b.data_offset);
        EXPECT_EQ(wire::kinds_of(a.options), wire::kinds_of(b.options));
        if (!a.options.timestamps) return;
        EXPECT_EQ(a.options.ts_value, b.options.ts_value);
        EXPECT_EQ(a.options.ts_echo, b.options.ts_echo);
    }

    Tcb tcb_;
    Instant now_;
    Random random_;
};

TEST(PollSegment, SendsAloneWhatItWouldSendAnyhow) {
    Solo solo;
    solo.connect();
    unsigned sent = 0;
    for (std::uint64_t seed = 1; seed <= 50'000 && !HasFailure(); ++seed) {
        SCOPED_TRACE(seed);
        if (Alone(solo, seed).leaves_alike(solo.env)) ++sent;
    }
    EXPECT_GT(sent, 10'000u);
}

}  // namespace
}  // namespace mtcp::tcp
