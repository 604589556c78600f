// SPDX-License-Identifier: Apache-2.0
// Numbers, sizes, durations and addresses from text.
#include "api/values.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cstdio>
#include <limits>

namespace mtcp::api {
namespace {

constexpr std::string_view kSpace = " \t\r\n";

char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }

// A number at the beginning of `text`, which is moved behind it.
template <typename T>
std::optional<T> take_number(std::string_view& text, int base = 10) {
    T value{};
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value, base);
    if (error != std::errc{}) return std::nullopt;
    text.remove_prefix(static_cast<std::size_t>(end - text.data()));
    return value;
}

}  // namespace

std::string_view trim(std::string_view text) {
    const std::size_t first = text.find_first_not_of(kSpace);
    if (first == std::string_view::npos) return {};
    return text.substr(first, text.find_last_not_of(kSpace) - first + 1);
}

std::vector<std::string_view> split_words(std::string_view text) {
    std::vector<std::string_view> words;
    for (text = trim(text); !text.empty(); text = trim(text)) {
        const std::size_t end = std::min(text.find_first_of(kSpace), text.size());
        words.push_back(text.substr(0, end));
        text.remove_prefix(end);
    }
    return words;
}

std::optional<std::int64_t> parse_integer(std::string_view text) {
    const auto value = take_number<std::int64_t>(text);
    return text.empty() ? value : std::nullopt;
}

std::optional<std::uint64_t> parse_size(std::string_view text) {
    const auto value = take_number<std::uint64_t>(text);
    if (!value) return std::nullopt;
    text = trim(text);
    unsigned shift = 0;
    if (!text.empty()) {
        switch (lower(text.front())) {
            case 'k': shift = 10; break;
            case 'm': shift = 20; break;
            case 'g': shift = 30; break;
            default: return std::nullopt;
        }
        text.remove_prefix(1);
    }
    if (!text.empty() || *value > (std::numeric_limits<std::uint64_t>::max() >> shift))
        return std::nullopt;
    return *value << shift;
}

std::optional<Duration> parse_duration(std::string_view text, Duration unit) {
    struct Unit {
        std::string_view name;
        Duration length;
    };
    static constexpr std::array<Unit, 7> kUnits{{{"ns", nanoseconds(1)},
                                                 {"us", microseconds(1)},
                                                 {"ms", milliseconds(1)},
                                                 {"s", seconds(1)},
                                                 {"sec", seconds(1)},
                                                 {"min", seconds(60)},
                                                 {"h", seconds(3600)}}};
    const auto value = take_number<std::int64_t>(text);
    if (!value) return std::nullopt;
    text = trim(text);
    if (!text.empty()) {
        unit = {0};
        for (const Unit& known : kUnits) {
            if (known.name == text) unit = known.length;
        }
        if (unit.ns == 0) return std::nullopt;
    }
    std::int64_t ns = 0;
    if (__builtin_mul_overflow(*value, unit.ns, &ns)) return std::nullopt;
    return nanoseconds(ns);
}

std::optional<bool> parse_switch(std::string_view text) {
    if (text == "on" || text == "yes" || text == "true" || text == "1") return true;
    if (text == "off" || text == "no" || text == "false" || text == "0") return false;
    return std::nullopt;
}

std::optional<wire::IpAddress> parse_address(std::string_view text) {
    std::uint32_t bits = 0;
    for (int i = 0; i < 4; ++i) {
        if (i != 0) {
            if (text.empty() || text.front() != '.') return std::nullopt;
            text.remove_prefix(1);
        }
        const auto octet = take_number<std::uint8_t>(text);
        if (!octet) return std::nullopt;
        bits = bits << 8 | *octet;
    }
    if (!text.empty()) return std::nullopt;
    return wire::IpAddress::v4(bits);
}

std::optional<stack::Prefix> parse_prefix(std::string_view text) {
    const std::size_t slash = text.find('/');
    if (slash == std::string_view::npos) return std::nullopt;
    const auto address = parse_address(text.substr(0, slash));
    const auto length = parse_integer(text.substr(slash + 1));
    if (!address || !length || *length < 0 || *length > 32) return std::nullopt;
    return stack::Prefix{*address, static_cast<int>(*length)};
}

std::optional<io::MacAddress> parse_mac(std::string_view text) {
    io::MacAddress mac;
    for (std::size_t i = 0; i < 6; ++i) {
        if (i != 0) {
            if (text.empty() || text.front() != ':') return std::nullopt;
            text.remove_prefix(1);
        }
        const auto octet = take_number<std::uint8_t>(text, 16);
        if (!octet) return std::nullopt;
        mac.octet[i] = *octet;
    }
    if (!text.empty()) return std::nullopt;
    return mac;
}

std::optional<std::vector<int>> parse_mask(std::string_view text) {
    if (text.starts_with("0x") || text.starts_with("0X")) text.remove_prefix(2);
    if (text.empty()) return std::nullopt;
    std::vector<int> bits;
    for (std::size_t i = 0; i < text.size(); ++i) {
        std::string_view digit = text.substr(text.size() - 1 - i, 1);
        const auto value = take_number<int>(digit, 16);
        if (!value || *value < 0) return std::nullopt;
        for (int bit = 0; bit < 4; ++bit) {
            if ((*value >> bit & 1) != 0) bits.push_back(static_cast<int>(i) * 4 + bit);
        }
    }
    return bits;
}

std::string to_text(const wire::IpAddress& address) {
    const std::uint32_t bits = address.v4_bits();
    char text[16];
    static_cast<void>(std::snprintf(text, sizeof text, "%u.%u.%u.%u", bits >> 24, bits >> 16 & 255,
                                    bits >> 8 & 255, bits & 255));
    return text;
}

bool same_network(const wire::IpAddress& a, const wire::IpAddress& b, int length) {
    const std::uint32_t mask = length == 0 ? 0 : ~std::uint32_t{0} << (32 - length);
    return ((a.v4_bits() ^ b.v4_bits()) & mask) == 0;
}

namespace {

std::optional<SecretKey> take_key(std::string_view& text) {
    std::array<std::uint64_t, 4> words{};
    for (std::size_t i = 0; i < words.size(); ++i) {
        if (i != 0) {
            if (text.empty() || text.front() != '-') return std::nullopt;
            text.remove_prefix(1);
        }
        const auto word = take_number<std::uint32_t>(text, 16);
        if (!word) return std::nullopt;
        words[i] = *word;
    }
    // The key's bytes are those of the words, least significant first.
    return SecretKey{.k0 = words[1] << 32 | words[0], .k1 = words[3] << 32 | words[2]};
}

}  // namespace

std::optional<tcp::FastOpenKeys> parse_fast_open_keys(std::string_view text) {
    tcp::FastOpenKeys keys{.primary = {}, .backup = {}, .chosen = true};
    const auto primary = take_key(text);
    if (!primary) return std::nullopt;
    keys.primary = *primary;
    if (text.empty()) return keys;
    if (text.front() != ',') return std::nullopt;
    text = trim(text.substr(1));
    const auto backup = take_key(text);
    if (!backup || !text.empty()) return std::nullopt;
    keys.backup = *backup;
    keys.has_backup = true;
    return keys;
}

std::string printable(std::string_view text) {
    constexpr std::size_t kShown = 100;
    std::string shown(text.substr(0, kShown));
    std::replace_if(
        shown.begin(), shown.end(),
        [](char c) {
            const auto byte = static_cast<unsigned char>(c);
            return byte < ' ' || byte >= 0x7f;
        },
        '?');
    return text.size() > kShown ? shown + "..." : shown;
}

}  // namespace mtcp::api
