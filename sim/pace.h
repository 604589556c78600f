// SPDX-License-Identifier: Apache-2.0
// How fast one end of a connection sends, as far as everybody can tell: what congestion control and
// the retransmission timer must keep to whatever their algorithm.
#pragma once

#include <cstdint>

#include "base/time.h"

namespace mtcp::sim {

class Pace {
  public:
    // Offsets count from the first byte of the stream.
    struct Sending {
        std::uint32_t begin = 0;
        std::uint32_t end = 0;
        std::uint32_t acked = 0;    // as the sender knows it
        std::uint32_t highest = 0;  // sent before
        std::uint32_t mss = 0;
        std::uint32_t in_syn = 0;  // bytes that went with the SYN
        bool sack = false;         // was agreed
        Instant at;
    };
    enum class Timer : std::uint8_t { judged, left_alone };

    // Payload is sent. What is wrong with that, nullptr: nothing.
    [[nodiscard]] const char* on_sent(const Sending& sending, Timer timer);
    // A SYN goes again.
    [[nodiscard]] const char* on_syn_again(Instant at) { return sends_again(at, 0, 0); }
    // Payload reached the other end, for the first time or again.
    void on_arrival(std::uint32_t bytes) { arrived_ += bytes; }
    // Something reached the sender: its silence is over.
    void on_heard() {
        quiet_ = {};
        ++heard_;
    }

  private:
    [[nodiscard]] const char* sends_again(Instant at, std::uint32_t bytes, std::uint32_t mss);

    // Since the sender heard something last: how often it sent the oldest segment again.
    struct Quiet {
        std::uint32_t count = 0;
        Instant last;
        Duration gap{};           // between the last two
        std::uint32_t bytes = 0;  // the last, and what was sent since
    };
    Quiet quiet_;
    std::uint64_t arrived_ = 0;
    std::uint64_t heard_ = 0;
    std::uint64_t timeouts_ = 0;
};

}  // namespace mtcp::sim
