// SPDX-License-Identifier: Apache-2.0
// One function a state, or group of states, of RFC 9293 §3.10.7.
#include "tcp/testing/state_event_reference.h"

#include <algorithm>

namespace mtcp::tcp::testing {
namespace {

Expected stay(const Situation& s) {
    return {.next = s.state, .snd_una = s.snd_una, .rcv_nxt = s.rcv_nxt};
}

Expected answer(Expected x, Reply reply, std::int64_t seq, std::int64_t ack) {
    x.reply = reply;
    x.seq = seq;
    x.ack = ack;
    return x;
}

// <SEQ=SND.NXT><ACK=RCV.NXT><CTL=ACK>
Expected acknowledge(const Situation& s, Expected x) {
    return answer(x, Reply::ack, s.snd_nxt, x.rcv_nxt);
}

// §3.10.7.1
Expected in_closed(const Situation& s, const Event& e) {
    if (e.rst) return stay(s);
    if (e.ack_flag) return answer(stay(s), Reply::reset, e.ack, 0);
    const std::int64_t length = e.length + (e.syn ? 1 : 0) + (e.fin ? 1 : 0);
    return answer(stay(s), Reply::reset_with_ack, 0, e.seq + length);
}

// §3.10.7.2
Expected in_listen(const Situation& s, const Event& e) {
    if (e.rst) return stay(s);
    if (e.ack_flag) return answer(stay(s), Reply::reset, e.ack, 0);
    // The text would keep the FIN for later; nobody honest sends it.
    if (!e.syn || e.fin) return stay(s);
    Expected x = stay(s);
    x.next = State::syn_received;
    return answer(x, Reply::syn_ack, 0, e.seq + 1);
}

// §3.10.7.3
Expected in_syn_sent(const Situation& s, const Event& e) {
    const bool ack_acceptable = e.ack_flag && e.ack > 0 && e.ack <= s.snd_nxt;
    if (e.ack_flag && !ack_acceptable) {
        if (e.rst) return stay(s);
        Expected x = answer(stay(s), Reply::reset, e.ack, 0);
        x.syn_again = true;  // the text would wait for the time-out; as Linux
        return x;
    }
    Expected x = stay(s);
    if (e.rst) {
        if (ack_acceptable) x.next = State::closed;
        return x;
    }
    if (!e.syn) return x;
    x.rcv_nxt = e.seq + 1;
    if (!e.ack_flag) {  // both opened at the same time; text comes again once the SYN is answered
        x.next = State::syn_received;
        return answer(x, Reply::syn_ack, 0, x.rcv_nxt);
    }
    x.snd_una = e.ack;
    x.next = State::established;
    x.rcv_nxt += e.length;
    if (e.fin) {
        x.rcv_nxt += 1;
        x.next = State::close_wait;
    }
    return acknowledge(s, x);
}

// Not of RFC 9293: a FIN of which nothing else is new takes no room, and need not wait for a
// window.
bool is_only_fin(const Situation& s, const Event& e) {
    return e.fin && !e.syn && e.ack_flag && e.seq + e.length == s.rcv_nxt;
}

// Not of RFC 9293: what was acknowledged last comes again, and what it acknowledges counts. (All
// that had come was acknowledged here.)
bool is_last_again(const Situation& s, const Event& e) {
    const std::int64_t length = e.length + (e.fin ? 1 : 0);
    return !s.passive && !e.syn && e.ack_flag && length > 0 && e.seq + length == s.rcv_nxt;
}

// Table 6. The right edge itself passes for an empty segment: an ACK carries that number once the
// peer has filled the window.
bool is_acceptable(const Situation& s, const Event& e) {
    const std::int64_t edge = s.rcv_nxt + s.rcv_wnd;
    const std::int64_t length = e.length + (e.syn ? 1 : 0) + (e.fin ? 1 : 0);
    if (length == 0) return e.seq >= s.rcv_nxt && e.seq <= edge;
    if (is_only_fin(s, e) || is_last_again(s, e)) return true;
    return s.rcv_wnd > 0 && e.seq < edge && e.seq + length > s.rcv_nxt;
}

constexpr bool is_receiving(State state) {
    return state == State::established || state == State::fin_wait_1 || state == State::fin_wait_2;
}

// §3.10.7.4, seventh and eighth. `x` is what the fifth step made of the connection.
Expected take_text(const Situation& s, const Event& e, Expected x) {
    const std::int64_t edge = s.rcv_nxt + s.rcv_wnd;
    std::int64_t begin = e.seq;
    std::int64_t end = e.seq + e.length;
    bool fin = e.fin;
    bool at_once = false;
    if (begin < s.rcv_nxt) {  // the beginning is known
        begin = s.rcv_nxt;
        at_once = true;
    }
    if (end + (fin ? 1 : 0) > edge && !is_only_fin(s, e)) {  // the end is too much
        end = std::min(end, edge);
        fin = false;
        at_once = true;
    }
    const bool text = end > begin;
    if (!is_receiving(x.next)) {
        // "This should not occur": ignored, but an ACK tells the peer where we are.
        return text || at_once ? acknowledge(s, x) : x;
    }
    if (text && begin > s.rcv_nxt) return acknowledge(s, x);  // a gap; RFC 5681 §4.2
    if (text) {
        x.rcv_nxt = end;
        x.ack_soon = true;
    }
    if (fin && end == x.rcv_nxt) {
        x.rcv_nxt += 1;
        at_once = true;
        x.next = x.next == State::established  ? State::close_wait
                 : x.next == State::fin_wait_1 ? State::closing
                                               : State::time_wait;
    } else if (fin) {
        at_once = true;
    }
    return at_once ? acknowledge(s, x) : x;
}

// §3.10.7.4, fifth
Expected take_acknowledgment(const Situation& s, const Event& e) {
    Expected x = stay(s);
    if (s.state == State::syn_received) {
        if (e.ack <= s.snd_una || e.ack > s.snd_nxt) return answer(x, Reply::reset, e.ack, 0);
        x.next = State::established;
    } else if (e.ack > s.snd_nxt || e.ack < std::max<std::int64_t>(s.snd_una - s.max_wnd, 1)) {
        return acknowledge(s, x);  // RFC 5961 §5.2; and nothing comes before the first byte
    }
    x.snd_una = std::max(s.snd_una, e.ack);
    const bool all_acked = x.snd_una == s.snd_nxt;
    if (s.state == State::fin_wait_1 && all_acked) x.next = State::fin_wait_2;
    if (s.state == State::closing && all_acked) {
        x.next = State::time_wait;
        return is_last_again(s, e) ? acknowledge(s, x) : x;
    }
    if (s.state == State::last_ack && all_acked) {
        x.next = State::closed;
        return x;
    }
    return take_text(s, e, x);
}

// §3.10.7.4
Expected otherwise(const Situation& s, const Event& e) {
    // A simultaneous open: the peer's SYN once more, which is answered, with the ACK that we wait
    // for.
    const bool crossing = s.state == State::syn_received && !s.passive && e.syn && e.ack_flag &&
                          !e.rst && e.seq == 0 && e.ack == s.snd_nxt;
    if (crossing) {
        Event rest = e;
        rest.syn = false;
        rest.seq = 1;
        return acknowledge(s, take_acknowledgment(s, rest));
    }
    if (e.rst) {  // RFC 5961 §3.2: the number alone decides, also with a closed window (MUST-66)
        const bool inside = e.seq > s.rcv_nxt && e.seq < s.rcv_nxt + s.rcv_wnd;
        const bool after_fin =
            s.state == State::close_wait || s.state == State::last_ack || s.state == State::closing;
        const bool at_fin = after_fin && e.seq == s.rcv_nxt - 1;  // as Linux
        if (e.seq != s.rcv_nxt && !at_fin) return inside ? acknowledge(s, stay(s)) : stay(s);
        Expected x = stay(s);
        x.next = s.passive ? State::listen : State::closed;
        return x;
    }
    if (!is_acceptable(s, e)) {
        // The first SYN again, to a listener: our SYN-ACK was lost, so it is that which is sent.
        if (s.passive && e.syn && !e.ack_flag && e.seq == 0) {
            return answer(stay(s), Reply::syn_ack, 0, s.rcv_nxt);
        }
        return acknowledge(s, stay(s));
    }
    if (e.syn) {  // RFC 5961 §4.2
        if (s.passive && !e.ack_flag && e.seq == 0)
            return answer(stay(s), Reply::syn_ack, 0, s.rcv_nxt);
        return acknowledge(s, stay(s));
    }
    if (!e.ack_flag) return stay(s);
    return take_acknowledgment(s, e);
}

// TIME-WAIT of §3.10.7.4. RFC 1337: resets are ignored. A SYN that may reopen the connection is not
// asked about here.
Expected in_time_wait(const Situation& s, const Event& e) {
    if (e.rst) return stay(s);
    if (!is_acceptable(s, e) || e.syn) return acknowledge(s, stay(s));
    if (!e.ack_flag) return stay(s);
    const bool something = e.length > 0 || e.fin || e.seq != s.rcv_nxt;
    return something ? acknowledge(s, stay(s)) : stay(s);
}

}  // namespace

Expected expected_of(const Situation& situation, const Event& event) {
    switch (situation.state) {
        case State::closed: return in_closed(situation, event);
        case State::listen: return in_listen(situation, event);
        case State::syn_sent: return in_syn_sent(situation, event);
        case State::time_wait: return in_time_wait(situation, event);
        default: return otherwise(situation, event);
    }
}

}  // namespace mtcp::tcp::testing
