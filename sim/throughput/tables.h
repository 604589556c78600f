// SPDX-License-Identifier: Apache-2.0
// The tables of docs/throughput: which experiments they hold, and their text. They are golden
// files: virtual time makes every figure the same on every machine.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "sim/throughput/bulk.h"

namespace mtcp::sim {

// One row: what is varied, and the experiment.
struct Experimental {
    std::vector<std::string> keys;
    BulkPlan plan;
};

struct Table {
    std::string_view file;  // in docs/throughput
    std::vector<std::string_view> key_names;
    std::vector<std::string_view> figure_names;
    std::vector<Experimental> rows;
    std::vector<std::string> (*figures)(const BulkResult&);
};

// `algorithms`: the congestion controls to compare, as for TCP_CONGESTION.
[[nodiscard]] std::vector<Table> tables(const std::vector<std::string>& algorithms);
// Those of `wanted` that this stack has.
[[nodiscard]] std::vector<std::string> available(const std::vector<std::string>& wanted);

}  // namespace mtcp::sim
