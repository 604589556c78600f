// SPDX-License-Identifier: Apache-2.0
// The values a configuration file may hold, from text. Each parser takes the whole text or nothing.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include "base/time.h"
#include "stack/configuration.h"

namespace mtcp::api {

// What a file said, for a message on a terminal: control characters replaced, cut where it is long.
[[nodiscard]] std::string printable(std::string_view text);

[[nodiscard]] std::optional<std::int64_t> parse_integer(std::string_view text);
// "8192", "64k", "2M", "1g": powers of 1024.
[[nodiscard]] std::optional<std::uint64_t> parse_size(std::string_view text);
// "200ms", "60 s", "50us", "2min"; a bare number counts in `unit`.
[[nodiscard]] std::optional<Duration> parse_duration(std::string_view text, Duration unit);
// on, yes, true, 1, off, no, false, 0.
[[nodiscard]] std::optional<bool> parse_switch(std::string_view text);
[[nodiscard]] std::optional<wire::IpAddress> parse_address(std::string_view text);
// "10.0.0.2/24".
[[nodiscard]] std::optional<stack::Prefix> parse_prefix(std::string_view text);
// "02:00:00:00:00:01".
[[nodiscard]] std::optional<io::MacAddress> parse_mac(std::string_view text);
// The numbers of the bits that are set in a hexadecimal number of any length, lowest first.
[[nodiscard]] std::optional<std::vector<int>> parse_mask(std::string_view text);

// Fast Open keys as Linux writes them, four hexadecimal words, and after a comma a backup:
// "a1a1a1a1-b2b2b2b2-c3c3c3c3-d4d4d4d4".
[[nodiscard]] std::optional<tcp::FastOpenKeys> parse_fast_open_keys(std::string_view text);

[[nodiscard]] std::string_view trim(std::string_view text);
[[nodiscard]] std::vector<std::string_view> split_words(std::string_view text);
[[nodiscard]] std::string to_text(const wire::IpAddress& address);
// Are the first `length` bits of both the same?
[[nodiscard]] bool same_network(const wire::IpAddress& a, const wire::IpAddress& b, int length);

}  // namespace mtcp::api
