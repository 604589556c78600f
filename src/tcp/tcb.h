// SPDX-License-Identifier: Apache-2.0
// The transmission control block (RFC 9293 §3.3.1), with the RFC's names. Lines 0 and 1 hold all
// that an in-order segment, an ACK and an outgoing segment need, lines 2 and 3 what a request and
// its answer look at besides; the rest is cold. Other folders read `key`, `settings` and `state`,
// and the accessors below; everything else belongs to tcp/.
//
// Times are milliseconds modulo 2^32 (`_ms`) or microseconds modulo 2^32 (`_us`) of the caller's
// clock. Differences are taken modulo 2^32, so wrapping is harmless as long as two times that are
// compared lie within 24 days (_ms) or 35 minutes (_us): every timer is armed at most kTimerMax
// ahead and fires, and an RTT sample older than that is thrown away by the retransmission time-out
// that precedes it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>

#include "base/cache_line.h"
#include "base/index_pool.h"
#include "base/time.h"
#include "tcp/settings.h"
#include "tcp/state_machine.h"
#include "tcp/status.h"
#include "wire/ip_address.h"
#include "wire/segment.h"
#include "wire/sequence_number.h"

namespace mtcp::tcp {

// Bits of Tcb::armed, one per timer. Retransmission and persist exclude each other; what the former
// waits for says Tcb::waits_for.
struct Timer {
    static constexpr std::uint8_t retransmit = 1 << 0;
    static constexpr std::uint8_t persist = 1 << 1;
    static constexpr std::uint8_t delayed_ack = 1 << 2;
    static constexpr std::uint8_t keepalive = 1 << 3;  // also the idle time-out
    static constexpr std::uint8_t fin_wait_2 = 1 << 4;
    static constexpr std::uint8_t cork = 1 << 5;    // also MSG_MORE
    static constexpr std::uint8_t pacing = 1 << 6;  // while armed, data waits (send/pacer.h)
};
inline constexpr std::uint32_t kTimerMaxMs = 20u * 24 * 3600 * 1000;  // 20 days < 2^31 ms

// RFC 8985 §8: the three things a connection with data in flight may wait for exclude each other.
enum class WaitsFor : std::uint8_t {
    timeout,     // RFC 6298
    tail_probe,  // RFC 8985 §7.2, PTO
    reordering,  // RFC 8985 §6.2 step 5
};

// Bits of Tcb::probe: of the last tail loss probe (RFC 8985 §7.3).
struct TailProbe {
    static constexpr std::uint8_t out = 1 << 0;         // probe_end is valid: it is not judged
    static constexpr std::uint8_t unmeasured = 1 << 1;  // no round trip was measured since
};

// What was agreed and what happened; true: yes.
struct ConnectionFlags {
    bool timestamps : 1;      // RFC 7323, agreed
    bool selective_ack : 1;   // RFC 2018, agreed
    bool window_scaling : 1;  // RFC 7323, agreed
    bool fin_queued : 1;      // FIN follows the last byte of the send queue
    bool fin_received : 1;    // RCV.NXT counts the peer's FIN
    bool let_go : 1;          // the application closed: nobody reads (RFC 9293 §3.6.1)
    bool no_delay : 1;        // copy of Settings
    bool cork : 1;            // copy of Settings
    bool more_follows : 1;    // MSG_MORE on the last send
    bool timing : 1;          // timed_seq and timed_us are valid (Karn)
    bool records : 1;         // `marks` is valid: segments end where these do (MSG_EOR)
    bool send_urgent : 1;     // send_up is valid and not yet acknowledged
    bool receive_urgent : 1;  // receive_up is valid and not yet read
    bool dsack : 1;           // dsack_* wait to be reported (RFC 2883)
    bool push_now : 1;        // an override timer expired: what is queued may leave, however small
    bool user_timeout : 1;    // copy of Settings: progress_ms is kept
};

// The flags of one of these structures as a number, so that a path that many segments take asks for
// several of them at once.
template <typename Word, typename Flags>
[[nodiscard]] inline Word bits_of(const Flags& flags) {
    static_assert(sizeof(Word) == sizeof(Flags));
    Word word;
    std::memcpy(&word, &flags, sizeof word);
    return word;
}

// What keeps a connection from sending more.
enum class SendLimit : std::uint8_t {
    idle,    // nothing queued
    busy,    // congestion control, or the time the path takes
    window,  // the peer's window
};

// Replies that wait for the next poll.
struct Pending {
    bool ack : 1;          // an ACK now, unless data carries it
    bool syn : 1;          // SYN, or SYN-ACK in SYN-RECEIVED
    bool reset : 1;        // RST, then nothing more
    bool retransmit : 1;   // one segment at SND.UNA, whatever cwnd says
    bool stray_reset : 1;  // RST for a segment that is not of this connection: stray_ack
    bool probe : 1;        // zero-window or keep-alive probe
    bool tail_probe : 1;   // RFC 8985 §7.3: one segment, whatever cwnd says
    bool loosen : 1;       // what MSG_MORE held back may leave, unpushed
};

// Explicit Congestion Notification; see path/ecn.h.
struct EcnState {
    bool agreed : 1;  // both ends speak it (in SYN-SENT: offered)
    bool echo : 1;    // ECE on what we send
    bool cwr : 1;     // CWR on the next new data
    bool seen : 1;    // a mark has arrived
    bool exact : 1;   // ECE mirrors every segment's mark (DCTCP, RFC 8257 §3.2)
    bool split : 1;   // an ACK up to stray_ack waits, with the opposite of `echo`
};

// Memory of loss recovery, beyond the side record; true: yes.
struct RepairFlags {
    bool undoable : 1;        // undo_from, prior_* are valid: the last reduction may be taken back
    bool resent : 1;          // something was sent again in this episode: first_resent is valid
    bool frto : 1;            // RFC 5682: is the time-out spurious?
    bool new_data_first : 1;  // RFC 5682 §3.1 step 2b: repairs wait
    bool probe_resent : 1;    // the tail loss probe was no new data
    bool dsack_seen : 1;      // RFC 8985 §6.2 step 4: the reordering window must grow
    std::uint8_t rtt_min_age : 2;  // when rtt_min_us was last seen; see recovery/rtt_estimator.h
};

// TCP Fast Open (RFC 7413); see handshake/fast_open.h.
struct FastOpenState {
    bool wanted : 1;          // client: the first SYN may carry the option and data
    bool without_cookie : 1;  // client: TCP_FASTOPEN_NO_COOKIE
    bool asked : 1;           // client: our SYN carried the option
    bool experimental : 1;    // client: in its experimental form
    bool trial : 1;           // client: the first after a pause for a black hole
    bool early : 1;           // server: data passes before the handshake ends
    bool took_data : 1;       // the data of the SYN was taken
};

struct alignas(kCacheLine) Tcb {
    // --- line 0: an in-order segment ---
    struct Receive {
        wire::SequenceNumber nxt;    // RCV.NXT
        std::uint32_t wnd;           // RCV.WND: what is left of what we advertised, bytes
        std::uint32_t unread;        // in-order bytes the application has not consumed
        wire::SequenceNumber acked;  // RCV.NXT when we last sent an ACK (RFC 7323 Last.ACK.sent)
    } rcv;
    struct Send {
        wire::SequenceNumber una;  // SND.UNA
        wire::SequenceNumber nxt;  // SND.NXT: never goes back
        wire::SequenceNumber end;  // one past the last byte queued; where FIN sits
        std::uint32_t wnd;         // SND.WND, bytes
        wire::SequenceNumber wl1;  // SND.WL1
        wire::SequenceNumber wl2;  // SND.WL2
    } snd;
    std::uint32_t ts_recent;                // TS.Recent (RFC 7323)
    std::uint32_t ts_recent_s;              // when it was set, seconds (24-day rule)
    std::uint16_t mss;                      // most payload bytes of one segment, options subtracted
    std::uint8_t send_window_shift : 4;     // Snd.Wind.Shift
    std::uint8_t receive_window_shift : 4;  // Rcv.Wind.Shift
    EcnState ecn;
    State state;  // written by transition() only
    Phase phase : 3;
    WaitsFor waits_for : 2;
    std::uint8_t probe : 2;  // TailProbe bits
    bool path_search : 1;    // the size of the path is in doubt: `search` is valid
    std::uint8_t dup_acks;
    std::uint8_t armed;  // Timer bits
    ConnectionFlags flags;
    Pending pending;
    std::uint8_t quick_acks : 5;      // segments still to be acknowledged at once, or nearly
    std::uint8_t reading_over : 1;    // both directions are shut: see on_shutdown()
    std::uint8_t converses : 1;       // an ACK that waited found data to ride on
    std::uint8_t waited_in_vain : 1;  // the last ACK that could find none
    std::uint32_t last_received_ms;

