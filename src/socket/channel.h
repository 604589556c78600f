// SPDX-License-Identifier: Apache-2.0
// Where the application side and the stack side of one core meet: single-producer rings and the
// stream records, nothing else, whichever way the core is driven.
//
//   application → stack   requests (with open_parameters and settings), returned chunks
//   stack → application   events, granted chunks, granted connection indices, accept rings
//
// When a ring is full the application runs the stack (Driver::run_stack) and tries again; the stack
// keeps what does not fit in a list of its own and offers it next turn.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <ctime>
#include <vector>

#include "base/memory.h"
#include "base/spsc_ring.h"
#include "base/time.h"
#include "socket/chunk.h"
#include "socket/stream.h"
#include "tcp/settings.h"
#include "wire/ip_address.h"

namespace mtcp::socket {

// Resets in the last minute. Each stands for a Fast Open connection that somebody may have forged
// (RFC 7413 §5.1).
struct RecentResets {
    static constexpr std::uint32_t kSeconds = 60;
    std::array<std::uint32_t, kSeconds> count{};
    std::uint32_t total = 0;
    std::uint32_t last_s = 0;

    void advance(std::uint32_t now_s) {
        for (std::uint32_t step = 0; last_s != now_s; ++step, ++last_s) {
            if (step == kSeconds) {
                last_s = now_s;
                return;
            }
            std::uint32_t& old = count[(last_s + 1) % kSeconds];
            total -= old;
            old = 0;
        }
    }
    void add(std::uint32_t now_s) {
        advance(now_s);
        ++count[now_s % kSeconds];
        ++total;
    }
};

// A listening socket. Made by the application; the stack's from `listen` until `unlisten`, which
// the stack answers by deleting it.
struct Listener {
    Listener(const wire::Endpoint& where, std::uint32_t backlog_entries, const tcp::Settings& s)
        : endpoint(where), backlog(backlog_entries), settings(s) {}

    const wire::Endpoint endpoint;  // address unspecified: any of ours
    std::uint32_t backlog;          // most connections waiting for accept
    tcp::Settings settings;         // inherited by accepted connections; `inherit` changes it
    std::uint16_t defer_accept_s = 0;
    std::uint32_t id = 0;  // index in the application's and the stack's listener tables
    // Connection indices, stack → application. mtcp_listen() makes room for the backlog.
    SpscRing<std::uint32_t> accepted{2};
    std::atomic<std::uint8_t> event_pending{0};  // an event for this listener is in the ring
    std::uint32_t half_open = 0;                 // stack side: records in SYN-RECEIVED

    std::uint32_t fast_open_limit = 0;    // TCP_FASTOPEN: most connections with early data; 0: off
    tcp::FastOpenKeys fast_open_keys;     // TCP_FASTOPEN_KEY, if chosen
    std::uint32_t fast_open_pending = 0;  // stack side: of these, handshake not complete
    RecentResets fast_open_resets;        // stack side

