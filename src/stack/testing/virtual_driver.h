// SPDX-License-Identifier: Apache-2.0
// Drives one core, or several joined by wires, in virtual time for tests: waiting makes time pass.
#pragma once

#include <vector>

#include "socket/channel.h"
#include "stack/core.h"

namespace mtcp::stack {

// The clock and the cores of one test.
struct VirtualWorld {
    Instant now{1'000'000'000'000};
    std::vector<Core*> cores;

    // Turns of every core until none has anything to do at this instant.
    void settle() {
        bool busy = true;
        for (int round = 0; busy && round < 10'000; ++round) {
            busy = false;
            for (Core* core : cores) {
                const TurnResult result = core->turn(now);
                busy |= result.did_work || result.next_deadline <= now;
                next_ = earlier(next_, result.next_deadline);
            }
        }
    }
    // One turn each, then on to the next deadline, `limit` at the latest. False: nothing ahead.
    bool step(Instant limit) {
        bool busy = false;
        Instant next = kNever;
        for (Core* core : cores) {
            const TurnResult result = core->turn(now);
            busy |= result.did_work || result.next_deadline <= now;
            next = earlier(next, result.next_deadline);
        }
        if (busy) return true;
        if (next == kNever && limit == kNever) return false;
        now = later(now, earlier(next, limit));
        return true;
    }
    void run_for(Duration span) {
        const Instant end = now + span;
        while (now < end)
            static_cast<void>(step(end));
    }

  private:
    Instant next_ = kNever;
};

class VirtualDriver final : public socket::Driver {
  public:
    VirtualDriver(VirtualWorld& world, Core& core) : world_(world), core_(core) {}

    void run_stack() override { static_cast<void>(core_.turn(world_.now)); }
    void kick() override {}
    Wake wait(Instant deadline) override {
        while (true) {
            if (!core_.channel().events.empty()) return Wake::events;
            if (world_.now >= deadline) return Wake::deadline;
            if (!world_.step(deadline)) return Wake::interrupted;  // the test waits for ever
        }
    }
    [[nodiscard]] Instant now() override { return world_.now; }
    int event_descriptor() override { return -1; }

  private:
    VirtualWorld& world_;
    Core& core_;
};

}  // namespace mtcp::stack
