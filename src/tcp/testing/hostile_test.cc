// SPDX-License-Identifier: Apache-2.0
// Segments with any flags at any place near the windows, calls in any order, jumps of the clock:
// nothing may break an invariant, answer without end, or place a byte twice.
#include <gtest/gtest.h>

#include <vector>

#include "base/random.h"
#include "tcp/clock.h"
#include "tcp/invariants.h"
#include "tcp/testing/both_ways.h"
#include "tcp/testing/solo.h"

namespace mtcp::tcp {
namespace {

class Attack {
  public:
    explicit Attack(std::uint64_t seed) : random_(seed) {
        const bool pools = random_.below(4) != 0;
        testing::prepare(env_, counters_, pools ? 4 : 0);
        using Use = Configuration::Use;
        env_.configuration.timestamps = random_.below(2) != 0 ? Use::on : Use::off;
        env_.configuration.header_prediction = random_.below(2) != 0 ? Use::on : Use::off;
        env_.configuration.window_shift = static_cast<std::uint8_t>(random_.below(15));
        settings_.receive_buffer = 500 + random_.below(100'000);
        settings_.keepalive = random_.below(2) & 1;
        settings_.keepalive_idle_s = 30;
        settings_.user_timeout_ms = random_.below(4) == 0 ? 5000 : 0;
        now_ = Instant{static_cast<std::int64_t>(random_.next() >> 8)};
    }

    void run(int steps) {
        for (int i = 0; i < steps && !::testing::Test::HasFatalFailure(); ++i) {
            if (!alive_) begin();
            step();
        }
        release(env_, tcb_);
        EXPECT_EQ(env_.recoveries.used(), 0u);
        EXPECT_EQ(env_.reassemblies.used(), 0u);
    }

  private:
    void begin() {
        queued_ = acked_ = received_ = consumed_ = 0;
        placed_.clear();
        peer_iss_ = {static_cast<std::uint32_t>(random_.next())};
        alive_ = true;
        if (random_.below(2) == 0) {
            note(on_open(env_, tcb_, {.key = testing::some_flow(), .settings = settings_}, now_),
                 nullptr);
            return;
        }
        wire::Segment syn;
        syn.seq = peer_iss_;
        syn.flags = {wire::Flags::syn};
        syn.window = static_cast<std::uint16_t>(random_.next());
        syn.options = random_options();
        const ListenerSettings listener{.settings = settings_};
        const ListenDecision decision =
            on_listen_segment(env_, listener, testing::some_flow(), syn, Backlog::has_room, now_);
        ASSERT_EQ(decision.verdict, ListenVerdict::record);
        promote(env_, listener, decision.half_open, tcb_, now_);
    }

    wire::Options random_options() {
        wire::Options options;
        if (random_.below(2) == 0) options.mss = static_cast<std::uint16_t>(random_.below(3000));
        if (random_.below(2) == 0)
            options.window_shift = static_cast<std::uint8_t>(random_.below(15));
        options.sack_permitted = random_.below(3) != 0;
        options.timestamps = random_.below(3) != 0;
        options.ts_value = to_ms(now_) + random_.below(3);
        options.ts_echo = to_ms(now_) + tcb_.ts_offset - random_.below(3);
        return options;
    }

    // A number at or near one of the edges that matter.
    wire::SequenceNumber near(wire::SequenceNumber edge) {
        switch (random_.below(8)) {
            case 0: return edge + random_.below(3000);
            case 1: return edge - random_.below(3000);
            case 2: return {static_cast<std::uint32_t>(random_.next())};
            case 3: return edge + 1;
            case 4: return edge - 1;
            default: return edge;
        }
    }

    void attack() {
        wire::Segment seg;
        if (tcb_.state == State::syn_sent) {
            seg.seq = near(peer_iss_);
        } else {
            seg.seq = near(random_.below(4) == 0 ? tcb_.rcv.nxt + tcb_.rcv.wnd : tcb_.rcv.nxt);
        }
        const wire::SequenceNumber acks[] = {tcb_.snd.una, tcb_.snd.nxt, tcb_.snd.end};
        seg.ack = near(acks[random_.below(3)]);
        seg.flags = {static_cast<std::uint8_t>(random_.next())};
        if (random_.below(4) != 0) seg.flags = {wire::Flags::ack};
        if (tcb_.state == State::syn_sent && random_.below(2) == 0) {
            seg.flags = {wire::Flags::syn | wire::Flags::ack};
        }
        seg.window = static_cast<std::uint16_t>(random_.below(4) == 0 ? 0 : random_.next());
        seg.urgent = static_cast<std::uint16_t>(random_.next());
        seg.options = random_options();
        if (random_.below(4) == 0)
            seg.options.ts_value = static_cast<std::uint32_t>(random_.next());
        seg.options.sack_count = static_cast<std::uint8_t>(random_.below(5));
        for (std::size_t i = 0; i < seg.options.sack_count; ++i) {
            seg.options.sack[i] = {near(tcb_.snd.una), near(tcb_.snd.nxt)};
        }
        static const std::byte kPayload[3000] = {};
        if (random_.below(2) == 0) seg.payload = {kPayload, random_.below(3000)};
        note(testing::on_segment_both_ways(env_, tcb_, seg, now_), &seg);
    }

    void call() {
        switch (random_.below(16)) {
            case 0:
                note(on_shutdown(env_, tcb_, now_,
                                 random_.below(4) == 0 ? Reading::over : Reading::goes_on),
                     nullptr);
                break;
            case 1: note(on_close(env_, tcb_, now_), nullptr); break;
            case 2:
                if (random_.below(4) == 0) note(on_abort(env_, tcb_, now_), nullptr);
                break;
            case 3:
                note(on_path_error(env_, tcb_, static_cast<PathError>(random_.below(7)),
                                   static_cast<std::uint16_t>(random_.next()), near(tcb_.snd.una),
                                   now_),
                     nullptr);
                break;
            case 4:
                settings_.cork = random_.below(2) & 1;
                settings_.no_delay = random_.below(2) & 1;
                settings_.receive_buffer = 500 + random_.below(100'000);
                note(on_settings(env_, tcb_, settings_, now_), nullptr);
                break;
            case 5:
            case 6:
            case 7: {
                const auto unread = static_cast<std::uint32_t>(received_ - consumed_);
                const std::uint32_t bytes = random_.below(unread + 1);
                consumed_ += bytes;
                note(on_consume(env_, tcb_, bytes, now_), nullptr);
                break;
            }
            default: {
                const std::uint32_t bytes = random_.below(5000);
                if (can_send(tcb_)) queued_ += bytes;
                note(on_send(env_, tcb_, bytes, static_cast<SendHint>(random_.below(3)), now_),
                     nullptr);
            }
        }
    }

    void step() {
        const std::uint32_t what = random_.below(10);
        if (what < 6) {
            attack();
        } else if (what < 8) {
            call();
        } else {
            const Instant next = deadline(tcb_);
            const Duration jump =
                microseconds(random_.below(random_.below(20) == 0 ? 90'000'000 : 50'000));
            now_ = next < now_ + jump ? later(now_, next) : now_ + jump;
            if (next <= now_) note(on_deadline(env_, tcb_, now_), nullptr);
        }
        drain();
        if (tcb_.state == State::closed || tcb_.state == State::time_wait) {
            release(env_, tcb_);
            alive_ = false;
        }
    }

    void drain() {
        wire::OutgoingSegment out;
        int count = 0;
        while (poll_segment(env_, tcb_, now_, {.payload_max = random_.below(3) * 10'000}, out) !=
               Polled::nothing) {
            ASSERT_LT(++count, 5000);
            ASSERT_LE(acked_ + out.data_offset + out.data_length, queued_);
            ASSERT_LE(wire::options_length(out.options), 40u);
        }
        ASSERT_EQ(pending_work(env_, tcb_, now_), 0);
        const char* broken = check_invariants(env_, tcb_);
        ASSERT_EQ(broken, nullptr) << broken;
    }

    void note(const Reaction& reaction, const wire::Segment* seg) {
        acked_ += reaction.acked_bytes;
        ASSERT_LE(acked_, queued_);
        ASSERT_EQ(bytes_queued(tcb_) + acked_, queued_) << state_name(tcb_.state);
        for (std::size_t i = 0; i < reaction.placement_count; ++i) {
            const Placement& p = reaction.placements[i];
            ASSERT_NE(seg, nullptr);
            ASSERT_GT(p.length, 0u);
            ASSERT_LE(p.payload_offset + p.length, seg->payload.size());
            const std::uint64_t begin = received_ + p.stream_offset;
            if (placed_.size() < begin + p.length) placed_.resize(begin + p.length, false);
            for (std::uint32_t k = 0; k < p.length; ++k) {
                ASSERT_FALSE(placed_[begin + k]);
                placed_[begin + k] = true;
            }
        }
        for (std::uint32_t k = 0; k < reaction.received_bytes; ++k) {
            ASSERT_TRUE(placed_.at(received_ + k));
        }
        received_ += reaction.received_bytes;
        const bool ended = tcb_.state == State::closed;
        ASSERT_EQ(ended, reaction.has(Events::closed)) << "the end is told exactly once";
        ASSERT_NE(reaction.drop, Drop::tcp_broken_invariant);
    }

    Random random_;
    Environment env_;
    Counters counters_;
    Settings settings_;
    Tcb tcb_{};
    Instant now_;
    wire::SequenceNumber peer_iss_;
    bool alive_ = false;
    std::uint64_t queued_ = 0;
    std::uint64_t acked_ = 0;
    std::uint64_t received_ = 0;
    std::uint64_t consumed_ = 0;
    std::vector<bool> placed_;
};

TEST(Hostile, NothingBreaksAConnection) {
    for (std::uint64_t seed = 1; seed <= 400; ++seed) {
        SCOPED_TRACE(seed);
        Attack attack(seed);
        attack.run(1000);
        if (::testing::Test::HasFailure()) return;
    }
}

}  // namespace
}  // namespace mtcp::tcp
