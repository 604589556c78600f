// SPDX-License-Identifier: Apache-2.0
// Carrying out what TCP decided: bytes are stored and freed, the application is told, records
// change.
#include <algorithm>
#include <cstring>

#include "stack/core.h"
#include "stack/flow_owner.h"
#include "tcp/clock.h"

namespace mtcp::stack {

using socket::ChunkRef;
using socket::kNoChunk;
using socket::StreamEvents;
using socket::StreamStatus;

namespace {

void add_status(socket::Stream& stream, std::uint16_t bits) {
    stream.status.store(
        static_cast<std::uint16_t>(stream.status.load(std::memory_order_relaxed) | bits),
        std::memory_order_release);
}

// Appends to the chain `head`, its tail chunk first. The caller has made sure there is room.
ChunkRef append_bytes(socket::ChunkStore& chunks, ChunkRef head, std::span<const std::byte> bytes) {
    const socket::ChunkClass whole = socket::class_for(bytes.size());
    if (head == kNoChunk && bytes.size() <= socket::chunk_capacity(whole)) {
        if (const ChunkRef alone = chunks.take(whole); alone != kNoChunk) [[likely]] {
            socket::Chunk& chunk = chunks.at(alone);
            std::memcpy(chunk.data(), bytes.data(), bytes.size());
            chunk.end = chunk.chain_bytes = static_cast<std::uint32_t>(bytes.size());
            return alone;
        }
    }
    while (!bytes.empty()) {
        ChunkRef tail = head == kNoChunk ? kNoChunk : chunks.at(head).chain_tail;
        if (tail == kNoChunk || chunks.at(tail).end == socket::chunk_capacity(tail)) {
            tail = chunks.take_any(socket::class_for(bytes.size()));
            MTCP_ASSERT(tail != kNoChunk);
            head = join(chunks, head, tail);
        }
        socket::Chunk& chunk = chunks.at(tail);
        const std::size_t room = socket::chunk_capacity(tail) - chunk.end;
        const std::size_t length = std::min(room, bytes.size());
        std::memcpy(chunk.data() + chunk.end, bytes.data(), length);
        chunk.end += static_cast<std::uint32_t>(length);
        chunks.at(head).chain_bytes += static_cast<std::uint32_t>(length);
        bytes = bytes.subspan(length);
    }
    return head;
}

}  // namespace

void Core::react(std::uint32_t index, const tcp::Reaction& reaction, const wire::Segment* segment,
                 Instant now) {
    if (reaction.drop != Drop::count_) counters_->drop(reaction.drop);
    if (reaction.placement_count != 0 || reaction.received_bytes != 0) {
        store_received(index, reaction, *segment);
    }
    if (reaction.acked_bytes != 0) free_acknowledged(index, reaction.acked_bytes);
    constexpr std::uint16_t kUsual = tcp::Events::readable | tcp::Events::writable;
    if ((reaction.events & ~kUsual) != 0) {
        carry_out(index, reaction, now);
    } else if (reaction.has(tcp::Events::readable)) {
        post(index, StreamEvents::readable);
    }
    if (connections_[index].alive) go_on(index, reaction.work);
}

void Core::carry_out(std::uint32_t index, const tcp::Reaction& reaction, Instant now) {
    Connection& connection = connections_[index];
    socket::Stream& stream = connection.stream;
    if (reaction.has(tcp::Events::connected)) {
        stream.send_mss = tcp::effective_mss(connection.tcb);
        if (socket::counts_pieces(stream)) say_sent(index);
        add_status(stream, StreamStatus::opened | StreamStatus::connected);
        if (connection.listener != kNoListener) {
            give_to_accept_queue(index, now);
            if (!connection.alive) return;
        } else {
            post(index, StreamEvents::connected | StreamEvents::writable);
        }
    }
    if (reaction.has(tcp::Events::path_doubtful) && connection.has_path)
        network_->doubt(connection.path, now);
    if (reaction.has(tcp::Events::readable)) post(index, StreamEvents::readable);
    if (reaction.has(tcp::Events::urgent)) {
        // RFC 6093 §4.1: the urgent byte is the last one before the pointer.
        const tcp::Tcb& tcb = connection.tcb;
        const std::uint32_t ahead = tcb.receive_up - tcb.rcv.nxt + (tcb.flags.fin_received ? 1 : 0);
        stream.urgent_mark.store(connection.received_edge + ahead - 1, std::memory_order_relaxed);
        add_status(stream, StreamStatus::urgent);
        post(index, StreamEvents::urgent);
    }
    if (reaction.has(tcp::Events::peer_closed)) {
        add_status(stream, StreamStatus::peer_closed);
        post(index, StreamEvents::peer_closed | StreamEvents::readable);
    }
    if (reaction.has(tcp::Events::send_closed)) {
        add_status(stream, StreamStatus::send_closed);
        post(index, StreamEvents::ended);
    }
    if (reaction.has(tcp::Events::error)) {
        stream.error = reaction.error;
        add_status(stream, StreamStatus::failed);
        post(index, StreamEvents::failed);
    }
    if (reaction.has(tcp::Events::time_wait | tcp::Events::closed)) {
        if (!tcp::nothing_waits(connection.tcb) || socket::counts_pieces(stream)) {
            send_last(index, now);
        }
        if (reaction.has(tcp::Events::time_wait)) enter_time_wait(index, now);
        end_connection(index);
    }
}

// --- received bytes
// -------------------------------------------------------------------------------

// The last three eighths of the chunks are for bytes that can leave at once: not for those ahead of
// a hole (their sender has them still), nor for a connection whose application has four segments
// unread. So nobody who hoards can stop somebody who is read; of the rest, an eighth is left to
// what the application writes (refill_grants).
bool Core::may_use_the_reserve(const Connection& connection, const wire::Segment& segment) const {
    const tcp::Tcb& tcb = connection.tcb;
    return segment.seq <= tcb.rcv.nxt && tcp::bytes_unread(tcb) < 4 * tcp::effective_mss(tcb);
}

bool Core::can_store(const Connection& connection, const wire::Segment& segment) const {
    // What fills the hole is always taken, also when its beginning is old.
    if (segment.seq > connection.tcb.rcv.nxt &&
        connection.staged_chunks >= staged_chunks_max(connection.tcb)) {
        return false;
    }
    if (only_reserve_left_ && !may_use_the_reserve(connection, segment)) return false;
    return has_chunks_for(segment.payload.size());
}

// Of a segment, however it is cut into placements. Each chunk that is taken is filled, or holds the
// last bytes of a placement; and who finds none of one class takes of another, until all are empty
// (take_any). So a class is enough that alone would do, whatever is taken besides.
bool Core::has_chunks_for(std::size_t bytes) const {
    std::size_t total = 0;
    for (std::size_t c = 0; c < socket::kChunkClasses; ++c) {
        const auto chunk_class = static_cast<socket::ChunkClass>(c);
        const std::size_t available = chunks_.available(chunk_class);
        if (available > tcp::kPlacementsMax + bytes / socket::chunk_capacity(chunk_class))
            return true;  // mostly the first
        total += available;
    }
    return total > tcp::kPlacementsMax + bytes / socket::chunk_capacity(socket::ChunkClass::small);
}

void Core::store_received(std::uint32_t index, const tcp::Reaction& reaction,
                          const wire::Segment& segment) {
    Connection& connection = connections_[index];
    socket::Stream& stream = connection.stream;
    const std::uint32_t edge = connection.received_edge;
    connection.received_edge = edge + reaction.received_bytes;
    const auto bytes_of = [&segment](const tcp::Placement& placement) {
        return segment.payload.subspan(placement.payload_offset, placement.length);
    };
    if (connection.staged == kNoChunk && reaction.placement_count == 1 &&
        reaction.placements[0].stream_offset == 0) {
        append_to_box(stream, bytes_of(reaction.placements[0]));
        return;
    }
    for (std::size_t i = 0; i < reaction.placement_count; ++i) {
        const tcp::Placement& placement = reaction.placements[i];
        stage_out_of_order(connection, edge + placement.stream_offset, bytes_of(placement));
    }
    release_staged(connection, stream, connection.received_edge);
}

void Core::append_to_box(socket::Stream& stream, std::span<const std::byte> bytes) {
    // While it is out of the box the chain is ours alone; the application finds an empty box. An
    // empty box stays empty: nobody else fills it.
    ChunkRef head = stream.receive_box.load(std::memory_order_relaxed);
    if (head != kNoChunk) head = stream.receive_box.exchange(kNoChunk, std::memory_order_acq_rel);
    head = append_bytes(chunks_, head, bytes);
    stream.receive_box.store(head, std::memory_order_release);
}

// Staged chunks form a chain ordered by position; TCP's placements never overlap what is there.
void Core::stage_out_of_order(Connection& connection, std::uint32_t position,
                              std::span<const std::byte> bytes) {
    while (!bytes.empty()) {
        const ChunkRef fresh = chunks_.take_any(socket::class_for(bytes.size()));
        MTCP_ASSERT(fresh != kNoChunk);
        socket::Chunk& chunk = chunks_.at(fresh);
        const std::size_t length =
            std::min<std::size_t>(socket::chunk_capacity(fresh), bytes.size());
        std::memcpy(chunk.data(), bytes.data(), length);
        chunk.end = static_cast<std::uint32_t>(length);
        chunk.chain_bytes = chunk.end;
        chunk.position = position;
        ++connection.staged_chunks;

        ChunkRef before = kNoChunk;
        ChunkRef after = connection.staged;
        if (after != kNoChunk) {  // mostly it belongs at the end
            const ChunkRef tail = chunks_.at(after).chain_tail;
            if (static_cast<std::int32_t>(position - chunks_.at(tail).position) > 0) {
                before = tail;
                after = kNoChunk;
            }
        }
        while (after != kNoChunk &&
               static_cast<std::int32_t>(chunks_.at(after).position - position) < 0) {
            before = after;
            after = chunks_.at(after).next;
        }
        chunk.next = after;
        const ChunkRef old_tail =
            connection.staged == kNoChunk ? kNoChunk : chunks_.at(connection.staged).chain_tail;
        if (before == kNoChunk) {
            connection.staged = fresh;
        } else {
            chunks_.at(before).next = fresh;
        }
        chunks_.at(connection.staged).chain_tail = after == kNoChunk ? fresh : old_tail;

        position += static_cast<std::uint32_t>(length);
        bytes = bytes.subspan(length);
    }
}

// Moves staged chunks below `edge` into the receive box.
void Core::release_staged(Connection& connection, socket::Stream& stream, std::uint32_t edge) {
    ChunkRef ready = kNoChunk;
    while (connection.staged != kNoChunk) {
        const ChunkRef first = connection.staged;
        socket::Chunk& chunk = chunks_.at(first);
        if (static_cast<std::int32_t>(chunk.position - edge) >= 0) break;
        const ChunkRef next = chunk.next;
        if (next != kNoChunk) chunks_.at(next).chain_tail = chunk.chain_tail;
        connection.staged = next;
        --connection.staged_chunks;
        chunk.next = kNoChunk;
        chunk.chain_tail = first;
        chunk.chain_bytes = chunk.size();
        ready = join(chunks_, ready, first);
    }
    if (ready == kNoChunk) return;
    const ChunkRef head = stream.receive_box.exchange(kNoChunk, std::memory_order_acq_rel);
    stream.receive_box.store(join(chunks_, head, ready), std::memory_order_release);
}

// --- acknowledged bytes
// -----------------------------------------------------------------------------

void Core::free_acknowledged(std::uint32_t index, std::uint32_t bytes) {
    Connection& connection = connections_[index];
    socket::Stream& stream = connection.stream;
    const ChunkRef only = connection.send_queue;
    MTCP_ASSERT(only != kNoChunk);
    const socket::Chunk& chunk = chunks_.at(only);
    if (chunk.size() == bytes && chunk.next == kNoChunk) {
        chunks_.give_back(only);
        connection.send_queue = connection.send_cursor = kNoChunk;
        connection.cursor_offset = 0;
    } else {
        drop_front(connection, bytes);
    }
    const std::uint32_t limit = stream.send_limit.load(std::memory_order_relaxed);
    const bool grown = grow_send_buffer(connection, stream);
    const std::uint32_t acknowledged = stream.acknowledged.load(std::memory_order_relaxed) + bytes;
    // Nobody waits for room when a third of the buffer or less was in use and it is as large as
    // before: a writer waits with more than two thirds, and was woken when an ACK took them below,
    // or is when what it has put into the box, unseen here, leaves; who changes a limit looks again
    // by itself. So nobody needs to be asked, which costs a barrier.
    if (!grown && tcp::bytes_queued(connection.tcb) + bytes <= limit / 3 &&
        !socket::counts_pieces(stream)) {
        stream.acknowledged.store(acknowledged, std::memory_order_release);
        return;
    }
    stream.acknowledged.store(acknowledged, std::memory_order_seq_cst);
    if (connection.tells_progress)
        tell_progress(index, stream.sent.load(std::memory_order_relaxed), acknowledged);
    wake_writer(index);
}

// A writer that waits for room hears of it when less than two thirds of the buffer are in use.
void Core::wake_writer(std::uint32_t index) {
    Connection& connection = connections_[index];
    socket::Stream& stream = connection.stream;
    if (!connection.attached || stream.wants_write.load(std::memory_order_seq_cst) == 0) return;
    // What was queued since is the application's secret (it may be in the box); the send queue
    // bounds it from below, and a wake-up too many does no harm.
    const tcp::Tcb& tcb = connection.tcb;
    const socket::SendQueue queue{.held = tcp::bytes_queued(tcb), .unsent = tcp::bytes_unsent(tcb)};
    if (!socket::has_room_to_wake_for(stream, queue)) {
        if (tcp::could_send_more(tcb)) limit_by_buffer(index);
        return;
    }
    stream.wants_write.store(0, std::memory_order_relaxed);
    end_limit_by_buffer(index);
    post(index, StreamEvents::writable);
}

// A stop watch (TCP_INFO's sndbuf_limited): the writer waits for room, and what it wrote is all
// under way, though more might be.
void Core::limit_by_buffer(std::uint32_t index) {
    Connection& connection = connections_[index];
    if (connection.buffer_limited) return;
    connection.buffer_limited = true;
    connection.stream.buffer_limited_ms -= tcp::to_ms(now_);
}
void Core::end_limit_by_buffer(std::uint32_t index) {
    Connection& connection = connections_[index];
    if (!connection.buffer_limited) return;
    connection.buffer_limited = false;
    connection.stream.buffer_limited_ms += tcp::to_ms(now_);
}

void Core::tell_status(std::uint32_t index, tcp::Status& to) const {
    const Connection& connection = connections_[index];
    to = {};
    if (!connection.has_tcb) return;
    to = tcp::status(tcp_, connection.tcb, now_);
    to.buffer_limited_ms = connection.stream.buffer_limited_ms;
    if (connection.buffer_limited) to.buffer_limited_ms += tcp::to_ms(now_);
}

// Frees the first bytes of the send queue.
void Core::drop_front(Connection& connection, std::uint32_t bytes) {
    std::uint32_t left = bytes;
    while (left != 0) {
        const ChunkRef first = connection.send_queue;
        MTCP_ASSERT(first != kNoChunk);
        socket::Chunk& chunk = chunks_.at(first);
        if (chunk.size() > left) {
            chunk.begin += left;
            chunk.chain_bytes -= left;
            break;
        }
        left -= chunk.size();
        connection.send_queue = detach_first(chunks_, first);
        if (connection.send_cursor == first) connection.send_cursor = kNoChunk;
        chunks_.give_back(first);
    }
    if (connection.send_cursor == kNoChunk || connection.send_cursor == connection.send_queue) {
        connection.send_cursor = connection.send_queue;
        connection.cursor_offset = 0;
    } else {
        connection.cursor_offset -= bytes;
    }
}

// The send buffer follows the congestion window, while there is memory and SO_SNDBUF was not set.
bool Core::grow_send_buffer(const Connection& connection, socket::Stream& stream) {
    if (connection.tcb.settings.send_fixed != 0) return false;
    if (tcp_.memory == tcp::Environment::Memory::low) return false;
    const std::uint32_t limit = stream.send_limit.load(std::memory_order_relaxed);
    const std::uint32_t wanted =
        std::min(tcp::send_buffer_wanted(connection.tcb), tcp_.configuration.send_buffer_max);
    if (wanted <= limit) return false;
    stream.send_limit.store(wanted, std::memory_order_relaxed);
    return true;
}

// --- telling the application
// ------------------------------------------------------------------------

void Core::post(std::uint32_t index, std::uint16_t event_bits) {
    Connection& connection = connections_[index];
    if (!connection.attached || !connection.announced) return;
    ++counters_->events_posted;
    posted_ = true;
    // Where no bit stands nobody else writes, for the application only clears bits: it takes no
    // lock. Released, for an entry of an earlier connection may lead the application here.
    std::atomic<std::uint16_t>& events = connection.stream.events;
    if (events.load(std::memory_order_relaxed) == 0) {
        events.store(event_bits, std::memory_order_release);
    } else if (events.fetch_or(event_bits, std::memory_order_acq_rel) != 0) {
        return;
    }
    announce(index);
}

void Core::post_listener(socket::Listener& listener) {
    posted_ = true;
    if (listener.event_pending.exchange(1, std::memory_order_acq_rel) != 0) return;
    announce(socket::kListenerEvent | listener.id);
}

void Core::announce(std::uint32_t entry) {
    if (unposted_.empty() && channel_.events.push(entry)) return;
    if (unposted_.push(entry)) [[likely]]
        return;
    // More than one for each connection: listeners, or a connection whose end still stands there.
    MTCP_ASSERT(unposted_.grow(2 * unposted_.capacity()) && unposted_.push(entry));
}

void Core::publish() {
    const std::uint32_t* next = unposted_.peek();
    for (; next != nullptr && channel_.events.push(*next); next = unposted_.peek()) {
        unposted_.drop_front(1);
        posted_ = true;  // the driver must wake the application for these as well
    }
}

void Core::give_to_accept_queue(std::uint32_t index, Instant now) {
    Connection& connection = connections_[index];
    socket::Listener* listener = listeners_[connection.listener];
    // Announced before the push: events of a connection the application has not accepted yet are
    // dropped there, and what they say is in the stream's status.
    connection.attached = connection.announced = true;
    if (listener == nullptr || !listener->accepted.push(index)) {
        connection.attached = connection.announced = false;
        react(index, tcp::on_abort(tcp_, connection.tcb, now), nullptr, now);
        return;
    }
    connection.listener = kNoListener;
    ++counters_->passive_opens;
    post_listener(*listener);
}

// --- the end of a connection
// --------------------------------------------------------------------------

void Core::end_connection(std::uint32_t index) {
    Connection& connection = connections_[index];
    if (!connection.alive) return;
    connection.alive = false;
    leave_early(connection);
    tcp::release(tcp_, connection.tcb);
    wheel_.clear(index);
    take_off(index);
    if (connection.send_queue != kNoChunk || connection.staged != kNoChunk) {
        chunks_.give_back_chain(connection.send_queue);
        chunks_.give_back_chain(connection.staged);
        connection.send_queue = connection.send_cursor = connection.staged = kNoChunk;
        connection.staged_chunks = 0;
    }
    if (connection.in_flow_table) {
        flows_.erase(connection.hash, FlowRef::make(RecordKind::connection, index));
        connection.in_flow_table = false;
    }
    if (connection.misplaced) {
        links_.shared->exceptions.erase(exception_hash(connection.tcb.key), links_.self);
        connection.misplaced = false;
    }
    if (connection.attached) {
        add_status(connection.stream, StreamStatus::ended);
        post(index, StreamEvents::ended);
    }
    release_if_unused(index);
}

void Core::release_if_unused(std::uint32_t index) {
    Connection& connection = connections_[index];
    if (connection.alive || connection.attached) return;
    const socket::Stream& stream = connection.stream;  // nobody else's any more
    chunks_.give_back_chain(stream.receive_box.load(std::memory_order_relaxed));
    chunks_.give_back_chain(stream.send_box.load(std::memory_order_relaxed));
    connections_.give_back(index);
}

void Core::schedule(std::uint32_t index, std::uint8_t work) {
    if ((work & tcp::Work::control) != 0) {
        put_on(kControl, index);
    } else if ((work & tcp::Work::data) != 0) {
        put_on(kData, index);
    } else if (connections_[index].listed == 0) {
        put_on(kFreshAck, index);
    }
}

}  // namespace mtcp::stack
