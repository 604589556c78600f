// SPDX-License-Identifier: Apache-2.0
// The text form of faults.
#include "io/middleware/faults.h"

#include <array>
#include <cerrno>
#include <charconv>
#include <cmath>
#include <optional>
#include <span>

namespace mtcp::io {
namespace {

constexpr std::string_view kKeys =
    "loss, gilbert, duplicate, reorder, reorder_delay, corrupt, delay, jitter, rate, queue, mark, "
    "seed";

struct Unit {
    std::string_view name;
    double factor;
};
constexpr std::array<Unit, 2> kChances{{{"%", 1e4}, {"ppm", 1}}};
constexpr std::array<Unit, 4> kTimes{{{"ns", 1}, {"us", 1e3}, {"ms", 1e6}, {"s", 1e9}}};
constexpr std::array<Unit, 4> kRates{{{"bit", 1}, {"kbit", 1e3}, {"mbit", 1e6}, {"gbit", 1e9}}};
constexpr std::array<Unit, 3> kSizes{{{"", 1}, {"k", 1024}, {"m", 1024 * 1024}}};

constexpr double kLargestChance = 1e6;
constexpr double kLongestTime = 3600e9;
constexpr double kLargestNumber = 1e12;

// A number and one of the units, in the units' common measure, rounded; nothing below 0 or above
// `most`.
std::optional<std::uint64_t> quantity(std::string_view text, std::span<const Unit> units,
                                      double most) {
    double number = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
    if (error != std::errc{} || !std::isfinite(number) || number < 0) return std::nullopt;
    const std::string_view unit(end, static_cast<std::size_t>(text.data() + text.size() - end));
    for (const Unit& known : units) {
        if (unit != known.name) continue;
        const double value = std::round(number * known.factor);
        if (value > most) return std::nullopt;
        return static_cast<std::uint64_t>(value);
    }
    return std::nullopt;
}

bool read_chance(std::string_view text, std::uint32_t& out) {
    const auto value = quantity(text, kChances, kLargestChance);
    if (value) out = static_cast<std::uint32_t>(*value);
    return value.has_value();
}
bool read_time(std::string_view text, Duration& out) {
    const auto value = quantity(text, kTimes, kLongestTime);
    if (value) out = nanoseconds(static_cast<std::int64_t>(*value));
    return value.has_value();
}
bool read_number(std::string_view text, std::span<const Unit> units, std::uint64_t& out) {
    const auto value = quantity(text, units, kLargestNumber);
    if (value) out = *value;
    return value.has_value();
}
bool read_seed(std::string_view text, std::uint64_t& out) {
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), out);
    return error == std::errc{} && end == text.data() + text.size();
}
bool read_gilbert(std::string_view text, Faults& faults) {
    const std::size_t first = text.find('/');
    const std::size_t second = first == text.npos ? first : text.find('/', first + 1);
    if (second == text.npos) return false;
    return read_chance(text.substr(0, first), faults.good_to_bad_ppm) &&
           read_chance(text.substr(first + 1, second - first - 1), faults.bad_to_good_ppm) &&
           read_chance(text.substr(second + 1), faults.bad_loss_ppm);
}

bool read_word(std::string_view key, std::string_view value, Faults& faults) {
    if (key == "loss") return read_chance(value, faults.loss_ppm);
    if (key == "gilbert") return read_gilbert(value, faults);
    if (key == "duplicate") return read_chance(value, faults.duplicate_ppm);
    if (key == "reorder") return read_chance(value, faults.reorder_ppm);
    if (key == "reorder_delay") return read_time(value, faults.reorder_delay);
    if (key == "corrupt") return read_chance(value, faults.corrupt_ppm);
    if (key == "delay") return read_time(value, faults.delay);
    if (key == "jitter") return read_time(value, faults.jitter);
    if (key == "rate") return read_number(value, kRates, faults.rate_bits_per_second);
    if (key == "queue") return read_number(value, kSizes, faults.queue_bytes);
    if (key == "mark") return read_number(value, kSizes, faults.mark_bytes);
    if (key == "seed") return read_seed(value, faults.seed);
    return false;
}

}  // namespace

Result<Faults, Problem> parse_faults(std::string_view text) {
    Faults faults;
    while (true) {
        const std::size_t start = text.find_first_not_of(" ,\t");
        if (start == text.npos) return faults;
        text.remove_prefix(start);
        const std::string_view word = text.substr(0, text.find_first_of(" ,\t"));
        text.remove_prefix(word.size());
        const std::size_t equals = word.find('=');
        if (equals == word.npos ||
            !read_word(word.substr(0, equals), word.substr(equals + 1), faults)) {
            return failure(Problem{.what = "cannot read the faults",
                                   .why = "\"" + std::string(word) + "\" is not understood",
                                   .mend = "keys are " + std::string(kKeys) +
                                           "; as in \"loss=1% delay=10ms rate=100mbit queue=64k\"",
                                   .error = EINVAL});
        }
    }
}

std::string to_text(const Faults& faults) {
    const Faults usual;
    std::string text;
    const auto add = [&](std::string_view key, std::uint64_t value, std::uint64_t unless,
                         std::string_view unit) {
        if (value == unless) return;
        if (!text.empty()) text += ' ';
        text.append(key).append("=").append(std::to_string(value)).append(unit);
    };
    const auto nanoseconds_of = [](Duration d) { return static_cast<std::uint64_t>(d.ns); };
    add("loss", faults.loss_ppm, 0, "ppm");
    if ((faults.good_to_bad_ppm | faults.bad_to_good_ppm | faults.bad_loss_ppm) != 0) {
        text.append(text.empty() ? "" : " ").append("gilbert=");
        text.append(std::to_string(faults.good_to_bad_ppm)).append("ppm/");
        text.append(std::to_string(faults.bad_to_good_ppm)).append("ppm/");
        text.append(std::to_string(faults.bad_loss_ppm)).append("ppm");
    }
    add("duplicate", faults.duplicate_ppm, 0, "ppm");
    add("reorder", faults.reorder_ppm, 0, "ppm");
    add("reorder_delay", nanoseconds_of(faults.reorder_delay), nanoseconds_of(usual.reorder_delay),
        "ns");
    add("corrupt", faults.corrupt_ppm, 0, "ppm");
    add("delay", nanoseconds_of(faults.delay), 0, "ns");
    add("jitter", nanoseconds_of(faults.jitter), 0, "ns");
    add("rate", faults.rate_bits_per_second, 0, "bit");
    add("queue", faults.queue_bytes, usual.queue_bytes, "");
    add("mark", faults.mark_bytes, 0, "");
    add("seed", faults.seed, usual.seed, "");
    return text;
}

}  // namespace mtcp::io
