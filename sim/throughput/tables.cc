// SPDX-License-Identifier: Apache-2.0
// What is measured.
#include "sim/throughput/tables.h"

#include <array>
#include <cstdio>

namespace mtcp::sim {
namespace {

constexpr std::array<std::uint32_t, 5> kLosses_ppm{0, 100, 1'000, 10'000, 30'000};
constexpr std::array<std::int64_t, 3> kRoundTrips_ms{10, 40, 100};
constexpr std::array<double, 3> kQueues{0.25, 1, 4};
// RFC 8257 §3.1 leaves the threshold of marking open; a seventh of the product is the least that
// keeps the line busy.
constexpr double kMark = 0.2;

// A figure is the mean of what happens between losses, so it wants some tens of them.
Duration long_enough(std::uint32_t loss_ppm) {
    return loss_ppm > 0 && loss_ppm < 1'000 ? seconds(200) : seconds(60);
}

std::string number(const char* format, double value) {
    std::array<char, 32> text{};
    std::snprintf(text.data(), text.size(), format, value);
    return text.data();
}

std::vector<std::string> single_flow(const BulkResult& r) {
    return {number("%.1f", r.utilisation * 100), number("%.1f", r.queue_ms),
            number("%.2f", r.resent * 100), std::to_string(r.timeouts)};
}

std::vector<std::string> several_flows(const BulkResult& r) {
    const std::size_t half = r.bits_per_second.size() / 2;
    double first = 0;
    double all = 0;
    for (std::size_t i = 0; i < r.bits_per_second.size(); ++i) {
        first += i < half ? r.bits_per_second[i] : 0;
        all += r.bits_per_second[i];
    }
    return {number("%.1f", r.utilisation * 100), number("%.1f", all == 0 ? 0 : 100 * first / all),
            number("%.3f", r.fairness), number("%.1f", r.queue_ms)};
}

Table loss_table(const std::vector<std::string>& algorithms) {
    Table table{.file = "loss.csv",
                .key_names = {"algorithm", "rtt_ms", "queue_bdp", "loss_percent"},
                .figure_names = {"utilisation_percent", "queue_ms", "resent_percent", "timeouts"},
                .rows = {},
                .figures = single_flow};
    for (const std::string& algorithm : algorithms) {
        for (const std::int64_t rtt : kRoundTrips_ms) {
            for (const double queue : kQueues) {
                for (const std::uint32_t loss : kLosses_ppm) {
                    BulkPlan plan;
                    plan.flows = {{.congestion = algorithm}};
                    plan.round_trip = milliseconds(rtt);
                    plan.queue = queue;
                    plan.loss_ppm = loss;
                    plan.measured = long_enough(loss);
                    if (algorithm == "dctcp") plan.mark = kMark;
                    table.rows.push_back({{algorithm, std::to_string(rtt), number("%g", queue),
                                           number("%g", loss / 1e4)},
                                          plan});
                }
            }
        }
    }
    return table;
}

// Two flows of the first beside two of the second: each pair should get half.
Table sharing_table(const std::vector<std::string>& algorithms) {
    Table table{.file = "sharing.csv",
                .key_names = {"first", "second", "rtt_ms", "queue_bdp"},
                .figure_names = {"utilisation_percent", "first_share_percent", "jain", "queue_ms"},
                .rows = {},
                .figures = several_flows};
    for (std::size_t a = 0; a < algorithms.size(); ++a) {
        for (std::size_t b = a; b < algorithms.size(); ++b) {
            for (const std::int64_t rtt : {std::int64_t{10}, std::int64_t{40}}) {
                BulkPlan plan;
                for (int i = 0; i < 4; ++i) {
                    plan.flows.push_back({.congestion = algorithms[i < 2 ? a : b],
                                          .start = milliseconds(100 * (i % 2 * 2 + i / 2))});
                }
                plan.round_trip = milliseconds(rtt);
                plan.measured = seconds(60);
                if (algorithms[a] == "dctcp" || algorithms[b] == "dctcp") plan.mark = kMark;
                table.rows.push_back(
                    {{algorithms[a], algorithms[b], std::to_string(rtt), "1"}, plan});
            }
        }
    }
    return table;
}

}  // namespace

std::vector<Table> tables(const std::vector<std::string>& algorithms) {
    return {loss_table(algorithms), sharing_table(algorithms)};
}

std::vector<std::string> available(const std::vector<std::string>& wanted) {
    std::vector<std::string> found;
    for (const std::string& name : wanted) {
        BulkPlan plan;
        plan.flows = {{.congestion = name}};
        plan.warm_up = {};
        plan.measured = milliseconds(1);
        if (run_bulk(plan).problem.empty()) found.push_back(name);
    }
    return found;
}

}  // namespace mtcp::sim
