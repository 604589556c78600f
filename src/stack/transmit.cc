// SPDX-License-Identifier: Apache-2.0
// What leaves: the paper's control, ACK and data lists, in that order, each connection drained
// through tcp::poll_segment().
#include <algorithm>
#include <cstring>

#include "stack/core.h"

namespace mtcp::stack {

using socket::ChunkRef;
using socket::kNoChunk;

bool Core::transmit(Instant now, std::uint32_t budget) {
    // Answers do not take all there is while data waits: it may be what repairs a loss. Where the
    // ring is what there is too little of, data comes first every other turn.
    std::uint32_t for_data = data_waits() ? budget / 4 : 0;
    budget -= for_data;
    data_first_ = transmit_blocked_ && !data_first_;
    transmit_blocked_ = false;
    blocked_interfaces_ = stalled_interfaces_ = 0;
    bool worked = data_first_ && drain(kData, now, for_data);
    worked |= drain(kControl, now, budget);
    worked |= drain(kAck, now, budget);
    // An application that has something to answer will do so before the next turn, and its data
    // carries the ACK; without one nothing is gained by waiting.
    if (!posted_) worked |= drain(kFreshAck, now, budget);
    budget += for_data;
    worked |= drain(kData, now, budget);
    promote_fresh_acks();
    if (somebody_refused_) {
        somebody_refused_ = !std::ranges::all_of(refused_, &WorkList::empty);
    }
    if (network_->flush(now) != 0) transmit_blocked_ = true;
    return worked;
}

bool Core::data_waits() const {
    if (!work_[kData].empty()) return true;
    for (std::size_t place = kData; somebody_refused_ && place < refused_.size();
         place += kWorkLists) {
        if (!refused_[place].empty()) return true;
    }
    return false;
}

bool Core::drain(std::uint8_t which, Instant now, std::uint32_t& budget) {
    bool worked = false;
    for (std::size_t interface = 0; somebody_refused_ && interface < queues_.size(); ++interface) {
        WorkList& refused = refused_[kWorkLists * interface + which];
        if (refused.empty()) continue;
        if (!is_blocked(interface) && !network_->has_room(interface)) note_refusal(interface, now);
        if (!is_blocked(interface) || is_stalled(interface))
            worked |= drain(refused, which, now, budget);
    }
    return drain(work_[which], which, now, budget) || worked;
}

bool Core::drain(WorkList& list, std::uint8_t which, Instant now, std::uint32_t& budget) {
    const std::uint32_t last = list.last;  // those put back at the end wait for the next turn
    bool worked = false;
    // Visits are bounded as well: those that find their interface blocked use up no budget.
    for (std::uint32_t visits = 0; !list.empty() && budget > 0 && visits < kSegmentsPerTurn;
         ++visits) {
        const std::uint32_t index = list.first;
        const std::uint8_t listed = connections_[index].listed;
        const std::uint32_t budget_before = budget;
        take_first(list);
        const bool finished = send_from(index, now, budget);
        const bool sent = budget != budget_before;
        worked |= finished || sent;
        const Connection& connection = connections_[index];
        if (!finished && connection.alive) {
            if (sent || !connection.has_path) {
                put_on(which, index);
            } else if (listed < kWorkLists) {
                wait_for_room(which, index);
            } else {
                put_first(list, listed, index);
                break;  // the others here wait for the same
            }
        }
        if (index == last) break;
    }
    return worked;
}

// Sends what a connection has, up to its share. False: it has more and must be visited again.
bool Core::send_from(std::uint32_t index, Instant now, std::uint32_t& budget, Later how_late) {
    Connection& connection = connections_[index];
    if (!connection.alive) return true;
    if (!ensure_path(connection)) return lose_from(index, Drop::no_route, now);
    const std::size_t interface = connection.path.interface;
    const bool can_wait = how_late == Later::possible;
    if (can_wait && is_blocked(interface))
        return is_stalled(interface) && lose_from(index, Drop::io_transmit_full, now);
    if (connection.attached) see_consumed(connection, now);
    wire::OutgoingSegment& segment = outgoing_;
    bool finished = true;
    std::uint32_t share = std::min(budget, kSegmentsPerConnection);
    budget -= share;
    for (bool more = !tcp::nothing_waits(connection.tcb); more; --share) {
        if (share == 0) {
            finished = false;
            break;
        }
        io::Frame frame;
        if ((can_wait && !network_->has_room(interface)) || !network_->allocate(interface, frame)) {
            note_refusal(interface, now);  // the others go on
            finished =
                can_wait && is_stalled(interface) && lose_from(index, Drop::io_transmit_full, now);
            break;
        }
        const tcp::Polled polled =
            tcp::poll_segment(tcp_, connection.tcb, now, output_budget(connection, frame), segment);
        if (polled == tcp::Polled::nothing) {
            network_->give_back(interface, frame);
            break;
        }
        emit(connection, frame, segment, now);
        more = polled != tcp::Polled::last;
    }
    budget += share;
    tell_sent(index);
    update_timer(index);
    return finished;
}

// Whatever answer is still pending (a reset, the last ACK) leaves before the TCB goes.
void Core::send_last(std::uint32_t index, Instant now) {
    std::uint32_t budget = kSegmentsPerConnection;
    if (!send_from(index, now, budget, Later::never)) counters_->drop(Drop::no_transmit_frame);
}

// Its ring is full, or no frame is left: nothing more in this turn.
void Core::note_refusal(std::size_t interface, Instant now) {
    transmit_blocked_ = true;
    blocked_interfaces_ |= bit_of(interface);
    if (network_->is_stalled(interface, now)) stalled_interfaces_ |= bit_of(interface);
}

// There is no way now, or a device that takes nothing any more: what would leave is lost as on a
// wire, so that TCP's timers decide how long to try. The way may come back.
bool Core::lose_from(std::uint32_t index, Drop reason, Instant now) {
    tcp::Tcb& tcb = connections_[index].tcb;
    bool more = !tcp::nothing_waits(tcb);
    for (std::uint32_t share = kSegmentsPerConnection; more && share > 0; --share) {
        const tcp::Polled polled = tcp::poll_segment(tcp_, tcb, now, {}, outgoing_);
        if (polled != tcp::Polled::nothing) counters_->drop(reason);
        more = polled == tcp::Polled::segment;
    }
    tell_sent(index);
    update_timer(index);
    return !more;
}

// sync_consumed() for who sends now: a window update that is due leaves with it.
void Core::see_consumed(Connection& connection, Instant now) {
    const std::uint32_t consumed = connection.stream.consumed.load(std::memory_order_acquire);
    const std::uint32_t fresh = consumed - connection.consumed_seen;
    if (fresh == 0) return;
    connection.consumed_seen = consumed;
    if (tcp::take_consumed(tcp_, connection.tcb, fresh, now) == tcp::WindowUpdate::not_due) return;
    static_cast<void>(tcp::on_window_update_due(connection.tcb));
}

// Where pieces count (socket/send_buffer.h), the application is told what has left.
void Core::tell_sent(std::uint32_t index) {
    if (!socket::counts_pieces(connections_[index].stream)) return;
    say_sent(index);
    wake_writer(index);
}

void Core::say_sent(std::uint32_t index) {
    Connection& connection = connections_[index];
    socket::Stream& stream = connection.stream;
    const tcp::Tcb& tcb = connection.tcb;
    const std::uint32_t acknowledged = stream.acknowledged.load(std::memory_order_relaxed);
    stream.piece_segments.store(tcp::segments_of_a_piece(tcb), std::memory_order_relaxed);
    // A writer says that it waits, then looks at this: one of us sees the other.
    const std::uint32_t sent = acknowledged + tcp::bytes_queued(tcb) - tcp::bytes_unsent(tcb);
    if (connection.tells_progress && sent != stream.sent.load(std::memory_order_relaxed))
        tell_progress(index, sent, acknowledged);
    stream.sent.store(sent, std::memory_order_seq_cst);
}

void Core::tell_progress(std::uint32_t index, std::uint32_t sent, std::uint32_t acknowledged) {
    static_cast<void>(channel_.progress.push(
        {.index = index, .sent = sent, .acknowledged = acknowledged, .when = now_}));
    post(index, socket::StreamEvents::progress);
}

tcp::OutputBudget Core::output_budget(const Connection& connection, const io::Frame& frame) const {
    const io::Capabilities& device = network_->capabilities(connection.path.interface);
    if (device.transmit_segmentation == 0) return {};
    const std::uint32_t headers = connection.path.header_room + std::uint32_t{wire::kTcpHeaderMax};
    const std::uint32_t most = std::min<std::uint32_t>(device.transmit_segmentation, 65535);
    const std::uint32_t room = frame.capacity - std::min(frame.capacity, headers);
    return {.payload_max = std::min(most - headers, room)};
}

bool Core::ensure_path(Connection& connection) {
    if (connection.has_path) return true;
    if (!find_path(connection.tcb.key, connection.path)) return false;
    connection.has_path = true;
    return true;
}

// The way to the other end of a flow of ours. False: there is none now.
bool Core::find_path(const wire::FlowKey& key, net::Path& path) {
    if (const net::Path* known = network_->known_path(key.remote); known != nullptr) {
        path = *known;
        return true;
    }
    const auto route = network_->route(key.remote, key.local);
    if (!route) return false;
    path = route->path;
    return true;
}

void Core::emit(Connection& connection, io::Frame& frame, const wire::OutgoingSegment& segment,
                Instant now) {
    const wire::FlowKey& key = connection.tcb.key;
    std::byte* header = frame.data + connection.path.header_room;
    const wire::EmittedHeader emitted =
        wire::emit_header(segment, key.local_port, key.remote_port, {header, wire::kTcpHeaderMax});
    const std::size_t length = emitted.length + segment.data_length;
    if (connection.path.header_room + length > frame.capacity) [[unlikely]] {
        counters_->drop(Drop::io_oversize);  // TCP fits segments to the path; as output() does
        network_->give_back(connection.path.interface, frame);
        return;
    }
    if (segment.data_length != 0) {
        copy_from_send_queue(connection, segment.data_offset,
                             {header + emitted.length, segment.data_length});
    }
    frame.segment_size =
        segment.data_length > segment.segment_size ? segment.segment_size : std::uint16_t{0};
    ++counters_->segments_out;
    // RFC 9293 MUST-45 (the address never changes), SHLD-22.
    const tcp::Settings& settings = connection.tcb.settings;
    network_->output(
        connection.path,
        {.source = key.local,
         .destination = key.remote,
         .length = static_cast<std::uint32_t>(length),
         .header = emitted,
         .tos = static_cast<std::uint8_t>((settings.type_of_service & ~3u) | segment.ecn),
         .ttl = settings.time_to_live,
         .may_be_cut = tcp::may_be_cut(tcp_, connection.tcb)},
        frame, now);
}

// Copies send-queue bytes [offset, offset + out.size()). Sending goes forward, so the chunk found
// last time is where the search starts.
void Core::copy_from_send_queue(Connection& connection, std::uint32_t offset,
                                std::span<std::byte> out) {
    if (connection.send_cursor == kNoChunk || offset < connection.cursor_offset) {
        connection.send_cursor = connection.send_queue;
        connection.cursor_offset = 0;
    }
    while (true) {
        MTCP_ASSERT(connection.send_cursor != kNoChunk);
        socket::Chunk& chunk = chunks_.at(connection.send_cursor);
        const std::uint32_t within = offset - connection.cursor_offset;
        if (within + out.size() <= chunk.size()) {
            std::memcpy(out.data(), chunk.data() + chunk.begin + within, out.size());
            return;  // the last chunk stays the cursor: more may be joined behind it
        }
        if (within < chunk.size()) {
            const std::uint32_t length = chunk.size() - within;
            std::memcpy(out.data(), chunk.data() + chunk.begin + within, length);
            offset += length;
            out = out.subspan(length);
        }
        MTCP_ASSERT(chunk.next != kNoChunk);
        connection.cursor_offset += chunk.size();
        connection.send_cursor = chunk.next;
    }
}

// --- work lists
// -----------------------------------------------------------------------------------------

void Core::put_on(std::uint8_t which, std::uint32_t index) {
    Connection& connection = connections_[index];
    if (connection.listed != 0) {
        // Control before all; data before a bare ACK, which it carries.
        const std::size_t listed = connection.listed % kWorkLists;
        const bool higher = which == kControl
                                ? listed != kControl
                                : which == kData && listed != kControl && listed != kData;
        if (!higher) return;
        take_off(index);
    }
    put_last(work_[which], which, index);
}

// It had its turn, and its interface no room.
void Core::wait_for_room(std::uint8_t which, std::uint32_t index) {
    if (which == kFreshAck) which = kAck;  // it was held back long enough
    const std::size_t place = kWorkLists * connections_[index].path.interface + which;
    somebody_refused_ = true;
    put_last(refused_[place], static_cast<std::uint8_t>(kWorkLists + place), index);
}

void Core::put_last(WorkList& list, std::uint8_t listed, std::uint32_t index) {
    Connection& connection = connections_[index];
    connection.listed = listed;
    connection.work_next = kNoIndex;
    connection.work_previous = list.last;
    (list.last != kNoIndex ? connections_[list.last].work_next : list.first) = index;
    list.last = index;
}

void Core::put_first(WorkList& list, std::uint8_t listed, std::uint32_t index) {
    Connection& connection = connections_[index];
    connection.listed = listed;
    connection.work_previous = kNoIndex;
    connection.work_next = list.first;
    (list.first != kNoIndex ? connections_[list.first].work_previous : list.last) = index;
    list.first = index;
}

void Core::take_off(std::uint32_t index) {
    Connection& connection = connections_[index];
    if (connection.listed == 0) return;
    WorkList& list = list_of(connection.listed);
    (connection.work_previous != kNoIndex ? connections_[connection.work_previous].work_next
                                          : list.first) = connection.work_next;
    (connection.work_next != kNoIndex ? connections_[connection.work_next].work_previous
                                      : list.last) = connection.work_previous;
    connection.listed = 0;
}

// take_off() for the first of a list that is not empty.
void Core::take_first(WorkList& list) {
    Connection& connection = connections_[list.first];
    list.first = connection.work_next;
    (list.first != kNoIndex ? connections_[list.first].work_previous : list.last) = kNoIndex;
    connection.listed = 0;
}

void Core::promote_fresh_acks() {
    WorkList& fresh = work_[kFreshAck];
    for (std::uint32_t index = fresh.first; index != kNoIndex;) {
        const std::uint32_t next = connections_[index].work_next;
        take_first(fresh);
        put_on(kAck, index);
        index = next;
    }
}

}  // namespace mtcp::stack
