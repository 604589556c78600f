// SPDX-License-Identifier: Apache-2.0
// What the oracles found wrong in a run. Empty is what everybody hopes for.
#pragma once

#include <cstddef>
#include <string>
#include <utility>
#include <vector>

namespace mtcp::sim {

class Findings {
  public:
    // Only the first few are kept: what follows a first error seldom says more.
    void add(std::string oracle, std::string what) {
        ++count_;
        if (texts_.size() < kKept) texts_.push_back(std::move(oracle) + ": " + std::move(what));
    }
    [[nodiscard]] bool none() const { return count_ == 0; }
    [[nodiscard]] std::size_t count() const { return count_; }
    [[nodiscard]] const std::vector<std::string>& texts() const { return texts_; }

  private:
    static constexpr std::size_t kKept = 8;
    std::size_t count_ = 0;
    std::vector<std::string> texts_;
};

}  // namespace mtcp::sim
