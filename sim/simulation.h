// SPDX-License-Identifier: Apache-2.0
// Runs one world: first under faults, then with a healthy wire until everything has ended; then
// asks whether anything was left behind.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "sim/attacker.h"
#include "sim/findings.h"
#include "sim/machine.h"
#include "sim/peer_program.h"
#include "sim/plan.h"
#include "sim/sabotage.h"
#include "sim/trace.h"
#include "sim/wire_oracle.h"

namespace mtcp::sim {

struct RunResult {
    std::vector<std::string> findings;  // empty: the world passed
    std::uint64_t trace_hash = 0;
    std::uint64_t segments = 0;
    std::uint64_t steps = 0;
    Duration virtual_time{};
};

class Simulation {
  public:
    // `observer`, if any, sees what passes on the wire.
    Simulation(const WorldPlan& plan, Observer* observer);
    [[nodiscard]] RunResult run();

  private:
    [[nodiscard]] Machine& host(Side side) { return *hosts_[index(side)]; }
    template <typename Visit>
    void for_each_program(Visit&& visit) const {
        for (const auto& side : programs_) {
            for (const auto& program : side)
                visit(*program);
        }
    }
    void run_until_ended();
    void check_after_step();
    [[nodiscard]] WireOracle::Ways ways_of(Side side) const;
    void attach(Side side, Duration from);
    void restart(Side side);
    void judge_fairness();
    void expect_ended(const SessionPlan& session, Duration bound);
    [[nodiscard]] bool ended() const;
    void wind_down();
    void check_nothing_left(Host& host);
    void check_conservation(Side side);
    void explain_what_runs();

    const WorldPlan& plan_;
    Findings findings_;
    World world_;
    Wire wire_;
    WireOracle oracle_;
    Attacker attacker_;
    std::array<Saboteur, 2> saboteurs_;
    TraceHash hash_;
    std::array<std::unique_ptr<Machine>, 2> hosts_;
    std::array<std::vector<std::unique_ptr<PeerProgram>>, 2> programs_;  // one a core
    bool restart_waits_ = false;
    bool judged_ = false;
};

}  // namespace mtcp::sim
