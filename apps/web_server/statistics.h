// SPDX-License-Identifier: Apache-2.0
// What a worker counts: one writer, read by the main thread once a second.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>

namespace web {

class Count {
  public:
    void add(std::uint64_t amount) {
        value_.store(value_.load(std::memory_order_relaxed) + amount, std::memory_order_relaxed);
    }
    void subtract(std::uint64_t amount) { add(~amount + 1); }
    [[nodiscard]] std::uint64_t get() const { return value_.load(std::memory_order_relaxed); }

  private:
    std::atomic<std::uint64_t> value_{0};
};

struct alignas(64) Statistics {
    Count accepted;
    Count open;
    Count requests;
    std::array<Count, 6> by_class;  // of status codes; [2] is 2xx
    Count bytes_out;
    Count timed_out;  // closed by us after the idle timeout
    Count broken;     // ended by the peer, by a reset or in the middle of a response
};

}  // namespace web
