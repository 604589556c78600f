// SPDX-License-Identifier: Apache-2.0
// What a configuration must fulfil before a Network is made of it.
#include "net/configuration.h"

#include <cerrno>
#include <cstring>

#include "net/routes.h"
#include "wire/address_text.h"
#include "wire/ethernet.h"
#include "wire/ipv4.h"

namespace mtcp::net {
namespace {

using Verified = Result<Done, Problem>;

Verified invalid(std::string what, std::string why, std::string mend) {
    return failure(Problem{std::move(what), std::move(why), std::move(mend), EINVAL});
}

wire::MacOctets octets(const io::MacAddress& mac) {
    wire::MacOctets out;
    std::memcpy(out.data(), mac.octet, out.size());
    return out;
}

bool is_station(const io::MacAddress& mac) {
    return !wire::is_group(octets(mac)) && mac != io::MacAddress{};
}

// 0/8, multicast and class E cannot be a host's (RFC 1122 §3.2.1.3).
bool is_host(const wire::IpAddress& address) {
    return address.is_v4() && address.v4_bits() >> 24 != 0 && address.v4_bits() >> 28 < 0xe;
}

Verified verify_address(const InterfaceConfiguration& interface, const Prefix& prefix) {
    const std::string what = "address " + wire::format_prefix(prefix) + " on " + interface.name;
    if (!prefix.address.is_v4() && !prefix.address.is_unspecified()) {
        return failure(
            Problem{what, "IPv6 is not supported yet", "use an IPv4 address", EAFNOSUPPORT});
    }
    if (prefix.length < 1 || prefix.length > 32) {
        return invalid(what, "the prefix length is not between 1 and 32",
                       "write it as 10.0.0.1/24");
    }
    if (!is_host(prefix.address)) {
        return invalid(what, "no host may have this address", "choose a unicast address");
    }
    if (prefix.length <= 30) {
        const std::uint32_t host_mask = 0xffffffffu >> prefix.length;
        const std::uint32_t host = prefix.address.v4_bits() & host_mask;
        if (host == 0 || host == host_mask) {
            return invalid(what, "this is the network's or its broadcast address",
                           "choose an address between the two");
        }
    }
    return Done{};
}

Verified verify_interface(const InterfaceConfiguration& interface) {
    const std::string what = "interface " + interface.name;
    if (interface.mtu < wire::kIpv4MtuMin || interface.mtu > wire::kIpv4PacketMax) {
        return invalid(what,
                       "MTU " + std::to_string(interface.mtu) + " is not between 68 and 65535",
                       "set a legal MTU");
    }
    if (interface.layer == io::Layer::ethernet && !is_station(interface.mac)) {
        return invalid(
            what, "MAC address " + wire::format_mac(octets(interface.mac)) + " is no station's",
            "set a unicast MAC address");
    }
    if (interface.kind == InterfaceKind::loopback && interface.layer != io::Layer::ip) {
        return invalid(what, "a loopback interface has no Ethernet", "use an L3 device");
    }
    for (const Prefix& prefix : interface.addresses) {
        Verified address = verify_address(interface, prefix);
        if (!address) return address;
    }
    return Done{};
}

bool is_own(const NetworkConfiguration& configuration, const wire::IpAddress& address) {
    for (const InterfaceConfiguration& interface : configuration.interfaces) {
        for (const Prefix& prefix : interface.addresses) {
            if (prefix.address == address) return true;
        }
    }
    return false;
}

Verified verify_route(const NetworkConfiguration& configuration, const RouteTable& table,
                      const RouteConfiguration& route) {
    const std::string what = "route to " + wire::format_prefix(route.destination);
    if (route.interface >= configuration.interfaces.size()) {
        return invalid(what, "its interface does not exist", "name a configured interface");
    }
    if (!route.destination.address.is_v4() || route.destination.length < 0 ||
        route.destination.length > 32) {
        return invalid(what, "not an IPv4 prefix", "write it as 10.0.0.0/8");
    }
    if (route.gateway.is_unspecified()) return Done{};
    const std::string gateway = "gateway " + wire::format_address(route.gateway);
    if (is_own(configuration, route.gateway)) {
        return invalid(what, gateway + " is this host", "leave the gateway out");
    }
    const RouteConfiguration* to_gateway = table.find(route.gateway);
    const bool is_on_link = to_gateway != nullptr && to_gateway->interface == route.interface &&
                            to_gateway->gateway.is_unspecified();
    if (!is_on_link) {
        return invalid(
            what,
            gateway + " is not on a network of " + configuration.interfaces[route.interface].name,
            "add an address whose prefix contains it, or a route to it without gateway");
    }
    return Done{};
}

Verified verify_neighbour(const NetworkConfiguration& configuration,
                          const NeighbourConfiguration& entry) {
    const std::string what = "ARP entry for " + wire::format_address(entry.address);
    const bool exists = entry.interface < configuration.interfaces.size();
    if (!exists || configuration.interfaces[entry.interface].layer != io::Layer::ethernet) {
        return invalid(what, "its interface is no Ethernet",
                       "name a configured Ethernet interface");
    }
    if (!is_host(entry.address) || is_own(configuration, entry.address)) {
        return invalid(what, "not the address of another host", "correct or remove the entry");
    }
    if (!is_station(entry.mac)) {
        return invalid(what,
                       "MAC address " + wire::format_mac(octets(entry.mac)) + " is no station's",
                       "correct or remove the entry");
    }
    return Done{};
}

Verified verify_limits(const NetworkConfiguration& configuration) {
    const Limits& limits = configuration.limits;
    const std::string what = "limits of the network layer";
    if (limits.neighbours < 1 || limits.neighbours > 32768 ||
        configuration.neighbours.size() >= limits.neighbours) {
        return invalid(what, "neighbours must be 1 to 32768 and more than the static ARP entries",
                       "raise the limit");
    }
    if (limits.parked < 1 || limits.parked > 65534 || limits.parked_per_neighbour < 1) {
        return invalid(what, "parked frames must be 1 to 65534", "correct the limit");
    }
    if (limits.reassemblies < 1 || limits.reassemblies > 65536 ||
        limits.reassemblies_per_source < 1) {
        return invalid(what, "reassemblies must be 1 to 65536", "correct the limit");
    }
    return Done{};
}

Verified verify_no_address_twice(const NetworkConfiguration& configuration) {
    std::vector<wire::IpAddress> seen;
    for (const InterfaceConfiguration& interface : configuration.interfaces) {
        for (const Prefix& prefix : interface.addresses) {
            for (const wire::IpAddress& other : seen) {
                if (other == prefix.address) {
                    return invalid("address " + wire::format_address(other), "configured twice",
                                   "remove one of the two");
                }
            }
            seen.push_back(prefix.address);
        }
    }
    return Done{};
}

}  // namespace

Result<Done, Problem> verify(const NetworkConfiguration& configuration) {
    const std::size_t count = configuration.interfaces.size();
    if (count < 1 || count > kInterfacesMax) {
        return invalid("network configuration", std::to_string(count) + " interfaces",
                       "configure between 1 and " + std::to_string(kInterfacesMax));
    }
    for (const InterfaceConfiguration& interface : configuration.interfaces) {
        Verified verified = verify_interface(interface);
        if (!verified) return verified;
    }
    Verified unique = verify_no_address_twice(configuration);
    if (!unique) return unique;
    const RouteTable table(configuration);
    for (const RouteConfiguration& route : configuration.routes) {
        Verified verified = verify_route(configuration, table, route);
        if (!verified) return verified;
    }
    for (const NeighbourConfiguration& entry : configuration.neighbours) {
        Verified verified = verify_neighbour(configuration, entry);
        if (!verified) return verified;
    }
    return verify_limits(configuration);
}

}  // namespace mtcp::net
