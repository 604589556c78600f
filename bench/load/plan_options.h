// SPDX-License-Identifier: Apache-2.0
// A plan from the command line; the same words for every program of the benchmark.
#pragma once

#include <string>

#include "load/plan.h"

namespace CLI {
class App;
}

namespace bench {

// The words that need looking at after parsing.
struct PlanWords {
    std::string closer = "client";
    std::string flow = "requests";
    std::string waiting = "spinning";
    std::string form = "bsd";
    std::string server;
    std::string client;
};

void add_plan_options(CLI::App& app, Plan& plan, PlanWords& words);
// False: a word is not known (CLI11 has refused those already) or an address is none.
[[nodiscard]] bool take_words(const PlanWords& words, Plan& plan);

}  // namespace bench
