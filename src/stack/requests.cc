// SPDX-License-Identifier: Apache-2.0
// What the application asked for since the last turn, and the grants it lives on.
#include <algorithm>
#include <cerrno>
#include <span>

#include "stack/core.h"
#include "stack/flow_owner.h"
#include "wire/flow_siphash.h"

namespace mtcp::stack {

using socket::ChunkRef;
using socket::kNoChunk;
using socket::Request;
using socket::RequestKind;
using socket::StreamStatus;

namespace {

constexpr std::size_t kRequestBurst = 32;

}  // namespace

bool Core::take_requests(Instant now) {
    bool worked = false;
    // At most one ring's worth a turn: an application that never stops writing must not stop the
    // core.
    for (std::size_t taken = 0; taken < socket::kRequestRing;) {
        const std::span<const Request> burst = channel_.requests.front(kRequestBurst);
        if (burst.empty()) break;
        std::uint32_t opens_ahead = 0;  // asked for and not yet taken
        const auto fetch = [this, burst, &opens_ahead](std::size_t i) {
            if (i >= burst.size()) return;
            if (burst[i].index < connections_.touched()) prefetch_flow(burst[i].index);
            if (burst[i].kind == RequestKind::open) prefetch_port(opens_ahead++);
        };
        for (std::size_t i = 0; i < burst.size(); ++i) {
            fetch_in_groups(i, fetch);
            if (burst[i].kind == RequestKind::open) --opens_ahead;
            take(burst[i], now);
        }
        channel_.requests.drop_front(burst.size());
        taken += burst.size();
        worked = true;
    }
    ChunkRef chunk;
    for (std::size_t taken = 0; taken < socket::kReturnRing && channel_.returned_chunks.pop(chunk);
         ++taken) {
        chunks_.give_back(chunk);
    }
    return worked;
}

void Core::take(const Request& request, Instant now) {
    const std::uint32_t index = request.index;
    switch (request.kind) {
        case RequestKind::open: open(index, now); break;
        case RequestKind::write: take_send_box(index, tcp::SendHint::none, now); break;
        case RequestKind::more: take_send_box(index, tcp::SendHint::more_follows, now); break;
        case RequestKind::urgent: take_send_box(index, tcp::SendHint::urgent, now); break;
        case RequestKind::record: take_record(request, now); break;
        case RequestKind::consumed:
            connections_[index].stream.consume_posted.store(0, std::memory_order_seq_cst);
            if (connections_[index].alive) sync_consumed(index, now);
            break;
        case RequestKind::shutdown: take_shutdown(request, now); break;
        case RequestKind::close: close(index, request.value, now); break;
        case RequestKind::settings: take_settings(request, now); break;
        case RequestKind::progress:
            if (!connections_[index].alive) break;
            connections_[index].tells_progress = request.value != 0;
            count_pieces(index, connections_[index].tcb.settings);
            break;
        case RequestKind::listen:
            listen(*reinterpret_cast<socket::Listener*>(request.value));
            break;
        case RequestKind::inherit:
            static_cast<void>(channel_.settings.pop(
                reinterpret_cast<socket::Listener*>(request.value)->settings));
            break;
        case RequestKind::unlisten:
            unlisten(*reinterpret_cast<socket::Listener*>(request.value), now);
            break;
        case RequestKind::listener_options:
            change(*reinterpret_cast<const socket::ListenerOptions*>(request.value));
            break;
        case RequestKind::fast_open:
            answer_fast_open(*reinterpret_cast<socket::FastOpenQuery*>(request.value), now);
            break;
        case RequestKind::status:
            tell_status(index, *reinterpret_cast<tcp::Status*>(request.value));
            break;
    }
}

void Core::take_record(const Request& request, Instant now) {
    take_send_box(request.index, tcp::SendHint::none, now);
    Connection& connection = connections_[request.index];
    if (!connection.alive) return;
    tcp::mark_record(tcp_, connection.tcb,
                     static_cast<std::uint32_t>(request.value) -
                         connection.stream.acknowledged.load(std::memory_order_relaxed));
}

void Core::take_shutdown(const Request& request, Instant now) {
    const std::uint32_t index = request.index;
    if (!connections_[index].alive) return;
    take_send_box(index, tcp::SendHint::none, now);
    if (!connections_[index].alive) return;
    const tcp::Reading reading = request.value != 0 ? tcp::Reading::over : tcp::Reading::goes_on;
    react(index, tcp::on_shutdown(tcp_, connections_[index].tcb, now, reading), nullptr, now);
}

void Core::take_settings(const Request& request, Instant now) {
    const std::uint32_t index = request.index;
    tcp::Settings settings;
    if (!channel_.settings.pop(settings) || !connections_[index].alive) return;
    apply_buffers(index, settings);
    wake_writer(index);
    const auto held = request.value != 0 ? tcp::HeldBytes::leave : tcp::HeldBytes::stay;
    react(index, tcp::on_settings(tcp_, connections_[index].tcb, settings, now, held), nullptr,
          now);
}

// --- connections
// --------------------------------------------------------------------------------------

void Core::make_connection(std::uint32_t index, const tcp::Settings& settings) {
    Connection& connection = connections_[index];
    connection.path = {};
    connection.hash = 0;
    connection.send_queue = connection.send_cursor = connection.staged = kNoChunk;
    connection.cursor_offset = 0;
    connection.staged_chunks = 0;
    connection.listener = connection.early_listener = kNoListener;
    connection.received_edge = connection.consumed_seen = 0;
    connection.listed = 0;
    connection.alive = connection.attached = connection.announced = false;
    connection.misplaced = connection.has_path = connection.in_flow_table = false;
    connection.has_tcb = connection.buffer_limited = connection.tells_progress = false;
    connection.stream.reset(settings.send_buffer);
    connection.stream.low_water.store(tcp_.configuration.not_sent_low_water,
                                      std::memory_order_relaxed);
    apply_buffers(index, settings);
}

// A reader tells us after this many bytes: often enough that a small window, drained, opens again.
void Core::apply_buffers(std::uint32_t index, const tcp::Settings& settings) {
    socket::Stream& stream = connections_[index].stream;
    const std::uint32_t step =
        std::clamp(settings.receive_buffer / 4, std::uint32_t{1}, kConsumeStepMax);
    stream.consume_step.store(step, std::memory_order_relaxed);
    // The application has set it already; a growth of ours may have come in between.
    if (settings.send_fixed != 0) {
        stream.send_limit.store(settings.send_buffer, std::memory_order_relaxed);
    }
    count_pieces(index, settings);
}

// Of those who asked for limits of their own: they have the numbers of Linux in mind.
void Core::count_pieces(std::uint32_t index, const tcp::Settings& settings) {
    Connection& connection = connections_[index];
    socket::Stream& stream = connection.stream;
    if (settings.send_fixed == 0 && stream.low_water.load(std::memory_order_relaxed) == 0 &&
        !connection.tells_progress) {
        stream.piece_segments.store(0, std::memory_order_relaxed);
        return;
    }
    if (connection.has_tcb) {
        say_sent(index);
    } else {
        socket::begin_pieces(stream);
    }
}

void Core::enter_flow_table(std::uint32_t index) {
    Connection& connection = connections_[index];
    flows_.insert(connection.hash, FlowRef::make(RecordKind::connection, index));
    connection.in_flow_table = true;
}

// Its frames arrive at another core, which must know that they are for this one. False: there is no
// room to tell it. Who accepted goes on all the same: the owner asks who listens.
bool Core::note_if_misplaced(std::uint32_t index) {
    Connection& connection = connections_[index];
    if (links_.cores == 1 || owner_of(connection.tcb.key, links_.cores) == links_.self) return true;
    connection.misplaced =
        links_.shared->exceptions.insert(exception_hash(connection.tcb.key), links_.self);
    return connection.misplaced;
}
void Core::forget_if_misplaced(const wire::FlowKey& key) {
    if (owner_of(key, links_.cores) == links_.self) return;
    links_.shared->exceptions.erase(exception_hash(key), links_.self);
}

void Core::fail_open(std::uint32_t index, int error) {
    ++counters_->connects_failed;
    socket::Stream& stream = connections_[index].stream;
    stream.error = error;
    stream.status.store(StreamStatus::opened | StreamStatus::failed | StreamStatus::ended,
                        std::memory_order_release);
    post(index, socket::StreamEvents::failed);
}

void Core::open(std::uint32_t index, Instant now) {
    socket::OpenParameters parameters{};
    MTCP_ASSERT(channel_.open_parameters.pop(parameters));
    ++opens_taken_;
    --connection_grants_;
    Connection& connection = connections_[index];
    connection.attached = connection.announced = true;
    connection.stream.send_limit.store(parameters.settings.send_buffer, std::memory_order_relaxed);
    apply_buffers(index, parameters.settings);
    wire::FlowKey& key = parameters.key;
    connection.tcb.key = key;

    auto route = network_->route(key.remote, key.local);
    if (!route) {
        fail_open(index, route.error() == net::RouteError::no_route       ? ENETUNREACH
                         : route.error() == net::RouteError::no_neighbour ? ENOBUFS
                         : route.error() == net::RouteError::source_loops ? EINVAL
                                                                          : EADDRNOTAVAIL);
        return;
    }
    // RFC 9293 MUST-44.
    key.local = route->source;
    const bool free = key.local_port != 0 ? claim(key, connection.hash, now)
                                          : pick_port(key, connection.hash, now);
    connection.tcb.key = key;
    if (!free || !note_if_misplaced(index)) {
        fail_open(index, EADDRNOTAVAIL);
        return;
    }
    connection.path = route->path;
    connection.has_path = true;
    connection.alive = connection.has_tcb = true;
    ++counters_->active_opens;
    const tcp::OpenRequest request{.key = key,
                                   .settings = parameters.settings,
                                   .path_mtu = route->path.mtu,
                                   .fast_open = parameters.fast_open};
    const tcp::Reaction reaction = tcp::on_open(tcp_, connection.tcb, request, now);
    enter_flow_table(index);
    connection.stream.status.store(StreamStatus::opened, std::memory_order_release);
    react(index, reaction, nullptr, now);
}

// Is the tuple free, or held by a TIME-WAIT that may be taken over (RFC 6191)?
bool Core::claim(const wire::FlowKey& key, std::uint32_t& hash, Instant now) {
    hash = flow_hash(flow_secret_, key);
    const FlowRef ref = find(key, hash);
    if (!ref.valid()) return true;
    if (ref.kind() != RecordKind::time_wait) return false;
    if (!tcp::may_reuse(tcp_, time_wait_[ref.index()].record, now)) return false;
    ++counters_->time_wait_reused;
    drop_time_wait(ref.index());
    return true;
}

// RFC 6056 §3.3.4: a secret starting point for each destination, then a walk. `key` has no local
// port yet.
std::uint64_t Core::secret_port_step(const wire::FlowKey& key) const {
    return wire::flow_siphash(port_secret_, key);
}
std::uint16_t Core::port_at(std::uint64_t step) const {
    const std::uint32_t first = configuration_.port_first;
    return static_cast<std::uint16_t>(first + step % (configuration_.port_last - first + 1u));
}

// The place in the flow table where pick_port() will look first for the open that `ahead` others
// precede. A guess, which a port in use or another destination among those others makes wrong. The
// starting point is kept for pick_port().
void Core::prefetch_port(std::uint32_t ahead) {
    const socket::OpenParameters* const parameters = channel_.open_parameters.peek(ahead);
    if (parameters == nullptr) return;
    wire::FlowKey key = parameters->key;
    if (key.local.is_unspecified()) key.local = network_->likely_source(key.remote);
    if (key.local_port == 0) {
        PortStart& start = port_starts_[(opens_taken_ + ahead) % port_starts_.size()];
        start = {.flow = key, .step = secret_port_step(key)};
        key.local_port = port_at(start.step + ports_picked_ + ahead);
    }
    flows_.prefetch_bucket(flow_hash(flow_secret_, key));
}

// A port is taken only if the flow's owner is this core, so that its answers come here.
bool Core::pick_port(wire::FlowKey& key, std::uint32_t& hash, Instant now) {
    const std::uint32_t span = configuration_.port_last - configuration_.port_first + 1u;
    const PortStart& known = port_starts_[(opens_taken_ - 1) % port_starts_.size()];
    const std::uint64_t start =
        (known.flow == key ? known.step : secret_port_step(key)) + ports_picked_;
    for (std::uint32_t step = 0; step < span; ++step) {
        key.local_port = port_at(start + step);
        // A port on which another core listens is taken, as one of our own listeners is.
        if (links_.cores > 1 && (owner_of(key, links_.cores) != links_.self ||
                                 links_.shared->listening.any({key.local, key.local_port}))) {
            continue;
        }
        const bool listening = listeners_.find({key.local, key.local_port}, 0) != nullptr;
        if (listening || !claim(key, hash, now)) continue;
        ports_picked_ += step + 1;
        return true;
    }
    return false;
}

void Core::take_send_box(std::uint32_t index, tcp::SendHint hint, Instant now) {
    Connection& connection = connections_[index];
    socket::Stream& stream = connection.stream;
    // On x86 and ARMv8 the exchange makes the store before it visible: whoever puts something into
    // the box after it finds the flag down, and posts a request of its own.
    stream.write_posted.store(0, std::memory_order_relaxed);
    const ChunkRef chain = stream.send_box.exchange(kNoChunk, std::memory_order_seq_cst);
    if (!connection.alive || (chain != kNoChunk && !tcp::can_send(connection.tcb))) {
        chunks_.give_back_chain(chain);
        return;
    }
    const std::uint32_t bytes = chain == kNoChunk ? 0 : chunks_.at(chain).chain_bytes;
    // The urgent byte may have left the box with the request before its own: the mark is still due.
    if (bytes == 0 && hint == tcp::SendHint::more_follows) return;
    connection.send_queue = join(chunks_, connection.send_queue, chain);
    if (connection.send_cursor == kNoChunk) {
        connection.send_cursor = connection.send_queue;
        connection.cursor_offset = 0;
    }
    const tcp::Reaction reaction = tcp::on_send(tcp_, connection.tcb, bytes, hint, now);
    if (reaction.events != 0) [[unlikely]] {
        react(index, reaction, nullptr, now);
    } else {
        go_on(index, reaction.work);  // a write has nothing else to react to
    }
}

void Core::take_consumed(std::uint32_t index, std::uint32_t consumed, Instant now) {
    Connection& connection = connections_[index];
    const std::uint32_t fresh = consumed - connection.consumed_seen;
    connection.consumed_seen = consumed;
    if (tcp::take_consumed(tcp_, connection.tcb, fresh, now) == tcp::WindowUpdate::not_due) return;
    react(index, tcp::on_window_update_due(connection.tcb), nullptr, now);
}

void Core::close(std::uint32_t index, std::uint64_t how, Instant now) {
    Connection& connection = connections_[index];
    const bool unsent = connection.stream.send_box.load(std::memory_order_relaxed) != kNoChunk;
    if (connection.alive && unsent) {
        take_send_box(index, tcp::SendHint::none, now);
    }
    if (connection.alive) sync_consumed(index, now);
    connection.attached = connection.announced = connection.tells_progress = false;
    if (!connection.alive) {
        release_if_unused(index);
        return;
    }
    tcp::Tcb& tcb = connection.tcb;
    const auto closed = [&]() -> tcp::Reaction {
        using socket::CloseRequest;
        if (how == CloseRequest::abort) return tcp::on_abort(tcp_, tcb, now);
        if (how < CloseRequest::timed) return tcp::on_close(tcp_, tcb, now);
        const auto wait = seconds(static_cast<std::int64_t>(how - CloseRequest::timed));
        return tcp::on_close(tcp_, tcb, now, wait);
    };
    // Bytes that nobody has read make it an abort, and go with the record.
    react(index, closed(), nullptr, now);
    if (!connection.alive || connection.staged == kNoChunk) return;
    chunks_.give_back_chain(connection.staged);  // text beyond a gap: nobody will read it
    connection.staged = kNoChunk;
    connection.staged_chunks = 0;
}

// --- listeners
// --------------------------------------------------------------------------------------------

void Core::listen(socket::Listener& listener) {
    listeners_.add(listener);
    listener.fast_open_limit = fast_open_limit(listener, listener.fast_open_limit);
    if (links_.cores > 1) links_.shared->listening.add(listener.endpoint, links_.self);
}

void Core::change(const socket::ListenerOptions& options) {
    socket::Listener& listener = *options.listener;
    if (listener.accepted.grow(options.backlog)) listener.backlog = options.backlog;
    listener.defer_accept_s = options.defer_accept_s;
    listener.fast_open_limit = fast_open_limit(listener, options.fast_open_limit);
    listener.fast_open_keys = options.fast_open_keys;
}

void Core::unlisten(socket::Listener& listener, Instant now) {
    // Linux resets what was not accepted, and so do we; half-open peers learn it from a reset when
    // their ACK finds nothing.
    for (RecordList& list : half_open_by_try_) {
        for (std::uint32_t index = list.first; index != kNoIndex;) {
            const std::uint32_t next = half_open_[index].next;
            if (half_open_[index].record.listener == listener.id) drop_half_open(index);
            index = next;
        }
    }
    // Those whose handshake is complete but for a segment that found no memory: the next listener
    // of this id must not inherit them.
    for (std::uint32_t index = 0; index < connections_.touched(); ++index) {
        Connection& connection = connections_[index];
        if (!connection.alive) continue;
        if (connection.early_listener == listener.id) leave_early(connection);
        if (connection.listener == listener.id) close(index, true, now);
    }
    std::uint32_t index;
    while (listener.accepted.pop(index))
        close(index, true, now);
    listeners_.remove(listener);
    if (links_.cores > 1 && listeners_.count(listener.endpoint) == 0) {
        links_.shared->listening.remove(listener.endpoint, links_.self);
    }
    delete &listener;
}

// --- grants
// -------------------------------------------------------------------------------------------------

void Core::refill_grants() {
    for (std::size_t c = 0; c < socket::kChunkClasses; ++c) {
        auto& ring = channel_.granted_chunks[c];
        const auto chunk_class = static_cast<socket::ChunkClass>(c);
        // Refilled when half empty, and never from the last quarter: received bytes come first.
        if (ring.size() * 2 > ring.capacity()) continue;
        while (ring.size() < ring.capacity() &&
               chunks_.available(chunk_class) > chunks_.capacity(chunk_class) / 4) {
            const ChunkRef ref = chunks_.take(chunk_class);
            if (ref == kNoChunk || !ring.push(ref)) break;
        }
    }
    const std::uint32_t target = connection_grant_target_;
    if (connection_grants_ * 2 > target) return;
    while (connection_grants_ < target) {
        const std::uint32_t index = connections_.take();
        if (index == kNoIndex) break;
        make_connection(index, configuration_.tcp.defaults);
        MTCP_ASSERT(channel_.granted_connections.push(index));
        ++connection_grants_;
    }
}

}  // namespace mtcp::stack
