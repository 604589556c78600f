// SPDX-License-Identifier: Apache-2.0
// Sequence numbers compare modulo 2^32 (RFC 9293 §3.4). There is no <=>: the order is not total, so
// a sequence number must not become a key of an ordered container.
#pragma once

#include <cstdint>

namespace mtcp::wire {

struct SequenceNumber {
    std::uint32_t raw = 0;

    friend constexpr bool operator==(SequenceNumber, SequenceNumber) = default;
    friend constexpr bool operator<(SequenceNumber a, SequenceNumber b) {
        return static_cast<std::int32_t>(a.raw - b.raw) < 0;
    }
    friend constexpr bool operator>(SequenceNumber a, SequenceNumber b) { return b < a; }
    friend constexpr bool operator<=(SequenceNumber a, SequenceNumber b) { return !(b < a); }
    friend constexpr bool operator>=(SequenceNumber a, SequenceNumber b) { return !(a < b); }
    friend constexpr SequenceNumber operator+(SequenceNumber s, std::uint32_t n) {
        return {s.raw + n};
    }
    friend constexpr SequenceNumber operator-(SequenceNumber s, std::uint32_t n) {
        return {s.raw - n};
    }
    // Distance from b forward to a, modulo 2^32. Precondition where it matters: a >= b.
    friend constexpr std::uint32_t operator-(SequenceNumber a, SequenceNumber b) {
        return a.raw - b.raw;
    }
    constexpr SequenceNumber& operator+=(std::uint32_t n) {
        raw += n;
        return *this;
    }
};

[[nodiscard]] constexpr SequenceNumber lower(SequenceNumber a, SequenceNumber b) {
    return a < b ? a : b;
}
[[nodiscard]] constexpr SequenceNumber higher(SequenceNumber a, SequenceNumber b) {
    return a < b ? b : a;
}
// begin <= s < end
[[nodiscard]] constexpr bool within(SequenceNumber s, SequenceNumber begin, SequenceNumber end) {
    return s - begin < end - begin;
}

}  // namespace mtcp::wire
