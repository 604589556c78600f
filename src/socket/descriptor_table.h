// SPDX-License-Identifier: Apache-2.0
// What stands behind the small integers of an application: a hot record of one cache line per id,
// its options, which sockets share while they are the same, and the order in which ids are given
// out (dense, first freed first).
#pragma once

#include <array>
#include <cstdint>

#include "base/cache_line.h"
#include "base/index_pool.h"
#include "base/memory.h"
#include "socket/channel.h"
#include "socket/interest.h"

namespace mtcp::socket {

class Epoll;
struct Pipe;

enum class DescriptorKind : std::uint8_t { unused, stream, listener, epoll, pipe_read, pipe_write };

struct alignas(kCacheLine) Descriptor {
    DescriptorKind kind = DescriptorKind::unused;
    // Asked together, by is_usual_stream(): one byte.
    std::uint8_t shut_read : 1 = 0;
    std::uint8_t shut_write : 1 = 0;
    std::uint8_t starved : 1 = 0;   // a write found room but no chunk
    std::uint8_t urgent : 1 = 0;    // announced, and not yet read past
    std::uint8_t deferred : 1 = 0;  // stream: connect() waits for data to go with the SYN
    std::uint8_t notices : 1 = 0;   // stream: something waits for MSG_ERRQUEUE
    std::uint8_t stamps : 1 = 0;    // stream: WriteStamps knows it
    std::uint8_t : 0;
    std::uint8_t non_blocking : 1 = 0;
    std::uint8_t bound : 1 = 0;          // details.local was given by the program, or chosen
    std::uint8_t in_port_table : 1 = 0;  // details.local.port is taken in this context
    std::uint8_t error_taken : 1 = 0;    // the error of its connection, or cut_off, was reported
    std::uint8_t more_posted : 1 = 0;    // the last write request said that more follows
    std::uint8_t inherit : 1 = 0;        // listener: its options changed since mtcp_listen
    std::uint8_t cut_off : 1 = 0;        // stream: shutdown() or connect() ended what it was
    std::uint32_t options = kNoIndex;    // record of options, see DescriptorTable::details()
    union {
        std::uint32_t connection = kNoIndex;  // stream: index of its connection, if it has one
        std::uint32_t next_free;              // unused id: quarantine of an epoll
    };
    std::uint32_t reported_wait = 0;  // number of the wait whose array names this id, and
    struct Held {                     // stream
        ChunkRef unread;              // bytes fetched from the receive box
        std::uint32_t unposted;       // bytes consumed since the last `consumed` request
    };
    union {
        Held held = {kNoChunk, 0};
        Listener* listener;
        Epoll* epoll;
        Pipe* pipe;
    };
    std::uint32_t reported_epoll = kNoIndex;  // the epoll that was waited on
    Interest watch;  // the first of those who watch this id; more follow in its list

    // A stream with a connection of which nothing is shut, marked, or waited for beside its bytes:
    // what nearly all calls and events are about.
    [[nodiscard]] bool is_usual_stream() const {
        const bool unusual = shut_read != 0 || shut_write != 0 || starved != 0 || urgent != 0 ||
                             deferred != 0 || notices != 0 || stamps != 0;
        return !unusual && kind == DescriptorKind::stream && connection != kNoIndex;
    }
};
static_assert(sizeof(Descriptor) == kCacheLine);

// What is looked at rarely, and is the same for most sockets.
struct DescriptorDetails {
    tcp::Settings settings;
    wire::Endpoint local;                 // as bound
    std::int64_t receive_timeout_ns = 0;  // 0: for ever
    std::int64_t send_timeout_ns = 0;
    std::int32_t linger_s = -1;  // -1: off
    std::int32_t linger2_s = 0;  // TCP_LINGER2; 0: as configured, -1: no FIN-WAIT-2
    std::uint16_t defer_accept_s = 0;
    std::uint8_t reuse_address : 1 = 0;
    std::uint8_t reuse_port : 1 = 0;
    std::uint8_t fast_open_connect : 1 = 0;    // TCP_FASTOPEN_CONNECT
    std::uint8_t fast_open_no_cookie : 1 = 0;  // TCP_FASTOPEN_NO_COOKIE
    std::uint8_t zero_copy : 1 = 0;            // SO_ZEROCOPY
    std::uint8_t reports_inq : 1 = 0;          // TCP_INQ
    std::uint8_t broadcast : 1 = 0;            // SO_BROADCAST, which TCP has no use for
    std::uint8_t late_port : 1 = 0;            // IP_BIND_ADDRESS_NO_PORT, which is so anyway
    std::int32_t priority = 0;                 // SO_PRIORITY,
    std::uint32_t mark = 0;                    // SO_MARK,
    std::int32_t busy_poll_us = 0;             // SO_BUSY_POLL: remembered, no more
    std::uint32_t fast_open_limit = 0;         // TCP_FASTOPEN
    std::uint32_t not_sent_low_water = 0;      // TCP_NOTSENT_LOWAT
    std::uint32_t timestamping = 0;            // SO_TIMESTAMPING
    std::uint32_t receive_buffer_set = 0;      // SO_RCVBUF, 0: it was not,
    std::uint32_t window_clamp = 0;            // TCP_WINDOW_CLAMP, 0: none; the less of them counts
    tcp::FastOpenKeys fast_open_keys;          // TCP_FASTOPEN_KEY
    wire::Endpoint deferred_remote;            // of Descriptor::deferred
    std::uint32_t zero_copies = 0;             // writes with MSG_ZEROCOPY so far, and of these
    std::uint32_t zero_copies_told = 0;        // those whose end was told; both modulo 2^32
    std::uint32_t port_next = 0;               // PortTable: the next id bound to the port, + 1
    std::uint32_t handed_down = kNoIndex;      // listener: record of what it accepts, once made
    std::uint32_t references = 0;              // descriptors that share this, or hand it down
};

class DescriptorTable {
  public:
    [[nodiscard]] bool reserve(std::uint32_t capacity, Pages pages = Pages::normal);

