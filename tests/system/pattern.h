// SPDX-License-Identifier: Apache-2.0
// Bytes that tell where in which stream they belong; pattern.py makes the same. The period is a
// prime, so that a segment put at a wrong multiple of its size is noticed.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <vector>

namespace peer {

class Pattern {
  public:
    static constexpr std::size_t kPeriod = 65'521;
    static constexpr std::size_t kPieceMax = 65'536;

    Pattern() : bytes_(kPeriod + kPieceMax) {
        std::uint32_t state = 12'345;
        for (std::size_t i = 0; i < kPeriod; ++i) {
            state = state * 1'103'515'245U + 12'345U;
            bytes_[i] = static_cast<char>(state >> 16U);
        }
        for (std::size_t i = kPeriod; i < bytes_.size(); ++i) {
            bytes_[i] = bytes_[i - kPeriod];
        }
    }

    // At least kPieceMax bytes of stream `seed` from `offset` on.
    [[nodiscard]] const char* at(std::uint32_t seed, std::uint64_t offset) const {
        return bytes_.data() + (std::uint64_t{seed} * 7919U + offset) % kPeriod;
    }

    // The offset in the stream of the first byte that differs; UINT64_MAX: none does.
    [[nodiscard]] std::uint64_t first_wrong(std::uint32_t seed, std::uint64_t offset,
                                            const char* bytes, std::size_t size) const {
        const char* right = at(seed, offset);
        if (std::memcmp(right, bytes, size) == 0) {
            return UINT64_MAX;
        }
        std::size_t i = 0;
        while (right[i] == bytes[i]) {
            ++i;
        }
        return offset + i;
    }

  private:
    std::vector<char> bytes_;
};

}  // namespace peer
