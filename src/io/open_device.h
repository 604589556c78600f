// SPDX-License-Identifier: Apache-2.0
// A device from words: the kind, the name and the options that a configuration file or a command
// line gives.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/problem.h"
#include "base/result.h"
#include "io/packet_io.h"

namespace mtcp::io {

// An address of ours and the length of its prefix; IPv4 in the first four octets.
struct DevicePrefix {
    enum class Family : std::uint8_t { ipv4, ipv6 } family = Family::ipv4;
    std::array<std::uint8_t, 16> address{};
    int length = 32;
};

struct DeviceConfig {
    std::string kind;  // one of device_kinds()
    // Of the kernel's interface (af_xdp, af_packet, tap, tun), the socket (memif), or what both
    // ends call themselves (link).
    std::string name;
    std::size_t queues = 1;
    std::vector<std::pair<std::string, std::string>> options;
    // af_xdp: whose frames are taken from the interface; memif: what its MAC address comes from.
    std::vector<DevicePrefix> prefixes;
};

// Problems name the kind, the option or the value that is wrong, and what is allowed.
[[nodiscard]] Result<std::unique_ptr<Device>, Problem> open_device(const DeviceConfig& config);

// "af_xdp, tap, tun, memif, link, af_packet": for people.
[[nodiscard]] std::string device_kinds();

// The options a kind understands, "mtu=BYTES, offload=on|off"; empty for an unknown kind.
[[nodiscard]] std::string device_options(std::string_view kind);

// "kind:name,option=value,…" as on a command line; a bare name is af_packet on that interface.
[[nodiscard]] Result<DeviceConfig, Problem> parse_device(std::string_view text);

}  // namespace mtcp::io
