// SPDX-License-Identifier: Apache-2.0
// Flows without a connection: listeners, half-open and TIME-WAIT records. tcp/ decides by pure
// functions; here the tables follow.
#include "stack/core.h"
#include "stack/flow_owner.h"
#include "tcp/clock.h"

namespace mtcp::stack {
namespace {

bool due(std::uint32_t deadline_ms, Instant now) {
    return tcp::has_come(deadline_ms, tcp::to_ms(now));
}
bool queue_is_full(const socket::Listener& listener) {
    return listener.accepted.size() >= listener.backlog;
}
// The instant near `now` whose millisecond count is `deadline_ms` modulo 2^32, rounded up.
Instant at_ms(std::uint32_t deadline_ms, Instant now) {
    const auto ahead = static_cast<std::int32_t>(deadline_ms - tcp::to_ms(now));
    return Instant{(now.ns / 1'000'000 + ahead) * 1'000'000};
}

}  // namespace

tcp::ListenerSettings Core::listener_settings(socket::Listener& listener,
                                              const wire::IpAddress& remote) const {
    // RFC 9293 MUST-16: of the way out, which need not be the one that the SYN came in by.
    return {.settings = listener.settings,
            .path_mtu = network_->mtu_to(remote),
            .defer_accept_s = listener.defer_accept_s,
            .fast_open = fast_open_queue(listener),
            .fast_open_keys = listener.fast_open_keys.chosen ? &listener.fast_open_keys : nullptr};
}

void Core::deliver_to_listener(socket::Listener& listener, Arrival& arrival, Instant now,
                               std::optional<wire::SequenceNumber> sent_before) {
    const wire::Flags flags = arrival.segment.flags;
    // RFC 9293 MUST-41, MUST-42: a listener has records of its own, whatever its port is used for.
    tcp::ListenerSettings settings = listener_settings(listener, arrival.key().remote);
    settings.sent_before = sent_before;
    if (flags.has(wire::Flags::syn) && queue_is_full(listener)) {
        counters_->drop(Drop::tcp_accept_queue_full);  // the peer's SYN will come again
        return;
    }
    const bool bare_ack =
        flags.has(wire::Flags::ack) && !flags.has(wire::Flags::syn | wire::Flags::rst);
    // As Linux: nobody may guess at cookies when none was sent that could still be good.
    if (bare_ack && now < cookies_until_) {
        tcp::HalfOpen record;
        if (tcp::check_cookie(tcp_, settings, arrival.key(), arrival.segment, now, record)) {
            promote_cookie(listener, settings, record, arrival, now);
            return;
        }
    }
    // As Linux: who comes back from TIME-WAIT is a real client, and the new record replaces one.
    // But nobody gets all records of a core so.
    const bool plenty = half_open_.available() > configuration_.half_open_max / 2;
    const bool full = half_open_.available() == 0 ||
                      (listener.half_open >= listener.backlog && !(sent_before && plenty));
    auto decision = tcp::on_listen_segment(tcp_, settings, arrival.key(), arrival.segment,
                                           full ? tcp::Backlog::full : tcp::Backlog::has_room, now);
    switch (decision.verdict) {
        case tcp::ListenVerdict::open:
            if (open_early(listener, settings, decision, arrival, now)) break;
            [[fallthrough]];
        case tcp::ListenVerdict::record:
            if (!keep_half_open(listener, decision.half_open, arrival.hash)) return;
            reply(arrival.key(), decision.reply, listener.settings, now);
            break;
        case tcp::ListenVerdict::cookie:
            cookies_until_ = now + tcp::kCookieLife;
            reply(arrival.key(), decision.reply, listener.settings, now);
            break;
        case tcp::ListenVerdict::reset:
            counters_->drop(Drop::tcp_not_listening);
            ++counters_->resets_out;
            reply(arrival.key(), decision.reply, listener.settings, now);
            break;
        case tcp::ListenVerdict::drop: counters_->drop(decision.drop); break;
    }
}

// --- half-open
// ----------------------------------------------------------------------------------------

bool Core::keep_half_open(socket::Listener& listener, const tcp::HalfOpen& record,
                          std::uint32_t hash) {
    const std::uint32_t index = half_open_.take();
    if (index == kNoIndex) {
        counters_->drop(Drop::tcp_half_open_full);
        return false;
    }
    half_open_[index].record = record;
    half_open_[index].record.listener = static_cast<std::uint16_t>(listener.id);
    ++listener.half_open;
    flows_.insert(hash, FlowRef::make(RecordKind::half_open, index));
    if (links_.cores > 1 && owner_of(record.key, links_.cores) != links_.self) {
        static_cast<void>(
            links_.shared->exceptions.insert(exception_hash(record.key), links_.self));
    }
    queue_half_open(index);
    return true;
}

void Core::queue_half_open(std::uint32_t index) {
    HalfOpenRecord& half_open = half_open_[index];
    half_open.listed_by_try = static_cast<std::uint8_t>(
        std::min<std::size_t>(half_open.record.retransmissions, kSynAckTriesMax));
    append(half_open_, half_open_by_try_[half_open.listed_by_try], index);
}

// One more SYN-ACK leaves: its deadline is of the next list.
void Core::queue_half_open_again(std::uint32_t index) {
    remove(half_open_, half_open_by_try_[half_open_[index].listed_by_try], index);
    queue_half_open(index);
}

void Core::drop_half_open(std::uint32_t index) {
    const wire::FlowKey& key = half_open_[index].record.key;
    flows_.erase(flow_hash(flow_secret_, key), FlowRef::make(RecordKind::half_open, index));
    if (links_.cores > 1) forget_if_misplaced(key);
    give_back_half_open(index);
}

// It is in no table any more, or a connection has its place there.
void Core::give_back_half_open(std::uint32_t index) {
    HalfOpenRecord& half_open = half_open_[index];
    remove(half_open_, half_open_by_try_[half_open.listed_by_try], index);
    if (socket::Listener* listener = listeners_[half_open.record.listener]; listener != nullptr) {
        --listener->half_open;
    }
    half_open_.give_back(index);
}

void Core::deliver_to_half_open(std::uint32_t index, Arrival& arrival, Instant now) {
    HalfOpenRecord& half_open = half_open_[index];
    if (arrival.segment.flags.has(wire::Flags::rst)) ++counters_->resets_in;
    socket::Listener* listener = listeners_[half_open.record.listener];
    MTCP_ASSERT(listener != nullptr);  // a listener takes its half-open records along
    const tcp::ListenerSettings settings = listener_settings(*listener, arrival.key().remote);
    const unsigned tries = half_open.record.retransmissions;
    const auto decision =
        tcp::on_half_open_segment(tcp_, settings, half_open.record, arrival.segment, now);
    if (decision.drop != Drop::count_) counters_->drop(decision.drop);
    switch (decision.verdict) {
        case tcp::HalfOpenVerdict::keep: break;
        case tcp::HalfOpenVerdict::reply:
            if (half_open.record.retransmissions != tries) {  // its deadline has moved
                queue_half_open_again(index);
            }
            reply(arrival.key(), decision.reply, listener->settings, now);
            break;
        case tcp::HalfOpenVerdict::promote: {
            const bool queue_full = queue_is_full(*listener);
            if (queue_full || connections_.available() == 0) {
                counters_->drop(queue_full ? Drop::tcp_accept_queue_full
                                           : Drop::tcp_no_connection_record);
                refuse_overflow(index, arrival, now);
                break;
            }
            promote_half_open(*listener, settings, index, arrival, now);
            break;
        }
        case tcp::HalfOpenVerdict::reset:
            drop_half_open(index);
            ++counters_->resets_out;
            reply(arrival.key(), decision.reply, listener->settings, now);
            break;
        case tcp::HalfOpenVerdict::drop: drop_half_open(index); break;
    }
}

// A handshake is complete, and the accept queue full or no connection record free. The client
// believes to be connected: it comes again when it sends, or is reset at once
// (tcp_abort_on_overflow of Linux).
void Core::refuse_overflow(std::uint32_t index, const Arrival& arrival, Instant now) {
    HalfOpenRecord& half_open = half_open_[index];
    if (tcp_.configuration.abort_on_overflow == tcp::Configuration::Use::off) {
        tcp::keep_waiting(tcp_, half_open.record, now);
        return;
    }
    drop_half_open(index);
    reset_stray(arrival, now);
}

// kNoIndex, counted: there is no record for it.
std::uint32_t Core::promote(socket::Listener& listener, const tcp::ListenerSettings& settings,
                            const tcp::HalfOpen& record, std::uint32_t hash, Instant now) {
    const std::uint32_t index = connections_.take();
    if (index == kNoIndex) {
        counters_->drop(Drop::tcp_no_connection_record);
        return kNoIndex;
    }
    make_connection(index, listener.settings);
    Connection& connection = connections_[index];
    connection.listener = static_cast<std::uint16_t>(listener.id);
    connection.alive = connection.has_tcb = true;  // attached with its place in the accept queue
    tcp::promote(tcp_, settings, record, connection.tcb, now);
    connection.hash = hash;
    return index;
}

void Core::promote_cookie(socket::Listener& listener, const tcp::ListenerSettings& settings,
                          const tcp::HalfOpen& record, Arrival& arrival, Instant now) {
    if (queue_is_full(listener)) {
        counters_->drop(Drop::tcp_accept_queue_full);
        return;
    }
    const std::uint32_t index = promote(listener, settings, record, arrival.hash, now);
    if (index == kNoIndex) return;
    enter_flow_table(index);
    static_cast<void>(note_if_misplaced(index));
    deliver_to_connection(index, arrival, now);
}

void Core::promote_half_open(socket::Listener& listener, const tcp::ListenerSettings& settings,
                             std::uint32_t half_open, Arrival& arrival, Instant now) {
    const tcp::HalfOpen& record = half_open_[half_open].record;
    const std::uint32_t index = promote(listener, settings, record, arrival.hash, now);
    MTCP_ASSERT(index != kNoIndex);  // deliver_to_half_open() has looked
    // The connection takes the place of the record.
    flows_.replace(arrival.hash, FlowRef::make(RecordKind::half_open, half_open),
                   FlowRef::make(RecordKind::connection, index));
    connections_[index].in_flow_table = true;
    if (links_.cores > 1) forget_if_misplaced(record.key);
    static_cast<void>(note_if_misplaced(index));
    give_back_half_open(half_open);
    deliver_to_connection(index, arrival, now);
}

// --- TIME-WAIT
// ------------------------------------------------------------------------------------------

void Core::enter_time_wait(std::uint32_t index, Instant now) {
    Connection& connection = connections_[index];
    std::uint32_t slot = time_wait_.take();
    if (slot == kNoIndex) {
        if (time_wait_order_.first == kNoIndex) return;  // none are kept at all
        recycle_time_wait();
        slot = time_wait_.take();
    }
    time_wait_[slot].record = tcp::make_time_wait(tcp_, connection.tcb, now);
    append(time_wait_, time_wait_order_, slot);
    flows_.replace(connection.hash, FlowRef::make(RecordKind::connection, index),
                   FlowRef::make(RecordKind::time_wait, slot));
    connection.in_flow_table = false;
    if (links_.cores > 1) connection.misplaced = false;  // its entry goes with the record
}

// Makes room for one. Nobody has touched the oldest for a minute: what dropping some of the next
// will need is asked for now.
void Core::recycle_time_wait() {
    constexpr int kAhead = 4;
    ++counters_->time_wait_recycled;
    drop_time_wait(time_wait_order_.first);
    std::uint32_t ahead = time_wait_order_.first;
    for (int i = 1; i < kAhead && ahead != kNoIndex; ++i)
        ahead = time_wait_[ahead].next;
    if (ahead == kNoIndex) return;
    const TimeWaitRecord& record = time_wait_[ahead];
    flows_.prefetch_bucket(flow_hash(flow_secret_, record.record.key));
    if (record.next != kNoIndex) prefetch_for_write(&time_wait_[record.next]);
}

void Core::drop_time_wait(std::uint32_t index) {
    const wire::FlowKey key = time_wait_[index].record.key;
    remove(time_wait_, time_wait_order_, index);
    flows_.erase(flow_hash(flow_secret_, key), FlowRef::make(RecordKind::time_wait, index));
    if (links_.cores > 1) forget_if_misplaced(key);
    time_wait_.give_back(index);
}

void Core::deliver_to_time_wait(std::uint32_t index, Arrival& arrival, Instant now) {
    if (arrival.segment.flags.has(wire::Flags::rst)) ++counters_->resets_in;
    const auto decision =
        tcp::on_time_wait_segment(tcp_, time_wait_[index].record, arrival.segment, now);
    switch (decision.verdict) {
        case tcp::TimeWaitVerdict::ack:
            if (decision.restart) {
                remove(time_wait_, time_wait_order_, index);
                append(time_wait_, time_wait_order_, index);
            }
            reply(arrival.key(), decision.reply, configuration_.tcp.defaults, now);
            break;
        case tcp::TimeWaitVerdict::reopen: {
            socket::Listener* listener = find_listener(arrival);
            const wire::SequenceNumber sent = time_wait_[index].record.snd_nxt;
            if (listener == nullptr) {
                // Where nobody listens the record stays, or a forged SYN could end it.
                if (links_.cores > 1 && hand_to_listener(arrival)) {
                    drop_time_wait(index);
                } else {
                    deliver_stray(arrival, now);
                }
            } else if (queue_is_full(*listener)) {
                counters_->drop(Drop::tcp_accept_queue_full);  // and meets the record again
            } else {
                ++counters_->time_wait_reused;
                drop_time_wait(index);
                deliver_to_listener(*listener, arrival, now, sent);
            }
            break;
        }
        case tcp::TimeWaitVerdict::drop: counters_->drop(decision.drop); break;
    }
}

// --- timers
// ------------------------------------------------------------------------------------------------

void Core::passive_timers(Instant now) {
    for (RecordList& list : half_open_by_try_) {
        while (list.first != kNoIndex && due(half_open_[list.first].record.deadline_ms, now)) {
            const std::uint32_t index = list.first;
            HalfOpenRecord& half_open = half_open_[index];
            socket::Listener* listener = listeners_[half_open.record.listener];
            MTCP_ASSERT(listener != nullptr);
            const wire::FlowKey key = half_open.record.key;
            const tcp::ListenerSettings settings = listener_settings(*listener, key.remote);
            const auto decision = tcp::on_half_open_deadline(tcp_, settings, half_open.record, now);
            if (decision.verdict == tcp::HalfOpenVerdict::drop) {
                drop_half_open(index);
                continue;
            }
            queue_half_open_again(index);
            if (decision.verdict == tcp::HalfOpenVerdict::reply) {
                reply(key, decision.reply, listener->settings, now);
            }
        }
    }
    while (time_wait_order_.first != kNoIndex &&
           due(time_wait_[time_wait_order_.first].record.expires_ms, now)) {
        drop_time_wait(time_wait_order_.first);
    }
}

Instant Core::passive_deadline() const {
    Instant next = kNever;
    const Instant now = now_;
    for (const RecordList& list : half_open_by_try_) {
        if (list.first != kNoIndex)
            next = earlier(next, at_ms(half_open_[list.first].record.deadline_ms, now));
    }
    if (time_wait_order_.first != kNoIndex) {
        next = earlier(next, at_ms(time_wait_[time_wait_order_.first].record.expires_ms, now));
    }
    return next;
}

// --- replies without a connection
// -----------------------------------------------------------------------------

void Core::reset_stray(const Arrival& arrival, Instant now) {
    wire::OutgoingSegment segment;
    if (!tcp::reset_for(arrival.segment, segment)) return;
    ++counters_->resets_out;
    reply(arrival.key(), segment, configuration_.tcp.defaults, now);
}

void Core::reply(const wire::FlowKey& key, const wire::OutgoingSegment& segment,
                 const tcp::Settings& settings, Instant now) {
    net::Path path;
    if (!find_path(key, path)) {
        counters_->drop(Drop::no_route);
        return;
    }
    io::Frame frame;
    if (!network_->allocate(path.interface, frame)) {
        counters_->drop(Drop::no_transmit_frame);
        return;
    }
    std::byte* tcp_bytes = frame.data + path.header_room;
    const wire::EmittedHeader header = wire::emit_header(segment, key.local_port, key.remote_port,
                                                         {tcp_bytes, wire::kTcpHeaderMax});
    ++counters_->segments_out;
    network_->output(path,
                     {.source = key.local,
                      .destination = key.remote,
                      .length = static_cast<std::uint32_t>(header.length),
                      .header = header,
                      .tos = static_cast<std::uint8_t>(settings.type_of_service & ~3u),
                      .ttl = settings.time_to_live,
                      .may_be_cut = settings.path_discovery == 0},
                     frame, now);
}

}  // namespace mtcp::stack
