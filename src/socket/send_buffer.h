// SPDX-License-Identifier: Apache-2.0
// How full a send buffer is, and when it takes more.
//
// By itself a buffer grows, and its bytes are counted. Once SO_SNDBUF or TCP_NOTSENT_LOWAT is set,
// it is counted as Linux does, whose numbers programs have in mind: in pieces, which hold as much
// as leaves as one train (TSO) but at most half of the peer's window, and cost kPieceOverhead more
// than they hold (socket(7)). A piece is begun while what is held costs less than SO_SNDBUF and
// less than TCP_NOTSENT_LOWAT waits to be sent; what was begun is filled. So a small number of
// either bounds how much waits, and not how much leaves at a time.
#pragma once

#include <cstdint>

#include "socket/stream.h"

namespace mtcp::socket {

// What the kernel's records of a piece take.
inline constexpr std::uint32_t kPieceOverhead = 1280;

// Or bytes alone.
[[nodiscard]] inline bool counts_pieces(const Stream& s) {
    return s.piece_segments.load(std::memory_order_relaxed) != 0;
}
// Of a full one. Before the MSS is known there is one, for what goes with the SYN.
[[nodiscard]] inline std::uint32_t piece_bytes(const Stream& s) {
    const std::uint32_t bytes = s.piece_segments.load(std::memory_order_relaxed) * s.send_mss;
    return bytes != 0 ? bytes : UINT16_MAX;
}
// Before the stack has said how long pieces are, they are of one segment.
inline void begin_pieces(Stream& s) {
    if (!counts_pieces(s)) s.piece_segments.store(1, std::memory_order_relaxed);
}
// TCP_NOTSENT_LOWAT, where it was set; all ones: no limit.
inline void set_low_water(Stream& s, std::uint32_t bytes) {
    s.low_water.store(bytes == UINT32_MAX ? 0 : bytes, std::memory_order_relaxed);
    if (bytes != 0) begin_pieces(s);
}

// Bytes that are not acknowledged.
struct SendQueue {
    std::uint32_t held;
    std::uint32_t unsent;  // of these; where pieces count
};
[[nodiscard]] inline std::uint64_t cost_of(const SendQueue& queue, std::uint32_t piece) {
    const std::uint64_t sent = queue.held - queue.unsent;
    const std::uint64_t pieces = (sent + piece - 1) / piece + (queue.unsent + piece - 1) / piece;
    return queue.held + pieces * kPieceOverhead;
}
// Enough room to wake a writer for: a third of the buffer, so that it does not wake for every ACK,
// and less than half of TCP_NOTSENT_LOWAT unsent; both as Linux.
[[nodiscard]] inline bool has_room_to_wake_for(const Stream& s, const SendQueue& queue) {
    const std::uint32_t limit = s.send_limit.load(std::memory_order_relaxed);
    if (!counts_pieces(s)) return queue.held <= limit - limit / 3;
    const std::uint32_t low_water = s.low_water.load(std::memory_order_relaxed);
    if (low_water != 0 && queue.unsent >= (low_water + 1) / 2) return false;
    return cost_of(queue, piece_bytes(s)) <= limit - limit / 3;
}

// --- the application's view ---

// Not acknowledged yet.
[[nodiscard]] inline std::uint32_t bytes_written(const Stream& s) {
    return s.written - s.acknowledged.load(std::memory_order_acquire);
}
[[nodiscard]] inline SendQueue written_queue(const Stream& s) {
    const std::uint32_t held = bytes_written(s);
    if (!counts_pieces(s)) return {.held = held, .unsent = 0};
    const std::uint32_t unsent = s.written - s.sent.load(std::memory_order_acquire);
    // More, while the stack has not said yet how much has left.
    return {.held = held, .unsent = unsent < held ? unsent : held};
}
[[nodiscard]] inline bool has_write_room(const Stream& s) {
    if (counts_pieces(s)) [[unlikely]]
        return has_room_to_wake_for(s, written_queue(s));
    const std::uint32_t limit = s.send_limit.load(std::memory_order_relaxed);
    return bytes_written(s) <= limit - limit / 3;
}
// What is left of the piece in hand, or a new one. Of several that wait, the last counts as full.
[[nodiscard]] inline std::uint32_t room_in_pieces(const Stream& s) {
    const SendQueue queue = written_queue(s);
    const std::uint32_t piece = piece_bytes(s);
    if (queue.unsent != 0 && queue.unsent < piece) return piece - queue.unsent;
    const std::uint32_t low_water = s.low_water.load(std::memory_order_relaxed);
    if (low_water != 0 && queue.unsent >= low_water) return 0;
    return cost_of(queue, piece) < s.send_limit.load(std::memory_order_relaxed) ? piece : 0;
}
// How many more bytes a write takes, at once.
[[nodiscard]] inline std::uint32_t write_room(const Stream& s) {
    if (counts_pieces(s)) [[unlikely]]
        return room_in_pieces(s);
    const std::uint32_t held = bytes_written(s);
    const std::uint32_t limit = s.send_limit.load(std::memory_order_relaxed);
    return limit > held ? limit - held : 0;
}

}  // namespace mtcp::socket