    // --- line 1: an ACK, an outgoing segment ---
    std::uint32_t cwnd;      // bytes
    std::uint32_t ssthresh;  // bytes
    std::uint32_t srtt_us;   // 0: no sample yet
    std::uint32_t rttvar_us;
    std::uint32_t rto_us;            // without backoff
    wire::SequenceNumber timed_seq;  // the ACK of this...
    std::uint32_t timed_us;          // ...measures the time since this
    std::uint32_t max_wnd;           // MAX.SND.WND (RFC 5961 §5, RFC 9293 §3.8.6.2.1)
    Instant last_event;              // what deadline() counts the timers from
    std::uint32_t retransmit_at_ms;  // retransmission or persist
    std::uint32_t delayed_ack_at_ms;
    std::uint32_t last_sent_ms;      // last data segment
    std::uint32_t ts_offset;         // TSval = clock in milliseconds + this (RFC 7323 §5.4)
    wire::SequenceNumber small_end;  // end of the last segment below one MSS (Nagle, Minshall)
    std::uint8_t backoff;            // RTO or probe interval is doubled this often (RFC 6298 §5.5)
    std::uint8_t retransmissions;    // time-outs since SND.UNA advanced (R1, R2)
    std::uint8_t unanswered_probes;  // keep-alive or zero-window probes since the last segment
    std::uint8_t owed_acks;          // duplicate ACKs to send, one per out-of-order segment

