// SPDX-License-Identifier: Apache-2.0
// The ring of bytes behind a pipe.
#include "socket/pipe.h"

#include <algorithm>
#include <new>

namespace mtcp::socket {

long make_pipe(Application& app, int& reader, int& writer) {
    std::unique_ptr<Pipe> pipe(new (std::nothrow) Pipe);
    if (pipe == nullptr) return -ENOMEM;
    pipe->data.reset(new (std::nothrow) std::byte[kPipeBytes]);
    if (pipe->data == nullptr) return -ENOMEM;
    DescriptorTable& table = app.table();
    const std::uint32_t read_id = table.take(DescriptorKind::pipe_read);
    if (read_id == kNoIndex) return -EMFILE;
    const std::uint32_t write_id = table.take(DescriptorKind::pipe_write);
    if (write_id == kNoIndex) {
        app.release(table.at(read_id));
        return -EMFILE;
    }
    pipe->reader = read_id;
    pipe->writer = write_id;
    table.at(read_id).pipe = table.at(write_id).pipe = pipe.release();
    reader = static_cast<int>(read_id);
    writer = static_cast<int>(write_id);
    return 0;
}

void close_pipe_end(Application& app, Descriptor& d) {
    Pipe* const pipe = d.pipe;
    const bool was_reader = d.kind == DescriptorKind::pipe_read;
    (was_reader ? pipe->reader : pipe->writer) = kNoIndex;
    const std::uint32_t other = was_reader ? pipe->writer : pipe->reader;
    if (other == kNoIndex) {
        delete pipe;
        return;
    }
    const std::uint32_t bits =
        was_reader ? EpollBits::writable | EpollBits::err : EpollBits::readable | EpollBits::hup;
    app.raise(app.table().at(other), bits);
}

long read_pipe(Application& app, Descriptor& d, ByteCursor& to) {
    Pipe& pipe = *d.pipe;
    if (to.left() == 0) return 0;
    if (pipe.size == 0) return pipe.writer == kNoIndex ? 0 : -EAGAIN;
    const auto total = static_cast<std::uint32_t>(std::min<std::size_t>(to.left(), pipe.size));
    for (std::uint32_t done = 0; done < total;) {
        const std::uint32_t n = std::min(total - done, kPipeBytes - pipe.head);
        to.put(pipe.data.get() + pipe.head, n);
        pipe.head = (pipe.head + n) % kPipeBytes;
        done += n;
    }
    pipe.size -= total;
    if (pipe.writer != kNoIndex) app.raise(app.table().at(pipe.writer), EpollBits::writable);
    return static_cast<long>(total);
}

long write_pipe(Application& app, Descriptor& d, ByteCursor& from) {
    Pipe& pipe = *d.pipe;
    if (pipe.reader == kNoIndex) return -EPIPE;
    if (from.left() == 0) return 0;
    const std::uint32_t room = kPipeBytes - pipe.size;
    // A short write is whole or not at all (POSIX write(), PIPE_BUF).
    if (room == 0 || (from.left() <= kPipeAtomic && room < from.left())) return -EAGAIN;
    const auto total = static_cast<std::uint32_t>(std::min<std::size_t>(from.left(), room));
    std::uint32_t tail = (pipe.head + pipe.size) % kPipeBytes;
    for (std::uint32_t done = 0; done < total;) {
        const std::uint32_t n = std::min(total - done, kPipeBytes - tail);
        from.get(pipe.data.get() + tail, n);
        tail = (tail + n) % kPipeBytes;
        done += n;
    }
    pipe.size += total;
    app.raise(app.table().at(pipe.reader), EpollBits::readable);
    return static_cast<long>(total);
}

std::uint32_t pipe_readiness(const Descriptor& d) {
    const Pipe& pipe = *d.pipe;
    std::uint32_t bits = 0;
    if (d.kind == DescriptorKind::pipe_read) {
        if (pipe.size != 0) bits |= EpollBits::readable;
        if (pipe.writer == kNoIndex) bits |= EpollBits::hup;
    } else {
        if (pipe.reader == kNoIndex) bits |= EpollBits::err | EpollBits::writable;
        if (kPipeBytes - pipe.size >= kPipeAtomic) bits |= EpollBits::writable;
    }
    return bits;
}

}  // namespace mtcp::socket
