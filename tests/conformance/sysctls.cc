// SPDX-License-Identifier: Apache-2.0
// One row a sysctl.
#include "tests/conformance/sysctls.h"

#include <algorithm>
#include <bit>
#include <cstdint>
#include <fstream>
#include <string>
#include <vector>

#include "api/values.h"

namespace mtcp::conformance {
namespace {

using stack::StackConfiguration;
using tcp::Configuration;
using Values = std::vector<std::int64_t>;

struct Row {
    const char* name;
    std::size_t values;  // at least
    void (*set)(StackConfiguration&, const Values&);
};

Configuration::Use use(std::int64_t value) {
    return value == 0 ? Configuration::Use::off : Configuration::Use::on;
}

Configuration::Cookies cookies(std::int64_t value) {
    using Cookies = Configuration::Cookies;
    return value == 0 ? Cookies::off : value == 1 ? Cookies::when_full : Cookies::always;
}

// 1: offered and accepted, 2: accepted.
Configuration::Ecn ecn(std::int64_t value) {
    using Ecn = Configuration::Ecn;
    return value == 1 ? Ecn::request : value == 2 ? Ecn::accept : Ecn::off;
}

// 1: once a black hole is found, 2: always.
Configuration::PathProbing path_probing(std::int64_t value) {
    using Probing = Configuration::PathProbing;
    return value == 0 ? Probing::off : value == 1 ? Probing::black_hole : Probing::always;
}

// The smallest shift that lets the header's 16 bits express the largest receive buffer.
std::uint8_t window_shift_for(std::int64_t bytes) {
    const auto width = static_cast<int>(
        std::bit_width(static_cast<std::uint64_t>(std::max<std::int64_t>(bytes, 1))));
    return static_cast<std::uint8_t>(std::clamp(width - 16, 0, 14));
}

// A captureless function that stores the first value in a field.
#define MTCP_NUMBER(field, type) \
    [](StackConfiguration& c, const Values& v) { c.field = static_cast<type>(v[0]); }
#define MTCP_SWITCH(field) [](StackConfiguration& c, const Values& v) { c.field = use(v[0]); }

constexpr Row kRows[] = {
    {"tcp_timestamps", 1, MTCP_SWITCH(tcp.timestamps)},
    {"tcp_sack", 1, MTCP_SWITCH(tcp.selective_ack)},
    {"tcp_window_scaling", 1, MTCP_SWITCH(tcp.window_scaling)},
    {"tcp_fastopen", 1, MTCP_NUMBER(tcp.fast_open, std::uint16_t)},
    {"tcp_fastopen_blackhole_timeout_sec", 1,
     [](StackConfiguration& c, const Values& v) { c.tcp.fast_open_pause = seconds(v[0]); }},
    {"tcp_notsent_lowat", 1,
     [](StackConfiguration& c, const Values& v) {
         c.tcp.not_sent_low_water =
             v[0] >= (std::int64_t{1} << 30) ? 0 : static_cast<std::uint32_t>(v[0]);
     }},
    {"tcp_ecn", 1, [](StackConfiguration& c, const Values& v) { c.tcp.ecn = ecn(v[0]); }},
    {"tcp_mtu_probing", 1,
     [](StackConfiguration& c, const Values& v) { c.tcp.path_probing = path_probing(v[0]); }},
    {"tcp_base_mss", 1, MTCP_NUMBER(tcp.path_base_mss, std::uint16_t)},
    {"tcp_syncookies", 1,
     [](StackConfiguration& c, const Values& v) { c.tcp.syn_cookies = cookies(v[0]); }},
    {"tcp_abort_on_overflow", 1, MTCP_SWITCH(tcp.abort_on_overflow)},
    {"tcp_syn_retries", 1, MTCP_NUMBER(tcp.syn_retries, std::uint8_t)},
    {"tcp_synack_retries", 1, MTCP_NUMBER(tcp.syn_ack_retries, std::uint8_t)},
    {"tcp_retries1", 1, MTCP_NUMBER(tcp.retries_1, std::uint8_t)},
    {"tcp_retries2", 1, MTCP_NUMBER(tcp.retries_2, std::uint8_t)},
    {"tcp_rto_max_ms", 1,
     [](StackConfiguration& c, const Values& v) { c.tcp.rto_max = milliseconds(v[0]); }},
    {"tcp_invalid_ratelimit", 1,
     [](StackConfiguration& c, const Values& v) {
         c.tcp.challenge_ack_interval = milliseconds(v[0]);
     }},
    {"tcp_min_tso_segs", 1, MTCP_NUMBER(tcp.train_segments_min, std::uint8_t)},
    // 3: with tail loss probes; the rest of the numbers means nothing any more.
    {"tcp_early_retrans", 1, MTCP_SWITCH(tcp.tail_loss_probe)},
    {"tcp_slow_start_after_idle", 1, MTCP_SWITCH(tcp.restart_after_idle)},
    {"tcp_fin_timeout", 1,
     [](StackConfiguration& c, const Values& v) { c.tcp.fin_wait_2 = seconds(v[0]); }},
    {"tcp_keepalive_time", 1, MTCP_NUMBER(tcp.defaults.keepalive_idle_s, std::uint16_t)},
    {"tcp_keepalive_intvl", 1, MTCP_NUMBER(tcp.defaults.keepalive_interval_s, std::uint16_t)},
    {"tcp_keepalive_probes", 1,
     [](StackConfiguration& c, const Values& v) { c.tcp.defaults.keepalive_count = v[0] & 127; }},
    {"tcp_rmem", 3,
     [](StackConfiguration& c, const Values& v) {
         c.tcp.defaults.receive_buffer = static_cast<std::uint32_t>(v[1]);
         c.tcp.receive_buffer_max = static_cast<std::uint32_t>(v[2]);
         c.tcp.window_shift = window_shift_for(v[2]);
     }},
    // Linux grows the send buffer as needed, up to the third number.
    {"tcp_wmem", 3,
     [](StackConfiguration& c, const Values& v) {
         c.tcp.defaults.send_buffer =
             static_cast<std::uint32_t>(std::min<std::int64_t>(v[2], 4 << 20));
     }},
};

#undef MTCP_SWITCH
#undef MTCP_NUMBER

// "a1a1a1a1-b2b2b2b2-c3c3c3c3-d4d4d4d4", and after a comma the backup.
void read_fast_open_keys(StackConfiguration& configuration) {
    std::ifstream file("/proc/sys/net/ipv4/tcp_fastopen_key");
    std::string text;
    if (!(file >> text)) return;
    if (const auto keys = api::parse_fast_open_keys(text); keys)
        configuration.tcp.fast_open_keys = *keys;
}

}  // namespace

void read_sysctls(StackConfiguration& configuration) {
    for (const Row& row : kRows) {
        std::ifstream file("/proc/sys/net/ipv4/" + std::string(row.name));
        Values values;
        for (std::int64_t value = 0; file >> value;)
            values.push_back(value);
        if (values.size() >= row.values) row.set(configuration, values);
    }
    read_fast_open_keys(configuration);
    // Scripts ask for CUBIC and mean Linux's, whose slow start ends by the classic HyStart. The
    // sysctl is not looked at: a namespace may be refused to set it, and then says what the machine
    // uses.
    configuration.tcp.hystart = Configuration::HyStart::classic;
    configuration.tcp.defaults.congestion = tcp::CongestionAlgorithm::cubic;
}

}  // namespace mtcp::conformance
