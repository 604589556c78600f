// SPDX-License-Identifier: Apache-2.0
// The loop of virtual time.
#include "sim/world.h"

#include <utility>

namespace mtcp::sim {

void World::at(Instant when, std::function<void()> action) {
    events_.push({.when = later(when, now_), .order = made_++, .action = std::move(action)});
}

Instant World::next() const {
    Instant when = events_.empty() ? kNever : events_.top().when;
    for (const Actor* actor : actors_)
        when = earlier(when, actor->due());
    return when == kNever ? kNever : later(when, now_);
}

bool World::advance(Instant limit) {
    const Instant when = next();
    if (when > limit) {
        now_ = later(now_, limit);
        return false;
    }
    now_ = when;
    ++steps_;
    while (!events_.empty() && events_.top().when <= now_) {
        const auto action = events_.top().action;
        events_.pop();
        action();
    }
    for (Actor* actor : actors_) {
        if (actor->due() <= now_) actor->step(now_);
    }
    return true;
}

}  // namespace mtcp::sim
