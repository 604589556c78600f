// SPDX-License-Identifier: Apache-2.0
// A value or the reason why there is none; a small std::expected for C++20.
#pragma once

#include <utility>
#include <variant>

namespace mtcp {

template <typename E>
struct Failure {
    E error;
};

template <typename E>
[[nodiscard]] constexpr Failure<E> failure(E error) {
    return Failure<E>{std::move(error)};
}

// T and E may be the same type: construct failures with failure(e).
template <typename T, typename E>
class [[nodiscard]] Result {
  public:
    constexpr Result(T value) : content_(std::in_place_index<0>, std::move(value)) {}  // NOLINT
    constexpr Result(Failure<E> f)
        : content_(std::in_place_index<1>, std::move(f.error)) {}  // NOLINT

    [[nodiscard]] constexpr bool ok() const { return content_.index() == 0; }
    constexpr explicit operator bool() const { return ok(); }

    // Precondition: ok().
    [[nodiscard]] constexpr T& value() & { return *std::get_if<0>(&content_); }
    [[nodiscard]] constexpr const T& value() const& { return *std::get_if<0>(&content_); }
    [[nodiscard]] constexpr T&& value() && { return std::move(*std::get_if<0>(&content_)); }
    constexpr T& operator*() { return value(); }
    constexpr const T& operator*() const { return *std::get_if<0>(&content_); }
    constexpr T* operator->() { return std::get_if<0>(&content_); }
    constexpr const T* operator->() const { return std::get_if<0>(&content_); }

    // Precondition: !ok().
    [[nodiscard]] constexpr const E& error() const { return *std::get_if<1>(&content_); }

  private:
    std::variant<T, E> content_;
};

// Success carries nothing.
struct Done {};

}  // namespace mtcp
