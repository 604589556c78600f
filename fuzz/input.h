// SPDX-License-Identifier: Apache-2.0
// A fuzzer's input, read from the front as numbers; zeros when it has ended.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

namespace mtcp::fuzz {

class Input {
  public:
    Input(const std::uint8_t* data, std::size_t size) : left_(data, size) {}

    [[nodiscard]] bool ended() const { return left_.empty(); }
    [[nodiscard]] std::size_t left() const { return left_.size(); }
    std::uint8_t byte() {
        if (left_.empty()) return 0;
        const std::uint8_t value = left_.front();
        left_ = left_.subspan(1);
        return value;
    }
    std::uint16_t word() { return static_cast<std::uint16_t>(byte() << 8 | byte()); }
    std::uint32_t number() { return std::uint32_t{word()} << 16 | word(); }
    // In [0, bound); bound is 1 to 256.
    std::uint32_t below(std::uint32_t bound) { return byte() % bound; }
    bool coin() { return (byte() & 1) != 0; }
    std::span<const std::uint8_t> take(std::size_t most) {
        const auto taken = left_.first(std::min(most, left_.size()));
        left_ = left_.subspan(taken.size());
        return taken;
    }
    std::span<const std::uint8_t> rest() { return take(left_.size()); }
    std::string_view rest_as_text() {
        const auto bytes = rest();
        return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
    }

  private:
    std::span<const std::uint8_t> left_;
};

// A fuzzer's assertion: it holds in every build.
#define MTCP_FUZZ_CHECK(condition)                                                       \
    do {                                                                                 \
        if (!(condition)) {                                                              \
            std::fprintf(stderr, "%s:%d: not so: %s\n", __FILE__, __LINE__, #condition); \
            std::abort();                                                                \
        }                                                                                \
    } while (false)

}  // namespace mtcp::fuzz
