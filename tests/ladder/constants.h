// SPDX-License-Identifier: Apache-2.0
// The names that a script may use for numbers: options, flags, errors.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "tests/ladder/script.h"

namespace mtcp::ladder {

// nullopt: an unknown word, or something that is not a number.
[[nodiscard]] std::optional<std::int64_t> evaluate(const Expression& expression);
[[nodiscard]] std::optional<int> errno_of(std::string_view name);
// "EAGAIN", or the number when it has no name here.
[[nodiscard]] std::string errno_name(int error);

}  // namespace mtcp::ladder
