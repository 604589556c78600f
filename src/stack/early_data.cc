// SPDX-License-Identifier: Apache-2.0
// TCP Fast Open (RFC 7413): connections that carry data before their handshake is complete.
#include "stack/core.h"

namespace mtcp::stack {
namespace {

std::uint32_t to_s(Instant t) { return static_cast<std::uint32_t>(t.ns / 1'000'000'000); }

}  // namespace

// What the program asked for, or what the configuration gives to every listener.
std::uint32_t Core::fast_open_limit(const socket::Listener& listener, std::uint32_t asked) const {
    constexpr std::uint16_t kEvery = tcp::FastOpen::server | tcp::FastOpen::every_listener;
    const bool every = (tcp_.configuration.fast_open & kEvery) == kEvery;
    return asked == 0 && every ? listener.backlog : asked;
}

// RFC 7413 §5.1: only so many at a time, and those that a reset ended count for a minute more: a
// cookie that somebody stole shall not be worth much.
tcp::FastOpenQueue Core::fast_open_queue(socket::Listener& listener) const {
    if (listener.fast_open_limit == 0) return tcp::FastOpenQueue::off;
    listener.fast_open_resets.advance(to_s(now_));
    const std::uint32_t held = listener.fast_open_pending + listener.fast_open_resets.total;
    return held < listener.fast_open_limit ? tcp::FastOpenQueue::has_room
                                           : tcp::FastOpenQueue::full;
}

// False: no room for it, and the SYN is to be treated as any other.
bool Core::open_early(socket::Listener& listener, const tcp::ListenerSettings& settings,
                      tcp::ListenDecision& decision, Arrival& arrival, Instant now) {
    const std::uint32_t index = connections_.take();
    if (index == kNoIndex) return false;
    make_connection(index, listener.settings);
    Connection& connection = connections_[index];
    // Not can_store(): there is no TCB yet. These bytes are in order and none is unread.
    if (!arrival.segment.payload.empty() && !has_chunks_for(arrival.segment.payload.size())) {
        connections_.give_back(index);
        return false;
    }
    connection.listener = connection.early_listener = static_cast<std::uint16_t>(listener.id);
    connection.alive = connection.has_tcb = true;
    ++listener.fast_open_pending;
    const tcp::Reaction reaction =
        tcp::promote_early(tcp_, settings, decision, connection.tcb, arrival.segment, now);
    connection.hash = arrival.hash;
    enter_flow_table(index);
    static_cast<void>(note_if_misplaced(index));
    reply(arrival.key(), decision.reply, listener.settings, now);
    react(index, reaction, &arrival.segment, now);
    return true;
}

void Core::deliver_to_early(std::uint32_t index, Arrival& arrival, Instant now) {
    Connection& connection = connections_[index];
    socket::Listener* const listener = listeners_[connection.early_listener];
    react(index, tcp::on_segment(tcp_, connection.tcb, arrival.segment, now), &arrival.segment,
          now);
    if (connection.early_listener == kNoListener) {  // it ended
        if (arrival.segment.flags.has(wire::Flags::rst)) listener->fast_open_resets.add(to_s(now));
    } else if (tcp::state(connection.tcb) != tcp::State::syn_received) {
        leave_early(connection);
    }
}

void Core::leave_early(Connection& connection) {
    if (connection.early_listener == kNoListener) return;
    --listeners_[connection.early_listener]->fast_open_pending;
    connection.early_listener = kNoListener;
}

void Core::answer_fast_open(socket::FastOpenQuery& query, Instant now) {
    query.answer = {};
    tcp::OpenRequest request{.key = query.key, .settings = query.settings, .fast_open = query.wish};
    if (auto route = network_->route(query.key.remote, query.key.local); route) {
        request.key.local = route->source;
        request.path_mtu = route->path.mtu;
    }
    query.answer = tcp::fast_open_room(tcp_, request, now);
}

}  // namespace mtcp::stack
