// SPDX-License-Identifier: Apache-2.0
// Writing numbers down.
#include "report.h"

#include <fmt/format.h>

#include <cstdio>

namespace bench {

void Report::key(std::string_view name) {
    text_ += fmt::format("{}\"{}\": ", text_.empty() ? "" : ", ", name);
}

void Report::set(std::string_view name, double value) {
    key(name);
    text_ += fmt::format("{:.6g}", value);
}

void Report::set(std::string_view name, std::uint64_t value) {
    key(name);
    text_ += fmt::format("{}", value);
}

void Report::set(std::string_view name, std::string_view text) {
    key(name);
    text_ += '"';
    for (const char c : text) {
        if (c == '"' || c == '\\') text_ += '\\';
        text_ += c < ' ' ? ' ' : c;
    }
    text_ += '"';
}

void Report::set(std::string_view prefix, const Tally& tally) {
    const struct {
        const char* name;
        std::uint64_t value;
    } rows[] = {{"opened", tally.opened},       {"connected", tally.connected},
                {"completed", tally.completed}, {"messages", tally.messages},
                {"bytes_in", tally.bytes_in},   {"bytes_out", tally.bytes_out},
                {"waits", tally.waits},         {"waits_empty", tally.waits_empty},
                {"events", tally.events},       {"connect_failed", tally.connect_failed},
                {"failed", tally.failed}};
    for (const auto& row : rows)
        set(fmt::format("{}{}", prefix, row.name), row.value);
}

void Report::set_latency(std::string_view prefix, const load::Histogram& histogram,
                         double ticks_a_second) {
    const double us = 1e6 / ticks_a_second;
    const struct {
        const char* name;
        double percent;
    } rows[] = {{"p50", 50}, {"p90", 90}, {"p99", 99}, {"p999", 99.9}};
    for (const auto& row : rows) {
        set(fmt::format("{}{}_us", prefix, row.name),
            static_cast<double>(histogram.percentile(row.percent)) * us);
    }
    set(fmt::format("{}max_us", prefix), static_cast<double>(histogram.max()) * us);
    set(fmt::format("{}count", prefix), histogram.count());
}

void Report::print() const {
    std::printf("{%s}\n", text_.c_str());
    std::fflush(stdout);
}

}  // namespace bench
