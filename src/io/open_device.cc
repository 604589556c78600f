// SPDX-License-Identifier: Apache-2.0
// From option strings to the configuration of each back end.
#include "io/open_device.h"

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <optional>
#include <span>

#include "io/af_packet/af_packet_device.h"
#include "io/link/link.h"
#include "io/memif/memif_device.h"
#include "io/tap/tap_device.h"
#ifdef MTCP_WITH_AF_XDP
#include "io/af_xdp/af_xdp_device.h"
#endif

namespace mtcp::io {
namespace {

using OpenedDevice = Result<std::unique_ptr<Device>, Problem>;

// One option of a back end: its name, what it may be, and how it enters the configuration (false:
// it may not be that).
template <typename Config>
struct Option {
    std::string_view name;
    std::string_view allowed;
    bool (*set)(Config& config, std::string_view value);
};

template <typename Number>
bool read_number(std::string_view text, Number& out) {
    const char* const end = text.data() + text.size();
    const auto [at, error] = std::from_chars(text.data(), end, out);
    return error == std::errc{} && at == end;
}

// `names` stand for the values 0, 1, … of the enumeration.
template <typename Enum>
bool read_name(std::string_view text, std::span<const std::string_view> names, Enum& out) {
    const auto found = std::find(names.begin(), names.end(), text);
    if (found == names.end()) return false;
    out = static_cast<Enum>(found - names.begin());
    return true;
}
template <typename Enum>
bool read_switch(std::string_view text, Enum off, Enum on, Enum& out) {
    if (text != "on" && text != "off") return false;
    out = text == "on" ? on : off;
    return true;
}

bool read_mac(std::string_view text, MacAddress& out) {
    if (text.size() != 17) return false;
    for (std::size_t i = 0; i < 6; ++i) {
        const char* const digits = text.data() + i * 3;
        const auto [at, error] = std::from_chars(digits, digits + 2, out.octet[i], 16);
        if (error != std::errc{} || at != digits + 2) return false;
        if (i < 5 && digits[2] != ':') return false;
    }
    return true;
}

constexpr std::array<std::string_view, 2> kLayers{"ethernet", "ip"};

#ifdef MTCP_WITH_AF_XDP
constexpr std::array<std::string_view, 3> kXdpModes{"auto", "native", "generic"};
constexpr std::array<std::string_view, 2> kAutomaticOrOff{"auto", "off"};
constexpr Option<AfXdpConfig> kAfXdpOptions[] = {
    {"mode", "auto|native|generic",
     [](AfXdpConfig& c, std::string_view v) { return read_name(v, kXdpModes, c.mode); }},
    {"zero_copy", "auto|off",
     [](AfXdpConfig& c, std::string_view v) { return read_name(v, kAutomaticOrOff, c.zero_copy); }},
    {"multi_buffer", "auto|off",
     [](AfXdpConfig& c, std::string_view v) {
         return read_name(v, kAutomaticOrOff, c.multi_buffer);
     }},
    {"busy_poll", "on|off",
     [](AfXdpConfig& c, std::string_view v) {
         return read_switch(v, BusyPoll::off, BusyPoll::on, c.busy_poll);
     }},
    {"busy_poll_us", "MICROSECONDS",
     [](AfXdpConfig& c, std::string_view v) { return read_number(v, c.busy_poll_microseconds); }},
    {"busy_poll_budget", "FRAMES",
     [](AfXdpConfig& c, std::string_view v) { return read_number(v, c.busy_poll_budget); }},
    {"frames", "COUNT",
     [](AfXdpConfig& c, std::string_view v) { return read_number(v, c.frames_per_queue); }},
    {"frame_size", "2048|4096",
     [](AfXdpConfig& c, std::string_view v) { return read_number(v, c.frame_size); }},
    {"huge_pages", "on|off",
     [](AfXdpConfig& c, std::string_view v) {
         return read_switch(v, Pages::normal, Pages::huge_if_available, c.pages);
     }},
};
#endif

constexpr Option<TapConfig> kTapOptions[] = {
    {"mtu", "BYTES", [](TapConfig& c, std::string_view v) { return read_number(v, c.mtu); }},
    {"offload", "on|off",
     [](TapConfig& c, std::string_view v) {
         return read_switch(v, TapOffload::none, TapOffload::checksum_and_segmentation, c.offload);
     }},
    {"kernel_address", "ADDRESS/LENGTH",
     [](TapConfig& c, std::string_view v) {
         c.kernel_address = v;
         return !v.empty();
     }},
};

constexpr std::array<std::string_view, 2> kMemifRoles{"master", "slave"};
constexpr std::array<std::string_view, 2> kMemifTrusts{"untrusted", "ours"};
constexpr Option<MemifConfig> kMemifOptions[] = {
    {"role", "master|slave",
     [](MemifConfig& c, std::string_view v) { return read_name(v, kMemifRoles, c.role); }},
    {"id", "NUMBER", [](MemifConfig& c, std::string_view v) { return read_number(v, c.id); }},
    {"mtu", "BYTES", [](MemifConfig& c, std::string_view v) { return read_number(v, c.mtu); }},
    {"layer", "ethernet|ip",
     [](MemifConfig& c, std::string_view v) { return read_name(v, kLayers, c.layer); }},
    {"log2_ring_size", "NUMBER",
     [](MemifConfig& c, std::string_view v) { return read_number(v, c.log2_ring_size); }},
    {"buffer_size", "BYTES",
     [](MemifConfig& c, std::string_view v) { return read_number(v, c.buffer_size); }},
    {"trust", "untrusted|ours",
     [](MemifConfig& c, std::string_view v) { return read_name(v, kMemifTrusts, c.trust); }},
    {"secret", "TEXT",
     [](MemifConfig& c, std::string_view v) {
         c.secret = v;
         return true;
     }},
    {"interface_name", "TEXT",
     [](MemifConfig& c, std::string_view v) {
         c.name = v;
         return !v.empty();
     }},
    {"mac", "xx:xx:xx:xx:xx:xx",
     [](MemifConfig& c, std::string_view v) { return read_mac(v, c.mac); }},
};

constexpr std::array<std::string_view, 2> kLinkThreads{"one", "two"};
constexpr Option<LinkConfig> kLinkOptions[] = {
    {"layer", "ethernet|ip",
     [](LinkConfig& c, std::string_view v) { return read_name(v, kLayers, c.layer); }},
    {"threads", "one|two",
     [](LinkConfig& c, std::string_view v) { return read_name(v, kLinkThreads, c.threads); }},
    {"mtu", "BYTES", [](LinkConfig& c, std::string_view v) { return read_number(v, c.mtu); }},
    {"frames", "COUNT",
     [](LinkConfig& c, std::string_view v) { return read_number(v, c.frame_count); }},
    {"frame_size", "BYTES",
     [](LinkConfig& c, std::string_view v) { return read_number(v, c.frame_size); }},
    {"ring", "FRAMES",
     [](LinkConfig& c, std::string_view v) { return read_number(v, c.ring_frames); }},
    {"may_corrupt", "on|off",
     [](LinkConfig& c, std::string_view v) {
         return read_switch(v, true, false, c.cannot_corrupt);
     }},
};

constexpr Option<AfPacketConfig> kAfPacketOptions[] = {
    {"offload", "on|off",
     [](AfPacketConfig& c, std::string_view v) {
         return read_switch(v, PacketOffload::none, PacketOffload::checksum_and_segmentation,
                            c.offload);
     }},
    {"frames", "COUNT",
     [](AfPacketConfig& c, std::string_view v) { return read_number(v, c.frames); }},
};

template <typename Config>
std::string options_text(std::span<const Option<Config>> options) {
    std::string text;
    for (const Option<Config>& option : options) {
        text.append(text.empty() ? "" : ", ")
            .append(option.name)
            .append("=")
            .append(option.allowed);
    }
    return text;
}

std::string called(const DeviceConfig& device) {
    return device.kind + (device.name.empty() ? "" : " " + device.name);
}

// Enters the device's options into `config`; the problem, if there is one.
template <typename Config>
std::optional<Problem> apply(const DeviceConfig& device, std::span<const Option<Config>> options,
                             Config& config) {
    for (const auto& word : device.options) {
        const std::string& name = word.first;
        const std::string& value = word.second;
        const auto found = std::find_if(options.begin(), options.end(),
                                        [&](const auto& option) { return option.name == name; });
        if (found == options.end()) {
            return Problem{.what = called(device) + " has no option " + name,
                           .why = "",
                           .mend = "it has " + options_text(options),
                           .error = EINVAL};
        }
        if (!found->set(config, value)) {
            return Problem{.what = called(device) + ": bad value \"" + value + "\" for " + name,
                           .why = "",
                           .mend = name + "=" + std::string(found->allowed),
                           .error = EINVAL};
        }
    }
    return std::nullopt;
}

template <typename Opened>
OpenedDevice as_device(Opened opened) {
    if (!opened) return failure(opened.error());
    return std::unique_ptr<Device>(std::move(opened).value());
}

#ifdef MTCP_WITH_AF_XDP
OpenedDevice open_af_xdp(const DeviceConfig& device) {
    AfXdpConfig config{.interface = device.name, .queues = device.queues};
    if (auto bad = apply<AfXdpConfig>(device, kAfXdpOptions, config)) return failure(*bad);
    for (const DevicePrefix& prefix : device.prefixes) {
        if (prefix.family == DevicePrefix::Family::ipv4) {
            Ipv4Prefix4 own{.length = prefix.length};
            std::copy_n(prefix.address.begin(), own.address.size(), own.address.begin());
            config.ipv4_prefixes.push_back(own);
        } else {
            config.ipv6_prefixes.push_back({.address = prefix.address, .length = prefix.length});
        }
    }
    return as_device(AfXdpDevice::open(config));
}
#else
OpenedDevice open_af_xdp(const DeviceConfig&) {
    return failure(
        Problem{.what = "back end af_xdp is not built in",
                .why = "libxdp, libbpf or clang was missing when mtcp was built",
                .mend = "install libxdp-dev, libbpf-dev and clang and build again, or use kind tap",
                .error = ENOTSUP});
}
#endif

OpenedDevice open_tap_as(const DeviceConfig& device, TapKind kind) {
    TapConfig config{.name = device.name, .queues = device.queues, .kind = kind};
    if (auto bad = apply<TapConfig>(device, kTapOptions, config)) return failure(*bad);
    return as_device(TapDevice::open(config));
}
OpenedDevice open_tap(const DeviceConfig& device) { return open_tap_as(device, TapKind::tap); }
OpenedDevice open_tun(const DeviceConfig& device) { return open_tap_as(device, TapKind::tun); }

// A memif peer that is started again is the same station, so that nobody has to ask for its address
// anew: the address comes from what it is asked to be. Without addresses of its own: random.
MacAddress lasting_mac(const DeviceConfig& device, const MemifConfig& config) {
    MacAddress mac;
    if (device.prefixes.empty() || config.layer == Layer::ip) return mac;
    std::uint64_t hash = 0xcbf2'9ce4'8422'2325;  // FNV-1a
    const auto add = [&hash](std::uint8_t byte) { hash = (hash ^ byte) * 0x100'0000'01b3; };
    for (const char letter : config.socket)
        add(static_cast<std::uint8_t>(letter));
    for (unsigned shift = 0; shift < 32; shift += 8)
        add(static_cast<std::uint8_t>(config.id >> shift));
    add(static_cast<std::uint8_t>(config.role));
    for (const DevicePrefix& prefix : device.prefixes) {
        for (const std::uint8_t octet : prefix.address)
            add(octet);
    }
    hash ^= hash >> 32;
    mac.octet[0] = 0x02;  // locally administered
    for (unsigned i = 1; i < 6; ++i)
        mac.octet[i] = static_cast<std::uint8_t>(hash >> (8 * (i - 1)));
    return mac;
}

OpenedDevice open_memif(const DeviceConfig& device) {
    MemifConfig config{.rings = device.queues};
    if (!device.name.empty()) config.socket = device.name;
    if (auto bad = apply<MemifConfig>(device, kMemifOptions, config)) return failure(*bad);
    if (config.mac == MacAddress{}) config.mac = lasting_mac(device, config);
    return as_device(MemifDevice::open(config));
}

OpenedDevice open_link(const DeviceConfig& device) {
    LinkConfig config{.queues = device.queues};
    if (auto bad = apply<LinkConfig>(device, kLinkOptions, config)) return failure(*bad);
    return as_device(join_link(device.name, config));
}

OpenedDevice open_af_packet(const DeviceConfig& device) {
    AfPacketConfig config{.interface = device.name};
    if (auto bad = apply<AfPacketConfig>(device, kAfPacketOptions, config)) return failure(*bad);
    if (device.queues > 1) {
        return failure(Problem{.what = called(device) + " has one queue",
                               .why = std::to_string(device.queues) + " were asked for",
                               .mend = "use kind af_xdp for several cores",
                               .error = EINVAL});
    }
    return as_device(AfPacketDevice::open(config));
}

struct Kind {
    std::string_view name;
    OpenedDevice (*open)(const DeviceConfig& device);
    std::string (*options)();
};
constexpr Kind kKinds[] = {
    {"af_xdp", open_af_xdp,
     [] {
#ifdef MTCP_WITH_AF_XDP
         return options_text<AfXdpConfig>(kAfXdpOptions);
#else
         return std::string("(not built in)");
#endif
     }},
    {"tap", open_tap, [] { return options_text<TapConfig>(kTapOptions); }},
    {"tun", open_tun, [] { return options_text<TapConfig>(kTapOptions); }},
    {"memif", open_memif, [] { return options_text<MemifConfig>(kMemifOptions); }},
    {"link", open_link, [] { return options_text<LinkConfig>(kLinkOptions); }},
    {"af_packet", open_af_packet, [] { return options_text<AfPacketConfig>(kAfPacketOptions); }},
};

// The original's back ends and what takes their place.
struct Former {
    std::string_view name;
    std::string_view instead;
};
constexpr Former kFormers[] = {
    {"dpdk", "af_xdp on the kernel's interface, or memif towards a DPDK program"},
    {"psio", "af_xdp on the kernel's interface"},
    {"netmap", "af_xdp on the kernel's interface"},
    {"onvm", "memif towards the DPDK program"},
};

const Kind* find_kind(std::string_view name) {
    const auto found = std::find_if(std::begin(kKinds), std::end(kKinds),
                                    [&](const Kind& kind) { return kind.name == name; });
    return found == std::end(kKinds) ? nullptr : found;
}

Problem unknown_kind(const std::string& kind) {
    for (const Former& former : kFormers) {
        if (former.name == kind) {
            return {.what = "back end " + kind + " does not exist any more",
                    .why = "",
                    .mend = "use " + std::string(former.instead),
                    .error = EINVAL};
        }
    }
    return {.what = "unknown back end \"" + kind + "\"",
            .why = "",
            .mend = "use one of " + device_kinds(),
            .error = EINVAL};
}

}  // namespace

std::string device_kinds() {
    std::string text;
    for (const Kind& kind : kKinds)
        text.append(text.empty() ? "" : ", ").append(kind.name);
    return text;
}

std::string device_options(std::string_view kind) {
    const Kind* const found = find_kind(kind);
    return found == nullptr ? "" : found->options();
}

Result<std::unique_ptr<Device>, Problem> open_device(const DeviceConfig& config) {
    const Kind* const kind = find_kind(config.kind);
    if (kind == nullptr) return failure(unknown_kind(config.kind));
    return kind->open(config);
}

Result<DeviceConfig, Problem> parse_device(std::string_view text) {
    const std::string_view head = text.substr(0, text.find(','));
    const std::size_t colon = head.find(':');
    DeviceConfig device;
    device.kind = colon == head.npos ? "af_packet" : head.substr(0, colon);
    device.name = colon == head.npos ? head : head.substr(colon + 1);
    if (find_kind(device.kind) == nullptr) return failure(unknown_kind(device.kind));
    for (text.remove_prefix(head.size()); !text.empty();) {
        text.remove_prefix(1);  // the comma
        const std::string_view word = text.substr(0, text.find(','));
        text.remove_prefix(word.size());
        const std::size_t equals = word.find('=');
        if (equals == word.npos || equals == 0) {
            return failure(Problem{.what = "cannot read the option \"" + std::string(word) + "\"",
                                   .why = "it is not of the form name=value",
                                   .mend = device.kind + " has " + device_options(device.kind),
                                   .error = EINVAL});
        }
        const std::string value(word.substr(equals + 1));
        if (word.substr(0, equals) == "queues") {
            if (!read_number(value, device.queues)) {
                return failure(Problem{.what = "bad value \"" + value + "\" for queues",
                                       .why = "",
                                       .mend = "queues=COUNT",
                                       .error = EINVAL});
            }
        } else {
            device.options.emplace_back(word.substr(0, equals), value);
        }
    }
    return device;
}

}  // namespace mtcp::io
