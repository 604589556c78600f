// SPDX-License-Identifier: Apache-2.0
// The asserts of a script's code: "assert tcpi_snd_cwnd == 10". What is not understood fails.
#include <linux/tcp.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <array>
#include <cstdlib>
#include <limits>
#include <optional>
#include <regex>
#include <string_view>
#include <utility>

#include "tests/ladder/calls.h"

namespace mtcp::ladder {
namespace {

struct Field {
    std::string_view name;
    std::uint32_t (*get)(const tcp_info&);
};

#define MTCP_LADDER_FIELD(f)                                                      \
    Field {                                                                       \
        "tcpi_" #f, [](const tcp_info& i) -> std::uint32_t { return i.tcpi_##f; } \
    }
constexpr std::array kFields{
    MTCP_LADDER_FIELD(state),  MTCP_LADDER_FIELD(ca_state),     MTCP_LADDER_FIELD(retransmits),
    MTCP_LADDER_FIELD(probes), MTCP_LADDER_FIELD(backoff),      MTCP_LADDER_FIELD(options),
    MTCP_LADDER_FIELD(rto),    MTCP_LADDER_FIELD(snd_mss),      MTCP_LADDER_FIELD(unacked),
    MTCP_LADDER_FIELD(sacked), MTCP_LADDER_FIELD(lost),         MTCP_LADDER_FIELD(retrans),
    MTCP_LADDER_FIELD(rtt),    MTCP_LADDER_FIELD(snd_ssthresh), MTCP_LADDER_FIELD(snd_cwnd),
    MTCP_LADDER_FIELD(advmss), MTCP_LADDER_FIELD(total_retrans)};
#undef MTCP_LADDER_FIELD

constexpr std::array<std::pair<std::string_view, std::uint32_t>, 6> kFlags{
    {{"TCPI_OPT_TIMESTAMPS", TCPI_OPT_TIMESTAMPS},
     {"TCPI_OPT_SACK", TCPI_OPT_SACK},
     {"TCPI_OPT_WSCALE", TCPI_OPT_WSCALE},
     {"TCPI_OPT_ECN", TCPI_OPT_ECN},
     {"TCPI_OPT_ECN_SEEN", TCPI_OPT_ECN_SEEN},
     {"TCPI_OPT_SYN_DATA", TCPI_OPT_SYN_DATA}}};

bool holds(std::uint32_t value, const std::string& relation, std::uint32_t bound) {
    if (relation == "==") return value == bound;
    if (relation == "!=") return value != bound;
    if (relation == "<=") return value <= bound;
    if (relation == ">=") return value >= bound;
    return relation == "<" ? value < bound : value > bound;
}

std::optional<std::uint32_t> field(const tcp_info& info, std::string_view name) {
    for (const Field& known : kFields) {
        if (known.name == name) return known.get(info);
    }
    return std::nullopt;
}

// A bit of tcpi_options.
std::optional<std::uint32_t> flag(std::string_view name) {
    for (const auto& [known, bit] : kFlags) {
        if (known == name) return bit;
    }
    return std::nullopt;
}

}  // namespace

std::string Calls::check_code(const std::string& text) {
    static const std::regex kBegin(R"(\bassert\b)");
    // assert tcpi_rto == 200, assert (tcpi_options & TCPI_OPT_SACK) != 0; behind a comma comes what
    // Python shows when it fails.
    static const std::regex kAssert(
        R"(assert\s*(?:\(\s*(tcpi_\w+)\s*&\s*(\w+)\s*\)|\s(tcpi_\w+))\s*)"
        R"((==|!=|<=|>=|<|>)\s*(\d+)\s*(?:$|[,;\n}]))");
    tcp_info info{};
    if (world_.sockets().get_option(last_opened_, IPPROTO_TCP, TCP_INFO,
                                    std::as_writable_bytes(std::span(&info, 1))) < 0) {
        return "there is no TCP_INFO";
    }
    for (std::sregex_iterator at(text.begin(), text.end(), kBegin), end; at != end; ++at) {
        const auto begin = text.begin() + at->position();
        const std::string rest(begin, text.end());
        std::smatch found;
        if (!std::regex_search(begin, text.end(), found, kAssert,
                               std::regex_constants::match_continuous)) {
            return "not understood: " + rest.substr(0, rest.find('\n'));
        }
        const std::string name = found[1].matched ? found[1].str() : found[3].str();
        const auto value = field(info, name);
        if (!value) return "not understood: " + name;
        const auto mask =
            found[2].matched ? flag(found[2].str()) : std::numeric_limits<std::uint32_t>::max();
        if (!mask) return "not understood: " + found[2].str();
        const auto bound =
            static_cast<std::uint32_t>(std::strtoul(found[5].str().c_str(), nullptr, 10));
        if (!holds(*value & *mask, found[4].str(), bound))
            return found.str() + " but it is " + std::to_string(*value);
    }
    return "";
}

}  // namespace mtcp::ladder
