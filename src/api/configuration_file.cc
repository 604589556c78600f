// SPDX-License-Identifier: Apache-2.0
// The lines and the keys of the configuration file.
#include "api/configuration_file.h"

#include <algorithm>
#include <limits>

#include "api/configuration_reader.h"

namespace mtcp::api {

Problem complain(const Place& place, std::string_view what, std::string why, std::string mend,
                 int error) {
    return {.what = place.text() + ": " + std::string(what),
            .why = std::move(why),
            .mend = std::move(mend),
            .error = error};
}

void set_buffers(Configuration& configuration, std::uint32_t buffers) {
    configuration.buffers_asked = buffers;
    const std::uint32_t chunks = std::max(buffers * 2, std::uint32_t{4096});
    configuration.stack.chunks.count[0] = configuration.stack.chunks.count[1] = chunks;
}

DeviceDraft& Reader::device(std::string_view name) {
    const auto known = std::find_if(devices.begin(), devices.end(),
                                    [name](const DeviceDraft& d) { return d.name == name; });
    if (known != devices.end()) return *known;
    devices.push_back({.name = std::string(name),
                       .place = place,
                       .kind = {},
                       .options = {},
                       .capture = {},
                       .faults = {}});
    return devices.back();
}

namespace {

using Read = Complaint (*)(Reader&, std::string_view value);
struct Key {
    std::string_view name;
    Read read;
};

// --- values
// ---------------------------------------------------------------------------------------

template <typename T>
Complaint read_integer(Reader& r, std::string_view value, std::int64_t least, std::int64_t most,
                       T& out) {
    const auto number = parse_integer(value);
    if (!number || *number < least || *number > most) {
        return r.bad("not a number from " + std::to_string(least) + " to " + std::to_string(most),
                     "");
    }
    out = static_cast<T>(*number);
    return {};
}

Complaint read_size(Reader& r, std::string_view value, std::uint64_t least, std::uint64_t most,
                    std::uint64_t& out) {
    const auto size = parse_size(value);
    if (!size) return r.bad("not a size", "write a number of bytes, as 8192, 64k or 1m");
    if (*size < least || *size > most) {
        return r.bad("out of range",
                     "from " + std::to_string(least) + " to " + std::to_string(most) + " bytes");
    }
    out = *size;
    return {};
}

Complaint read_duration(Reader& r, std::string_view value, Duration unit, Duration most,
                        Duration& out) {
    const auto duration = parse_duration(value, unit);
    if (!duration || duration->ns < 0) return r.bad("not a duration", "as 200ms, 5s or 2min");
    if (*duration > most) {
        return r.bad("too long", "at most " + std::to_string(most.milliseconds()) + "ms");
    }
    out = *duration;
    return {};
}

template <typename T>
Complaint read_on_off(Reader& r, std::string_view value, T off, T on, T& out) {
    const auto given = parse_switch(value);
    if (!given) return r.bad("neither on nor off", "");
    out = *given ? on : off;
    return {};
}

template <typename T>
struct Choice {
    std::string_view name;
    T value;
};
template <typename T, std::size_t N>
Complaint read_choice(Reader& r, std::string_view value, const Choice<T> (&choices)[N], T& out) {
    std::string names;
    for (const Choice<T>& choice : choices) {
        if (choice.name == value) {
            out = choice.value;
            return {};
        }
        names += (names.empty() ? "" : ", ") + std::string(choice.name);
    }
    return r.bad("not a known value", "one of " + names);
}

// --- keys with a meaning of their own
// -----------------------------------------------------------------

Complaint read_cores(Reader& r, std::string_view value) {
    if (auto bad = read_integer(r, value, 1, kCoresMax, r.result.cores_asked)) return bad;
    if (r.result.cores_asked <= r.host.cpus) return {};
    return r.bad("this machine has " + std::to_string(r.host.cpus) + " CPUs online",
                 "num_cores = " + std::to_string(r.host.cpus) + ", or less");
}

Complaint read_core_mask(Reader& r, std::string_view value) {
    auto cpus = parse_mask(value);
    if (!cpus || cpus->empty()) return r.bad("not a mask", "hexadecimal, one bit a CPU, as 0x0f");
    if (const int last = *std::max_element(cpus->begin(), cpus->end());
        last >= std::max(r.host.cpus_configured, r.host.cpus)) {
        return r.bad("this machine has no CPU " + std::to_string(last),
                     "bit 0 is CPU 0; see /sys/devices/system/cpu/online");
    }
    r.result.stack.cpus = std::move(*cpus);
    return {};
}

Complaint read_congestion(Reader& r, std::string_view value) {
    if (tcp::algorithm_of(value, r.result.stack.tcp.defaults.congestion)) return {};
    return r.bad("no such congestion control", "one of reno, cubic, dctcp, bbr");
}

Complaint read_multiprocess(Reader& r, std::string_view value) {
    if (value == "0") return {};
    return r.bad("processes do not share an interface",
                 "one process with num_cores cores; multiprocess = 0");
}

Complaint read_timeout(Reader& r, std::string_view value) {
    if (value == "-1") value = "0";
    return read_duration(r, value, seconds(1), seconds(365 * 86'400),
                         r.result.stack.tcp.idle_timeout);
}

Complaint read_ports(Reader& r, std::string_view value) {
    const std::size_t dash = value.find('-');
    const auto first = parse_integer(trim(value.substr(0, dash)));
    const auto last =
        dash == std::string_view::npos ? std::nullopt : parse_integer(trim(value.substr(dash + 1)));
    if (!first || !last || *first < 1 || *last > 65'535 || *last < *first) {
        return r.bad("not a range of ports", "as 10000-65535");
    }
    r.result.stack.port_first = static_cast<std::uint16_t>(*first);
    r.result.stack.port_last = static_cast<std::uint16_t>(*last);
    return {};
}

Complaint read_buffer_memory(Reader& r, std::string_view value) {
    std::uint64_t bytes = 0;
    if (auto bad = read_size(r, value, 1 << 20, std::uint64_t{1} << 40, bytes)) return bad;
    // Half for bulk transfers, the rest for messages; an eighth in the smallest chunks.
    const std::uint64_t shares[] = {bytes / 8, bytes * 3 / 8, bytes / 2};
    for (std::size_t c = 0; c < socket::kChunkClasses; ++c) {
        r.result.stack.chunks.count[c] =
            static_cast<std::uint32_t>(shares[c] / socket::kChunkBytes[c]);
    }
    return {};
}

Complaint read_max_num_buffers(Reader& r, std::string_view value) {
    std::uint32_t buffers = 0;
    if (auto bad = read_integer(r, value, 1, kBuffersMax, buffers)) return bad;
    set_buffers(r.result, buffers);
    return {};
}

// "client server": the bits of tcp::FastOpen by name.
Complaint read_fast_open(Reader& r, std::string_view value) {
    using tcp::FastOpen;
    struct Word {
        std::string_view name;
        std::uint16_t bits;
    };
    static constexpr Word kWords[] = {{"off", 0},
                                      {"client", FastOpen::client},
                                      {"server", FastOpen::server},
                                      {"client_without_cookie", FastOpen::client_without_cookie},
                                      {"server_without_cookie", FastOpen::server_without_cookie},
                                      {"every_listener", FastOpen::every_listener}};
    std::uint16_t bits = 0;
    for (const std::string_view name : split_words(value)) {
        const auto* const word =
            std::find_if(std::begin(kWords), std::end(kWords),
                         [name](const Word& candidate) { return candidate.name == name; });
        if (word == std::end(kWords)) {
            return r.bad("'" + std::string(name) + "' is not known",
                         "off, or of: client, server, client_without_cookie, "
                         "server_without_cookie, every_listener");
        }
        bits |= word->bits;
    }
    r.result.stack.tcp.fast_open = bits;
    return {};
}

Complaint read_fast_open_key(Reader& r, std::string_view value) {
    const auto keys = parse_fast_open_keys(value);
    if (!keys) {
        return r.bad("not a key",
                     "four hexadecimal words, a1a1a1a1-b2b2b2b2-c3c3c3c3-d4d4d4d4, "
                     "and after a comma a second key that is still accepted");
    }
    r.result.stack.tcp.fast_open_keys = *keys;
    return {};
}

Complaint read_stat_print(Reader& r, std::string_view value) {
    for (const std::string_view name : split_words(value))
        r.result.stack.stat_print.emplace_back(name);
    return {};
}

Complaint ignore(Reader& r, std::string_view) {
    r.warn(r.place, "'" + std::string(r.line) + "' has no meaning here and is ignored");
    return {};
}

Complaint no_onvm(Reader& r, std::string_view) {
    return r.bad("OpenNetVM is not supported",
                 "remove the line, and use io = memif between processes");
}

constexpr Duration kDay = seconds(86'400);
// What TCP counts in microseconds of 32 bits.
constexpr Duration kTimeoutMax = seconds(30 * 60);

// Of a time-out of no time all retries would be spent at once.
template <Duration tcp::Configuration::*field>
Complaint read_tcp_ms(Reader& r, std::string_view value) {
    Duration duration{};
    if (auto bad = read_duration(r, value, milliseconds(1), kTimeoutMax, duration)) return bad;
    if (duration < milliseconds(1)) return r.bad("too short", "at least 1ms");
    r.result.stack.tcp.*field = duration;
    return {};
}
template <Duration tcp::Configuration::*field>
Complaint read_tcp_s(Reader& r, std::string_view value) {
    return read_duration(r, value, seconds(1), kDay, r.result.stack.tcp.*field);
}
template <std::uint8_t tcp::Configuration::*field, std::uint8_t most = 255>
Complaint read_tcp_count(Reader& r, std::string_view value) {
    return read_integer(r, value, 1, most, r.result.stack.tcp.*field);
}
template <tcp::Configuration::Use tcp::Configuration::*field>
Complaint read_tcp_use(Reader& r, std::string_view value) {
    using Use = tcp::Configuration::Use;
    return read_on_off(r, value, Use::off, Use::on, r.result.stack.tcp.*field);
}
template <std::uint32_t stack::StackConfiguration::*field>
Complaint read_records(Reader& r, std::string_view value) {
    return read_integer(r, value, 1, kRecordsMax, r.result.stack.*field);
}
template <std::size_t chunk_class>
Complaint read_chunks(Reader& r, std::string_view value) {
    return read_integer(r, value, 16, 1 << 26, r.result.stack.chunks.count[chunk_class]);
}

Complaint read_bytes(Reader& r, std::string_view value, std::uint32_t& out) {
    std::uint64_t bytes = 0;
    if (auto bad = read_size(r, value, 2048, 1 << 30, bytes)) return bad;
    out = static_cast<std::uint32_t>(bytes);
    return {};
}

using Stack = stack::StackConfiguration;
using Tcp = tcp::Configuration;

constexpr Key kKeys[] = {
    // the original's
    {"io", read_io},
    {"port", read_port},
    {"num_cores", read_cores},
    {"core_mask", read_core_mask},
    {"max_concurrency", read_records<&Stack::max_concurrency>},
    {"max_num_buffers", read_max_num_buffers},
    {"rcvbuf",
     [](Reader& r, std::string_view v) {
         return read_size(r, v, kBufferLeast, kBufferMost, r.receive_buffer.emplace());
     }},
    {"sndbuf",
     [](Reader& r, std::string_view v) {
         return read_size(r, v, kBufferLeast, kBufferMost, r.send_buffer.emplace());
     }},
    {"notsent_lowat",
     [](Reader& r, std::string_view v) {
         return read_integer(r, v, 0, 1 << 30, r.result.stack.tcp.not_sent_low_water);
     }},
    {"rcvbuf_max",
     [](Reader& r, std::string_view v) {
         return read_bytes(r, v, r.result.stack.tcp.receive_buffer_max);
     }},
    {"sndbuf_max",
     [](Reader& r, std::string_view v) {
         return read_bytes(r, v, r.result.stack.tcp.send_buffer_max);
     }},
    {"tcp_timeout", read_timeout},
    {"tcp_timewait", read_tcp_s<&Tcp::time_wait>},
    {"stat_print", read_stat_print},
    {"multiprocess", read_multiprocess},
    {"cc", read_congestion},
    {"hystart",
     [](Reader& r, std::string_view v) {
         using HyStart = Tcp::HyStart;
         static constexpr Choice<HyStart> kVariants[] = {{"off", HyStart::off},
                                                         {"classic", HyStart::classic},
                                                         {"plusplus", HyStart::plus_plus}};
         return read_choice(r, v, kVariants, r.result.stack.tcp.hystart);
     }},
    {"pacing",
     [](Reader& r, std::string_view v) -> Complaint {
         int on = 0;
         if (auto bad = read_on_off(r, v, 0, 1, on)) return bad;
         r.result.stack.tcp.defaults.max_pacing_rate = on != 0 ? tcp::kPacedByWindow : 0;
         return {};
     }},
    {"restart_after_idle", read_tcp_use<&Tcp::restart_after_idle>},
    {"abort_on_overflow", read_tcp_use<&Tcp::abort_on_overflow>},
    {"tail_loss_probe", read_tcp_use<&Tcp::tail_loss_probe>},
    {"num_mem_ch", ignore},
    {"num_tx_desc", ignore},
    {"num_rx_desc", ignore},
    {"onvm_serv", no_onvm},
    {"onvm_inst", no_onvm},
    {"onvm_dest", no_onvm},
    // devices, addresses, routes
    {"address", read_address},
    {"gateway", read_gateway},
    {"route", read_route},
    {"neighbour", read_neighbour},
    {"arp_file",
     [](Reader& r, std::string_view v) -> Complaint {
         r.arp_file = r.placed(v);
         return {};
     }},
    {"route_file",
     [](Reader& r, std::string_view v) -> Complaint {
         r.route_file = r.placed(v);
         return {};
     }},
    {"capture",
     [](Reader& r, std::string_view v) -> Complaint {
         r.capture = r.placed(v);
         return {};
     }},
    {"capture_max",
     [](Reader& r, std::string_view v) {
         return read_size(r, v, 4096, std::uint64_t{1} << 50, r.result.stack.capture_bytes_max);
     }},
    {"capture_snap",
     [](Reader& r, std::string_view v) {
         return read_integer(r, v, 64, 65'792, r.result.stack.capture_snap_bytes);
     }},
    {"faults", [](Reader& r, std::string_view v) { return read_faults(r, v, r.faults); }},
    // the core
    {"drive",
     [](Reader& r, std::string_view v) {
         static constexpr Choice<stack::Drive> kDrives[] = {{"assisted", stack::Drive::assisted},
                                                            {"paired", stack::Drive::paired},
                                                            {"inline", stack::Drive::run_inline}};
         return read_choice(r, v, kDrives, r.result.stack.drive);
     }},
    {"ports", read_ports},
    {"huge_pages",
     [](Reader& r, std::string_view v) {
         return read_on_off(r, v, false, true, r.result.stack.huge_pages);
     }},
    {"buffer_memory", read_buffer_memory},
    {"chunks_small", read_chunks<0>},
    {"chunks_medium", read_chunks<1>},
    {"chunks_large", read_chunks<2>},
    {"half_open_max", read_records<&Stack::half_open_max>},
    {"time_wait_max", read_records<&Stack::time_wait_max>},
    {"recoveries_max", read_records<&Stack::recoveries_max>},
    {"reassemblies_max", read_records<&Stack::reassemblies_max>},
    {"controllers_max", read_records<&Stack::controllers_max>},
    {"log",
     [](Reader& r, std::string_view v) {
         static constexpr Choice<LogLevel> kLevels[] = {{"error", LogLevel::error},
                                                        {"warning", LogLevel::warning},
                                                        {"info", LogLevel::info},
                                                        {"debug", LogLevel::debug}};
         return read_choice(r, v, kLevels, r.result.log);
     }},
    // TCP
    {"rto_initial", read_tcp_ms<&Tcp::rto_initial>},
    {"rto_min", read_tcp_ms<&Tcp::rto_min>},
    {"rto_max", read_tcp_ms<&Tcp::rto_max>},
    {"delayed_ack",
     [](Reader& r, std::string_view v) {  // RFC 9293 MUST-40: less than half a second
         return read_duration(r, v, milliseconds(1), milliseconds(499),
                              r.result.stack.tcp.delayed_ack);
     }},
    {"fin_wait_2", read_tcp_s<&Tcp::fin_wait_2>},
    {"retries", read_tcp_count<&Tcp::retries_2>},
    {"orphan_retries", read_tcp_count<&Tcp::orphan_retries>},
    {"syn_retries", read_tcp_count<&Tcp::syn_retries, 127>},  // as TCP_SYNCNT
    {"syn_ack_retries", read_tcp_count<&Tcp::syn_ack_retries>},
    {"initial_window",
     [](Reader& r, std::string_view v) {
         return read_integer(r, v, 1, 100, r.result.stack.tcp.initial_window_segments);
     }},
    {"window_shift",
     [](Reader& r, std::string_view v) {  // RFC 7323 §2.3: at most 14
         return read_integer(r, v, 0, 14, r.result.stack.tcp.window_shift);
     }},
    {"timestamps", read_tcp_use<&Tcp::timestamps>},
    {"sack", read_tcp_use<&Tcp::selective_ack>},
    {"window_scaling", read_tcp_use<&Tcp::window_scaling>},
    {"header_prediction", read_tcp_use<&Tcp::header_prediction>},
    {"ecn",
     [](Reader& r, std::string_view v) {
         using Ecn = Tcp::Ecn;
         static constexpr Choice<Ecn> kEcn[] = {
             {"off", Ecn::off}, {"accept", Ecn::accept}, {"on", Ecn::request}};
         return read_choice(r, v, kEcn, r.result.stack.tcp.ecn);
     }},
    {"fast_open", read_fast_open},
    {"fast_open_key", read_fast_open_key},
    {"fast_open_pause",
     [](Reader& r, std::string_view v) {
         return read_duration(r, v, seconds(1), kDay, r.result.stack.tcp.fast_open_pause);
     }},
    {"path_mtu_probing",
     [](Reader& r, std::string_view v) {
         using Probing = Tcp::PathProbing;
         static constexpr Choice<Probing> kProbing[] = {{"off", Probing::off},
                                                        {"black_hole", Probing::black_hole},
                                                        {"always", Probing::always}};
         return read_choice(r, v, kProbing, r.result.stack.tcp.path_probing);
     }},
    {"path_base_mss",
     [](Reader& r, std::string_view v) {
         return read_integer(r, v, 512, 9'000, r.result.stack.tcp.path_base_mss);
     }},
    {"path_mtu_lifetime", read_tcp_s<&Tcp::path_mtu_lifetime>},
    {"destinations_max",
     [](Reader& r, std::string_view v) {
         return read_integer(r, v, 0, 1 << 24, r.result.stack.destinations_max);
     }},
    {"syn_cookies",
     [](Reader& r, std::string_view v) {
         using Cookies = Tcp::Cookies;
         static constexpr Choice<Cookies> kCookies[] = {
             {"off", Cookies::off}, {"when_full", Cookies::when_full}, {"always", Cookies::always}};
         return read_choice(r, v, kCookies, r.result.stack.tcp.syn_cookies);
     }},
};

// --- lines
// ----------------------------------------------------------------------------------------------

// How many letters must change to get from one word to the other, to guess what was meant.
std::size_t distance(std::string_view a, std::string_view b) {
    std::vector<std::size_t> row(b.size() + 1);
    for (std::size_t j = 0; j <= b.size(); ++j)
        row[j] = j;
    for (std::size_t i = 1; i <= a.size(); ++i) {
        std::size_t diagonal = row[0];
        row[0] = i;
        for (std::size_t j = 1; j <= b.size(); ++j) {
            const std::size_t replaced = diagonal + (a[i - 1] == b[j - 1] ? 0 : 1);
            diagonal = row[j];
            row[j] = std::min({row[j] + 1, row[j - 1] + 1, replaced});
        }
    }
    return row[b.size()];
}

Problem unknown_key(const Reader& r, std::string_view name) {
    const Key* nearest = nullptr;
    std::size_t best = 3;
    for (const Key& key : kKeys) {
        if (const std::size_t d = distance(name, key.name); d < best) {
            best = d;
            nearest = &key;
        }
    }
    const std::string mend = nearest == nullptr
                                 ? "docs/guide/configuration.md lists the keys"
                                 : "did you mean '" + std::string(nearest->name) + "'?";
    return r.bad("unknown key '" + printable(name) + "'", mend);
}

Complaint read_key(Reader& r, std::string_view name, std::string_view value) {
    if (value.empty()) return r.bad("'" + printable(name) + "' has no value", "key = value");
    const std::vector<std::string_view> words = split_words(name);
    if (words.front() == "device") return read_device(r, words, value);
    if (name.starts_with("io.")) {
        r.options.push_back({std::string(name.substr(3)), std::string(value), r.place});
        return {};
    }
    for (const Key& key : kKeys) {
        if (key.name == name) return key.read(r, value);
    }
    return unknown_key(r, name);
}

Complaint read_line(Reader& r, std::string_view line) {
    line = trim(line.substr(0, line.find('#')));
    if (line.empty()) return {};
    r.line = line;
    // `key = value`, or the original's `key value`, where the value may contain a '='.
    std::size_t end = std::min(line.find_first_of(" \t="), line.size());
    if (const std::size_t sign = line.find('=');
        sign != std::string_view::npos && line.substr(0, end) == "device") {
        end = sign;
    }
    const std::string_view name = trim(line.substr(0, end));
    std::string_view value = trim(line.substr(end));
    if (value.starts_with('=')) value = trim(value.substr(1));
    if (name.empty()) return r.bad("a value without a key", "key = value");
    return read_key(r, name, value);
}

Complaint read_lines(Reader& r) {
    std::string_view text = r.source.text;
    while (!text.empty()) {
        ++r.place.line;
        const std::size_t end = std::min(text.find('\n'), text.size());
        if (auto bad = read_line(r, text.substr(0, end))) return bad;
        text.remove_prefix(std::min(end + 1, text.size()));
    }
    return {};
}

Complaint finish_cores(Reader& r) {
    stack::StackConfiguration& s = r.result.stack;
    const Place whole{r.source.name, 0};
    s.cores = static_cast<std::size_t>(r.result.cores_asked != 0 ? r.result.cores_asked
                                                                 : cores_of(r.host.cpus));
    if (r.result.cores_asked > r.host.cpus) {  // by mtcp_setconf()
        return complain(whole, "num_cores = " + std::to_string(r.result.cores_asked),
                        "this machine has " + std::to_string(r.host.cpus) + " CPUs online",
                        "lower it");
    }
    if (!s.cpus.empty() && s.cpus.size() < s.cores) {
        if (r.result.cores_asked != 0) {
            return complain(
                whole, "num_cores and core_mask do not agree",
                std::to_string(s.cores) + " cores, " + std::to_string(s.cpus.size()) + " CPUs",
                "set as many bits in core_mask as there are cores");
        }
        s.cores = s.cpus.size();
    }
    r.result.cores_asked = static_cast<int>(s.cores);
    // The original: one buffer size given is the size of both.
    if (r.receive_buffer || r.send_buffer) {
        tcp::Settings& defaults = s.tcp.defaults;
        if (!r.receive_buffer) r.receive_buffer = r.send_buffer;
        if (!r.send_buffer) r.send_buffer = r.receive_buffer;
        defaults.receive_buffer = static_cast<std::uint32_t>(*r.receive_buffer);
        defaults.send_buffer = static_cast<std::uint32_t>(*r.send_buffer);
    }
    if (s.tcp.rto_min > s.tcp.rto_max || s.tcp.rto_initial > s.tcp.rto_max) {
        return complain(whole, "rto_min and rto_initial must not exceed rto_max", "",
                        "raise rto_max");
    }
    return {};
}

}  // namespace

Result<Configuration, Problem> parse_configuration(const ConfigurationText& source,
                                                   const Configuration& base, const Host& host) {
    Reader reader{
        .source = source, .host = host, .result = base, .place = {source.name, 0}, .line = {}};
    if (auto bad = read_lines(reader)) return failure(std::move(*bad));
    if (auto bad = finish_cores(reader)) return failure(std::move(*bad));
    if (auto bad = read_side_files(reader)) return failure(std::move(*bad));
    if (auto bad = finish_network(reader)) return failure(std::move(*bad));
    return std::move(reader.result);
}

}  // namespace mtcp::api
