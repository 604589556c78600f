// SPDX-License-Identifier: Apache-2.0
// The life of a connection as its application sees it: connect, shutdown, close, names, errors.
#include "socket/stream_socket.h"

#include "socket/fast_open.h"
#include "socket/listen_socket.h"
#include "socket/send_buffer.h"

namespace mtcp::socket {
namespace {

enum class Phase : std::uint8_t { none, opening, connected, failed, ended };

Phase phase_of(Application& app, const Descriptor& d) {
    if (d.connection == kNoIndex) return Phase::none;
    const std::uint32_t status = app.stream(d).status.load(std::memory_order_acquire);
    if ((status & StreamStatus::failed) != 0) return Phase::failed;
    if ((status & StreamStatus::ended) != 0) return Phase::ended;
    return (status & StreamStatus::connected) != 0 ? Phase::connected : Phase::opening;
}

Instant deadline_after(Application& app, std::int64_t timeout_ns) {
    return timeout_ns == 0 ? kNever : app.now() + nanoseconds(timeout_ns);
}

// Frees what is held of the connection's bytes and gives it to the stack, for ever.
void let_go(Application& app, Descriptor& d, std::uint64_t how) {
    while (d.held.unread != kNoChunk) {
        const ChunkRef ref = d.held.unread;
        d.held.unread = detach_first(app.chunks(), ref);
        app.give_chunk(ref);
    }
    app.attach(d.connection, nullptr);
    app.post({.kind = RequestKind::close, .index = d.connection, .value = how});
    app.kick();
    d.connection = kNoIndex;
}

// SO_TIMESTAMPING counts the bytes of one connection.
void end_stamps(Application& app, Descriptor& d) {
    DescriptorDetails& details = app.own_details(d);
    app.stamps().forget(app.table().id_of(d));
    details.timestamping = 0;
    d.stamps = 0;
    d.notices = details.zero_copies != details.zero_copies_told ? 1 : 0;
}

// Leaves the socket as it was before connect(): it can try again. `how`: CloseRequest.
void forget_connection(Application& app, Descriptor& d, std::uint64_t how) {
    let_go(app, d, how);
    d.error_taken = d.shut_read = d.shut_write = d.more_posted = d.starved = d.urgent = 0;
    d.held.unposted = 0;
    if (d.stamps != 0) end_stamps(app, d);
}

wire::IpAddress next_source(Application& app) {
    Application::SourceRange& range = app.sources();
    if (range.count == 0) return wire::IpAddress::v4(0);
    const std::uint32_t address = range.first + range.next;
    range.next = range.next + 1 == range.count ? 0 : range.next + 1;
    return wire::IpAddress::v4(address);
}

}  // namespace

// RFC 9293 MUST-46.
long check_destination(Application& app, const wire::Endpoint& remote) {
    if (remote.port == 0) return -EADDRNOTAVAIL;
    const CoreView& view = app.view();
    if (remote.address.is_unspecified() || (remote.address.v4_bits() >> 28) >= 0xe)
        return -ENETUNREACH;
    return view.has_route(view.core, remote.address) ? 0 : -ENETUNREACH;
}

long start_connection(Application& app, Descriptor& d, const wire::Endpoint& remote,
                      tcp::FastOpenWish fast_open, EarlyWrite early) {
    const std::uint32_t index = app.take_connection();
    if (index == kNoIndex) return -EAGAIN;
    const DescriptorDetails& details = app.details(d);
    OpenParameters parameters{};
    // RFC 9293 MUST-43.
    parameters.key.local = d.bound != 0 && !details.local.address.is_unspecified()
                               ? details.local.address
                               : next_source(app);
    parameters.key.local_port = d.bound != 0 ? details.local.port : std::uint16_t{0};
    parameters.key.remote = remote.address;
    parameters.key.remote_port = remote.port;
    parameters.settings = details.settings;
    parameters.fast_open = fast_open;
    d.connection = index;
    d.deferred = d.cut_off = d.error_taken = 0;
    app.attach(index, &d);
    if (details.not_sent_low_water != 0) {
        set_low_water(app.stream(d), details.not_sent_low_water);
    }
    // In the box before the stack hears of the connection: so they go with its SYN.
    const std::uint32_t taken = early.bytes == 0 ? 0 : queue_early(app, d, early.from, early.bytes);
    app.post_open(index, parameters);
    if (taken != 0) app.post({.kind = early.kind, .index = index});
    app.kick();
    return static_cast<long>(taken);
}

// SO_LINGER with a time: a blocking close waits until the peer has everything.
void linger(Application& app, Descriptor& d, std::int32_t linger_s) {
    if (phase_of(app, d) != Phase::connected) return;
    if (readable_bytes(app, d) != 0) return;  // it ends with a reset
    app.post({.kind = RequestKind::shutdown, .index = d.connection});
    app.kick();
    const Stream& s = app.stream(d);
    const Instant deadline = app.now() + seconds(linger_s);
    // Interrupted or too late: the rest is delivered in the background, as without SO_LINGER.
    static_cast<void>(app.attempt(Attempts::until_done, deadline, [&s]() -> long {
        constexpr std::uint32_t kOver =
            StreamStatus::send_closed | StreamStatus::failed | StreamStatus::ended;
        return (s.status.load(std::memory_order_acquire) & kOver) != 0 ? 0 : -EAGAIN;
    }));
}

long make_stream(Application& app) {
    const std::uint32_t id = app.table().take(DescriptorKind::stream);
    return id == kNoIndex ? -EMFILE : static_cast<long>(id);
}

long check_unopened(Application& app, Descriptor& d) {
    switch (phase_of(app, d)) {
        case Phase::none: return 0;
        case Phase::opening: return -EALREADY;
        case Phase::connected:
        case Phase::ended: return -EISCONN;
        case Phase::failed: break;
    }
    const bool was_connected =
        (app.stream(d).status.load(std::memory_order_relaxed) & StreamStatus::connected) != 0;
    if (was_connected) return -EISCONN;
    const int error = take_error(app, d);
    forget_connection(app, d, CloseRequest::orderly);
    return -error;
}

long wait_for_connection(Application& app, Descriptor& d) {
    const Instant deadline = deadline_after(app, app.details(d).send_timeout_ns);
    const long result = app.attempt(Attempts::until_done, deadline, [&app, &d]() -> long {
        switch (phase_of(app, d)) {
            case Phase::opening: return -EAGAIN;
            case Phase::failed: return -std::max(take_error(app, d), 1);
            default: return 0;
        }
    });
    if (result == -EAGAIN) return -EINPROGRESS;
    if (result < 0 && phase_of(app, d) == Phase::failed)
        forget_connection(app, d, CloseRequest::orderly);
    return result;
}

long connect(Application& app, Descriptor& d, const wire::Endpoint& remote) {
    if (d.deferred != 0) return -EISCONN;
    if (phase_of(app, d) == Phase::opening) {
        // connect(2): EALREADY is for non-blocking sockets; a blocking one waits, as on Linux.
        if (d.non_blocking == 0) {
            const long result = wait_for_connection(app, d);
            return result == -EINPROGRESS ? -EALREADY : result;
        }
        // Who asks in a loop may be the only one that lets the stack run.
        static_cast<void>(app.run_stack_for_retry());
    }
    if (const long wrong = check_unopened(app, d); wrong != 0) return wrong;
    if (const long wrong = check_destination(app, remote); wrong != 0) return wrong;
    tcp::FastOpenWish wish = tcp::FastOpenWish::none;
    if (app.details(d).fast_open_connect != 0) {
        if (defer_connect(app, d, remote)) return 0;
        wish = wish_of(app, d);
    }
    ByteCursor nothing{std::span<const iovec>{}};
    const EarlyWrite early{.from = nothing, .bytes = 0, .kind = RequestKind::write};
    if (const long wrong = start_connection(app, d, remote, wish, early); wrong != 0) return wrong;
    return d.non_blocking != 0 ? -EINPROGRESS : wait_for_connection(app, d);
}

// As Linux's tcp_disconnect(): who waits for it finds that it has hung up, and, where a handshake
// or bytes were cut off, an error.
void disconnect(Application& app, Descriptor& d) {
    const bool listened = d.kind == DescriptorKind::listener;
    if (!listened && d.connection == kNoIndex && d.deferred == 0) return;
    bool loses = d.deferred != 0;
    if (listened) {
        stop_listening(app, d);
    } else if (d.connection != kNoIndex) {
        const Phase phase = phase_of(app, d);
        const bool both_ended =
            d.shut_write != 0 &&
            (app.stream(d).status.load(std::memory_order_acquire) & StreamStatus::peer_closed) != 0;
        loses = phase == Phase::opening || (phase == Phase::connected && !both_ended);
        forget_connection(app, d, CloseRequest::abort);
    }
    d.deferred = 0;
    d.cut_off = 1;
    d.error_taken = loses ? 0 : 1;
    app.raise(d, EpollBits::writable | EpollBits::err | EpollBits::hup);
}

long shutdown_stream(Application& app, Descriptor& d, int how) {
    if (!is_direction(how)) return -EINVAL;
    const Phase phase = phase_of(app, d);
    if (phase == Phase::opening || d.deferred != 0) {  // as Linux, whatever `how`
        disconnect(app, d);
        return 0;
    }
    if (phase != Phase::connected) return -ENOTCONN;
    const bool news = (how != SHUT_WR && d.shut_read == 0) || (how != SHUT_RD && d.shut_write == 0);
    if (how != SHUT_WR) d.shut_read = 1;
    if (how != SHUT_RD) d.shut_write = 1;
    if (news && d.shut_write != 0) {
        app.post({.kind = RequestKind::shutdown, .index = d.connection, .value = d.shut_read});
        app.kick();
    }
    app.raise(d, EpollBits::readable | EpollBits::writable | EpollBits::read_hup | EpollBits::hup);
    return 0;
}

void close_stream(Application& app, Descriptor& d, CloseKind kind) {
    if (d.connection != kNoIndex) {
        const std::int32_t linger_s = app.details(d).linger_s;
        if (linger_s == 0) kind = CloseKind::abort;
        if (kind == CloseKind::orderly && linger_s > 0 && d.non_blocking == 0)
            linger(app, d, linger_s);
        const std::int32_t linger2_s = app.details(d).linger2_s;
        let_go(app, d,
               kind == CloseKind::abort ? CloseRequest::abort
               : linger2_s == 0         ? CloseRequest::orderly
               : linger2_s < 0          ? CloseRequest::timed
                                        : CloseRequest::timed + static_cast<unsigned>(linger2_s));
    }
    app.release(d);
}

int take_error(Application& app, Descriptor& d) {
    if (d.error_taken != 0) return 0;
    if (d.connection == kNoIndex) {
        const int error = d.cut_off != 0 ? ECONNRESET : 0;
        d.error_taken = d.cut_off;
        return error;
    }
    const Stream& s = app.stream(d);
    if ((s.status.load(std::memory_order_acquire) & StreamStatus::failed) == 0) return 0;
    d.error_taken = 1;
    return s.error;
}

bool is_connected(Application& app, const Descriptor& d) {
    return phase_of(app, d) == Phase::connected;
}

long local_name(Application& app, Descriptor& d, wire::Endpoint& name) {
    if (d.kind == DescriptorKind::stream && d.connection != kNoIndex) {
        const Stream& s = app.stream(d);
        // The stack chooses address and port when it takes the request.
        if ((s.status.load(std::memory_order_acquire) & StreamStatus::opened) == 0) app.run_stack();
        if ((s.status.load(std::memory_order_acquire) & StreamStatus::opened) != 0) {
            const wire::FlowKey key = app.key(d);
            name = {key.local, key.local_port};
            return 0;
        }
    } else if (d.bound != 0 && app.details(d).local.port == 0) {
        if (const long wrong = choose_port(app, d); wrong != 0) return wrong;
    }
    name = d.bound != 0 ? app.details(d).local : wire::Endpoint{wire::IpAddress::v4(0), 0};
    return 0;
}

long peer_name(Application& app, Descriptor& d, wire::Endpoint& name) {
    if (!is_connected(app, d)) return -ENOTCONN;  // as Linux, also when it is over
    const wire::FlowKey key = app.key(d);
    name = {key.remote, key.remote_port};
    return 0;
}

}  // namespace mtcp::socket
