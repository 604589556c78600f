// SPDX-License-Identifier: Apache-2.0
// Time as the stack sees it: nanoseconds of one monotonic clock, read once per turn by a driver and
// passed down as an argument. Nothing below stack/ reads a clock.
#pragma once

#include <compare>
#include <cstdint>

namespace mtcp {

// A span of time in nanoseconds; may be negative.
struct Duration {
    std::int64_t ns = 0;

    friend constexpr auto operator<=>(const Duration&, const Duration&) = default;
    friend constexpr Duration operator+(Duration a, Duration b) { return {a.ns + b.ns}; }
    friend constexpr Duration operator-(Duration a, Duration b) { return {a.ns - b.ns}; }
    friend constexpr Duration operator*(Duration a, std::int64_t k) { return {a.ns * k}; }
    friend constexpr Duration operator/(Duration a, std::int64_t k) { return {a.ns / k}; }

    [[nodiscard]] constexpr std::int64_t microseconds() const { return ns / 1'000; }
    [[nodiscard]] constexpr std::int64_t milliseconds() const { return ns / 1'000'000; }
};

[[nodiscard]] constexpr Duration nanoseconds(std::int64_t n) { return {n}; }
[[nodiscard]] constexpr Duration microseconds(std::int64_t n) { return {n * 1'000}; }
[[nodiscard]] constexpr Duration milliseconds(std::int64_t n) { return {n * 1'000'000}; }
[[nodiscard]] constexpr Duration seconds(std::int64_t n) { return {n * 1'000'000'000}; }

// A point in time: nanoseconds since an arbitrary, fixed origin.
struct Instant {
    std::int64_t ns = 0;

    friend constexpr auto operator<=>(const Instant&, const Instant&) = default;
    friend constexpr Instant operator+(Instant t, Duration d) { return {t.ns + d.ns}; }
    friend constexpr Instant operator-(Instant t, Duration d) { return {t.ns - d.ns}; }
    friend constexpr Duration operator-(Instant a, Instant b) { return {a.ns - b.ns}; }
};

// Later than every deadline: "no timer armed".
inline constexpr Instant kNever{INT64_MAX};
// Earlier than all that a clock says: a deadline that has passed, something not done yet.
inline constexpr Instant kLongAgo{INT64_MIN / 2};

[[nodiscard]] constexpr Instant earlier(Instant a, Instant b) { return a < b ? a : b; }
[[nodiscard]] constexpr Instant later(Instant a, Instant b) { return a < b ? b : a; }

}  // namespace mtcp
