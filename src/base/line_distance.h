// SPDX-License-Identifier: Apache-2.0
// How far away the core is that this one shares memory with. Between two cores of a cache a line
// takes some 30 ns to come over, between two caches 200 ns, and on a virtual machine that flips
// while a program runs. Who knows it copies the better way: see far_copy.h.
#pragma once

#include <cstdint>

#include "base/time.h"

#ifdef __x86_64__
#include <immintrin.h>
#endif

namespace mtcp {

class LineDistance {
  public:
    static constexpr Duration kFar = nanoseconds(100);

    // The other core's lines take longer than kFar, most of the time.
    [[nodiscard]] bool is_far() const { return level_ > kLevels / 2; }

    // Begins and ends the measurement of one load, in steps of the processor's time-stamp counter;
    // 0 where there is none, and then nobody is far.
    [[nodiscard]] static std::uint64_t ticks() {
#ifdef __x86_64__
        _mm_lfence();
        const std::uint64_t now = __rdtsc();
        _mm_lfence();
        return now;
#else
        return 0;
#endif
    }
    // A line that the other core had written came between `begin` and `end`. `now` tells what a
    // tick is.
    void observe(std::uint64_t begin, std::uint64_t end, Instant now) {
        if (first_ticks_ == 0) {
            first_ticks_ = end;
            first_ = now;
        }
        const Duration passed = now - first_;
        if (passed < kCalibration) return;
        const double ticks_each_ns =
            static_cast<double>(end - first_ticks_) / static_cast<double>(passed.ns);
        const bool far = static_cast<double>(end - begin) > ticks_each_ns * kFar.ns;
        if (far && level_ < kLevels) ++level_;
        if (!far && level_ > 0) --level_;
    }
    // For tests.
    void assume_far() { level_ = kLevels; }

  private:
    static constexpr int kLevels = 16;
    static constexpr Duration kCalibration = milliseconds(1);

    std::uint64_t first_ticks_ = 0;
    Instant first_;
    int level_ = 0;
};

}  // namespace mtcp
