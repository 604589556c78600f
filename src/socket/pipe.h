// SPDX-License-Identifier: Apache-2.0
// A one-way pipe within a context: bytes that never see the stack.
#pragma once

#include <cstdint>
#include <memory>

#include "socket/application.h"
#include "socket/byte_cursor.h"

namespace mtcp::socket {

inline constexpr std::uint32_t kPipeBytes = 65'536;
inline constexpr std::uint32_t kPipeAtomic = 4096;  // PIPE_BUF of Linux

struct Pipe {
    std::unique_ptr<std::byte[]> data;
    std::uint32_t head = 0;           // next byte to read
    std::uint32_t size = 0;           // bytes that wait
    std::uint32_t reader = kNoIndex;  // ids; kNoIndex: that end is closed
    std::uint32_t writer = kNoIndex;
};

// -EMFILE, -ENOMEM.
[[nodiscard]] long make_pipe(Application& app, int& reader, int& writer);
// Forgets one end; the other sees the end of the stream, or EPIPE. Frees the pipe with the last.
void close_pipe_end(Application& app, Descriptor& d);
// -EAGAIN when empty, 0 when nobody can write any more.
[[nodiscard]] long read_pipe(Application& app, Descriptor& d, ByteCursor& to);
// -EAGAIN when full, -EPIPE when nobody can read any more.
[[nodiscard]] long write_pipe(Application& app, Descriptor& d, ByteCursor& from);
[[nodiscard]] std::uint32_t pipe_readiness(const Descriptor& d);

}  // namespace mtcp::socket
