// SPDX-License-Identifier: Apache-2.0
// What a program of the benchmark found: one JSON object on one line, for the script that started
// it.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "load/plan.h"
#include "load/tally.h"
#include "web_client/histogram.h"

namespace bench {

class Report {
  public:
    void set(std::string_view key, double value);
    void set(std::string_view key, std::uint64_t value);
    void set(std::string_view key, std::string_view text);
    // Each counter by its name, with `prefix` before it.
    void set(std::string_view prefix, const Tally& tally);
    // p50, p90, p99, p99.9, max and count, in microseconds.
    void set_latency(std::string_view prefix, const load::Histogram& histogram,
                     double ticks_a_second);
    void print() const;

  private:
    void key(std::string_view name);
    std::string text_;
};

}  // namespace bench