    // --- line 2: who and how; read for output ---
    wire::FlowKey key;
    Settings settings;

    // --- line 3: a request and its answer ---
    wire::SequenceNumber iss;
    wire::SequenceNumber recover;   // SND.NXT when the phase began (RFC 6582)
    wire::SequenceNumber high_rxt;  // without a side record: what is below was sent again
    std::uint32_t recovery;         // index of the side record of loss recovery, or kNoIndex
    std::uint32_t reassembly;       // index of the out-of-order ranges, or kNoIndex
    std::uint32_t keepalive_at_ms;
    union {
        std::uint32_t fin_wait_2_at_ms;  // when nothing is left to send
        std::uint32_t departure_us;      // before: data may leave from then on (send/pacer.h)
    };
    union {
        std::uint32_t cork_at_ms;
        std::uint32_t pacing_at_ms;  // data that is paced is not corked
    };
    std::uint32_t rtt_min_us;     // of the last minutes
    std::uint32_t read_since_us;  // right-sizing of the receive buffer: since then...
    std::uint32_t read_bytes;     // ...the application read this much,
    union {
        std::uint32_t read_most;      // and at most this much in one round trip before
        std::uint32_t fin_wait_2_ms;  // once it has let go: how long FIN-WAIT-2 lasts, 0: no time
    };
    std::uint32_t limit_since_ms;  // when `limit` began
    std::uint32_t busy_ms;         // before that: something was queued
    std::uint16_t controller;      // index of the congestion record, or kNoController, kNoRecord
    std::uint8_t reordering;       // segments; duplicates that mean loss (Linux's tp->reordering)
    std::uint8_t window_steps;     // RFC 8985 §6.2: quarters of the minimum RTT
    std::uint8_t window_persists : 5;  // recoveries until the window shrinks again
    SendLimit limit : 2;
    bool active_open : 1;  // RFC 9293 MUST-11
    RepairFlags repair;
    FastOpenState fast_open;
    std::uint8_t soft_error;  // errno of the last ICMP error, 0: none

