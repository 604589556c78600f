// SPDX-License-Identifier: Apache-2.0
// Randomness is injected: a driver seeds it from the system, a test from a number.
#pragma once

#include <array>
#include <cstdint>

namespace mtcp {

// xoshiro256** (Blackman and Vigna): fast, not cryptographic. Secrets are keys of SipHash, below.
class Random {
  public:
    explicit Random(std::uint64_t seed) {
        for (std::uint64_t& word : state_) {  // splitmix64 spreads the seed
            seed += 0x9e3779b97f4a7c15u;
            std::uint64_t z = seed;
            z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
            z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
            word = z ^ (z >> 31);
        }
    }
    [[nodiscard]] std::uint64_t next() {
        const std::uint64_t result = rotate(state_[1] * 5, 7) * 9;
        const std::uint64_t t = state_[1] << 17;
        state_[2] ^= state_[0];
        state_[3] ^= state_[1];
        state_[1] ^= state_[2];
        state_[0] ^= state_[3];
        state_[2] ^= t;
        state_[3] = rotate(state_[3], 45);
        return result;
    }
    // Uniform in [0, bound); bound > 0.
    [[nodiscard]] std::uint32_t below(std::uint32_t bound) {
        return static_cast<std::uint32_t>(((next() >> 32) * bound) >> 32);
    }
    // True with probability parts_per_million / 1e6.
    [[nodiscard]] bool chance(std::uint32_t parts_per_million) {
        return below(1'000'000) < parts_per_million;
    }

  private:
    static constexpr std::uint64_t rotate(std::uint64_t x, int k) {
        return (x << k) | (x >> (64 - k));
    }
    std::array<std::uint64_t, 4> state_{};
};

struct SecretKey {
    std::uint64_t k0 = 0;
    std::uint64_t k1 = 0;
};

}  // namespace mtcp
