// SPDX-License-Identifier: Apache-2.0
// Reading sysctls out of shell commands: "sysctl -q net.ipv4.tcp_sack=0", in a script or in a file
// that it calls.
#include "tests/ladder/configuration.h"

#include <array>
#include <bit>
#include <cstdlib>
#include <fstream>
#include <functional>
#include <map>
#include <sstream>
#include <string_view>
#include <vector>

#include "api/values.h"

namespace mtcp::ladder {
namespace {

using tcp::Configuration;

constexpr std::string_view kPrefix = "net.ipv4.";

// Settings of Linux alone: they make it behave as our subset does, and mean nothing here.
constexpr std::array<std::string_view, 17> kLinuxOnly{"tcp_abc",
                                                      "tcp_adv_win_scale",
                                                      "tcp_autocorking",
                                                      "tcp_dsack",
                                                      "tcp_ecn_option",
                                                      "tcp_fack",
                                                      "tcp_frto",
                                                      "tcp_moderate_rcvbuf",
                                                      "tcp_no_metrics_save",
                                                      "tcp_pacing_ss_ratio",
                                                      "tcp_recovery",
                                                      "tcp_reordering",
                                                      "tcp_rto_min_us",
                                                      "tcp_tw_reuse",
                                                      "tcp_syn_linear_timeouts",
                                                      "tcp_pacing_ca_ratio",
                                                      "tcp_tso_win_divisor"};

using Values = std::vector<std::uint32_t>;
using Setter = std::function<void(LadderConfiguration&, const Values&)>;

Configuration::Use use(std::uint32_t value) {
    return value == 0 ? Configuration::Use::off : Configuration::Use::on;
}

// As Linux chooses it: from the largest receive buffer.
std::uint8_t window_shift_for(std::uint32_t bytes) {
    const int width = 31 - std::countl_zero(bytes | 1);
    return static_cast<std::uint8_t>(width > 15 ? std::min(width - 15, 14) : 0);
}

const std::map<std::string_view, Setter>& setters() {
    static const std::map<std::string_view, Setter> kSetters{
        {"tcp_timestamps", [](auto& c, auto& v) { c.stack.tcp.timestamps = use(v[0]); }},
        {"tcp_sack", [](auto& c, auto& v) { c.stack.tcp.selective_ack = use(v[0]); }},
        {"tcp_window_scaling", [](auto& c, auto& v) { c.stack.tcp.window_scaling = use(v[0]); }},
        {"tcp_ecn",
         [](auto& c, auto& v) {
             using Ecn = Configuration::Ecn;
             c.stack.tcp.ecn = v[0] == 1 ? Ecn::request : v[0] == 2 ? Ecn::accept : Ecn::off;
         }},
        {"tcp_fastopen",
         [](auto& c, auto& v) { c.stack.tcp.fast_open = static_cast<std::uint16_t>(v[0]); }},
        {"tcp_mtu_probing",
         [](auto& c, auto& v) {
             using Probing = Configuration::PathProbing;
             c.stack.tcp.path_probing = v[0] == 0   ? Probing::off
                                        : v[0] == 1 ? Probing::black_hole
                                                    : Probing::always;
         }},
        {"tcp_base_mss",
         [](auto& c, auto& v) { c.stack.tcp.path_base_mss = static_cast<std::uint16_t>(v[0]); }},
        {"tcp_syncookies",
         [](auto& c, auto& v) {
             using Cookies = Configuration::Cookies;
             c.stack.tcp.syn_cookies = v[0] == 0   ? Cookies::off
                                       : v[0] == 1 ? Cookies::when_full
                                                   : Cookies::always;
         }},
        {"tcp_invalid_ratelimit",
         [](auto& c, auto& v) { c.stack.tcp.challenge_ack_interval = milliseconds(v[0]); }},
        {"tcp_abort_on_overflow",
         [](auto& c, auto& v) { c.stack.tcp.abort_on_overflow = use(v[0]); }},
        {"tcp_max_syn_backlog", [](auto& c, auto& v) { c.stack.half_open_max = v[0]; }},
        {"tcp_syn_retries",
         [](auto& c, auto& v) { c.stack.tcp.syn_retries = static_cast<std::uint8_t>(v[0]); }},
        {"tcp_synack_retries",
         [](auto& c, auto& v) { c.stack.tcp.syn_ack_retries = static_cast<std::uint8_t>(v[0]); }},
        {"tcp_retries1",
         [](auto& c, auto& v) { c.stack.tcp.retries_1 = static_cast<std::uint8_t>(v[0]); }},
        {"tcp_retries2",
         [](auto& c, auto& v) { c.stack.tcp.retries_2 = static_cast<std::uint8_t>(v[0]); }},
        // 3: with tail loss probes; the rest of the numbers means nothing any more.
        {"tcp_early_retrans", [](auto& c, auto& v) { c.stack.tcp.tail_loss_probe = use(v[0]); }},
        {"tcp_notsent_lowat",
         [](auto& c, auto& v) { c.stack.tcp.not_sent_low_water = v[0] >= (1u << 30) ? 0 : v[0]; }},
        {"tcp_min_tso_segs", [](auto& c, auto& v) { c.stack.tcp.train_segments_min = v[0] & 255; }},
        {"tcp_slow_start_after_idle",
         [](auto& c, auto& v) { c.stack.tcp.restart_after_idle = use(v[0]); }},
        {"tcp_fin_timeout", [](auto& c, auto& v) { c.stack.tcp.fin_wait_2 = seconds(v[0]); }},
        {"tcp_keepalive_time",
         [](auto& c, auto& v) {
             c.stack.tcp.defaults.keepalive_idle_s = static_cast<std::uint16_t>(v[0]);
         }},
        {"tcp_keepalive_intvl",
         [](auto& c, auto& v) {
             c.stack.tcp.defaults.keepalive_interval_s = static_cast<std::uint16_t>(v[0]);
         }},
        {"tcp_keepalive_probes",
         [](auto& c, auto& v) { c.stack.tcp.defaults.keepalive_count = v[0] & 127; }},
        {"tcp_rmem",
         [](auto& c, auto& v) {
             c.stack.tcp.defaults.receive_buffer = v[1];
             c.stack.tcp.window_shift = window_shift_for(v[2]);
         }},
        {"tcp_wmem", [](auto& c, auto& v) { c.stack.tcp.defaults.send_buffer = v[1]; }},
    };
    return kSetters;
}

bool set(std::string_view name, const Values& values, LadderConfiguration& configuration,
         std::string& error) {
    for (const std::string_view ignored : kLinuxOnly) {
        if (name == ignored) return true;
    }
    const auto setter = setters().find(name);
    const std::size_t needed = name == "tcp_rmem" || name == "tcp_wmem" ? 3 : 1;
    if (setter == setters().end() || values.size() < needed) {
        error = "sysctl net.ipv4." + std::string(name) + " has no counterpart here";
        return false;
    }
    setter->second(configuration, values);
    return true;
}

// net.ipv4.name=1, net.ipv4.name="1 2 3"
bool read_sysctls(const std::string& line, LadderConfiguration& configuration, std::string& error) {
    for (std::size_t at = line.find(kPrefix); at != std::string::npos;
         at = line.find(kPrefix, at + 1)) {
        const std::size_t equals = line.find('=', at);
        if (equals == std::string::npos) continue;
        const std::string name = line.substr(at + kPrefix.size(), equals - at - kPrefix.size());
        const bool quoted = line[equals + 1] == '"';
        const std::size_t begin = equals + (quoted ? 2u : 1u);
        const std::size_t end = quoted ? line.find('"', begin) : line.find_first_of(" \t;", begin);
        if (name == "tcp_fastopen_key") {
            const auto keys = api::parse_fast_open_keys(line.substr(begin, end - begin));
            if (!keys) return false;
            configuration.stack.tcp.fast_open_keys = *keys;
            continue;
        }
        std::istringstream words(line.substr(begin, end - begin));
        if (name == "tcp_congestion_control") {
            std::string algorithm;
            words >> algorithm;
            if (tcp::algorithm_of(algorithm, configuration.stack.tcp.defaults.congestion)) continue;
            error = "no congestion control " + algorithm;
            return false;
        }
        Values values;
        std::string word;
        while (words >> word) {
            values.push_back(static_cast<std::uint32_t>(std::strtoul(word.c_str(), nullptr, 0)));
        }
        if (!set(name, values, configuration, error)) return false;
    }
    return true;
}

bool read_commands(const std::string& text, const std::string& folder,
                   LadderConfiguration& configuration, std::string& error) {
    std::istringstream lines(text);
    std::string line;
    while (std::getline(lines, line)) {
        const std::size_t first = line.find_first_not_of(" \t");
        if (first == std::string::npos || line[first] == '#') continue;
        if (line.find("sysctl") != std::string::npos) {
            if (!read_sysctls(line, configuration, error)) return false;
            continue;
        }
        const std::string path = line.substr(first, line.find_last_not_of(" \t") + 1 - first);
        if (!path.ends_with(".sh")) continue;  // ip, tc: of the kernel's interface
        std::ifstream file(folder + "/" + path);
        std::ostringstream content;
        content << file.rdbuf();
        if (!file) {
            error = "cannot read " + path;
            return false;
        }
        if (!read_commands(content.str(), folder, configuration, error)) return false;
    }
    return true;
}

}  // namespace

bool configure(const Script& script, const std::string& folder, LadderConfiguration& configuration,
               std::string& error) {
    for (const auto& [name, value] : script.options) {
        const long number = std::strtol(value.c_str(), nullptr, 10);
        if (name == "tolerance_usecs")
            configuration.early = configuration.late = microseconds(number);
        if (name == "tcp_ts_tick_usecs") configuration.ts_tick_us = number;
    }
    for (const std::string& command : script.commands) {
        if (!read_commands(command, folder, configuration, error)) return false;
    }
    return true;
}

}  // namespace mtcp::ladder