    // The id that has been free for longest, or kNoIndex. Its record is fresh, its options are
    // those of a new socket.
    [[nodiscard]] std::uint32_t take(DescriptorKind kind);
    [[nodiscard]] bool exhausted() const { return free_count_ == 0; }
    // Marks the id as unused; it is not given out again before recycle().
    void retire(std::uint32_t id);
    void recycle(std::uint32_t id);

    [[nodiscard]] std::uint32_t capacity() const { return capacity_; }
    [[nodiscard]] std::uint32_t used() const { return used_; }
    // One more than the highest id ever given out.
    [[nodiscard]] std::uint32_t touched() const { return untouched_; }
    // nullptr: not an open id.
    [[nodiscard]] Descriptor* find(int id) {
        if (static_cast<std::uint32_t>(id) >= capacity_) return nullptr;
        Descriptor& d = hot()[static_cast<std::uint32_t>(id)];
        return d.kind == DescriptorKind::unused ? nullptr : &d;
    }
    [[nodiscard]] Descriptor& at(std::uint32_t id) { return hot()[id]; }
    [[nodiscard]] std::uint32_t id_of(const Descriptor& d) const {
        return static_cast<std::uint32_t>(&d - reinterpret_cast<const Descriptor*>(hot_.data()));
    }
    // The options, which other sockets may share.
    [[nodiscard]] const DescriptorDetails& details(const Descriptor& d) const {
        return details_[d.options];
    }
    // The options, to be changed: of this one alone from now on.
    [[nodiscard]] DescriptorDetails& own_details(Descriptor& d);
    // `d` has the options that a listener hands down.
    void inherit(Descriptor& listener, Descriptor& d);
    // Settings of sockets made from now on.
    void set_defaults(const tcp::Settings& settings);
    // Records of options in use.
    [[nodiscard]] std::uint32_t details_used() const { return details_.used(); }

  private:
    [[nodiscard]] Descriptor* hot() { return reinterpret_cast<Descriptor*>(hot_.data()); }
    [[nodiscard]] std::uint32_t new_details(const DescriptorDetails& value);
    void share(Descriptor& d, std::uint32_t options);
    void let_go(std::uint32_t options);
    [[nodiscard]] std::uint32_t* free_ids() {
        return reinterpret_cast<std::uint32_t*>(free_.data());
    }

    Region hot_;
    IndexPool<DescriptorDetails> details_;
    std::uint32_t fresh_ = kNoIndex;  // the options of a new socket
    Region free_;                     // a ring of ids that were used before
    std::uint32_t capacity_ = 0;
    std::uint32_t used_ = 0;
    std::uint32_t untouched_ = 0;  // ids from here on were never given out
    std::uint32_t free_head_ = 0;
    std::uint32_t ring_count_ = 0;
    std::uint32_t free_count_ = 0;  // in the ring, or never given out
};

}  // namespace mtcp::socket
