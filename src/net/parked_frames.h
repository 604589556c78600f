// SPDX-License-Identifier: Apache-2.0
// Transmit frames that wait for an address resolution: short first-in first-out lists in one
// bounded pool, so that an address nobody answers for cannot hold many frames.
#pragma once

#include <cstdint>
#include <vector>

#include "io/frame.h"

namespace mtcp::net {

inline constexpr std::uint16_t kNobodyParked = 0xffff;

struct ParkedList {
    std::uint16_t head = kNobodyParked;
    std::uint16_t tail = kNobodyParked;
    std::uint16_t count = 0;
};

class ParkedFrames {
  public:
    ParkedFrames() = default;
    explicit ParkedFrames(std::uint32_t capacity);

    // False: the pool is empty.
    [[nodiscard]] bool push(ParkedList& list, const io::Frame& frame);
    // Precondition: list.count > 0.
    [[nodiscard]] io::Frame pop(ParkedList& list);

  private:
    struct Entry {
        io::Frame frame;
        std::uint16_t next = kNobodyParked;
    };
    std::vector<Entry> entries_;
    std::uint16_t free_ = kNobodyParked;
};

}  // namespace mtcp::net
