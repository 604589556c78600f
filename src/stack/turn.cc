// SPDX-License-Identifier: Apache-2.0
// One turn of one core: the whole of its life, once around. A thread, an application's
// mtcp_epoll_wait, a test and the simulator call the same function.
#include <algorithm>

#include "stack/core.h"

namespace mtcp::stack {

TurnResult Core::turn(Instant now) {
    now_ = now;
    posted_ = false;
    const std::uint64_t available = chunks_.available_bytes();
    tcp_.memory = available * 4 < chunk_bytes_total_ ? tcp::Environment::Memory::low
                                                     : tcp::Environment::Memory::plenty;
    only_reserve_left_ = available * 8 < chunk_bytes_total_ * 3;
    const Received received = receive(now);  // inhale, process
    bool worked = received.worked;
    if (!catches_up(received, now)) timers(now);
    worked |= take_requests(now);
    // exhale: control, then ACKs, then data
    worked |= transmit(now, segments_to_send(received));
    // RFC 9293 MUST-59: acknowledgments left after the whole burst had been taken.
    publish();
    refill_grants();
    flows_.grow_on();

    ++counters_->turns;
    if (!worked) ++counters_->turns_idle;
    counters_->connections = connections_.used() - connection_grants_;
    counters_->half_open = half_open_.used();
    counters_->time_wait = time_wait_.used();
    counters_->chunks_used = chunks_.used_total();

    Instant next =
        earlier(earlier(wheel_.next_deadline(), passive_deadline()), network_->deadline());
    const bool waiting = somebody_refused_ || !std::ranges::all_of(work_, &WorkList::empty);
    // What a full ring refused, also when no connection is left that knows of it, is taken up soon
    // but not in a spin; what the hold-back of ACKs kept, at once.
    if (!unposted_.empty()) next = earlier(next, now + kBlockedRetry);
    if (transmit_blocked_) {
        const bool moves = (blocked_interfaces_ & ~stalled_interfaces_) != 0;
        const bool soon = moves || network_->has_waiting(now);
        next = earlier(next, now + (soon ? kBlockedRetry : kStallRetry));
    }
    if (waiting && !transmit_blocked_) next = now;
    return {.did_work = worked, .posted_events = posted_, .next_deadline = next};
}

// After a pause (the application computed, the process was stopped) what has arrived meanwhile
// comes before the timers: it may be the answer to what they would repair, or end, a connection
// for. They wait no longer than the pause was, and come before the next may count: where each turn
// follows a pause they have every other one.
bool Core::catches_up(const Received& received, Instant now) {
    constexpr Duration kPause = microseconds(500);
    constexpr Duration kLongest = milliseconds(100);
    const Duration pause = now - last_turn_;
    last_turn_ = now;
    if (!catches_up_ && pause > kPause) catch_up_until_ = now + std::min(pause, kLongest);
    const bool more = received.more_wait || (links_.cores > 1 && has_handoffs());
    catches_up_ = more && now < catch_up_until_;
    return catches_up_;
}

std::uint32_t Core::segments_to_send(const Received& received) {
    constexpr std::uint32_t kHalvings = 4;
    turns_behind_ = received.more_wait ? std::min(turns_behind_ + 1, kHalvings) : 0;
    return std::max(kSegmentsPerTurn >> turns_behind_, std::min(received.frames, kSegmentsPerTurn));
}

void Core::timers(Instant now) {
    const auto soon = [this](std::uint32_t index) { prefetch_flow(index); };
    wheel_.advance(now, soon, [this, now](std::uint32_t index) {
        Connection& connection = connections_[index];
        if (!connection.alive) return;
        if (tcp::deadline(connection.tcb) > now) {
            update_timer(index);
            return;
        }
        react(index, tcp::on_deadline(tcp_, connection.tcb, now), nullptr, now);
    });
    passive_timers(now);
    if (network_->deadline() <= now) network_->on_deadline(now);
    drain_network_notices(now);
}

}  // namespace mtcp::stack
