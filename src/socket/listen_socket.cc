// SPDX-License-Identifier: Apache-2.0
// Binding, listening, accepting.
#include "socket/listen_socket.h"

#include <sys/socket.h>

#include <algorithm>
#include <cstring>
#include <new>

#include "socket/send_buffer.h"
#include "socket/stream_socket.h"

namespace mtcp::socket {

long bind(Application& app, Descriptor& d, const wire::Endpoint& where) {
    if (d.kind != DescriptorKind::stream || d.connection != kNoIndex || d.deferred != 0 ||
        d.bound != 0) {
        return -EINVAL;
    }
    const CoreView& view = app.view();
    if (!where.address.is_unspecified() && !view.is_local(view.core, where.address)) {
        return -EADDRNOTAVAIL;
    }
    if (where.port != 0 && app.ports().conflicts(app.table(), d, where)) return -EADDRINUSE;
    app.own_details(d).local = where;
    d.bound = 1;
    if (where.port != 0) app.ports().insert(app.table(), d);
    return 0;
}

long choose_port(Application& app, Descriptor& d) {
    DescriptorDetails& details = app.own_details(d);
    if (d.bound == 0) details.local = {wire::IpAddress::v4(0), 0};
    const std::uint16_t port = app.ports().choose(app.table(), d, details.local.address);
    if (port == 0) return -EADDRINUSE;
    details.local.port = port;
    d.bound = 1;
    app.ports().insert(app.table(), d);
    return 0;
}

void change_listener(Application& app, Descriptor& d, std::uint32_t backlog) {
    const DescriptorDetails& details = app.details(d);
    const ListenerOptions options{.listener = d.listener,
                                  .backlog = backlog,
                                  .defer_accept_s = details.defer_accept_s,
                                  .fast_open_limit = details.fast_open_limit,
                                  .fast_open_keys = details.fast_open_keys};
    app.post({.kind = RequestKind::listener_options,
              .value = reinterpret_cast<std::uint64_t>(&options)});
    app.run_stack();
}

long listen(Application& app, Descriptor& d, int backlog) {
    // As Linux: one more than was asked for, so that 0 is a queue, too; a negative number is large.
    const std::uint32_t most = std::max(app.table().capacity(), std::uint32_t{1});
    const auto asked = static_cast<std::uint32_t>(backlog);
    const std::uint32_t entries = asked < most ? asked + 1 : most;
    if (d.kind == DescriptorKind::listener) {
        change_listener(app, d, entries);
        return d.listener->backlog == entries ? 0 : -ENOMEM;
    }
    if (d.kind != DescriptorKind::stream || d.connection != kNoIndex || d.deferred != 0)
        return -EINVAL;
    if (d.bound == 0 || app.details(d).local.port == 0) {
        if (const long wrong = choose_port(app, d); wrong != 0) return wrong;
    } else if (app.ports().conflicts(app.table(), d, app.details(d).local)) {
        return -EADDRINUSE;  // both may be bound, but another one listens by now
    }
    const std::uint32_t id = app.take_listener_id(d);
    if (id == kNoIndex) return -ENOBUFS;
    const DescriptorDetails& details = app.details(d);
    auto* const listener = new (std::nothrow) Listener(details.local, entries, details.settings);
    if (listener == nullptr || !listener->accepted.grow(entries)) {
        delete listener;
        app.give_back_listener_id(id);
        return -ENOMEM;
    }
    listener->id = id;
    listener->defer_accept_s = details.defer_accept_s;
    listener->fast_open_limit = details.fast_open_limit;
    listener->fast_open_keys = details.fast_open_keys;
    d.kind = DescriptorKind::listener;
    d.listener = listener;
    d.cut_off = d.error_taken = 0;
    app.post({.kind = RequestKind::listen, .value = reinterpret_cast<std::uint64_t>(listener)});
    // A connection from this very context would otherwise find nobody listening.
    app.run_stack();
    return 0;
}

namespace {

void inherit(Application& app, Descriptor& listener, Descriptor& d) {
    app.table().inherit(listener, d);
    const DescriptorDetails& details = app.details(d);
    if (details.not_sent_low_water != 0) {
        set_low_water(app.stream(d), details.not_sent_low_water);
    }
    if (listener.inherit == 0 && details.not_sent_low_water == 0) return;
    // The stack gave it the options of mtcp_listen(); these are newer, or it does not know them.
    app.stream(d).send_limit.store(details.settings.send_buffer, std::memory_order_relaxed);
    app.post_settings(d.connection, details.settings);
    app.kick();
}

// Gives the connection an id, which must be there.
std::uint32_t adopt(Application& app, Descriptor& listener, std::uint32_t index) {
    const std::uint32_t id = app.table().take(DescriptorKind::stream);
    Descriptor& child = app.table().at(id);
    child.connection = index;
    app.attach(index, &child);
    inherit(app, listener, child);
    const Stream& s = app.stream(child);
    if ((s.status.load(std::memory_order_acquire) & StreamStatus::urgent) != 0) child.urgent = 1;
    return id;
}

}  // namespace

void stop_listening(Application& app, Descriptor& d) {
    Listener* const listener = d.listener;
    d.kind = DescriptorKind::stream;
    d.held = {kNoChunk, 0};  // it lay where the listener was
    app.give_back_listener_id(listener->id);
    app.post({.kind = RequestKind::unlisten, .value = reinterpret_cast<std::uint64_t>(listener)});
    app.kick();
}

long accept(Application& app, Descriptor& d, wire::Endpoint& peer) {
    if (d.kind != DescriptorKind::listener)
        return d.kind == DescriptorKind::stream ? -EINVAL : -ENOTSOCK;
    // Looked at first: a connection that was taken off the queue cannot be put back.
    if (app.table().exhausted()) return -EMFILE;
    SpscRing<std::uint32_t>& accepted = d.listener->accepted;
    std::uint32_t index = kNoIndex;
    const Attempts attempts = d.non_blocking != 0 ? Attempts::once : Attempts::until_done;
    const std::int64_t timeout_ns = app.details(d).receive_timeout_ns;
    const Instant deadline =
        timeout_ns == 0 || accepted.size() != 0 ? kNever : app.now() + nanoseconds(timeout_ns);
    const long result = app.attempt(attempts, deadline, [&accepted, &index]() -> long {
        return accepted.pop(index) ? 0 : -EAGAIN;
    });
    if (result != 0) return result;

    const std::uint32_t id = adopt(app, d, index);
    const wire::FlowKey key = app.key(app.table().at(id));
    peer = {key.remote, key.remote_port};
    return static_cast<long>(id);
}

long accept_many(Application& app, Descriptor& d, std::span<int> ids) {
    wire::Endpoint peer;
    const long first = ids.empty() ? -EINVAL : accept(app, d, peer);
    if (first < 0) return first;
    ids[0] = static_cast<int>(first);
    std::size_t count = 1;
    std::uint32_t index = kNoIndex;
    while (count < ids.size() && !app.table().exhausted() && d.listener->accepted.pop(index)) {
        ids[count++] = static_cast<int>(adopt(app, d, index));
    }
    return static_cast<long>(count);
}

long shutdown_listener(Application& app, Descriptor& d, int how) {
    if (!is_direction(how)) return -EINVAL;
    // As Linux: a listener sends nothing that could end.
    if (how != SHUT_WR) disconnect(app, d);
    return 0;
}

void close_listener(Application& app, Descriptor& d) {
    stop_listening(app, d);
    app.release(d);
}

}  // namespace mtcp::socket
