// SPDX-License-Identifier: Apache-2.0
// Everything a stack is told at start. Read-only afterwards; every limit has its name here or in
// tcp/settings.h.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "io/middleware/faults.h"
#include "io/packet_io.h"
#include "socket/chunk.h"
#include "tcp/settings.h"
#include "wire/ip_address.h"

namespace mtcp::stack {

struct Prefix {
    wire::IpAddress address;  // the host's own address, not the network's
    int length = 32;          // of the network, counted within the address's family
};

// One interface: a device, and the addresses that are ours on it.
struct InterfaceConfiguration {
    std::string kind;  // "af_xdp", "tap", "tun", "memif", "link"
    std::string name;  // of the kernel's interface, of the tap, or the memif socket
    std::vector<std::pair<std::string, std::string>> options;  // of the back end, as written
    std::vector<Prefix> addresses;
    std::string capture_file;  // pcapng of everything that passes; empty: none
    io::Faults faults;         // fault injector, both ways
};

struct RouteConfiguration {
    Prefix destination;
    wire::IpAddress gateway;  // unspecified: directly reachable
    std::string interface_name;
};

struct NeighbourConfiguration {
    wire::IpAddress address;
    io::MacAddress mac;
};

enum class Drive : std::uint8_t {
    assisted,   // as inline, and a second thread takes over while the application stays outside
    paired,     // a stack thread beside the application thread, on the same CPU (the paper)
    run_inline  // "inline": the application's calls run the stack
};

inline constexpr std::size_t kCoresMax = 64;

struct StackConfiguration {
    std::size_t cores = 1;  // kCoresMax at most
    std::vector<int> cpus;  // CPU of each core; empty: 0, 1, 2 ...
    Drive drive = Drive::assisted;
    std::vector<InterfaceConfiguration> interfaces;
    std::vector<RouteConfiguration> routes;
    std::vector<NeighbourConfiguration> neighbours;

    // Per core.
    std::uint32_t max_concurrency = 10'000;  // descriptors, and connections
    std::uint32_t half_open_max = 8'192;     // records in SYN-RECEIVED
    std::uint32_t time_wait_max = 262'144;   // records in TIME-WAIT, the oldest is recycled
    std::uint32_t recoveries_max = 16'384;   // connections with several segments in flight
    std::uint32_t controllers_max = 16'384;  // connections with CUBIC, DCTCP or BBR at work
    std::uint32_t reassemblies_max = 8'192;  // connections with out-of-order data
    std::uint32_t destinations_max = 4'096;  // hosts whose cookie, MSS and path MTU are known
    socket::ChunkStore::Sizes chunks;        // memory for bytes in flight and unread
    bool huge_pages = true;                  // used when there are any
    tcp::Configuration tcp;
    std::uint16_t port_first = 10'000;  // local ports of active opens
    std::uint16_t port_last = 65'535;
    std::uint64_t capture_bytes_max = std::uint64_t{1} << 30;  // a capture grows no further
    std::uint32_t capture_snap_bytes = 65'792;                 // kept of each frame
    std::vector<std::string> stat_print;  // interfaces whose rates are printed every second
};

}  // namespace mtcp::stack
