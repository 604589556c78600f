// SPDX-License-Identifier: Apache-2.0
// Text for stderr. fmt::print throws where it cannot write; who closed stderr wants no text, and
// the program goes on.
#pragma once

#include <fmt/format.h>

#include <cstdio>
#include <utility>

namespace mtcp::tools {

template <typename... Args>
void print_error(fmt::format_string<Args...> format, Args&&... args) {
    static_cast<void>(std::fputs(fmt::format(format, std::forward<Args>(args)...).c_str(), stderr));
}

}  // namespace mtcp::tools
