// SPDX-License-Identifier: Apache-2.0
// What a core keeps of a flow, by kind: connection, half-open, TIME-WAIT.
#pragma once

#include <cstddef>
#include <cstdint>

#include "base/cache_line.h"
#include "base/index_pool.h"
#include "net/network.h"
#include "socket/chunk.h"
#include "socket/stream.h"
#include "tcp/connection.h"
#include "tcp/passive_open.h"
#include "tcp/time_wait.h"

namespace mtcp::stack {

// The stack's side of a connection, and the line that it shares with the application.
struct Connection {
    net::Path path;
    std::uint32_t hash;            // of the key, as in the flow table
    socket::ChunkRef send_queue;   // bytes from SND.UNA on; kNoChunk: none
    socket::ChunkRef send_cursor;  // the chunk that holds byte `cursor_offset` of the send queue
    std::uint32_t cursor_offset;
    socket::ChunkRef staged;  // out-of-order bytes, by position; kNoChunk: none
    std::uint16_t staged_chunks;
    std::uint16_t listener;        // that will queue it for accept; kNoListener: none, or it has
    std::uint16_t early_listener;  // that counts it among its early ones (RFC 7413); kNoListener
    std::uint32_t received_edge;   // in-order bytes received so far, modulo 2^32
    std::uint32_t consumed_seen;   // of Stream::consumed
    std::uint32_t work_next;
    std::uint32_t work_previous;
    std::uint32_t wheel_ms;  // until then the wheel has not looked: see TimerWheel::update()
    std::uint8_t listed;     // 0: on no work list; else which
    bool alive : 1;          // the TCB is in use
    bool attached : 1;       // the application holds it, or finds it in an accept queue
    bool announced : 1;      // the application knows the index: events may be posted
    bool misplaced : 1;      // has an entry in FlowExceptions
    bool has_path : 1;
    bool in_flow_table : 1;
    bool has_tcb : 1;         // `tcb` says how the connection is, or ended
    bool buffer_limited : 1;  // see Stream::buffer_limited_ms
    bool tells_progress : 1;  // to the ring of that name

    tcp::Tcb tcb;
    socket::Stream stream;
};
static_assert(sizeof(Connection) == 8 * kCacheLine);
static_assert(offsetof(Connection, tcb) == kCacheLine, "one line, and the TCB's warm ones behind");
inline constexpr std::size_t kConnectionWarmBytes = offsetof(Connection, tcb) + tcp::kTcbWarmBytes;

inline constexpr std::uint16_t kNoListener = 0xffff;

struct RecordList {
    std::uint32_t first = kNoIndex;
    std::uint32_t last = kNoIndex;
};

struct HalfOpenRecord {
    tcp::HalfOpen record;
    std::uint32_t next;
    std::uint32_t previous;
    std::uint8_t listed_by_try;
};

struct TimeWaitRecord {
    tcp::TimeWait record;
    std::uint32_t next;
    std::uint32_t previous;
};
static_assert(sizeof(TimeWaitRecord) <= 64);

// SYN-ACK transmissions are kept in one list each, so that every list has one constant interval.
inline constexpr std::size_t kSynAckTriesMax = 10;

template <typename Pool>
void append(Pool& pool, RecordList& list, std::uint32_t index) {
    auto& record = pool[index];
    record.next = kNoIndex;
    record.previous = list.last;
    if (list.last != kNoIndex) {
        pool[list.last].next = index;
    } else {
        list.first = index;
    }
    list.last = index;
}

template <typename Pool>
void remove(Pool& pool, RecordList& list, std::uint32_t index) {
    auto& record = pool[index];
    (record.previous != kNoIndex ? pool[record.previous].next : list.first) = record.next;
    (record.next != kNoIndex ? pool[record.next].previous : list.last) = record.previous;
}

}  // namespace mtcp::stack
