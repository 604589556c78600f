// SPDX-License-Identifier: Apache-2.0
// The asserts of a script's code: "assert tcpi_snd_cwnd == 10". What we do not understand is left
// to the real tool.
#include <linux/tcp.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <array>
#include <cstdlib>
#include <regex>

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

bool holds(std::uint32_t value, const std::string& relation, std::uint32_t bound) {
    if (relation == "==") return value == bound;
    if (relation == "!=") return value != bound;
    if (relation == "<=") return value <= bound;
    if (relation == ">=") return value >= bound;
    return relation == "<" ? value < bound : value > bound;
}

}  // namespace

std::string Calls::check_code(const std::string& text) {
    static const std::regex kAssert(R"(assert\s+(tcpi_\w+)\s*(==|!=|<=|>=|<|>)\s*(\d+))");
    tcp_info info{};
    if (world_.sockets().get_option(last_opened_, IPPROTO_TCP, TCP_INFO,
                                    std::as_writable_bytes(std::span(&info, 1))) < 0) {
        return "";
    }
    for (std::sregex_iterator at(text.begin(), text.end(), kAssert), end; at != end; ++at) {
        for (const Field& field : kFields) {
            if (field.name != (*at)[1].str()) continue;
            const std::uint32_t value = field.get(info);
            const auto bound =
                static_cast<std::uint32_t>(std::strtoul((*at)[3].str().c_str(), nullptr, 10));
            if (!holds(value, (*at)[2].str(), bound)) {
                return at->str() + ", but it is " + std::to_string(value);
            }
        }
    }
    return "";
}

}  // namespace mtcp::ladder
