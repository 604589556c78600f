// SPDX-License-Identifier: Apache-2.0
// Two hosts of one connection each, joined by a wire that loses, repeats and reorders, in virtual
// time. The hosts keep model streams: every byte has a known value, and must be placed exactly
// once. Segments travel as bytes through emit_segment() and parse_segment().
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/random.h"
#include "tcp/connection.h"
#include "tcp/passive_open.h"
#include "tcp/time_wait.h"

namespace mtcp::tcp::testing {

struct Faults {
    std::uint32_t loss_ppm = 0;
    std::uint32_t duplicate_ppm = 0;
    std::uint32_t reorder_ppm = 0;      // delayed by up to reorder_span more
    Duration delay = milliseconds(10);  // one way
    Duration reorder_span = milliseconds(30);
};

// What the application of a host does.
struct Behaviour {
    std::uint64_t to_send = 0;         // bytes
    std::uint32_t write_max = 10'000;  // per write, random up to this
    std::uint32_t send_buffer = 100'000;
    bool reads = true;              // at once, everything
    bool shuts_down = true;         // when all was queued
    bool closes = true;             // when all was queued and the peer has shut down
    std::uint32_t payload_max = 0;  // TSO budget
    bool model_streams = true;      // on both hosts; off: bytes are counted, not looked at
};

struct Host {
    Environment env;
    Counters counters;
    ListenerSettings listener;
    Settings settings;
    wire::FlowKey key;
    Behaviour application;
    alignas(kCacheLine) Tcb tcb;
    bool has_tcb = false;
    bool was_born = false;
    std::optional<HalfOpen> half;
    std::optional<TimeWait> time_wait;

    // Outgoing stream
    std::uint64_t queued = 0;
    std::uint64_t acked = 0;
    bool has_shut_down = false;
    // Incoming stream
    std::uint64_t received = 0;  // in order
    std::uint64_t consumed = 0;
    std::vector<bool> placed;
    bool peer_closed = false;
    // What was reported
    std::uint16_t events = 0;
    int error = 0;
    std::uint64_t segments_out = 0;
};

// One direction's view of a segment on the wire, for tests that count or meddle.
struct OnWire {
    int from;
    Instant at;
    wire::Segment segment;
};

class Pair {
  public:
    explicit Pair(std::uint64_t seed, Faults faults = {});

    Host& client() { return *hosts_[0]; }
    Host& server() { return *hosts_[1]; }
    Host& host(int side) { return *hosts_[static_cast<std::size_t>(side)]; }
    [[nodiscard]] Instant now() const { return now_; }

    void open(int side = 0);
    void abort(int side);
    // Lets what a test did to the TCB by hand take effect.
    void give_turn(int side) { turn(side); }
    // Runs until both connections have ended, or `limit` has passed. True: ended.
    bool run(Duration limit);
    // Runs until nothing happens before `until`.
    void run_for(Duration span);

    // Return false to lose the segment. Called before the random faults.
    std::function<bool(const OnWire&)> filter;
    // Return true to mark the segment (RFC 3168), if it says that it is capable of it.
    std::function<bool(const OnWire&)> marker;
    std::vector<std::string> trace;  // one line a segment, if keep_trace
    bool keep_trace = false;
    std::uint64_t segments_lost = 0;
    Faults faults;

  private:
    struct Packet {
        int to;
        std::uint8_t ecn;  // of the IP header
        std::vector<std::byte> bytes;
    };

    void deliver(const Packet& packet);
    void arrive(int side, const wire::Segment& segment);
    void arrive_without_tcb(int side, const wire::Segment& segment);
    void on_reaction(int side, const Reaction& reaction, const wire::Segment* segment);
    void run_application(int side);
    void turn(int side);
    void drain(int side);
    void send(int side, const wire::OutgoingSegment& segment);
    void put_on_wire(int side, const wire::OutgoingSegment& segment, std::uint64_t stream_offset);
    [[nodiscard]] Instant next_event() const;
    void step();

    std::array<std::unique_ptr<Host>, 2> hosts_;
    std::multimap<std::int64_t, Packet> wire_;
    Random random_;
    Instant now_{seconds(10'000).ns};
};

// The byte at `offset` of the stream that `side` sends.
[[nodiscard]] std::byte pattern(int side, std::uint64_t offset);

}  // namespace mtcp::tcp::testing
