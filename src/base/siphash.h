// SPDX-License-Identifier: Apache-2.0
// SipHash-2-4 (Aumasson and Bernstein): a keyed hash that a stranger cannot predict. Behind initial
// sequence numbers (RFC 6528), SYN cookies, port selection (RFC 6056) and the flow table.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>

#include "base/random.h"

namespace mtcp {

class SipHash {
  public:
    explicit SipHash(const SecretKey& key)
        : v0_(key.k0 ^ 0x736f6d6570736575u),
          v1_(key.k1 ^ 0x646f72616e646f6du),
          v2_(key.k0 ^ 0x6c7967656e657261u),
          v3_(key.k1 ^ 0x7465646279746573u) {}

    // Eight bytes of the message.
    void absorb(std::uint64_t word) {
        v3_ ^= word;
        round();
        round();
        v0_ ^= word;
    }
    // The fewer than eight bytes that are left, zeros above them; `length` is the whole message's.
    [[nodiscard]] std::uint64_t finish(std::uint64_t rest, std::size_t length) {
        absorb(static_cast<std::uint64_t>(length) << 56 | rest);
        v2_ ^= 0xff;
        round();
        round();
        round();
        round();
        return v0_ ^ v1_ ^ v2_ ^ v3_;
    }

  private:
    static std::uint64_t rotate(std::uint64_t x, int k) { return (x << k) | (x >> (64 - k)); }
    void round() {
        v0_ += v1_;
        v1_ = rotate(v1_, 13);
        v1_ ^= v0_;
        v0_ = rotate(v0_, 32);
        v2_ += v3_;
        v3_ = rotate(v3_, 16);
        v3_ ^= v2_;
        v0_ += v3_;
        v3_ = rotate(v3_, 21);
        v3_ ^= v0_;
        v2_ += v1_;
        v1_ = rotate(v1_, 17);
        v1_ ^= v2_;
        v2_ = rotate(v2_, 32);
    }

    std::uint64_t v0_;
    std::uint64_t v1_;
    std::uint64_t v2_;
    std::uint64_t v3_;
};

[[nodiscard]] inline std::uint64_t siphash(const SecretKey& key, std::span<const std::byte> bytes) {
    SipHash hash(key);
    std::size_t at = 0;
    for (; at + 8 <= bytes.size(); at += 8) {
        std::uint64_t word;
        std::memcpy(&word, bytes.data() + at, 8);
        hash.absorb(word);
    }
    std::uint64_t last = 0;
    for (std::size_t i = 0; at + i < bytes.size(); ++i) {
        last |= static_cast<std::uint64_t>(bytes[at + i]) << (8 * i);
    }
    return hash.finish(last, bytes.size());
}

}  // namespace mtcp
