// SPDX-License-Identifier: Apache-2.0
// The network layer put together: construction, routes, frames, and the queues towards the stack.
#include "net/network.h"

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "base/assert.h"
#include "wire/ethernet.h"

namespace mtcp::net {
namespace {

constexpr std::size_t kUpdatesMax = 64;
constexpr std::uint8_t kAnnouncements = 2;  // RFC 5227 §1.1 ANNOUNCE_NUM
constexpr std::uint16_t kLocalMtu = 65535;

}  // namespace

Result<std::unique_ptr<Network>, Problem> Network::create(const NetworkConfiguration& configuration,
                                                          Counters& counters, Random& random) {
    Result<Done, Problem> verified = verify(configuration);
    if (!verified) return failure(verified.error());
    std::unique_ptr<Network> network(new Network(configuration, counters, random));
    if (!network->reassembly_.reserved()) {
        return failure(Problem{"cannot reserve memory for fragment reassembly",
                               std::strerror(ENOMEM), "lower reassemblies", ENOMEM});
    }
    return network;
}

Network::Network(const NetworkConfiguration& configuration, Counters& counters, Random& random)
    : counters_(&counters),
      limits_(configuration.limits),
      other_cores_(configuration.core.of > 1),
      addresses_(configuration.interfaces),
      routes_(configuration),
      neighbours_(configuration, random),
      parked_(configuration.limits.parked),
      reassembly_(configuration.limits, counters),
      identifications_(configuration.core, random),
      echo_replies_(configuration.limits.echo_replies_per_second),
      icmp_errors_(configuration.limits.icmp_errors_per_second),
      failures_(configuration.limits.parked),
      updates_(kUpdatesMax) {
    for (const InterfaceConfiguration& from : configuration.interfaces) {
        Interface interface;
        std::memcpy(interface.mac.data(), from.mac.octet, interface.mac.size());
        for (const std::uint8_t octet : interface.mac)
            interface.mac_bits = interface.mac_bits << 8 | octet;
        interface.layer = from.layer;
        interface.kind = from.kind;
        interface.partial_checksums = from.partial_checksums;
        interface.header_room = wire::kIpv4HeaderMin;
        if (from.layer == io::Layer::ethernet) interface.header_room += wire::kEthernetHeader;
        interface.mtu = static_cast<std::uint16_t>(from.mtu);
        interface.name = from.name;
        if (from.kind == InterfaceKind::loopback) {
            loopback_ = static_cast<std::uint8_t>(interfaces_.size());
        }
        interfaces_.push_back(std::move(interface));
        transmitters_.emplace_back(counters);
    }
    if (configuration.announcement == Announcement::announces) {
        announcements_left_ = kAnnouncements;
        announce_at_ = Instant{0};  // with the first on_deadline()
    }
}

Network::~Network() {
    for (Neighbour& neighbour : neighbours_.all()) {
        while (neighbour.parked.count > 0) {
            transmitters_[neighbour.interface].give_back(parked_.pop(neighbour.parked));
        }
    }
    for (Transmitter& transmitter : transmitters_)
        transmitter.release_all();
}

void Network::attach(std::size_t interface, io::Queue& queue) {
    const io::Capabilities& capabilities = queue.capabilities();
    MTCP_ASSERT(capabilities.layer == interfaces_[interface].layer);
    transmitters_[interface].attach(queue);
    // A device that carries less than the configuration says has the last word.
    interfaces_[interface].mtu = static_cast<std::uint16_t>(
        std::min<std::uint32_t>(interfaces_[interface].mtu, capabilities.mtu));
}

Verdict Network::any_input(std::size_t interface, const io::Frame& frame, Instant now, Inbound& tcp,
                           PathErrorNotice& notice) {
    Arrival arrival{
        frame, frame.bytes(), now, static_cast<std::uint8_t>(interface), LinkCast::unicast,
        tcp,   notice};
    if (interfaces_[interface].layer == io::Layer::ethernet) {
        return ethernet_input(arrival);
    }
    return ipv4_input(arrival);
}

Result<Route, RouteError> Network::route(const wire::IpAddress& destination,
                                         const wire::IpAddress& source_hint) {
    const bool any_source = source_hint.is_unspecified();
    if (!any_source && !addresses_.is_local(source_hint)) {
        return failure(RouteError::source_not_ours);
    }
    // RFC 1122 §3.2.1.3 (g): such addresses never leave the host.
    if (source_hint.is_v4() && AddressTable::is_loopback(source_hint.v4_bits()) &&
        !addresses_.is_local(destination)) {
        return failure(RouteError::source_loops);
    }
    CachedRoute& cached = cached_route(destination);
    if (known_path(destination) != nullptr) {
        return Route{cached.path, any_source ? cached.source : source_hint};
    }
    const AddressKind kind = addresses_.kind(destination);
    if (destination.is_unspecified() || kind == AddressKind::broadcast ||
        kind == AddressKind::multicast) {
        return failure(RouteError::bad_destination);
    }
    if (kind == AddressKind::own) {
        Path path;
        path.interface = loopback_;
        path.mtu = loopback_ == kLocal ? kLocalMtu : interfaces_[loopback_].mtu;
        path.header_room = wire::kIpv4HeaderMin;
        if (!any_source) return Route{path, source_hint};
        // To 127.0.0.2 speaks 127.0.0.1, as on Linux.
        const bool loops_back =
            destination.is_v4() && AddressTable::is_loopback(destination.v4_bits());
        return Route{path,
                     loops_back ? addresses_.source_for(destination, loopback_) : destination};
    }
    const RouteConfiguration* found = routes_.find(destination);
    if (found == nullptr) return failure(RouteError::no_route);
    const Interface& interface = interfaces_[found->interface];
    const wire::IpAddress& next_hop =
        found->gateway.is_unspecified() ? destination : found->gateway;

    Route route;
    route.path.interface = static_cast<std::uint8_t>(found->interface);
    route.path.mtu = interface.mtu;
    route.path.header_room = interface.header_room;
    const wire::IpAddress own = addresses_.source_for(next_hop, found->interface);
    route.source = any_source ? own : source_hint;
    if (route.source.is_unspecified()) return failure(RouteError::no_route);
    if (interface.layer == io::Layer::ethernet) {
        route.path.next_hop = neighbours_.obtain(route.path.interface, next_hop);
        if (route.path.next_hop.index == kNoNeighbour) return failure(RouteError::no_neighbour);
    }
    if (!own.is_unspecified()) cached = {destination, own, route.path};
    return route;
}

bool Network::has_route(const wire::IpAddress& destination) const {
    const CachedRoute& cached = cached_route(destination);
    if (cached.destination == destination && cached.path.interface != kLocal) return true;
    switch (addresses_.kind(destination)) {
        case AddressKind::own: return true;
        case AddressKind::other: return routes_.find(destination) != nullptr;
        case AddressKind::broadcast:
        case AddressKind::multicast: break;
    }
    return false;
}

std::uint16_t Network::mtu_to(const wire::IpAddress& destination) const {
    constexpr std::uint16_t kUnknown = 576;
    const CachedRoute& cached = cached_route(destination);
    if (cached.destination == destination && cached.path.interface != kLocal) {
        return cached.path.mtu;
    }
    if (addresses_.is_local(destination)) {
        return loopback_ == kLocal ? kLocalMtu : interfaces_[loopback_].mtu;
    }
    const RouteConfiguration* found = routes_.find(destination);
    return found != nullptr ? interfaces_[found->interface].mtu : kUnknown;
}

void Network::give_back(std::size_t interface, const io::Frame& frame) {
    transmitters_[interface].give_back(frame);
}

std::size_t Network::flush(Instant now) {
    std::size_t waiting = 0;
    for (Transmitter& transmitter : transmitters_)
        waiting += transmitter.flush(now);
    reassembly_.take_back_lent();
    return waiting;
}

void Network::on_deadline(Instant now) {
    if (announce_at_ <= now) send_announcements(now);
    if (neighbours_.deadline() <= now) on_neighbour_timers(now);
    if (reassembly_.deadline() <= now) on_reassembly_timers(now);
}

bool Network::poll_failure(PathErrorNotice& notice) { return failures_.pop(notice); }

bool Network::poll_update(NeighbourUpdate& update) { return updates_.pop(update); }

void Network::apply(const NeighbourUpdate& update, Instant now) {
    // A stranger's request makes a record only where it arrived; the others ask when they need to.
    if (neighbours_.find(update.interface, update.address) != kNoNeighbour) learn(update, now);
}

}  // namespace mtcp::net
