// SPDX-License-Identifier: Apache-2.0
// Long transfers from one host to another through one queue, in virtual time: how much of the line
// each of them gets.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/time.h"
#include "io/middleware/faults.h"

namespace mtcp::sim {

struct BulkFlow {
    std::string congestion = "reno";  // as for TCP_CONGESTION
    Duration start{};
};

struct BulkPlan {
    std::vector<BulkFlow> flows;
    std::uint64_t rate_bits_per_second = 100'000'000;
    Duration round_trip = milliseconds(40);
    double queue = 1;            // in products of rate and round trip
    double mark = 0;             // where congestion is marked, in the same measure; 0: nowhere
    std::uint32_t loss_ppm = 0;  // of data segments, beside those the queue loses
    Duration warm_up = seconds(5);
    Duration measured = seconds(20);
    std::uint64_t seed = 1;
};

struct BulkResult {
    std::string problem;                  // not empty: could not be run
    std::vector<double> bits_per_second;  // of each flow's payload, while measured
    double utilisation = 0;               // of what the line can carry of payload
    double fairness = 0;                  // Jain's index
    double queue_ms = 0;                  // mean time in the queue, while measured
    double resent = 0;                    // share of all data segments
    std::uint64_t timeouts = 0;
};

[[nodiscard]] BulkResult run_bulk(const BulkPlan& plan);

}  // namespace mtcp::sim