    Listener* next_of_bucket = nullptr;  // stack side: of those whose ports share a bucket
};

// What can be changed about a listener after `listen`.
struct ListenerOptions {
    Listener* listener;
    std::uint32_t backlog;
    std::uint16_t defer_accept_s;
    std::uint32_t fast_open_limit;
    tcp::FastOpenKeys fast_open_keys;
};
// What a SYN could carry now (MSG_FASTOPEN, TCP_FASTOPEN_CONNECT).
struct FastOpenQuery {
    wire::FlowKey key;
    tcp::Settings settings;
    tcp::FastOpenWish wish;
    tcp::FastOpenRoom answer;
};

enum class RequestKind : std::uint8_t {
    open,      // index; one OpenParameters follows in its ring
    write,     // index: take the send box
    more,      // index: as write, and more follows (MSG_MORE)
    urgent,    // index: as write, and the last byte is urgent
    record,    // index: as write, and what lies behind `value` bytes of the stream stays apart
    consumed,  // index: `consumed` moved enough to tell the peer
    shutdown,  // index; value: 0: no more will be sent, 1: nor read
    close,     // index: the application forgets the connection; value: CloseRequest
    settings,  // index; one Settings follows in its ring; value 1: what TCP_CORK holds may leave
    progress,  // index: tell how far the connection comes (Progress); value 0: no more
    listen,    // value: Listener*
    unlisten,  // value: Listener*
    inherit,   // value: Listener*; one Settings for what is born there follows in its ring
    // These are answered before the turn ends (then run_stack returns):
    status,            // index, value: tcp::Status* to fill
    listener_options,  // value: const ListenerOptions*
    fast_open,         // value: FastOpenQuery* to fill
};

// How a connection is closed.
struct CloseRequest {
    static constexpr std::uint64_t orderly = 0;
    static constexpr std::uint64_t abort = 1;  // SO_LINGER with no time
    static constexpr std::uint64_t timed = 2;  // and more: in order, FIN-WAIT-2 as many seconds
};

struct Request {
    RequestKind kind;
    std::uint32_t index = 0;
    std::uint64_t value = 0;
};

struct OpenParameters {
    wire::FlowKey key;  // local address and port may be unspecified: the stack chooses
    tcp::Settings settings;
    tcp::FastOpenWish fast_open = tcp::FastOpenWish::none;
};

// How far a connection has come, in bytes of the stream modulo 2^32, for those who want to know
// when (SO_TIMESTAMPING).
struct Progress {
    std::uint32_t index;
    std::uint32_t sent;
    std::uint32_t acknowledged;
    Instant when;
};

// An entry of the event ring names a stream (its index) or a listener (its id with the top bit
// set).
inline constexpr std::uint32_t kListenerEvent = 0x8000'0000;

inline constexpr std::size_t kRequestRing = 4096;
inline constexpr std::size_t kOpenRing = 1024;
inline constexpr std::size_t kEventRing = 4096;
inline constexpr std::array<std::size_t, kChunkClasses> kGrantRing{256, 256, 16};
inline constexpr std::size_t kReturnRing = 1024;
inline constexpr std::size_t kConnectionGrantRing = 1024;
inline constexpr std::size_t kProgressRing = 256;

struct Channel {
    // application → stack
    SpscRing<Request> requests{kRequestRing};
    SpscRing<OpenParameters> open_parameters{kOpenRing};
    SpscRing<tcp::Settings> settings{kOpenRing};
    SpscRing<ChunkRef> returned_chunks{kReturnRing};
    // stack → application
    SpscRing<std::uint32_t> events{kEventRing};
    std::array<SpscRing<ChunkRef>, kChunkClasses> granted_chunks{SpscRing<ChunkRef>{kGrantRing[0]},
                                                                 SpscRing<ChunkRef>{kGrantRing[1]},
                                                                 SpscRing<ChunkRef>{kGrantRing[2]}};
    SpscRing<std::uint32_t> granted_connections{kConnectionGrantRing};  // raw indices for open
    SpscRing<Progress> progress{kProgressRing};  // what finds no room is told with the next
};

// What the application side needs from whoever drives the core. One virtual call per batch.
class Driver {
  public:
    Driver() = default;
    Driver(const Driver&) = delete;
    Driver& operator=(const Driver&) = delete;
    virtual ~Driver() = default;

    // Has the stack run one whole turn before it returns: requests posted so far are taken, grants
    // refilled, frames received. Never sleeps for longer than a turn takes.
    virtual void run_stack() = 0;
    // Tells the stack that requests were posted; cheap, returns at once.
    virtual void kick() = 0;
    enum class Wake : std::uint8_t { events, deadline, interrupted };
    // Blocks until the event ring has an entry, `deadline` has passed (kNever: no limit), or
    // interrupt() was called or a signal handler ran. In inline mode it runs turns while it waits.
    virtual Wake wait(Instant deadline) = 0;
    [[nodiscard]] virtual Instant now() = 0;
    // When the stack ran last, as far as wait() and run_stack() know; now() costs a clock's
    // reading.
    [[nodiscard]] virtual Instant last_run() { return now(); }
    // The time of day at `when`, nanoseconds since 1970.
    [[nodiscard]] virtual std::int64_t time_of_day(Instant when) {
        timespec day{};
        ::clock_gettime(CLOCK_REALTIME, &day);
        return day.tv_sec * 1'000'000'000 + day.tv_nsec - (now() - when).ns;
    }
    // Readable when wait() would return at once (mtcp_context_fd); made on first use.
    virtual int event_descriptor() = 0;
};

// Everything the application side of a core is given.
struct CoreView {
    Channel* channel = nullptr;
    ChunkStore* chunks = nullptr;  // at() only
    StreamTable streams;           // [connection_capacity]
    std::uint32_t connection_capacity = 0;
    Pages pages = Pages::normal;  // for tables that grow with the connections
    Driver* driver = nullptr;
    tcp::Settings defaults;          // of new sockets
    std::uint8_t syn_retries = 7;    // of sockets without TCP_SYNCNT
    std::int32_t fin_wait_2_s = 60;  // of those without TCP_LINGER2
    void* core = nullptr;            // first argument of the functions below
    // The flow of a connection; stable from StreamStatus::opened (or accept) until close.
    wire::FlowKey (*key)(void* core, std::uint32_t index) = nullptr;
    // Questions about read-only configuration; callable from the application's thread.
    bool (*is_local)(void* core, const wire::IpAddress&) = nullptr;
    bool (*has_route)(void* core, const wire::IpAddress&) = nullptr;
};

}  // namespace mtcp::socket
