// SPDX-License-Identifier: Apache-2.0
// Every state, every combination of flags, every position of sequence and acknowledgment numbers:
// the answer, its numbers, the next state, and nothing else, compared with a second writing of RFC
// 9293 §3.10.7 (state_event_reference.h). Some 45,000 cases in virtual time.
#include <gtest/gtest.h>

#include <functional>
#include <optional>
#include <ostream>

#include "tcp/recovery/side_record.h"
#include "tcp/testing/solo.h"
#include "tcp/testing/state_event_reference.h"
#include "tcp/time_wait.h"

namespace mtcp::tcp::testing {
namespace {

using wire::Flags;
using wire::OutgoingSegment;

// What happened, in the reference's terms.
struct Observed {
    Expected as;
    int replies = 0;
};

const std::byte kText[16] = {};

wire::Segment segment_of(const Event& e, wire::SequenceNumber iss) {
    wire::Segment seg;
    seg.seq = kPeerIss + static_cast<std::uint32_t>(e.seq);
    const unsigned bits = (e.fin ? Flags::fin : 0u) | (e.syn ? Flags::syn : 0u) |
                          (e.rst ? Flags::rst : 0u) | (e.psh ? Flags::psh : 0u) |
                          (e.ack_flag ? Flags::ack : 0u) | (e.urg ? Flags::urg : 0u) |
                          (e.ece ? Flags::ece : 0u) | (e.cwr ? Flags::cwr : 0u);
    seg.flags = {static_cast<std::uint8_t>(bits)};
    seg.ack = e.ack_flag ? iss + static_cast<std::uint32_t>(e.ack) : wire::SequenceNumber{};
    seg.window = 0xffff;
    seg.urgent = e.urg ? 1 : 0;
    seg.payload = {kText, static_cast<std::size_t>(e.length)};
    return seg;
}

// Numbers near the initial ones, either side of them.
std::int64_t relative(wire::SequenceNumber number, wire::SequenceNumber to) {
    return static_cast<std::int32_t>(number.raw - to.raw);
}

void note_reply(const OutgoingSegment& out, wire::SequenceNumber iss, Observed& seen) {
    Expected& as = seen.as;
    const bool ack = out.flags.has(Flags::ack);
    if (out.flags.has(Flags::syn) && !ack && as.reply != Reply::none) {
        as.syn_again = true;
        return;
    }
    ++seen.replies;
    as.reply = out.flags.has(Flags::rst)   ? (ack ? Reply::reset_with_ack : Reply::reset)
               : out.flags.has(Flags::syn) ? Reply::syn_ack
                                           : Reply::ack;
    as.seq = as.reply == Reply::reset_with_ack ? out.seq.raw : relative(out.seq, iss);
    as.ack = ack ? relative(out.ack, kPeerIss) : 0;
}

std::string to_text(const Event& e) {
    std::string text;
    for (const auto& [is_set, letter] : {std::pair{e.syn, 'S'},
                                         {e.fin, 'F'},
                                         {e.rst, 'R'},
                                         {e.psh, 'P'},
                                         {e.urg, 'U'},
                                         {e.ece, 'E'},
                                         {e.cwr, 'W'},
                                         {e.ack_flag, '.'}}) {
        if (is_set) text += letter;
    }
    return text + " seq " + std::to_string(e.seq) + "(" + std::to_string(e.length) + ") ack " +
           std::to_string(e.ack);
}

std::string to_text(const Expected& x) {
    constexpr const char* kReplies[] = {"none", "ACK", "RST", "RST-ACK", "SYN-ACK"};
    return std::string(kReplies[static_cast<std::size_t>(x.reply)]) + " seq " +
           std::to_string(x.seq) + " ack " + std::to_string(x.ack) +
           (x.syn_again ? ", SYN again" : "") + ", then state " +
           std::to_string(static_cast<int>(x.next)) + " una " + std::to_string(x.snd_una) +
           " rcv.nxt " + std::to_string(x.rcv_nxt);
}

// Counts cases and reports the first few that differ.
class Judge {
  public:
    void compare(const Situation& s, const Event& e, const Observed& seen) {
        ++cases_;
        const Expected want = expected_of(s, e);
        Expected is = seen.as;
        // Text may be acknowledged at once or soon.
        const bool delayed_ack = want.ack_soon && want.reply == Reply::none;
        bool same = is.next == want.next && is.snd_una == want.snd_una &&
                    is.rcv_nxt == want.rcv_nxt && is.syn_again == want.syn_again;
        if (delayed_ack) {
            same = same && is.ack_soon;
        } else {
            same = same && is.reply == want.reply && seen.replies == (want.reply != Reply::none);
            if (want.reply != Reply::none) {
                same = same && is.ack == want.ack && is.seq == want.seq;
            }
        }
        if (same || ++differences_ > 10) return;
        ADD_FAILURE() << "state " << static_cast<int>(s.state) << (s.passive ? " (passive)" : "")
                      << ": " << to_text(e) << "\n  expected " << to_text(want)
                      << (delayed_ack ? " and an ACK soon" : "") << "\n  but was  " << to_text(is)
                      << (is.ack_soon ? " and an ACK soon" : "") << ", " << seen.replies
                      << " replies";
    }
    [[nodiscard]] int cases() const { return cases_; }
    [[nodiscard]] int differences() const { return differences_; }

