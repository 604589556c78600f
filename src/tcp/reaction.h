// SPDX-License-Identifier: Apache-2.0
// What an event did to a connection, told as data: the caller acts on it. No callbacks.
#pragma once

#include <array>
#include <cstdint>

#include "base/drop.h"

namespace mtcp::tcp {

// For the application.
struct Events {
    static constexpr std::uint16_t connected = 1 << 0;      // ESTABLISHED reached
    static constexpr std::uint16_t readable = 1 << 1;       // in-order bytes arrived
    static constexpr std::uint16_t writable = 1 << 2;       // send queue shrank (acked_bytes > 0)
    static constexpr std::uint16_t peer_closed = 1 << 3;    // FIN arrived, after received_bytes
    static constexpr std::uint16_t urgent = 1 << 4;         // urgent pointer advanced (RFC 6093)
    static constexpr std::uint16_t error = 1 << 5;          // ended abnormally: see error
    static constexpr std::uint16_t send_closed = 1 << 6;    // our FIN was acknowledged
    static constexpr std::uint16_t time_wait = 1 << 7;      // make a TIME-WAIT record, free the TCB
    static constexpr std::uint16_t closed = 1 << 8;         // free the TCB
    static constexpr std::uint16_t path_doubtful = 1 << 9;  // R1 reached: ask the neighbour again
                                                            // (RFC 9293 MUST-20 (b), SHLD-9)
};

// For the core's lists: the paper's three priorities. A connection belongs on the highest it names.
struct Work {
    static constexpr std::uint8_t control = 1 << 0;  // SYN, FIN, RST
    static constexpr std::uint8_t ack = 1 << 1;
    static constexpr std::uint8_t data = 1 << 2;  // includes retransmissions and probes
};

// Payload bytes to store: `payload_offset` in the segment's payload goes to `stream_offset` bytes
// after what RCV.NXT was when the segment arrived.
struct Placement {
    std::uint32_t stream_offset;
    std::uint32_t payload_offset;
    std::uint32_t length;
};

inline constexpr std::size_t kPlacementsMax = 4;

struct [[nodiscard]] Reaction {
    std::uint16_t events = 0;
    std::uint8_t work = 0;
    std::uint8_t placement_count = 0;
    int error = 0;                     // errno, with Events::error
    std::uint32_t acked_bytes = 0;     // leave the front of the send queue
    std::uint32_t received_bytes = 0;  // in-order bytes the application may now read
    Drop drop = Drop::count_;          // count_: not dropped
    std::array<Placement, kPlacementsMax> placements;  // only the first placement_count are valid

    Reaction() {}  // leaves placements unset: this is built for every segment
    [[nodiscard]] bool has(std::uint16_t any_of) const { return (events & any_of) != 0; }
};

}  // namespace mtcp::tcp
