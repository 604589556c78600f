// SPDX-License-Identifier: Apache-2.0
// Addresses from and to text. The C library knows both families' text forms; what is ours is the
// IPv4-mapped representation and the prefixes.
#include "wire/address_text.h"

#include <arpa/inet.h>
#include <netinet/in.h>

#include <charconv>
#include <cstdio>
#include <cstring>

namespace mtcp::wire {

std::optional<IpAddress> parse_address(std::string_view text) {
    std::array<char, INET6_ADDRSTRLEN + 1> buffer{};
    // A null byte inside would end the C string early and let what follows it pass unseen.
    if (text.empty() || text.size() >= buffer.size() || text.find('\0') != text.npos) {
        return std::nullopt;
    }
    std::memcpy(buffer.data(), text.data(), text.size());

    in_addr v4{};
    if (inet_pton(AF_INET, buffer.data(), &v4) == 1) return IpAddress::v4(ntohl(v4.s_addr));
    IpAddress v6;
    if (inet_pton(AF_INET6, buffer.data(), v6.octet.data()) == 1) return v6;
    return std::nullopt;
}

std::string format_address(const IpAddress& address) {
    std::array<char, INET6_ADDRSTRLEN> buffer{};
    if (address.is_v4()) {
        inet_ntop(AF_INET, address.octet.data() + 12, buffer.data(), buffer.size());
    } else {
        inet_ntop(AF_INET6, address.octet.data(), buffer.data(), buffer.size());
    }
    return buffer.data();
}

std::optional<Prefix> parse_prefix(std::string_view text) {
    const std::size_t slash = text.find('/');
    const std::optional<IpAddress> address = parse_address(text.substr(0, slash));
    if (!address) return std::nullopt;
    const int longest = address->is_v4() ? 32 : 128;
    if (slash == text.npos) return Prefix{*address, longest};

    const std::string_view digits = text.substr(slash + 1);
    int length = 0;
    const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), length);
    const bool is_number = error == std::errc{} && end == digits.data() + digits.size();
    if (!is_number || length < 0 || length > longest) return std::nullopt;
    return Prefix{*address, length};
}

std::string format_prefix(const Prefix& prefix) {
    return format_address(prefix.address) + "/" + std::to_string(prefix.length);
}

std::optional<std::array<std::uint8_t, 6>> parse_mac(std::string_view text) {
    std::array<std::uint8_t, 6> mac{};
    if (text.size() != 17) return std::nullopt;
    const char separator = text[2];
    if (separator != ':' && separator != '-') return std::nullopt;
    for (std::size_t i = 0; i < 6; ++i) {
        if (i > 0 && text[i * 3 - 1] != separator) return std::nullopt;
        const char* digits = text.data() + i * 3;
        const auto [end, error] = std::from_chars(digits, digits + 2, mac[i], 16);
        if (error != std::errc{} || end != digits + 2) return std::nullopt;
    }
    return mac;
}

std::string format_mac(const std::array<std::uint8_t, 6>& mac) {
    std::array<char, 18> buffer{};
    std::snprintf(buffer.data(), buffer.size(), "%02x:%02x:%02x:%02x:%02x:%02x", mac[0], mac[1],
                  mac[2], mac[3], mac[4], mac[5]);
    return buffer.data();
}

}  // namespace mtcp::wire
