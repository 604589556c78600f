// SPDX-License-Identifier: Apache-2.0
// The text form of addresses, prefixes and MAC addresses, both families. Control plane only.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "wire/ip_address.h"
#include "wire/prefix.h"

namespace mtcp::wire {

// "192.0.2.1" (four decimal parts) or "2001:db8::1" (RFC 4291 §2.2); nothing around it.
[[nodiscard]] std::optional<IpAddress> parse_address(std::string_view text);
// RFC 5952 form for IPv6.
[[nodiscard]] std::string format_address(const IpAddress& address);

// "192.0.2.1/24"; without a length the whole address counts. Host bits are kept.
[[nodiscard]] std::optional<Prefix> parse_prefix(std::string_view text);
[[nodiscard]] std::string format_prefix(const Prefix& prefix);

// "02:00:00:00:00:01", also with '-'.
[[nodiscard]] std::optional<std::array<std::uint8_t, 6>> parse_mac(std::string_view text);
[[nodiscard]] std::string format_mac(const std::array<std::uint8_t, 6>& mac);

}  // namespace mtcp::wire
