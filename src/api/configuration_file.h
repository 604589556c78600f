// SPDX-License-Identifier: Apache-2.0
// The configuration file: the original's keys and ours, from text to what stack/ is told. Pure:
// what it needs of the machine comes in as a Host.
//
//   key = value      or   key value        # comment
//   io.OPTION = value                      an option of the packet I/O back end, for all devices
//   device NAME OPTION = value             for one device; also `io`, `capture` and `faults`
#pragma once

#include <algorithm>
#include <string>
#include <string_view>
#include <vector>

#include "api/host.h"
#include "base/log.h"
#include "base/problem.h"
#include "base/result.h"
#include "stack/configuration.h"

namespace mtcp::api {

inline constexpr int kCoresMax = stack::kCoresMax;
inline constexpr int kRecordsMax = 1 << 26;  // ids, connections, half-open records ...
inline constexpr int kBuffersMax = 1 << 24;  // max_num_buffers
inline constexpr int kBufferLeast = 64;      // rcvbuf, sndbuf, bytes
inline constexpr int kBufferMost = 64 << 20;

// "FILE:LINE" of what an interface's start may fail for.
struct InterfacePlaces {
    std::string port;
    std::string capture;
    std::vector<std::string> options;  // in the order of the interface's
};

struct Configuration {
    stack::StackConfiguration stack;
    LogLevel log = LogLevel::warning;
    int cores_asked = 0;                            // num_cores; 0: cores_of()
    std::uint32_t buffers_asked = 10'000;           // max_num_buffers
    std::vector<std::string> warnings;              // one line each, for the log
    std::vector<InterfacePlaces> interface_places;  // in the order of stack.interfaces
};

// Of so many CPUs, when nobody has said how many.
[[nodiscard]] constexpr int cores_of(int cpus) { return std::min(cpus, kCoresMax); }

// max_num_buffers: the original preallocates that many receive and send buffers; here chunks are
// shared by all streams, and there are twice as many of the smaller two kinds.
void set_buffers(Configuration& configuration, std::uint32_t buffers);

enum class SideFiles : std::uint8_t { named_only, defaults };  // config/arp.conf, config/route.conf

struct ConfigurationText {
    std::string name;  // of the file, for messages
    std::string_view text;
    SideFiles side_files = SideFiles::defaults;
};

// `base` is where unnamed values come from (what mtcp_setconf() set before).
[[nodiscard]] Result<Configuration, Problem> parse_configuration(const ConfigurationText& source,
                                                                 const Configuration& base,
                                                                 const Host& host);

}  // namespace mtcp::api
