// SPDX-License-Identifier: Apache-2.0
// Moving bytes between a program's buffers and a stream's two mailboxes.
#include <algorithm>
#include <atomic>
#include <cstring>
#include <optional>

#include "socket/fast_open.h"
#include "socket/message.h"
#include "socket/pipe.h"
#include "socket/send_buffer.h"
#include "socket/stream_socket.h"

namespace mtcp::socket {
namespace {

// Joins what the stack has delivered to what is already held; false: nothing new.
bool fetch(Application& app, Descriptor& d, Stream& s) {
    // A plain look first: the exchange takes the cache line from the stack.
    if (s.receive_box.load(std::memory_order_relaxed) == kNoChunk) return false;
    const ChunkRef fresh = s.receive_box.exchange(kNoChunk, std::memory_order_acq_rel);
    d.held.unread = join(app.chunks(), d.held.unread, fresh);
    return fresh != kNoChunk;
}

// Reading stops at the urgent byte, so that a program can find it with SIOCATMARK (RFC 6093 §4.3).
std::size_t up_to_mark(const Descriptor& d, const Stream& s, std::size_t bytes) {
    if (d.urgent == 0) return bytes;
    const std::uint32_t distance =
        s.urgent_mark.load(std::memory_order_relaxed) - s.consumed.load(std::memory_order_relaxed);
    if (static_cast<std::int32_t>(distance) <= 0) return bytes;
    return std::min<std::size_t>(bytes, distance);
}

// Is the urgent byte the next one, after `ahead` others?
bool is_mark(const Descriptor& d, const Stream& s, std::size_t ahead) {
    return d.urgent != 0 && s.urgent_mark.load(std::memory_order_relaxed) -
                                    s.consumed.load(std::memory_order_relaxed) ==
                                ahead;
}

// The stack learns what was read when that has become worth telling the peer.
void account_consumed(Application& app, Descriptor& d, Stream& s, std::uint32_t bytes) {
    const std::uint32_t consumed = s.consumed.load(std::memory_order_relaxed) + bytes;
    s.consumed.store(consumed, std::memory_order_release);
    if (d.urgent != 0) {
        const std::uint32_t mark = s.urgent_mark.load(std::memory_order_relaxed);
        if (static_cast<std::int32_t>(consumed - mark) > 0) d.urgent = 0;
    }
    d.held.unposted += bytes;
    if (d.held.unposted < s.consume_step.load(std::memory_order_relaxed)) return;
    d.held.unposted = 0;
    if (s.consume_posted.exchange(1, std::memory_order_seq_cst) != 0) return;
    app.post({.kind = RequestKind::consumed, .index = d.connection});
    app.kick();
}

// Takes up to `most` bytes off the front; `use(bytes, n)` sees them before they go.
template <typename Use>
std::uint32_t take_bytes(Application& app, Descriptor& d, Stream& s, std::size_t most, Use&& use) {
    const std::size_t wanted = up_to_mark(d, s, most);
    std::size_t left = wanted;
    while (left != 0 && (d.held.unread != kNoChunk || fetch(app, d, s))) {
        Chunk& chunk = app.chunks().at(d.held.unread);
        const auto n = static_cast<std::uint32_t>(std::min<std::size_t>(left, chunk.size()));
        use(chunk.data() + chunk.begin, n);
        left -= n;
        chunk.begin += n;
        chunk.chain_bytes -= n;
        if (chunk.begin != chunk.end) break;
        const ChunkRef emptied = d.held.unread;
        d.held.unread = detach_first(app.chunks(), emptied);
        app.give_chunk(emptied);
    }
    const auto taken = static_cast<std::uint32_t>(wanted - left);
    if (taken != 0) account_consumed(app, d, s, taken);
    return taken;
}

// As take_bytes, leaving everything where it is; with MSG_TRUNC it is only counted.
std::uint32_t peek_bytes(Application& app, Descriptor& d, Stream& s, ByteCursor to, int flags) {
    static_cast<void>(fetch(app, d, s));
    std::size_t left = up_to_mark(d, s, to.left());
    const std::size_t wanted = left;
    for (ChunkRef ref = d.held.unread; left != 0 && ref != kNoChunk;
         ref = app.chunks().at(ref).next) {
        const Chunk& chunk = app.chunks().at(ref);
        const std::size_t n = std::min<std::size_t>(left, chunk.size());
        if ((flags & MSG_TRUNC) == 0) to.put(chunk.data() + chunk.begin, n);
        left -= n;
    }
    return static_cast<std::uint32_t>(wanted - left);
}

// Nothing follows what is there.
bool is_read_over(const Descriptor& d, std::uint32_t status) {
    constexpr std::uint32_t kOver =
        StreamStatus::peer_closed | StreamStatus::failed | StreamStatus::ended;
    return d.shut_read != 0 || (status & kOver) != 0;
}

// What a read that finds no byte answers: -EAGAIN, 0 for the end, or the error, once.
// RFC 9293 MUST-12: the end reads as 0, an abort as its error.
long why_nothing(Application& app, Descriptor& d, std::uint32_t status) {
    if ((status & StreamStatus::peer_closed) != 0) return 0;
    if ((status & StreamStatus::failed) != 0) return -take_error(app, d);
    return d.shut_read != 0 || (status & StreamStatus::ended) != 0 ? 0 : -EAGAIN;
}

// The status, to be followed by a look at the box: the stack puts the last bytes first, then says
// it was the last. Taking the event that makes d.urgent known may take one that says so as well,
// and nobody would be woken again: the status is looked at once more.
std::uint32_t status_to_read_by(Application& app, const Stream& s) {
    const std::uint32_t status = s.status.load(std::memory_order_acquire);
    if ((status & StreamStatus::urgent) == 0) return status;
    app.drain_events();
    return s.status.load(std::memory_order_acquire);
}

// The reads that most are: what has come is one chunk, and all of it is wanted; or nothing comes
// any more. Otherwise receive_from_stream() has to look, and finds everything where it was; where
// both answer, they do the same.
std::optional<long> receive_one_chunk(Application& app, Descriptor& d, std::span<std::byte> to) {
    if (!d.is_usual_stream()) return std::nullopt;
    Stream& s = app.stream(d);
    // The status before the box: the stack puts the last bytes first, then says it was the last.
    const std::uint32_t status = s.status.load(std::memory_order_acquire);
    if ((status & StreamStatus::urgent) != 0 || to.empty()) return std::nullopt;
    const bool fresh = s.receive_box.load(std::memory_order_relaxed) != kNoChunk;
    if (d.held.unread == kNoChunk) {
        if (!fresh && (status & StreamStatus::peer_closed) != 0) return 0;
        if (!fresh) return std::nullopt;
        d.held.unread = s.receive_box.exchange(kNoChunk, std::memory_order_acq_rel);
        if (d.held.unread == kNoChunk) return std::nullopt;  // the stack is adding to it
    } else if (fresh) {
        return std::nullopt;
    }
    const ChunkRef whole = d.held.unread;
    const Chunk& chunk = app.chunks().at(whole);
    const std::uint32_t bytes = chunk.size();
    if (chunk.next != kNoChunk || bytes > to.size()) return std::nullopt;
    std::memcpy(to.data(), chunk.data() + chunk.begin, bytes);
    d.held.unread = kNoChunk;
    app.give_chunk(whole);
    account_consumed(app, d, s, bytes);
    return static_cast<long>(bytes);
}

Instant deadline_of(Application& app, std::int64_t timeout_ns) {
    return timeout_ns == 0 ? kNever : app.now() + nanoseconds(timeout_ns);
}

bool may_block(const Descriptor& d, int flags) {
    return d.non_blocking == 0 && (flags & MSG_DONTWAIT) == 0;
}

long receive_from_stream(Application& app, Descriptor& d, ByteCursor& to, int flags) {
    Stream& s = app.stream(d);
    const bool blocking = may_block(d, flags);
    const bool all = blocking && (flags & MSG_WAITALL) != 0;
    const std::size_t wanted = to.left();
    const bool discards = (flags & MSG_TRUNC) != 0;  // tcp(7): taken, not passed on
    std::size_t taken = 0;
    const auto once = [&]() -> long {
        while (true) {
            const std::uint32_t status = status_to_read_by(app, s);
            if ((flags & MSG_PEEK) != 0) {
                taken = peek_bytes(app, d, s, to, flags);
            } else {
                taken += take_bytes(app, d, s, to.left(),
                                    [&to, discards](const std::byte* from, std::size_t n) {
                                        discards ? to.skip(n) : to.put(from, n);
                                    });
            }
            // As Linux: recv(2) of no byte waits for one, or finds the error.
            if (wanted == 0 && (d.held.unread != kNoChunk || fetch(app, d, s))) return 0;
            if (taken == 0) return why_nothing(app, d, status);
            // What cuts it short, an error too, is for the next call to tell.
            const std::size_t ahead = (flags & MSG_PEEK) != 0 ? taken : 0;
            const bool goes_on = all && !is_read_over(d, status) && !is_mark(d, s, ahead);
            if (taken == wanted || !goes_on) return static_cast<long>(taken);
            // Taking them may have run the stack, and taken the event of what came meanwhile.
            const bool news = s.status.load(std::memory_order_acquire) != status ||
                              s.receive_box.load(std::memory_order_relaxed) != kNoChunk;
            if (!news) return -EAGAIN;
        }
    };
    if (!blocking) return app.attempt(Attempts::once, kNever, once);
    long result = once();
    if (result == -EAGAIN) {
        const Instant deadline = deadline_of(app, app.details(d).receive_timeout_ns);
        result = app.attempt(Attempts::until_done, deadline, once);
    }
    return result < 0 && taken != 0 ? static_cast<long>(taken) : result;
}

// Appends up to `bytes` to the chain `head`, its last chunk first; returns how many it took.
std::uint32_t append(Application& app, ChunkRef& head, ByteCursor& from, std::uint32_t bytes) {
    ChunkStore& chunks = app.chunks();
    const ChunkClass whole = class_for(bytes);
    if (head == kNoChunk && bytes != 0 && bytes <= chunk_capacity(whole)) {
        head = app.cache().take(whole);
        if (head != kNoChunk && chunk_capacity(head) >= bytes) [[likely]] {
            Chunk& chunk = chunks.at(head);
            from.get(chunk.data(), bytes);
            chunk.end = chunk.chain_bytes = bytes;
            return bytes;
        }
    }
    std::uint32_t left = bytes;
    while (left != 0) {
        ChunkRef tail = head == kNoChunk ? kNoChunk : chunks.at(head).chain_tail;
        if (tail == kNoChunk || chunks.at(tail).end == chunk_capacity(tail)) {
            tail = app.cache().take(class_for(left));
            if (tail == kNoChunk) {
                // Where turns brought none, the next one is worth its time a little later.
                app.is_starving() ? static_cast<void>(app.run_stack_for_retry()) : app.run_stack();
                tail = app.cache().take(class_for(left));
            }
            if (tail == kNoChunk) break;
            head = join(chunks, head, tail);
        }
        Chunk& chunk = chunks.at(tail);
        const std::uint32_t n = std::min(left, chunk_capacity(tail) - chunk.end);
        from.get(chunk.data() + chunk.end, n);
        chunk.end += n;
        chunks.at(head).chain_bytes += n;
        left -= n;
    }
    return bytes - left;
}

// Is a write request in the ring already, which will find what is in the box now? Where none is,
// nobody else writes the flag; where one is, the stack may be about to take the box, and only an
// exchange tells.
bool claim_write(Stream& s) {
    if (s.write_posted.load(std::memory_order_relaxed) == 0) {
        s.write_posted.store(1, std::memory_order_relaxed);
        return false;
    }
    return s.write_posted.exchange(1, std::memory_order_seq_cst) != 0;
}

void post_write(Application& app, Descriptor& d, Stream& s, RequestKind kind) {
    const bool posted = claim_write(s);
    // A request in the ring takes these bytes along, unless it would hold them back.
    const bool marks = kind == RequestKind::urgent || kind == RequestKind::record;
    const bool covered = posted && !marks && (d.more_posted == 0 || kind == RequestKind::more);
    if (covered) return;
    d.more_posted = kind == RequestKind::more ? 1 : 0;
    app.post({.kind = kind, .index = d.connection, .value = s.written});
    app.kick();
}

// Nothing can be sent any more.
bool is_write_over(const Descriptor& d, std::uint32_t status) {
    constexpr std::uint32_t kOver = StreamStatus::failed | StreamStatus::ended;
    return d.shut_write != 0 || (status & kOver) != 0;
}

// What a call answers that moved no byte because it is over: the error that ended it, once, before
// -EPIPE or -ENOTCONN.
long with_error(Application& app, Descriptor& d, long result) {
    if (result != -EPIPE && result != -ENOTCONN) return result;
    const int error = take_error(app, d);
    return error != 0 ? -error : result;
}

// One attempt: bytes taken; -EAGAIN when there is no room, or no chunk; -EPIPE: it is over.
long write_some(Application& app, Descriptor& d, ByteCursor& from, RequestKind kind) {
    Stream& s = app.stream(d);
    const std::uint32_t status = s.status.load(std::memory_order_acquire);
    if (is_write_over(d, status)) return -EPIPE;
    if ((status & StreamStatus::connected) == 0) return -EAGAIN;
    std::uint32_t room = write_room(s);
    if (room == 0) {
        s.wants_write.store(1, std::memory_order_seq_cst);
        room = write_room(s);  // it may have come before the stack saw the wish
        if (room == 0) return -EAGAIN;
    }
    const auto bytes = static_cast<std::uint32_t>(std::min<std::size_t>(from.left(), room));
    ChunkRef head = kNoChunk;
    if (s.send_box.load(std::memory_order_relaxed) != kNoChunk) {
        head = s.send_box.exchange(kNoChunk, std::memory_order_acq_rel);
    }
    const std::uint32_t taken = append(app, head, from, bytes);
    std::atomic_ref<std::uint32_t>(s.written).store(s.written + taken, std::memory_order_relaxed);
    if (head != kNoChunk) s.send_box.store(head, std::memory_order_release);
    if (taken == 0) {
        app.starve(d);
        if (head != kNoChunk) post_write(app, d, s, RequestKind::write);
        return -EAGAIN;
    }
    // The mark goes behind the last byte of the write.
    const bool ends = kind != RequestKind::record || from.left() == 0;
    post_write(app, d, s, ends ? kind : RequestKind::write);
    return static_cast<long>(taken);
}

// As write_some(); where pieces count, what can leave leaves between two of them, so that the next
// is begun with what is known then.
long write_pieces(Application& app, Descriptor& d, ByteCursor& from, RequestKind kind) {
    const std::size_t wanted = from.left();
    long result = write_some(app, d, from, kind);
    while (result > 0 && from.left() != 0 && counts_pieces(app.stream(d))) {
        app.run_stack();
        result = write_some(app, d, from, kind);
    }
    const auto done = static_cast<long>(wanted - from.left());
    return done != 0 ? done : result;
}

// Where pieces count, a writer that was refused sleeps until a good part of the buffer is free.
bool is_still_full(Application& app, const Descriptor& d) {
    Stream& s = app.stream(d);
    if (!counts_pieces(s)) return false;
    if (is_write_over(d, s.status.load(std::memory_order_acquire)) || has_write_room(s))
        return false;
    s.wants_write.store(1, std::memory_order_seq_cst);
    return !has_write_room(s);  // it may have come before the stack saw the wish
}

// The write that most are: it finds room and an empty box, and fits into a chunk that is at hand.
// 0: write_some() has to look, and nothing was done; where both answer, they do the same.
long send_one_chunk(Application& app, Descriptor& d, std::span<const std::byte> from) {
    if (!d.is_usual_stream()) return 0;
    Stream& s = app.stream(d);
    if (!StreamStatus::is_usual(s.status.load(std::memory_order_acquire))) return 0;
    const ChunkClass whole = class_for(from.size());
    if (from.empty() || from.size() > chunk_capacity(whole) || counts_pieces(s) ||
        from.size() > write_room(s)) {
        return 0;
    }
    // Without a request in the ring nobody else looks at the box, or writes the flag.
    if (s.write_posted.load(std::memory_order_relaxed) != 0 ||
        s.send_box.load(std::memory_order_relaxed) != kNoChunk) {
        return 0;
    }
    const ChunkRef ref = app.cache().take_kept(whole);
    if (ref == kNoChunk) return 0;
    const auto bytes = static_cast<std::uint32_t>(from.size());
    Chunk& chunk = app.chunks().at(ref);
    std::memcpy(chunk.data(), from.data(), bytes);
    chunk.end = chunk.chain_bytes = bytes;
    std::atomic_ref<std::uint32_t>(s.written).store(s.written + bytes, std::memory_order_relaxed);
    s.send_box.store(ref, std::memory_order_release);
    s.write_posted.store(1, std::memory_order_relaxed);
    d.more_posted = 0;
    app.post({.kind = RequestKind::write, .index = d.connection, .value = s.written});
    app.kick();
    return static_cast<long>(bytes);
}

RequestKind write_kind(int flags) {
    if ((flags & MSG_OOB) != 0) return RequestKind::urgent;
    if ((flags & MSG_EOR) != 0) return RequestKind::record;
    return (flags & MSG_MORE) != 0 ? RequestKind::more : RequestKind::write;
}

bool is_listener(const Descriptor& d) { return d.kind == DescriptorKind::listener; }

}  // namespace

std::uint32_t queue_early(Application& app, Descriptor& d, ByteCursor& from, std::uint32_t bytes) {
    Stream& s = app.stream(d);
    ChunkRef head = kNoChunk;
    const std::uint32_t taken = append(app, head, from, std::min(bytes, write_room(s)));
    std::atomic_ref<std::uint32_t>(s.written).store(s.written + taken, std::memory_order_relaxed);
    if (head != kNoChunk) s.send_box.store(head, std::memory_order_release);
    return taken;
}

namespace {

// epoll(7): a program that watches for edges may take a short write for "full", without asking
// again. It hears of room all the same.
void announce_room(Application& app, Descriptor& d, Stream& s) {
    s.wants_write.store(1, std::memory_order_seq_cst);
    if (!has_write_room(s)) return;
    // It came before the stack saw the wish, or it was a chunk that was missing.
    app.cache().has_any() ? app.raise(d, EpollBits::writable) : app.starve(d);
}

}  // namespace

long send_bytes(Application& app, Descriptor& d, ByteCursor& from, int flags) {
    const RequestKind kind = write_kind(flags);
    Stream& s = app.stream(d);
    // Bytes that wait in the box would hide where the urgent byte is.
    if (kind == RequestKind::urgent && s.write_posted.load(std::memory_order_relaxed) != 0) {
        app.run_stack();
    }
    const bool blocking = may_block(d, flags);
    const std::size_t wanted = from.left();
    if (wanted == 0) return is_write_over(d, s.status.load(std::memory_order_acquire)) ? -EPIPE : 0;
    const auto once = [&]() -> long {
        const long taken = write_pieces(app, d, from, kind);
        if (taken > 0 && from.left() != 0) announce_room(app, d, s);
        // So would bytes that are written before the mark is set.
        if (taken > 0 && kind == RequestKind::urgent) app.run_stack();
        return taken;
    };
    long result = once();
    if (result > 0 && (from.left() == 0 || !blocking)) return result;
    if (result < 0 && result != -EAGAIN) return result;
    if (!blocking) return app.run_stack_for_retry() ? once() : result;
    const Instant deadline = deadline_of(app, app.details(d).send_timeout_ns);
    // A wait ends with the last byte, or as the call does: by a signal, though there is some room.
    const auto rest = [&]() -> long {
        long taken = is_still_full(app, d) ? -EAGAIN : once();
        while (taken > 0 && from.left() != 0)
            taken = once();
        return taken;
    };
    result = app.attempt(Attempts::until_done, deadline, rest);
    const auto done = static_cast<long>(wanted - from.left());
    return done != 0 ? done : result;
}

long send_to_stream(Application& app, Descriptor& d, ByteCursor& from, int flags) {
    return with_error(app, d, send_bytes(app, d, from, flags));
}

long receive(Application& app, Descriptor& d, ByteCursor to, int flags) {
    if (d.kind == DescriptorKind::pipe_read) {
        if ((flags & (MSG_PEEK | MSG_TRUNC)) != 0) return -EINVAL;
        const long result = read_pipe(app, d, to);
        return result == -EAGAIN && may_block(d, flags) ? -EDEADLK : result;
    }
    if (d.kind != DescriptorKind::stream) return is_listener(d) ? -ENOTCONN : -EBADF;
    if (d.deferred != 0) return -EAGAIN;  // no SYN has left yet
    if (d.connection == kNoIndex) return with_error(app, d, -ENOTCONN);
    return receive_from_stream(app, d, to, flags);
}

namespace {

// MSG_ZEROCOPY: the program waits to hear that its buffer is free; SO_TIMESTAMPING: when it was.
long told_of_buffer(Application& app, Descriptor& d, long taken, int flags) {
    if (taken > 0 && (flags & MSG_ZEROCOPY) != 0) note_zero_copy(app, d);
    if (taken > 0 && d.stamps != 0) [[unlikely]]
        app.stamps().note_write(app.table().id_of(d), app.stream(d).written);
    return taken;
}

}  // namespace

long send(Application& app, Descriptor& d, ByteCursor from, int flags) {
    if (d.kind == DescriptorKind::pipe_write) {
        const long result = write_pipe(app, d, from);
        return result == -EAGAIN && may_block(d, flags) ? -EDEADLK : result;
    }
    if (d.kind != DescriptorKind::stream) return is_listener(d) ? -EPIPE : -EBADF;
    if (d.deferred != 0) {
        const long taken = open_with_data(app, d, app.details(d).deferred_remote, from, flags);
        return told_of_buffer(app, d, taken, flags);
    }
    // On a connection the flag means nothing; without one and a name there is nobody to connect to.
    if ((flags & MSG_FASTOPEN) != 0 && !is_connected(app, d)) {
        if (!has_fast_open(app, d)) return -EOPNOTSUPP;
        const long wrong = check_unopened(app, d);
        return wrong != 0 ? wrong : -EINVAL;
    }
    // As Linux; POSIX has ENOTCONN.
    if (d.connection == kNoIndex) return with_error(app, d, -EPIPE);
    return told_of_buffer(app, d, send_to_stream(app, d, from, flags), flags);
}

// Flags that change nothing where a call moves all its bytes at once.
constexpr int kNoMatter = MSG_DONTWAIT | MSG_NOSIGNAL;

long receive(Application& app, Descriptor& d, std::span<std::byte> to, int flags) {
    if ((flags & ~kNoMatter) == 0) {
        if (const auto answer = receive_one_chunk(app, d, to); answer) return *answer;
    }
    const iovec one{to.data(), to.size()};
    return receive(app, d, ByteCursor({&one, 1}), flags);
}

long send(Application& app, Descriptor& d, std::span<const std::byte> from, int flags) {
    if ((flags & ~kNoMatter) == 0) {
        if (const long bytes = send_one_chunk(app, d, from); bytes != 0) return bytes;
    }
    const iovec one{const_cast<std::byte*>(from.data()), from.size()};
    return send(app, d, ByteCursor({&one, 1}), flags);
}

long receive_in_place(Application& app, Descriptor& d, std::span<iovec> out, std::size_t& used,
                      int flags) {
    used = 0;
    if (d.kind != DescriptorKind::stream) return is_listener(d) ? -ENOTCONN : -EBADF;
    if (d.deferred != 0) return -EAGAIN;
    if (d.connection == kNoIndex) return with_error(app, d, -ENOTCONN);
    if (out.empty()) return -EINVAL;
    Stream& s = app.stream(d);
    const auto once = [&]() -> long {
        const std::uint32_t status = status_to_read_by(app, s);
        static_cast<void>(fetch(app, d, s));
        std::size_t left = up_to_mark(d, s, SIZE_MAX);
        std::size_t shown = 0;
        for (ChunkRef ref = d.held.unread; ref != kNoChunk && used < out.size() && left != 0;
             ref = app.chunks().at(ref).next) {
            Chunk& chunk = app.chunks().at(ref);
            const std::size_t n = std::min<std::size_t>(left, chunk.size());
            out[used++] = {chunk.data() + chunk.begin, n};
            left -= n;
            shown += n;
        }
        return shown != 0 ? static_cast<long>(shown) : why_nothing(app, d, status);
    };
    if (!may_block(d, flags)) return app.attempt(Attempts::once, kNever, once);
    const Instant deadline = deadline_of(app, app.details(d).receive_timeout_ns);
    return app.attempt(Attempts::until_done, deadline, once);
}

long received_in_place(Application& app, Descriptor& d, std::size_t bytes) {
    if (d.kind != DescriptorKind::stream) return is_listener(d) ? -ENOTCONN : -EBADF;
    if (d.connection == kNoIndex) return -ENOTCONN;
    const std::size_t held =
        d.held.unread == kNoChunk ? 0 : app.chunks().at(d.held.unread).chain_bytes;
    if (bytes > up_to_mark(d, app.stream(d), held)) return -EINVAL;
    static_cast<void>(
        take_bytes(app, d, app.stream(d), bytes, [](const std::byte*, std::size_t) {}));
    return 0;
}

long send_and_close(Application& app, Descriptor& d, ByteCursor from) {
    if (d.kind != DescriptorKind::stream) return is_listener(d) ? -EPIPE : -EBADF;
    const std::size_t wanted = from.left();
    if (d.connection == kNoIndex) {  // it may wait for its first bytes to open
        const long taken = send(app, d, from, 0);
        if (taken == static_cast<long>(wanted)) close_stream(app, d, CloseKind::orderly);
        return taken;
    }
    Stream& s = app.stream(d);
    if (wanted != 0 && wanted <= write_room(s)) {
        // The close takes the bytes along: a request for them alone is not needed.
        const bool posted = claim_write(s);
        static_cast<void>(write_some(app, d, from, RequestKind::write));
        if (from.left() != 0) {
            // Still open: what was taken must leave by itself, and so must what lay in the box, if
            // it was out of it when the stack looked.
            if (!posted) s.write_posted.store(0, std::memory_order_seq_cst);
            if (s.send_box.load(std::memory_order_relaxed) != kNoChunk) {
                post_write(app, d, s, RequestKind::write);
            }
        }
    }
    const long result = from.left() == 0 ? 0 : send_bytes(app, d, from, 0);
    const auto done = static_cast<long>(wanted - from.left());
    if (from.left() == 0) {
        close_stream(app, d, CloseKind::orderly);
        return done;
    }
    return done != 0 ? done : with_error(app, d, result);
}

long send_to(Application& app, Descriptor& d, const wire::Endpoint& remote, ByteCursor from,
             int flags) {
    const bool opens = d.kind == DescriptorKind::stream && (flags & MSG_FASTOPEN) != 0;
    if (!opens || d.deferred != 0 || is_connected(app, d)) return send(app, d, from, flags);
    return told_of_buffer(app, d, open_with_data(app, d, remote, from, flags), flags);
}

std::uint32_t readable_bytes(Application& app, Descriptor& d) {
    if (d.kind == DescriptorKind::pipe_read) return d.pipe->size;
    if (d.kind != DescriptorKind::stream || d.connection == kNoIndex) return 0;
    static_cast<void>(fetch(app, d, app.stream(d)));
    return d.held.unread == kNoChunk ? 0 : app.chunks().at(d.held.unread).chain_bytes;
}

std::uint32_t unacknowledged_bytes(Application& app, const Descriptor& d) {
    if (d.kind != DescriptorKind::stream || d.connection == kNoIndex) return 0;
    const Stream& s = app.stream(d);
    return s.written - s.acknowledged.load(std::memory_order_acquire);
}

bool at_urgent_mark(Application& app, const Descriptor& d) {
    if (d.kind != DescriptorKind::stream || d.connection == kNoIndex) return false;
    app.drain_events();
    return is_mark(d, app.stream(d), 0);
}

}  // namespace mtcp::socket
