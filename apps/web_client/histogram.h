// SPDX-License-Identifier: Apache-2.0
// A log-linear histogram of durations: 128 steps to each power of two, so a value is known to
// within one percent, from 1 ns to hours, in a fixed 40 KB and without allocation while it records.
#pragma once

#include <algorithm>
#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>

namespace load {

class Histogram {
  public:
    void record(std::uint64_t nanoseconds) {
        ++counts_[slot(nanoseconds)];
        ++count_;
        sum_ += nanoseconds;
        max_ = std::max(max_, nanoseconds);
    }

    void add(const Histogram& other) {
        for (std::size_t i = 0; i < counts_.size(); ++i) {
            counts_[i] += other.counts_[i];
        }
        count_ += other.count_;
        sum_ += other.sum_;
        max_ = std::max(max_, other.max_);
    }

    void clear() { *this = Histogram{}; }

    [[nodiscard]] std::uint64_t count() const { return count_; }
    [[nodiscard]] std::uint64_t max() const { return max_; }
    [[nodiscard]] double mean() const {
        return count_ == 0 ? 0 : static_cast<double>(sum_) / static_cast<double>(count_);
    }

    // The smallest recorded step that at least `percent` of all values do not exceed.
    [[nodiscard]] std::uint64_t percentile(double percent) const {
        const auto wanted = static_cast<std::uint64_t>(
            static_cast<double>(count_) * std::clamp(percent, 0.0, 100.0) / 100.0 + 0.5);
        std::uint64_t seen = 0;
        for (std::size_t i = 0; i < counts_.size(); ++i) {
            seen += counts_[i];
            if (counts_[i] > 0 && seen >= wanted) {
                return std::min(top_of(i), max_);
            }
        }
        return max_;
    }

  private:
    static constexpr unsigned kStepBits = 7;
    static constexpr std::uint64_t kSteps = 1U << kStepBits;
    static constexpr unsigned kPowers = 40;  // up to 2^47 ns, 39 hours

    // Values below 2 * kSteps are exact; above, the leading bit chooses the row, the next seven the
    // step.
    static std::size_t slot(std::uint64_t value) {
        const auto width = static_cast<unsigned>(std::bit_width(value));
        if (width <= kStepBits + 1) {
            return static_cast<std::size_t>(value);
        }
        const unsigned shift = std::min(width - kStepBits - 1, kPowers - 1);
        const std::uint64_t step = std::min(value >> shift, 2 * kSteps - 1);
        return static_cast<std::size_t>(shift * kSteps + step);
    }

    static std::uint64_t top_of(std::size_t slot) {
        if (slot < 2 * kSteps) {
            return slot;
        }
        const unsigned shift = static_cast<unsigned>(slot / kSteps) - 1;
        const std::uint64_t step = slot - shift * kSteps;
        return ((step + 1) << shift) - 1;
    }

    std::array<std::uint64_t, (kPowers + 1) * kSteps> counts_{};
    std::uint64_t count_ = 0;
    std::uint64_t sum_ = 0;
    std::uint64_t max_ = 0;
};

}  // namespace load
