// SPDX-License-Identifier: Apache-2.0
// Virtual time: one clock, one queue of events, and actors who say when they want to be called. All
// randomness comes from one seed, so a world runs the same way every time.
#pragma once

#include <cstdint>
#include <functional>
#include <queue>
#include <vector>

#include "base/random.h"
#include "base/time.h"

namespace mtcp::sim {

// Something that acts at times of its own choosing: a host.
class Actor {
  public:
    Actor() = default;
    Actor(const Actor&) = delete;
    Actor& operator=(const Actor&) = delete;
    virtual ~Actor() = default;
    // When step() is wanted next; kNever if nothing is to be done.
    [[nodiscard]] virtual Instant due() const = 0;
    virtual void step(Instant now) = 0;
};

class World {
  public:
    // Not 0, so that differences to the origin of time show.
    static constexpr Instant kStart{3'000'000'000'000};

    [[nodiscard]] Instant now() const { return now_; }
    [[nodiscard]] Duration elapsed() const { return now_ - kStart; }
    // Events of the same instant run in the order in which they were made.
    void at(Instant when, std::function<void()> action);
    void add(Actor& actor) { actors_.push_back(&actor); }

    // When something happens next; kNever if nothing ever will.
    [[nodiscard]] Instant next() const;
    // Does all that is due at the next instant. False, with the clock at `limit`, when there is
    // nothing until then.
    bool advance(Instant limit);
    [[nodiscard]] std::uint64_t steps() const { return steps_; }

  private:
    struct Event {
        Instant when;
        std::uint64_t order = 0;
        std::function<void()> action;
    };
    struct Later {
        bool operator()(const Event& a, const Event& b) const {
            return a.when != b.when ? a.when > b.when : a.order > b.order;
        }
    };

    Instant now_ = kStart;
    std::uint64_t made_ = 0;
    std::uint64_t steps_ = 0;
    std::priority_queue<Event, std::vector<Event>, Later> events_;
    std::vector<Actor*> actors_;
};

}  // namespace mtcp::sim
