// SPDX-License-Identifier: Apache-2.0
// The rules of Linux's tcp_poll() in our terms.
#include "socket/readiness.h"

#include "socket/pipe.h"
#include "socket/send_buffer.h"

namespace mtcp::socket {
namespace {

std::uint32_t stream_readiness(Application& app, const Descriptor& d) {
    // Linux reports OUT|HUP for a socket that was never connected; nobody waits for that, and
    // programs that register before they connect stumble over it. Who is cut off hears of it.
    if (d.connection == kNoIndex) {
        if (d.cut_off == 0) return d.deferred != 0 ? EpollBits::writable : 0;
        const std::uint32_t error = d.error_taken == 0 ? EpollBits::err : 0;
        return EpollBits::writable | EpollBits::hup | error;
    }
    Stream& s = app.stream(d);
    const std::uint32_t status = s.status.load(std::memory_order_acquire);
    std::uint32_t bits = d.notices != 0 ? EpollBits::err : 0;
    const bool failed = (status & StreamStatus::failed) != 0;
    const bool over = failed || (status & StreamStatus::ended) != 0;
    const bool read_over = over || d.shut_read != 0 || (status & StreamStatus::peer_closed) != 0;
    if (read_over) bits |= EpollBits::readable | EpollBits::read_hup;
    if (read_over && (over || d.shut_write != 0)) bits |= EpollBits::hup;
    if (failed && d.error_taken == 0) bits |= EpollBits::err;
    if (d.held.unread != kNoChunk || s.receive_box.load(std::memory_order_acquire) != kNoChunk) {
        bits |= EpollBits::readable;
    }
    if (d.urgent != 0) bits |= EpollBits::pri;
    if (over || ((status & StreamStatus::connected) != 0 &&
                 (d.shut_write != 0 || (d.starved == 0 && has_write_room(s))))) {
        bits |= EpollBits::writable;
    }
    return bits;
}

}  // namespace

std::uint32_t readiness(Application& app, const Descriptor& d) {
    switch (d.kind) {
        case DescriptorKind::stream: return stream_readiness(app, d);
        case DescriptorKind::listener:
            return d.listener->accepted.empty() ? 0 : EpollBits::readable;
        case DescriptorKind::epoll: return d.epoll->ready_count() == 0 ? 0 : EpollBits::readable;
        case DescriptorKind::pipe_read:
        case DescriptorKind::pipe_write: return pipe_readiness(d);
        case DescriptorKind::unused: break;
    }
    return 0;
}

std::uint32_t readiness_for(Application& app, const Descriptor& d, std::uint32_t wanted) {
    if (d.is_usual_stream()) {
        // The rules of stream_readiness() from connect() on and until something ends: there are
        // bytes or not, and room or not.
        const Stream& s = app.stream(d);
        const std::uint32_t status = s.status.load(std::memory_order_acquire);
        if ((status & ~std::uint32_t{StreamStatus::opened | StreamStatus::connected}) == 0) {
            const bool readable = d.held.unread != kNoChunk ||
                                  s.receive_box.load(std::memory_order_acquire) != kNoChunk;
            const std::uint32_t bits = readable ? EpollBits::readable : 0;
            const bool connected = (status & StreamStatus::connected) != 0;
            if ((wanted & EpollBits::writable) == 0 || !connected) return bits;
            if (has_write_room(s)) return bits | EpollBits::writable;
        }
    }
    const std::uint32_t bits = readiness(app, d);
    const bool waits_for_room = (wanted & EpollBits::writable) != 0 &&
                                (bits & EpollBits::writable) == 0 &&
                                d.kind == DescriptorKind::stream && d.connection != kNoIndex;
    if (!waits_for_room) return bits;
    Stream& s = app.stream(d);
    // Being connected is told in any case.
    if ((s.status.load(std::memory_order_acquire) & StreamStatus::connected) == 0) return bits;
    s.wants_write.store(1, std::memory_order_seq_cst);
    return readiness(app, d);  // room may have come before the stack saw the wish
}

}  // namespace mtcp::socket
