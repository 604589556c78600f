// SPDX-License-Identifier: Apache-2.0
// A simulated world as data: what the hosts, the wire and the connections are. Everything is drawn
// from the seed before anything runs, so a plan can be printed, changed and run again.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/random.h"
#include "base/time.h"
#include "sim/host.h"
#include "sim/wire.h"

namespace mtcp::sim {

// How a conversation ends when nothing goes wrong.
enum class Ending : std::uint8_t {
    client_closes,      // after the last byte of the last answer
    server_closes,      // after the last byte it sends
    client_half_closes  // sends FIN behind its last byte; the server answers only then
};

enum class Target : std::uint8_t {
    listener,     // the other host's service
    closed_port,  // nobody there: a reset
    each_other    // both ends connect at the same instant: simultaneous open
};

// SO_KEEPALIVE, in seconds; `idle` 0: off.
struct KeepAlive {
    std::uint32_t idle_s = 0;
    std::uint32_t interval_s = 0;
    std::uint32_t count = 0;
};

// How an end leaves before its time.
enum class Leaving : std::uint8_t {
    reset,
    close,     // whatever is unread or under way
    shut_both  // shutdown(SHUT_RDWR), and close a moment later
};

// What an end does besides reading and writing.
struct Habits {
    KeepAlive keep_alive;               // then it waits for a dead peer without a limit
    std::uint32_t user_timeout_ms = 0;  // 0: none
    // The last of so many bytes that it sends is urgent (MSG_OOB); the other end reads it in line.
    // 0: none is.
    std::uint32_t urgent_every = 0;
    Duration resettles{};  // so often it changes a setting of its socket; 0: never
    bool peeks = false;    // looks at what it is about to read (MSG_PEEK)
    bool more = false;     // MSG_MORE while it has more to write
    bool records = false;  // MSG_EOR with every write
    Leaving leaving = Leaving::reset;
};

// One connection, both ends' parts in it.
struct SessionPlan {
    std::uint32_t id = 0;
    Side client = Side::a;
    Side server = Side::b;  // == client: over the host's loopback
    Target target = Target::listener;
    Duration start{};
    std::uint32_t rounds = 1;       // of request and answer
    std::uint32_t up_bytes = 64;    // a round, client to server
    std::uint32_t down_bytes = 64;  // a round, server to client
    bool duplex = false;            // the server does not wait for the request to be complete
    Ending ending = Ending::client_closes;
    std::array<std::uint32_t, 2> write_size{16'384, 16'384};  // of a call; client, server
    std::array<std::uint32_t, 2> read_size{16'384, 16'384};
    std::array<Duration, 2> read_pause{};   // between reads: a slow reader
    std::array<Duration, 2> abort_after{};  // this end leaves; 0: never
    Duration think{};                       // the client's, before each request but the first
    std::array<Habits, 2> habits{};
    std::array<bool, 2> no_delay{};
    std::array<bool, 2> cork{};
    bool fast_open = false;       // the client connects with its first write (RFC 7413)
    bool may_fail = false;        // an error other than wrong bytes is no finding
    bool may_be_refused = false;  // nor is one before the service has accepted
    bool server_may_be_reborn =
        false;  // by a cookie and a late duplicate; that server finds no peer

    [[nodiscard]] bool aborts() const { return abort_after[0].ns != 0 || abort_after[1].ns != 0; }
};

enum class Triggering : std::uint8_t { level, edge };

// How worlds are drawn changes when there is something new to draw; a seed keeps its world as long
// as its vintage is named with it.
inline constexpr std::uint32_t kVintage = 8;

// A host loses power and comes back at once, knowing nothing.
struct Restart {
    Side side = Side::a;
    Duration at{};  // 0: never
};

struct WorldPlan {
    std::string name;
    std::uint64_t seed = 0;
    std::uint32_t vintage = kVintage;
    std::array<HostConfig, 2> hosts;
    std::array<DirectionPlan, 2> wire;
    io::Layer layer = io::Layer::ip;
    Triggering triggering = Triggering::level;
    std::vector<SessionPlan> sessions;
    Duration faults_end{};  // from here on the wire is healthy
    Duration bound{};       // after that, everything must have ended within this
    Restart restart;
    Duration attack_interval{};          // between the guesses of an attacker; 0: there is none
    bool fair = false;                   // equal sessions that must get equal shares
    Sabotage sabotage = Sabotage::none;  // with one, this world must fail

    [[nodiscard]] bool is_canary() const { return sabotage != Sabotage::none; }
    [[nodiscard]] std::string text() const;
};

// The kinds of worlds, by name; "mixed" draws everything.
[[nodiscard]] const std::vector<std::string_view>& world_names();
// Precondition: `name` is one of them.
[[nodiscard]] WorldPlan draw_world(std::string_view name, std::uint64_t seed,
                                   std::uint32_t vintage = kVintage);

}  // namespace mtcp::sim