  private:
    int cases_ = 0;
    int differences_ = 0;
};

// All events that matter in a situation.
void for_each_event(const Situation& s, const std::function<void(const Event&)>& act) {
    const std::int64_t edge = s.rcv_nxt + s.rcv_wnd;
    const std::int64_t seqs[] = {s.rcv_nxt - 2000, s.rcv_nxt - 1, s.rcv_nxt, s.rcv_nxt + 1,
                                 edge - 1,         edge,          edge + 1};
    const std::int64_t acks[] = {s.snd_una - s.max_wnd - 1,
                                 s.snd_una - s.max_wnd,
                                 0,
                                 1,
                                 s.snd_una - 1,
                                 s.snd_una,
                                 s.snd_una + 1,
                                 s.snd_nxt,
                                 s.snd_nxt + 1};
    for (unsigned bits = 0; bits < 256; ++bits) {
        Event e;
        e.fin = (bits & Flags::fin) != 0;
        e.syn = (bits & Flags::syn) != 0;
        e.rst = (bits & Flags::rst) != 0;
        e.psh = (bits & Flags::psh) != 0;
        e.ack_flag = (bits & Flags::ack) != 0;
        e.urg = (bits & Flags::urg) != 0;
        e.ece = (bits & Flags::ece) != 0;
        e.cwr = (bits & Flags::cwr) != 0;
        const bool everywhere = !e.ece && !e.cwr && !e.psh;
        for (const std::int64_t seq : seqs) {
            for (const std::int64_t length : {0, 1, 10}) {
                for (const std::int64_t ack : acks) {
                    const bool usual = seq == s.rcv_nxt && ack == s.snd_nxt;
                    if (!everywhere && !usual) continue;
                    e.seq = seq;
                    e.length = length;
                    e.ack = ack;
                    act(e);
                    if (!e.ack_flag) break;
                }
            }
        }
    }
}

// --- connections with a TCB ---

void drain(Solo& solo, Observed* seen) {
    OutgoingSegment out;
    while (poll_segment(solo.env, solo.tcb, solo.now, {}, out) != Polled::nothing) {
        if (seen != nullptr) note_reply(out, solo.tcb.iss, *seen);
    }
}

// Does an ACK of everything leave within half a second?
bool is_acknowledged_soon(Solo& solo) {
    const Instant end = solo.now + milliseconds(500);
    OutgoingSegment out;
    while (deadline(solo.tcb) <= end) {
        solo.now = later(solo.now, deadline(solo.tcb));
        static_cast<void>(on_deadline(solo.env, solo.tcb, solo.now));
        while (poll_segment(solo.env, solo.tcb, solo.now, {}, out) != Polled::nothing) {
            if (out.flags.has(Flags::ack) && out.ack == solo.tcb.rcv.nxt) return true;
        }
    }
    return false;
}

Observed arrives(Solo& solo, const Event& e) {
    Observed seen;
    static_cast<void>(on_segment(solo.env, solo.tcb, segment_of(e, solo.tcb.iss), solo.now));
    drain(solo, &seen);
    seen.as.next = state(solo.tcb);
    seen.as.snd_una = relative(solo.tcb.snd.una, solo.tcb.iss);
    seen.as.rcv_nxt = relative(solo.tcb.rcv.nxt, kPeerIss);
    seen.as.ack_soon = seen.replies > 0;
    if (seen.replies == 0 && e.length > 0 && seen.as.next != State::closed) {
        seen.as.ack_soon = is_acknowledged_soon(solo);
    }
    return seen;
}

void judge_connection(const Situation& s, const std::function<void(Solo&)>& prepare_solo,
                      Judge& judge) {
    Solo solo;
    prepare_solo(solo);
    drain(solo, nullptr);
    ASSERT_EQ(state(solo.tcb), s.state);
    const Tcb before = solo.tcb;
    const Recovery* record = record_of(solo.env, before);
    const std::optional<Recovery> record_before =
        record != nullptr ? std::optional<Recovery>(*record) : std::nullopt;
    const Instant now = solo.now;
    for_each_event(s, [&](const Event& e) {
        judge.compare(s, e, arrives(solo, e));
        release(solo.env, solo.tcb);
        solo.tcb = before;
        if (record_before) {
            solo.tcb.recovery = solo.env.recoveries.take();
            solo.env.recoveries[solo.tcb.recovery] = *record_before;
        }
        solo.now = now;
    });
}

TEST(StateEvent, SynSent) {
    Judge judge;
    const Situation s{.state = State::syn_sent,
                      .snd_una = 0,
                      .max_wnd = 0,
                      .rcv_nxt = relative({}, kPeerIss),
                      .rcv_wnd = 65'535};
    Situation near = s;  // RCV.NXT is not known yet: any sequence number will do
    near.rcv_nxt = 1;
    Solo solo;
    solo.open();
    drain(solo, nullptr);
    const Tcb before = solo.tcb;
    for_each_event(near, [&](const Event& e) {
        Observed seen = arrives(solo, e);
        if (seen.as.next == State::syn_sent || seen.as.next == State::closed) {
            seen.as.rcv_nxt = s.rcv_nxt;
        }
        judge.compare(s, e, seen);
        release(solo.env, solo.tcb);
        solo.tcb = before;
    });
    EXPECT_EQ(judge.differences(), 0) << "of " << judge.cases();
}

// Ten bytes are in flight where data may be.
TEST(StateEvent, Synchronised) {
    Judge judge;
    const auto received_fin = [](Solo& solo) { solo.segment({.flags = "F."}); };
    const auto ten_bytes = [](Solo& solo) {
        solo.connect();
        solo.send(10);
        drain(solo, nullptr);
    };
    judge_connection({.state = State::established, .snd_nxt = 11}, ten_bytes, judge);
    judge_connection(
        {.state = State::fin_wait_1, .snd_nxt = 12},
        [&](Solo& solo) {
            ten_bytes(solo);
            solo.shutdown();
        },
        judge);
    judge_connection(
        {.state = State::fin_wait_2, .snd_una = 2, .snd_nxt = 2},
        [&](Solo& solo) {
            solo.connect();
            solo.shutdown();
            drain(solo, nullptr);
            solo.segment({.ack = 2});
        },
        judge);
    judge_connection(
        {.state = State::close_wait, .snd_nxt = 11, .rcv_nxt = 2, .rcv_wnd = 65'534},
        [&](Solo& solo) {
            ten_bytes(solo);
            received_fin(solo);
        },
        judge);
    judge_connection(
        {.state = State::closing, .snd_nxt = 12, .rcv_nxt = 2, .rcv_wnd = 65'534},
        [&](Solo& solo) {
            ten_bytes(solo);
            solo.shutdown();
            drain(solo, nullptr);
            received_fin(solo);
        },
        judge);
    judge_connection(
        {.state = State::last_ack, .snd_nxt = 12, .rcv_nxt = 2, .rcv_wnd = 65'534},
        [&](Solo& solo) {
            ten_bytes(solo);
            received_fin(solo);
            drain(solo, nullptr);
            solo.shutdown();
        },
        judge);
    EXPECT_EQ(judge.differences(), 0) << "of " << judge.cases();
    EXPECT_GT(judge.cases(), 20'000);
}

TEST(StateEvent, SynReceivedBySimultaneousOpen) {
    Judge judge;
    judge_connection(
        {.state = State::syn_received, .snd_una = 0, .snd_nxt = 1},
        [&](Solo& solo) {
            solo.open();
            drain(solo, nullptr);
            In syn{.flags = "S", .seq = 0};
            syn.options = solo.peer_options;
            solo.segment(syn);
        },
        judge);
    EXPECT_EQ(judge.differences(), 0) << "of " << judge.cases();
}

// With a closed window nothing but empty segments, resets and a FIN alone at RCV.NXT is acceptable.
TEST(StateEvent, ClosedWindow) {
    Judge judge;
    Situation s{.state = State::established, .rcv_nxt = 65'536, .rcv_wnd = 0};
    judge_connection(
        s,
        [&](Solo& solo) {
            solo.connect();
            solo.segment({.length = 65'000});
            solo.segment({.seq = 65'001, .length = 535});
        },
        judge);
    EXPECT_EQ(judge.differences(), 0) << "of " << judge.cases();
}

// --- without a TCB ---

TEST(StateEvent, ClosedAndListen) {
    Environment env;
    Counters counters;
    prepare(env, counters);
    const Instant now{seconds(1'000).ns};
    const wire::SequenceNumber iss{0x1234'5678};  // of a life that is over
    const ListenerSettings listener;
    Judge judge;
    for_each_event({.state = State::closed}, [&](const Event& e) {
        const Situation closed{.state = State::closed};
        Observed seen{.as = {.next = closed.state, .snd_una = 1, .rcv_nxt = 1}};
        OutgoingSegment out;
        if (reset_for(segment_of(e, iss), out)) note_reply(out, iss, seen);
        judge.compare(closed, e, seen);

        const Situation listens{.state = State::listen};
        seen = {.as = {.next = State::listen, .snd_una = 1, .rcv_nxt = 1}};
        const ListenDecision decision = on_listen_segment(
            env, listener, some_flow(), segment_of(e, iss), Backlog::has_room, now);
        if (decision.verdict != ListenVerdict::drop) note_reply(decision.reply, iss, seen);
        if (decision.verdict == ListenVerdict::record) {
            seen.as.next = State::syn_received;
            seen.as.seq = relative(decision.reply.seq, decision.half_open.iss);
        }
        judge.compare(listens, e, seen);
    });
    EXPECT_EQ(judge.differences(), 0) << "of " << judge.cases();
}

// SYN-RECEIVED that came from LISTEN: a compact record until the ACK comes.
TEST(StateEvent, SynReceivedByListening) {
    Solo solo;
    const ListenerSettings listener{.settings = solo.settings};
    wire::Segment syn = segment_of({.syn = true}, {});
    syn.options = solo.peer_options;
    const HalfOpen before =
        on_listen_segment(solo.env, listener, some_flow(), syn, Backlog::has_room, solo.now)
            .half_open;
    const Situation s{.state = State::syn_received, .snd_una = 0, .passive = true};
    Judge judge;
    for_each_event(s, [&](const Event& e) {
        HalfOpen half = before;
        Observed seen{.as = {.next = State::syn_received, .snd_una = 0, .rcv_nxt = 1}};
        const HalfOpenDecision decision =
            on_half_open_segment(solo.env, listener, half, segment_of(e, before.iss), solo.now);
        switch (decision.verdict) {
            case HalfOpenVerdict::keep: break;
            case HalfOpenVerdict::reply: note_reply(decision.reply, before.iss, seen); break;
            case HalfOpenVerdict::reset: note_reply(decision.reply, before.iss, seen); break;
            case HalfOpenVerdict::drop: seen.as.next = State::listen; break;
            case HalfOpenVerdict::promote:
                promote(solo.env, listener, half, solo.tcb, solo.now);
                seen = arrives(solo, e);
                release(solo.env, solo.tcb);
                break;
        }
        judge.compare(s, e, seen);
    });
    solo.open();  // leaves something whole behind
    EXPECT_EQ(judge.differences(), 0) << "of " << judge.cases();
}

TEST(StateEvent, TimeWait) {
    Solo solo;
    solo.connect();
    solo.shutdown();
    drain(solo, nullptr);
    solo.segment({.flags = "F.", .ack = 2});
    ASSERT_TRUE(solo.last.has(Events::time_wait));
    const TimeWait before = make_time_wait(solo.env, solo.tcb, solo.now);
    const Situation s{
        .state = State::time_wait, .snd_una = 2, .snd_nxt = 2, .rcv_nxt = 2, .rcv_wnd = 65'534};
    Judge judge;
    for_each_event(s, [&](const Event& e) {
        TimeWait record = before;
        Observed seen{.as = {.next = State::time_wait, .snd_una = 2, .rcv_nxt = 2}};
        const TimeWaitDecision decision =
            on_time_wait_segment(solo.env, record, segment_of(e, solo.tcb.iss), solo.now);
        if (decision.verdict == TimeWaitVerdict::reopen) return;  // time_wait_test.cc
        if (decision.verdict == TimeWaitVerdict::ack) {
            note_reply(decision.reply, solo.tcb.iss, seen);
        }
        judge.compare(s, e, seen);
    });
    EXPECT_EQ(judge.differences(), 0) << "of " << judge.cases();
}

}  // namespace
}  // namespace mtcp::tcp::testing
