// SPDX-License-Identifier: Apache-2.0
// From received frames to the records they concern. A burst goes through stages (parse all, look up
// all with prefetch, deliver all); correctness does not depend on the staging.
#include <algorithm>

#include "stack/core.h"
#include "stack/flow_owner.h"
#include "wire/segment.h"

namespace mtcp::stack {
namespace {

// A frame is passed on at most this often, so that two cores that disagree cannot play ball with
// it.
constexpr std::uint32_t kHopsMax = 2;

// Whoever wrote a frame did so on another core, or it came past all caches: its lines are asked for
// this many frames before they are read.
constexpr std::size_t kFramesAhead = 4;

}  // namespace

Core::Received Core::receive(Instant now) {
    Received received;
    for (std::size_t i = 0; i < queues_.size(); ++i) {
        const std::size_t count = queues_[i]->receive({frames_.data(), frames_per_turn_}, now);
        if (count == 0) continue;
        received.worked = true;
        received.frames += static_cast<std::uint32_t>(count);
        received.more_wait |= count == frames_per_turn_;
        process_burst(i, {frames_.data(), count}, now);
        queues_[i]->release({frames_.data(), count});
    }
    if (links_.cores > 1 && has_handoffs()) {
        take_handoffs(now);
        received.worked = true;
    }
    return received;
}

void Core::process_burst(std::size_t interface, std::span<io::Frame> frames, Instant now) {
    std::size_t staged = 0;
    net::PathErrorNotice notice;
    std::uint64_t bytes = 0;
    for (std::size_t i = 0; i < frames.size(); ++i) {
        const io::Frame& frame = frames[i];
        if (i + kFramesAhead < frames.size()) {
            const io::Frame& later = frames[i + kFramesAhead];
            prefetch_lines(later.data, later.length);
        }
        bytes += frame.length;
        Arrival& arrival = arrivals_[staged];
        switch (network_->input(interface, frame, now, arrival.inbound, notice)) {
            case net::Verdict::tcp:
                if (stage(arrival)) ++staged;
                break;
            case net::Verdict::path_error: path_error(notice, 0, now); break;
            case net::Verdict::consumed:
            case net::Verdict::dropped: break;
        }
    }
    counters_->frames_in += frames.size();
    counters_->bytes_in += bytes;
    for (std::size_t i = 0; i < staged; ++i)
        flows_.prefetch_bucket(arrivals_[i].hash);
    const auto fetch = [this, staged](std::size_t i) {
        if (i < staged) prefetch_for(arrivals_[i]);
    };
    for (std::size_t i = 0; i < staged; ++i) {
        fetch_in_groups(i, fetch);
        deliver(arrivals_[i], now);
    }
    drain_network_notices(now);
}

void Core::prefetch_for(Arrival& arrival) const {
    const FlowRef guess = arrival.guess = flows_.guess(arrival.hash);
    if (guess.valid() && guess.kind() == RecordKind::connection) prefetch_flow(guess.index());
}

bool Core::stage(Arrival& arrival) {
    ++counters_->segments_in;
    net::Inbound& inbound = arrival.inbound;
    const Drop drop = wire::parse_segment(inbound.bytes, arrival.segment);
    if (drop != Drop::count_) [[unlikely]] {
        counters_->drop(drop);
        return false;
    }
    arrival.segment.ecn = inbound.ecn;
    inbound.key.local_port = arrival.segment.destination_port;
    inbound.key.remote_port = arrival.segment.source_port;
    arrival.hash = flow_hash(flow_secret_, inbound.key);
    arrival.hops = 0;
    return true;
}

const wire::FlowKey& Core::key_of(FlowRef ref) const {
    switch (ref.kind()) {
        case RecordKind::connection: return connections_[ref.index()].tcb.key;
        case RecordKind::half_open: return half_open_[ref.index()].record.key;
        case RecordKind::time_wait: break;
    }
    return time_wait_[ref.index()].record.key;
}

FlowRef Core::find(const wire::FlowKey& key, std::uint32_t hash) const {
    return flows_.find(hash, [&](FlowRef ref) { return key_of(ref) == key; });
}

void Core::deliver(Arrival& arrival, Instant now) {
    const FlowRef ref = find(arrival);
    if (!ref.valid() && links_.cores > 1 && hand_on(arrival)) return;
    if (!net::verify_checksum(arrival.inbound, *counters_)) return;
    if (!ref.valid()) {
        deliver_stray(arrival, now);
        return;
    }
    switch (ref.kind()) {
        case RecordKind::connection: deliver_to_connection(ref.index(), arrival, now); break;
        case RecordKind::half_open: deliver_to_half_open(ref.index(), arrival, now); break;
        case RecordKind::time_wait: deliver_to_time_wait(ref.index(), arrival, now); break;
    }
}

void Core::deliver_stray(Arrival& arrival, Instant now) {
    if (arrival.segment.flags.has(wire::Flags::rst)) ++counters_->resets_in;
    if (socket::Listener* listener = find_listener(arrival); listener != nullptr) {
        deliver_to_listener(*listener, arrival, now);
        return;
    }
    const bool reset = arrival.segment.flags.has(wire::Flags::rst);
    counters_->drop(reset ? Drop::tcp_stray_reset : Drop::tcp_not_listening);
    reset_stray(arrival, now);
}

// A segment of which this core has no record: to the core that took the flow though it does not
// own it, or to the owner, or, as the owner's last word, to one that listens. The owner comes
// first: it may have connections of a port on which nobody, or only another core, listens any more.
// True: the frame is no longer ours, given on or counted as lost.
bool Core::hand_on(const Arrival& arrival) {
    if (arrival.hops >= kHopsMax) return false;
    const wire::FlowKey& key = arrival.key();
    const std::size_t holder = links_.shared->exceptions.find(exception_hash(key));
    if (holder < links_.cores) return hand_off(arrival, holder, arrival.hops + 1);
    const std::size_t owner = owner_of(key, links_.cores);
    return hand_off(arrival, owner, arrival.hops + 1) || hand_to_listener(arrival);
}

// True: another core listens. That one's answer is the last.
bool Core::hand_to_listener(const Arrival& arrival) {
    const wire::FlowKey& key = arrival.key();
    // Not arrival.hash: every core keys that one differently, and all must choose the same.
    const auto hash = static_cast<std::uint32_t>(exception_hash(key));
    const std::size_t listener = links_.shared->listening.choose({key.local, key.local_port},
                                                                 owner_of(key, links_.cores), hash);
    return listener < links_.cores && hand_off(arrival, listener, kHopsMax);
}

// False: it is for this core, or for one that does not run.
bool Core::hand_off(const Arrival& arrival, std::size_t core, std::uint32_t hops) {
    if (core == links_.self || !links_.shared->running.has(core)) return false;
    HandoffRecord record;
    record.kind = HandoffKind::segment;
    record.hops = hops;
    record.inbound = arrival.inbound;
    record.inbound.bytes = {};
    record.inbound.follows_addresses = false;  // only the segment goes
    if (!links_.to[core]->push(record, arrival.inbound.bytes)) {
        counters_->drop(Drop::handoff_ring_full);
        return true;
    }
    ++counters_->handoffs_out;
    links_.ring_doorbell(links_.context, core);
    return true;
}

bool Core::has_handoffs() const {
    return std::any_of(links_.from.begin(), links_.from.end(),
                       [](const HandoffRing* ring) { return ring != nullptr && !ring->empty(); });
}

void Core::take_handoffs(Instant now) {
    for (HandoffRing* ring : links_.from) {
        if (ring == nullptr) continue;
        for (std::size_t taken = 0; taken < io::kBurst; ++taken) {
            const HandoffRecord* record = ring->front();
            if (record == nullptr) break;
            switch (record->kind) {
                case HandoffKind::segment: {
                    ++counters_->handoffs_in;
                    Arrival& arrival = arrivals_[0];
                    arrival.inbound = record->inbound;
                    arrival.inbound.bytes = record->bytes();
                    if (stage(arrival)) {
                        arrival.hops = record->hops;
                        arrival.guess = {};
                        deliver(arrival, now);
                    }
                    break;
                }
                case HandoffKind::neighbour: network_->apply(record->update, now); break;
                case HandoffKind::path_error: path_error(record->notice, record->hops, now); break;
            }
            ring->pop();
        }
    }
}

void Core::deliver_to_connection(std::uint32_t index, Arrival& arrival, Instant now) {
    Connection& connection = connections_[index];
    const wire::Segment& segment = arrival.segment;
    if (segment.flags.has(wire::Flags::rst)) ++counters_->resets_in;
    if (connection.attached) sync_consumed(index, now);
    if (!segment.payload.empty() && !segment.flags.has(wire::Flags::rst) &&
        !can_store(connection, segment)) {
        // Dropped before TCP saw it: nothing of it was acknowledged, the peer sends it again.
        counters_->drop(connection.staged_chunks >= staged_chunks_max(connection.tcb)
                            ? Drop::tcp_out_of_order_full
                            : Drop::tcp_no_chunk);
        update_timer(index);  // it may be the segment that completes a handshake: nobody has yet
        return;
    }
    if (tcp::must_answer_first(connection.tcb)) {
        std::uint32_t budget = kSegmentsPerConnection;
        static_cast<void>(send_from(index, now, budget));
        if (!connection.alive) return;
    }
    if (connection.early_listener != kNoListener) {
        deliver_to_early(index, arrival, now);
        return;
    }
    react(index, tcp::on_segment(tcp_, connection.tcb, segment, now), &segment, now);
}

void Core::path_error(const net::PathErrorNotice& notice, std::uint32_t hops, Instant now) {
    const std::uint32_t hash = flow_hash(flow_secret_, notice.key);
    const FlowRef ref = find(notice.key, hash);
    if (!ref.valid() && links_.cores > 1 && hops < kHopsMax) {
        std::size_t core = links_.shared->exceptions.find(exception_hash(notice.key));
        if (core >= links_.cores) core = owner_of(notice.key, links_.cores);
        if (core != links_.self && links_.shared->running.has(core)) {
            HandoffRecord record;
            record.kind = HandoffKind::path_error;
            record.hops = hops + 1;
            record.notice = notice;
            if (!links_.to[core]->push(record, {})) {
                counters_->drop(Drop::handoff_ring_full);
            } else {
                links_.ring_doorbell(links_.context, core);
            }
            return;
        }
    }
    if (ref.valid() && ref.kind() == RecordKind::half_open &&
        tcp::is_ended_by(half_open_[ref.index()].record, static_cast<tcp::PathError>(notice.kind),
                         notice.seq)) {
        drop_half_open(ref.index());
        return;
    }
    if (!ref.valid() || ref.kind() != RecordKind::connection) {
        counters_->drop(Drop::icmp_stale);
        return;
    }
    Connection& connection = connections_[ref.index()];
    const auto kind = static_cast<tcp::PathError>(notice.kind);
    react(ref.index(), tcp::on_path_error(tcp_, connection.tcb, kind, notice.mtu, notice.seq, now),
          nullptr, now);
}

void Core::drain_network_notices(Instant now) {
    net::PathErrorNotice notice;
    while (network_->poll_failure(notice))
        path_error(notice, 0, now);
    if (links_.cores == 1) return;
    net::NeighbourUpdate update;
    while (network_->poll_update(update)) {
        for (std::size_t core = 0; core < links_.cores; ++core) {
            if (core == links_.self || !links_.shared->running.has(core)) continue;
            HandoffRecord record;
            record.kind = HandoffKind::neighbour;
            record.update = update;
            if (links_.to[core]->push(record, {})) links_.ring_doorbell(links_.context, core);
        }
    }
}

}  // namespace mtcp::stack
