// SPDX-License-Identifier: Apache-2.0
// Dates as HTTP writes them (RFC 9110 §5.6.7).
#pragma once

#include <ctime>
#include <optional>
#include <string>

namespace web {

// "Sun, 06 Nov 1994 08:49:37 GMT"
std::string http_date(std::time_t when);

// The form above; the two obsolete forms are not understood and read as no date.
std::optional<std::time_t> parse_http_date(const std::string& text);

}  // namespace web
