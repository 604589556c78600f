// SPDX-License-Identifier: Apache-2.0
// The part of a connection that application and stack share: one 64-byte record, found by the
// connection's index. Each word has one writer, except the two mailboxes, which change hands by an
// atomic exchange, and three flags that one side sets and the other clears: the event bits,
// write_posted and consume_posted.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>

#include "base/cache_line.h"
#include "socket/chunk.h"

namespace mtcp::socket {

// What the stack has told the application; bits are only ever added during a connection's life.
struct StreamStatus {
    static constexpr std::uint16_t opened = 1 << 0;  // the stack took the connection on: key valid
    static constexpr std::uint16_t connected = 1 << 1;  // handshake complete
    static constexpr std::uint16_t peer_closed = 1
                                                 << 2;  // no byte follows those in the receive box
    static constexpr std::uint16_t send_closed = 1 << 3;  // our FIN was acknowledged
    static constexpr std::uint16_t failed = 1 << 4;       // ended by `error`; nothing can be sent
    static constexpr std::uint16_t ended = 1 << 5;   // the connection is no more (in order or not)
    static constexpr std::uint16_t urgent = 1 << 6;  // urgent data was announced

    // Bytes go both ways, and none of them is urgent: what a connection is from its handshake to
    // its end.
    [[nodiscard]] static constexpr bool is_usual(std::uint32_t status) {
        return (status & ~std::uint32_t{opened}) == connected;
    }
};

// Event bits posted to the application; the application derives epoll bits from them and the
// status.
struct StreamEvents {
    static constexpr std::uint16_t connected = 1 << 0;
    static constexpr std::uint16_t readable = 1 << 1;
    static constexpr std::uint16_t writable = 1 << 2;
    static constexpr std::uint16_t peer_closed = 1 << 3;
    static constexpr std::uint16_t failed = 1 << 4;
    static constexpr std::uint16_t ended = 1 << 5;
    static constexpr std::uint16_t urgent = 1 << 6;
    static constexpr std::uint16_t progress = 1 << 7;  // an entry in the ring of that name
};

struct alignas(kCacheLine) Stream {
    // Mailboxes: kNoChunk, or the head of a chain that nobody else holds.
    std::atomic<ChunkRef> receive_box;  // in-order bytes for the application
    std::atomic<ChunkRef> send_box;     // bytes for the stack to send

    // Written by the stack.
    std::atomic<std::uint32_t> acknowledged;  // bytes that left the send queue, modulo 2^32
    std::atomic<std::uint16_t> status;        // StreamStatus
    std::atomic<std::uint16_t> events;        // StreamEvents not yet fetched; see EventRing
    std::int32_t error;                       // errno; valid once status has `failed`
    std::uint32_t send_mss;                   // the effective MSS after the handshake

    // Written by the application.
    std::atomic<std::uint32_t> consumed;       // bytes taken from what was received, modulo 2^32
    std::atomic<std::uint8_t> write_posted;    // a write request is in the ring
    std::atomic<std::uint8_t> consume_posted;  // a consumed request is in the ring
    std::atomic<std::uint8_t> wants_write;     // post `writable` when there is room again
    std::atomic<std::uint8_t> piece_segments;  // of send_mss bytes: see send_buffer.h; 0: bytes
                                               // alone count (the stack's; application begins)
    std::atomic<std::uint32_t>
        send_limit;         // SO_SNDBUF: what written - acknowledged may cost (send_buffer.h)
    std::uint32_t written;  // bytes put into the send box so far, modulo 2^32
    std::atomic<std::uint32_t>
        consume_step;  // post `consumed` after this many bytes (stack writes)
    std::atomic<std::uint32_t>
        urgent_mark;                       // offset of the urgent byte in what is received, modulo
                                           // 2^32; stack writes, before StreamStatus::urgent
    std::atomic<std::uint32_t> low_water;  // TCP_NOTSENT_LOWAT, 0: none (application writes)
    std::atomic<std::uint32_t> sent;       // bytes that have left, modulo 2^32; kept while
                                           // piece_segments is not 0 (stack writes)
    // The application's alone, who clears it when it lets go: id of the descriptor + 1; 0: none.
    std::uint32_t owner;
    // The stack's alone: how long the size of the buffer held back what could be sent. While that
    // is so (Connection::buffer_limited), less the moment it began.
    std::uint32_t buffer_limited_ms;

    // By the stack, before the record is shared. Keeps nothing of an earlier connection.
    void reset(std::uint32_t send_buffer) {
        receive_box.store(kNoChunk, std::memory_order_relaxed);
        send_box.store(kNoChunk, std::memory_order_relaxed);
        acknowledged.store(0, std::memory_order_relaxed);
        status.store(0, std::memory_order_relaxed);
        events.store(0, std::memory_order_relaxed);
        error = 0;
        send_mss = 0;
        consumed.store(0, std::memory_order_relaxed);
        write_posted.store(0, std::memory_order_relaxed);
        consume_posted.store(0, std::memory_order_relaxed);
        wants_write.store(0, std::memory_order_relaxed);
        piece_segments.store(0, std::memory_order_relaxed);
        buffer_limited_ms = 0;
        send_limit.store(send_buffer, std::memory_order_relaxed);
        written = 0;
        consume_step.store(1u << 15, std::memory_order_relaxed);
        urgent_mark.store(0, std::memory_order_relaxed);
        low_water.store(0, std::memory_order_relaxed);
        sent.store(0, std::memory_order_relaxed);
    }
};
static_assert(sizeof(Stream) == kCacheLine);

// The streams of a core by the connection's index. Each is part of a larger record of the stack's:
// who looks at one has found the memory page of both, which among a million costs more than a line.
class StreamTable {
  public:
    StreamTable() = default;
    StreamTable(Stream* first, std::size_t stride) : first_(first), stride_(stride) {}
    [[nodiscard]] Stream& operator[](std::size_t index) const {
        return *reinterpret_cast<Stream*>(reinterpret_cast<std::byte*>(first_) + index * stride_);
    }

  private:
    Stream* first_ = nullptr;
    std::size_t stride_ = sizeof(Stream);  // bytes
};

}  // namespace mtcp::socket
