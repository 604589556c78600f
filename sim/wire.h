// SPDX-License-Identifier: Apache-2.0
// A point-to-point wire between two hosts in virtual time: what each direction does to frames, and
// when it is cut or clogged. Everybody who wants to sees all frames go in and come out.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <span>
#include <utility>
#include <vector>

#include "base/time.h"
#include "io/middleware/fault_line.h"
#include "sim/frame_port.h"
#include "sim/world.h"

namespace mtcp::sim {

// The two ends of a wire, and the direction that begins there.
enum class Side : std::uint8_t { a, b };
[[nodiscard]] constexpr Side other(Side side) { return side == Side::a ? Side::b : Side::a; }
[[nodiscard]] constexpr std::size_t index(Side side) { return static_cast<std::size_t>(side); }

// A span of time, counted from the world's start, in which a direction misbehaves as a whole.
struct Episode {
    enum class Kind : std::uint8_t {
        blackout,    // every frame is lost
        clogged,     // nothing comes out; at the end all of it does, in order
        slow,        // everything takes `extra` longer
        compressed,  // frames come out together, once every `extra`: ACK compression
        narrow,      // IP packets above `mtu` are lost, and a router says so (RFC 1191)
        black_hole   // ...and nobody says so
    };
    Kind kind = Kind::blackout;
    Duration from{};
    Duration to{};
    Duration extra{};
    std::uint32_t mtu = 0;
};
inline constexpr std::array<const char*, 6> kEpisodeNames{"black-out",  "clogged", "slow",
                                                          "compressed", "narrow",  "black hole"};

// What happens to a frame whose bit flips.
enum class Corruption : std::uint8_t {
    detectable,  // the checksums are left alone: the receiver must notice
    hidden       // checksums are put right again: nobody can notice but the application
};

struct DirectionPlan {
    io::Faults faults;
    Corruption corruption = Corruption::detectable;
    std::vector<Episode> episodes;
};

struct WireCounts {
    std::uint64_t sent = 0;      // frames put in
    std::uint64_t copies = 0;    // made by duplication
    std::uint64_t injected = 0;  // put in by nobody who is connected: routers, attackers
    std::uint64_t lost = 0;      // for whatever reason
    std::uint64_t marked = 0;    // congestion experienced (RFC 3168)
    std::uint64_t delivered = 0;
    std::uint64_t in_flight = 0;
    std::uint64_t corrupted = 0;
};

class Observer {
  public:
    Observer() = default;
    Observer(const Observer&) = delete;
    Observer& operator=(const Observer&) = delete;
    virtual ~Observer() = default;
    // `from` put a frame on the wire.
    virtual void on_sent(Side from, std::span<const std::byte> frame, Instant now) = 0;
    // A frame that `from` had sent is given to the other end, `intact` or with a bit flipped.
    virtual void on_delivered(Side from, std::span<const std::byte> frame, bool intact,
                              Instant now) = 0;
    // A frame that nobody who is connected had sent is given to `to`.
    virtual void on_injected(Side /*to*/, std::span<const std::byte> /*frame*/, Instant /*now*/) {}
};

class Wire {
  public:
    Wire(World& world, io::Layer layer, const DirectionPlan& a_to_b, const DirectionPlan& b_to_a);

    // Both ends must be there before the first frame is sent.
    void attach(Side side, Receiver& end) { ends_[index(side)] = &end; }
    void watch(Observer& observer) { observers_.push_back(&observer); }
    void send(Side from, std::span<const std::byte> frame, Instant now);
    // A frame that `to` receives now, as if the other end had sent it.
    void inject(Side to, std::span<const std::byte> frame);

    // Frames for which this answers true are lost, too.
    using Loses = std::function<bool(Side from, std::span<const std::byte> frame)>;
    void lose_also(Loses loses) { loses_also_ = std::move(loses); }

    // From now on nothing is lost, late or wrong; delay and rate stay.
    void heal();
    [[nodiscard]] const WireCounts& counts(Side from) const { return lines_[index(from)].counts; }

    // How long a frame put in now would wait for those before it.
    [[nodiscard]] Duration queueing(Side from) const {
        return lines_[index(from)].dice.queueing(world_.now());
    }

  private:
    struct Line {
        explicit Line(const DirectionPlan& p) : plan(p), dice(p.faults) {}
        DirectionPlan plan;
        io::FaultLine dice;
        WireCounts counts;
    };
    void carry(Side from, std::vector<std::byte> frame, bool intact, Instant due);
    void deliver(Side from, std::span<const std::byte> frame, bool intact);
    void corrupt(Line& line, std::vector<std::byte>& frame);
    [[nodiscard]] bool too_large(const Line& line, Side from, std::span<const std::byte> frame,
                                 Instant now);
    void tell_too_large(Side to, std::span<const std::byte> frame, std::uint32_t mtu);
    [[nodiscard]] Instant release_time(const Line& line, Instant due, Instant now) const;
    [[nodiscard]] const Episode* episode(const Line& line, Episode::Kind kind, Instant at) const;
    [[nodiscard]] std::size_t link_header() const;

    World& world_;
    io::Layer layer_;
    std::array<Line, 2> lines_;
    std::array<Receiver*, 2> ends_{};
    std::vector<Observer*> observers_;
    Loses loses_also_;
};

}  // namespace mtcp::sim
