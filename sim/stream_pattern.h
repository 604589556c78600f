// SPDX-License-Identifier: Apache-2.0
// The bytes of a simulated stream: a function of who sends, on which connection, and where in the
// stream, so that a byte in the wrong place is noticed whatever carried it there.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

namespace mtcp::sim {

class StreamPattern {
  public:
    enum class Way : std::uint8_t { up, down };
    // A stream from a client begins with the number of its session, twice.
    static constexpr std::uint32_t kHeader = 8;
    StreamPattern(std::uint32_t session, Way way)
        : header_(way == Way::up ? std::uint64_t{~session} << 32 | session : 0),
          has_header_(way == Way::up),
          key_((std::uint64_t{session} << 8 | static_cast<std::uint64_t>(way)) *
               0x9e3779b97f4a7c15u) {}

    [[nodiscard]] std::byte at(std::uint64_t position) const {
        const bool header = has_header_ && position < kHeader;
        return static_cast<std::byte>((header ? header_ : word(position / 8)) >> position % 8 * 8);
    }
    void fill(std::uint64_t position, std::span<std::byte> out) const {
        for (std::size_t i = 0; i < out.size(); ++i)
            out[i] = at(position + i);
    }
    // Index of the first byte that is wrong; bytes.size() when none is.
    [[nodiscard]] std::size_t first_difference(std::uint64_t position,
                                               std::span<const std::byte> bytes) const {
        for (std::size_t i = 0; i < bytes.size(); ++i) {
            if (bytes[i] != at(position + i)) return i;
        }
        return bytes.size();
    }

  private:
    [[nodiscard]] std::uint64_t word(std::uint64_t index) const {
        std::uint64_t z = key_ + index * 0xbf58476d1ce4e5b9u;
        z = (z ^ (z >> 29)) * 0x94d049bb133111ebu;
        return z ^ (z >> 32);
    }
    std::uint64_t header_;
    bool has_header_;
    std::uint64_t key_;
};

}  // namespace mtcp::sim
