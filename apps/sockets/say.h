// SPDX-License-Identifier: Apache-2.0
// What programs say on standard error.
#pragma once

#include <fmt/format.h>

#include <cstdio>
#include <utility>

// Where it cannot be written (a full disk, a reader that has gone) it is lost; fmt::print() would
// throw, and end a server in the middle of its work.
template <typename... Arguments>
void say(fmt::format_string<Arguments...> text, Arguments&&... arguments) {
    static_cast<void>(
        std::fputs(fmt::format(text, std::forward<Arguments>(arguments)...).c_str(), stderr));
}