    // --- cold ---
    wire::SequenceNumber irs;
    std::uint32_t challenge_at_ms;    // no challenge ACK before
    wire::SequenceNumber send_up;     // SND.UP: one past the last urgent byte queued
    wire::SequenceNumber receive_up;  // RCV.UP: one past the last urgent byte announced
    wire::SequenceNumber dsack_begin;
    wire::SequenceNumber dsack_end;
    std::uint16_t path_mtu;        // largest IP packet on the way out
    std::uint16_t peer_mss;        // MSS option of the peer or its default; TCP_MAXSEG if smaller
    std::uint16_t advertised_mss;  // our MSS option
    std::uint16_t search;          // index of the side record of path/path_search.h
    std::uint64_t bytes_acked;     // up to counted_una
    std::uint64_t bytes_received;  // up to counted_nxt
    std::uint64_t bytes_retransmitted;
    wire::SequenceNumber counted_una;
    wire::SequenceNumber counted_nxt;
    // --- line 5
    std::uint32_t total_retransmissions;  // segments
    std::uint32_t window_limited_ms;      // part of busy_ms: the peer's window held it back
    wire::SequenceNumber stray_ack;       // SEG.ACK that pending.stray_reset answers; see ecn
    wire::SequenceNumber reduced_until;  // the window was reduced for marks below (RFC 3168 §6.1.2)
    std::uint32_t acked_in_avoidance;    // bytes towards the next cwnd increase (RFC 3465)
    std::uint32_t progress_ms;        // with TCP_USER_TIMEOUT: when SND.UNA last advanced or data
                                      // became outstanding
    std::uint32_t most_in_flight;     // bytes, in the round trip that ends when...
    wire::SequenceNumber most_until;  // ...this is acknowledged (RFC 7661 §4.2)
    // Loss recovery.
    wire::SequenceNumber undo_from;  // SND.UNA when cwnd was reduced
    std::uint32_t prior_cwnd;        // cwnd and...
    std::uint32_t prior_ssthresh;    // ...ssthresh before
    std::uint32_t first_resent;      // TSval of the episode's first retransmission (RFC 3522)
    wire::SequenceNumber probe_end;  // SND.NXT after the tail loss probe
    std::uint32_t window_grown_at;   // delivered bytes when the reordering window last grew
    std::uint16_t undo_resent;       // retransmissions no D-SACK has told of
    std::uint16_t duplicates;        // segments that D-SACK told of
    std::uint8_t reorderings;        // times that reordering was seen, 255: or more
    std::uint8_t marks;              // index of the side record of send/record_marks.h
    std::uint16_t syn_bytes;         // payload of our SYN
};

static_assert(offsetof(Tcb, cwnd) == kCacheLine, "an in-order segment touches line 0");
static_assert(offsetof(Tcb, key) == 2 * kCacheLine, "the hot part is two lines");
static_assert(offsetof(Tcb, iss) == 3 * kCacheLine, "output reads one line more");
static_assert(offsetof(Tcb, irs) == 4 * kCacheLine, "and a request with its answer another");
static_assert(sizeof(Tcb) == 6 * kCacheLine);
// What is asked for ahead of time: all that is touched while nothing special happens.
inline constexpr std::size_t kTcbWarmBytes = offsetof(Tcb, irs);

// --- what other folders may ask ---

[[nodiscard]] inline State state(const Tcb& tcb) { return tcb.state; }
[[nodiscard]] inline const wire::FlowKey& key(const Tcb& tcb) { return tcb.key; }
// Payload bytes of a full segment.
[[nodiscard]] inline std::uint32_t effective_mss(const Tcb& tcb) { return tcb.mss; }
// Is SND.UNA our SYN?
[[nodiscard]] inline bool syn_is_unacked(const Tcb& tcb) {
    constexpr std::uint16_t kBefore = static_cast<std::uint16_t>(
        bit(State::closed) | bit(State::syn_sent) | bit(State::syn_received));
    return is_one_of(tcb.state, kBefore) && tcb.snd.una == tcb.iss;
}
// Of the bytes given with on_send(): not acknowledged, i.e. still in the send queue.
[[nodiscard]] inline std::uint32_t bytes_queued(const Tcb& tcb) {
    const wire::SequenceNumber first = tcb.snd.una + (syn_is_unacked(tcb) ? 1u : 0u);
    return tcb.snd.end < first ? 0 : tcb.snd.end - first;
}
// ...and of these, never sent.
[[nodiscard]] inline std::uint32_t bytes_unsent(const Tcb& tcb) {
    const bool syn_unsent = syn_is_unacked(tcb) && tcb.snd.nxt == tcb.iss;
    const wire::SequenceNumber first = tcb.snd.nxt + (syn_unsent ? 1u : 0u);
    return tcb.snd.end < first ? 0 : tcb.snd.end - first;
}
// ...and of these, sent and not acknowledged.
[[nodiscard]] inline std::uint32_t bytes_unacked(const Tcb& tcb) {
    return bytes_queued(tcb) - bytes_unsent(tcb);
}
// In-order bytes on_consume() has not been told of.
[[nodiscard]] inline std::uint32_t bytes_unread(const Tcb& tcb) { return tcb.rcv.unread; }
// Bytes above RCV.NXT the peer may send: out-of-order data lies within. Bounds what must be stored.
[[nodiscard]] inline std::uint32_t receive_window(const Tcb& tcb) { return tcb.rcv.wnd; }
// RFC 9293 MUST-33. Urgent data announced and not wholly consumed; the mark is that many bytes
// ahead of the next byte the application will read (SIOCATMARK: the last urgent byte is the next
// when 1).
[[nodiscard]] inline bool has_urgent(const Tcb& tcb) { return tcb.flags.receive_urgent; }
[[nodiscard]] inline std::uint32_t urgent_bytes_ahead(const Tcb& tcb) {
    const std::uint32_t fin = tcb.flags.fin_received ? 1 : 0;
    return tcb.receive_up - (tcb.rcv.nxt - fin - tcb.rcv.unread);
}
// Must what waits be sent before the next segment is taken in? (RFC 8257 §3.2: an ACK for what came
// before a change of marks.)
[[nodiscard]] inline bool must_answer_first(const Tcb& tcb) { return tcb.ecn.split; }
// What the send buffer should hold to keep the network busy: a window in flight and another that
// the application can prepare meanwhile.
[[nodiscard]] inline std::uint32_t send_buffer_wanted(const Tcb& tcb) {
    return tcb.cwnd < 0x4000'0000 ? 2 * tcb.cwnd : 0x8000'0000;
}
// Full segments of a piece, in which send buffers may be counted (socket/send_buffer.h): a train of
// them (TSO), or half of the peer's largest window.
[[nodiscard]] inline std::uint8_t segments_of_a_piece(const Tcb& tcb) {
    constexpr std::uint32_t kBytesMax = 65'215;  // of a packet of 64 KB, as Linux
    constexpr std::uint32_t kSmallWindow = 536;  // is not cut in halves
    const std::uint32_t most = tcb.max_wnd > kSmallWindow ? tcb.max_wnd / 2 : tcb.max_wnd;
    const std::uint32_t segments = (most < kBytesMax ? most : kBytesMax) / tcb.mss;
    return static_cast<std::uint8_t>(segments == 0          ? 1
                                     : segments < UINT8_MAX ? segments
                                                            : UINT8_MAX);
}
// All that is queued was sent, and the congestion window has room.
[[nodiscard]] inline bool could_send_more(const Tcb& tcb) {
    return bytes_unsent(tcb) == 0 && bytes_unacked(tcb) < tcb.cwnd;
}
// May the application still queue data?
[[nodiscard]] inline bool can_send(const Tcb& tcb) {
    return !tcb.flags.fin_queued &&
           is_one_of(tcb.state,
                     static_cast<std::uint16_t>(bit(State::syn_sent) | bit(State::syn_received) |
                                                bit(State::established) | bit(State::close_wait)));
}

}  // namespace mtcp::tcp
