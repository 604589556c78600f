// SPDX-License-Identifier: Apache-2.0
// What a person configures of the network layer: interfaces, addresses, routes, static neighbours
// and the bounds of its tables. The same on every core.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "base/problem.h"
#include "base/result.h"
#include "io/packet_io.h"
#include "wire/ip_address.h"
#include "wire/prefix.h"

namespace mtcp::net {

using wire::Prefix;

// What to do with a received TCP checksum that equals only the folded pseudo-header sum.
enum class PartialChecksums : std::uint8_t {
    rejected,
    accepted,  // only where the sender's kernel leaves it so and memory is the wire (veth)
};

enum class InterfaceKind : std::uint8_t {
    network,
    loopback,  // packets to own addresses are routed here; their source may be an own address
};

struct InterfaceConfiguration {
    std::string name;
    io::Layer layer = io::Layer::ethernet;
    InterfaceKind kind = InterfaceKind::network;
    PartialChecksums partial_checksums = PartialChecksums::rejected;
    io::MacAddress mac;
    std::uint32_t mtu = 1500;  // 68 to 65535
    std::vector<Prefix> addresses;
};

struct RouteConfiguration {
    Prefix destination;
    wire::IpAddress gateway;    // unspecified: the destination is on the link
    std::size_t interface = 0;  // index into NetworkConfiguration::interfaces
};

struct NeighbourConfiguration {  // a static entry: never asked for, never changed
    wire::IpAddress address;
    io::MacAddress mac;
    std::size_t interface = 0;
};

// Gratuitous ARP at the start and in defence; one core per process does it.
enum class Announcement : std::uint8_t { silent, announces };
// With other cores there, ARP answers that mean nothing here are passed on instead of dropped.
struct CoreNumber {
    std::uint32_t number = 0;  // below `of`
    std::uint32_t of = 1;
};

struct Limits {
    std::uint32_t neighbours = 1024;          // records, static ones included; at most 32768
    std::uint32_t parked_per_neighbour = 64;  // frames that wait for one address resolution
    std::uint32_t parked = 256;               // and for all of them
    std::uint32_t neighbours_by_strangers_per_second = 50;
    std::uint32_t reassemblies = 64;  // datagrams in reassembly
    std::uint32_t reassemblies_per_source = 8;
    std::uint32_t reassembly_bytes = 1u << 20;  // payload held in all of them
    std::uint32_t echo_replies_per_second = 1000;
    std::uint32_t icmp_errors_per_second = 100;
};

struct NetworkConfiguration {
    std::vector<InterfaceConfiguration> interfaces;  // at most kInterfacesMax
    std::vector<RouteConfiguration> routes;          // connected routes are added by themselves
    std::vector<NeighbourConfiguration> neighbours;
    Announcement announcement = Announcement::announces;
    CoreNumber core;
    Limits limits;
};

inline constexpr std::size_t kInterfacesMax = 32;

// Network::create() asks this first; also of use before any device is opened.
[[nodiscard]] Result<Done, Problem> verify(const NetworkConfiguration& configuration);

}  // namespace mtcp::net
