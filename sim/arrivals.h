// SPDX-License-Identifier: Apache-2.0
// What of one direction's stream has reached the other end, byte by byte, and what that end has
// said of it by SACK. Offsets count from the first byte; the FIN is one behind the last.
#pragma once

#include <cstdint>
#include <vector>

namespace mtcp::sim {

class Arrivals {
  public:
    void note(std::uint32_t offset, std::uint32_t length);
    void note_fin(std::uint32_t offset);
    // All below it has arrived.
    [[nodiscard]] std::uint32_t reached() const {
        return reached_ + (fin_arrived_ && fin_ == reached_ ? 1u : 0u);
    }
    // Has each byte of [begin, end) arrived so often? `times`: 1 or 2.
    [[nodiscard]] bool all_arrived(std::uint32_t begin, std::uint32_t end,
                                   std::uint8_t times) const;

    // The receiver says that it holds [begin, end), which has arrived.
    void note_told(std::uint32_t begin, std::uint32_t end);
    [[nodiscard]] bool is_told(std::uint32_t offset) const {
        return offset < bytes_.size() && (bytes_[offset] & kTold) != 0;
    }

  private:
    static constexpr std::uint8_t kTimes = 3;  // the mask of: how often, two for more
    static constexpr std::uint8_t kTold = 4;

    std::vector<std::uint8_t> bytes_;
    std::uint32_t reached_ = 0;
    std::uint32_t fin_ = 0;
    bool fin_arrived_ = false;
};

}  // namespace mtcp::sim
