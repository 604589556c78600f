// SPDX-License-Identifier: Apache-2.0
// The network layer of one core: from received frame to TCP segment, and from TCP segment to frame
// on the wire. The only header of net/ that stack/ needs. One thread uses it; nothing here
// allocates after create(), reads a clock or locks.
//
// Frames: input() never keeps a received frame; the caller releases it (for Verdict::tcp after the
// segment was processed). A frame from allocate() belongs to the caller until it is given to
// output() or give_back().
//
// A segment to send:  path = route(...)  (once, cached by the connection)
//                     allocate(path.interface, frame)
//                     write the TCP header, checksum field 0, and payload at
//                         frame.data + path.header_room          (nothing is moved later)
//                     output(path, TcpPacket{source, destination, length, ...}, frame, now)
//                     flush(now) once per turn
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "base/counters.h"
#include "base/problem.h"
#include "base/random.h"
#include "base/result.h"
#include "base/time.h"
#include "io/packet_io.h"
#include "net/addresses.h"
#include "net/configuration.h"
#include "net/fixed_queue.h"
#include "net/identifications.h"
#include "net/inbound.h"
#include "net/neighbours.h"
#include "net/reassembly.h"
#include "net/routes.h"
#include "net/token_bucket.h"
#include "net/transmitter.h"
#include "wire/arp.h"
#include "wire/icmp.h"
#include "wire/ip_address.h"
#include "wire/ipv4.h"
#include "wire/segment.h"

namespace mtcp::net {

// Path::interface of a destination that is our own, when no loopback interface is configured: the
// stack carries such packets itself; allocate() and output() do not take them.
inline constexpr std::uint8_t kLocal = 0xff;

// Where packets to one destination go: 16 bytes that a connection keeps. It never becomes wrong:
// when the neighbour record was reused meanwhile, output() finds the next hop again and refreshes
// it.
struct Path {
    NeighbourReference next_hop;  // unused on L3 interfaces
    std::uint16_t mtu = 0;        // largest IP packet of the interface
    std::uint8_t interface = kLocal;
    std::uint8_t header_room = 0;  // bytes of Ethernet and IP header before the TCP header
};
static_assert(sizeof(Path) <= 16);

struct Route {
    Path path;
    wire::IpAddress source;  // source_hint, or the address this host should use
};

enum class RouteError : std::uint8_t {
    no_route,         // ENETUNREACH
    source_not_ours,  // EADDRNOTAVAIL: source_hint is not an own address
    source_loops,     // EINVAL: source_hint is of 127.0.0.0/8, and the destination is not ours
    bad_destination,  // EADDRNOTAVAIL/ENETUNREACH: unspecified, broadcast or multicast
    no_neighbour,     // ENOBUFS: the neighbour table is full of unanswered requests
};

// A TCP segment to send, already written in a frame but for its checksum.
struct TcpPacket {
    const wire::IpAddress& source;
    const wire::IpAddress& destination;
    std::uint32_t length = 0;    // TCP header and payload, bytes
    wire::EmittedHeader header;  // as emit_header() wrote it
    std::uint8_t tos = 0;        // the ECN bits are the low two
    std::uint8_t ttl = 64;
    bool may_be_cut = false;  // routers may fragment the packet
};

class Network {
  public:
    // Reserves every table. `counters` must outlive it. Problem: a configuration that cannot work,
    // or memory refused.
    [[nodiscard]] static Result<std::unique_ptr<Network>, Problem> create(
        const NetworkConfiguration& configuration, Counters& counters, Random& random);
    ~Network();  // gives all frames back, so queues must still be there
    Network(const Network&) = delete;
    Network& operator=(const Network&) = delete;

    // This core's queue on an interface; before the first packet. It must outlive the Network.
    void attach(std::size_t interface, io::Queue& queue);

    // --- in
    // ---------------------------------------------------------------------------------------

    // Classifies one received frame. ARP, echo requests, fragments and what calls for an ICMP error
    // are dealt with here; answers go into the transmit batch.
    [[nodiscard]] Verdict input(std::size_t interface, const io::Frame& frame, Instant now,
                                Inbound& tcp, PathErrorNotice& notice) {
        if (expected_input(interface, frame, tcp)) [[likely]]
            return Verdict::tcp;
        return any_input(interface, frame, now, tcp, notice);
    }

    // --- out
    // --------------------------------------------------------------------------------------

    // Longest-prefix route. `source_hint` unspecified: the source is chosen here.
    [[nodiscard]] Result<Route, RouteError> route(const wire::IpAddress& destination,
                                                  const wire::IpAddress& source_hint);
    // The path that route() found the last time, while it holds; nullptr: ask route(). For who
    // speaks from an address that is known to be ours.
    [[nodiscard]] const Path* known_path(const wire::IpAddress& destination) const {
        const CachedRoute& cached = cached_route(destination);
        const bool holds = cached.destination == destination && cached.path.interface != kLocal &&
                           (interfaces_[cached.path.interface].layer == io::Layer::ip ||
                            neighbours_.is_current(cached.path.next_hop));
        return holds ? &cached.path : nullptr;
    }
    // The source that route() chose for it the last time, or anything: to look ahead with.
    [[nodiscard]] const wire::IpAddress& likely_source(const wire::IpAddress& destination) const {
        return cached_route(destination).source;
    }
    // Would route() find a way to it, our own addresses included? (For choosing a source or
    // ENETUNREACH.)
    [[nodiscard]] bool has_route(const wire::IpAddress& destination) const;
    // May a connection send now? False: the device is behind, and what is sent all the same is
    // likely to be dropped (io_transmit_full).
    [[nodiscard]] bool has_room(std::size_t interface) const {
        return transmitters_[interface].has_room();
    }
    // For who was refused just now (transmitter.h).
    [[nodiscard]] bool is_stalled(std::size_t interface, Instant now) {
        return transmitters_[interface].is_stalled(now);
    }
    // Do frames wait at an interface that still takes some?
    [[nodiscard]] bool has_waiting(Instant now) {
        return std::ranges::any_of(transmitters_, [now](Transmitter& transmitter) {
            return transmitter.has_waiting() && !transmitter.is_stalled(now);
        });
    }
    // An empty frame of the interface (not kLocal), from a small stash refilled in bursts. False:
    // there is none now; who cannot keep what he would send counts it, no_transmit_frame.
    [[nodiscard]] bool allocate(std::size_t interface, io::Frame& frame) {
        return transmitters_[interface].allocate(frame);
    }
    // An allocated frame that was not used after all.
    void give_back(std::size_t interface, const io::Frame& frame);
    // Sends the segment that stands at frame.data + path.header_room: fills in the TCP checksum (or
    // leaves it to the device), the IP and the Ethernet header. With frame.segment_size > 0 the
    // device cuts it. The frame is gone in any case: in the batch, waiting for address resolution,
    // or dropped and counted.
    void output(Path& path, const TcpPacket& packet, io::Frame& frame, Instant now);
    // Segments are repeated in vain on this path: its next hop is asked again (RFC 9293 MUST-20
    // (b)).
    void doubt(const Path& path, Instant now) { neighbours_.doubt(path.next_hop, now); }
    // Transmits the batches; call once per turn, after the segments of the turn were processed.
    // What a full ring does not take waits for the next call, up to a bound. Takes back the buffers
    // that input() lent. Returns the number of frames that still wait.
    std::size_t flush(Instant now);

    // What the queue under an interface can do (checksum, TSO), to size segments by.
    [[nodiscard]] const io::Capabilities& capabilities(std::size_t interface) const {
        return transmitters_[interface].capabilities();
    }
    // Largest IP packet, bytes, of the interface by which those to `destination` leave: the
    // configured one, or less if the device carries less. 576 where there is no way to it
    // (RFC 1122 §3.3.3: of a path of which nothing is known).
    [[nodiscard]] std::uint16_t mtu_to(const wire::IpAddress& destination) const;
    [[nodiscard]] std::size_t interface_count() const { return interfaces_.size(); }

    // --- own addresses
    // ----------------------------------------------------------------------------

    // Is this one of ours: may it be bound to, is a packet to it for us?
    [[nodiscard]] bool is_local(const wire::IpAddress& address) const {
        return addresses_.is_local(address);
    }
    // The first own address outside 127.0.0.0/8; unspecified when there is none.
    [[nodiscard]] wire::IpAddress first_address() const { return addresses_.first(); }

    // --- time
    // -------------------------------------------------------------------------------------

    // When on_deadline() wants to be called; kNever if not.
    [[nodiscard]] Instant deadline() const {
        return earlier(announce_at_, earlier(neighbours_.deadline(), reassembly_.deadline()));
    }
    // ARP retry, ageing and announcement, reassembly time-out. Call when now >= deadline().
    void on_deadline(Instant now);
    // After input() and on_deadline(): the next packet of ours whose neighbour did not answer (kind
    // no_neighbour). False: no more.
    [[nodiscard]] bool poll_failure(PathErrorNotice& notice);

    // --- other cores
    // ------------------------------------------------------------------------------

    // The next thing learned of a neighbour that the other cores must hear. False: no more. Only
    // with other cores.
    [[nodiscard]] bool poll_update(NeighbourUpdate& update);
    // What another core learned.
    void apply(const NeighbourUpdate& update, Instant now);

  private:
    Network(const NetworkConfiguration& configuration, Counters& counters, Random& random);

    struct Interface {
        wire::MacOctets mac{};
        io::Layer layer = io::Layer::ethernet;
        InterfaceKind kind = InterfaceKind::network;
        PartialChecksums partial_checksums = PartialChecksums::rejected;
        std::uint8_t header_room = 0;
        std::uint16_t mtu = 0;
        std::uint64_t mac_bits = 0;  // `mac` as a number, for who compares it with each frame's
        std::string name;
    };
    // How a frame was addressed on its link.
    enum class LinkCast : std::uint8_t { unicast, group };
    // A received frame on its way up, and where results go.
    struct Arrival {
        const io::Frame& frame;
        std::span<const std::byte> packet;  // without the Ethernet header
        Instant now;
        std::uint8_t interface;
        LinkCast cast;
        Inbound& tcp;
        PathErrorNotice& notice;
    };
    // A received IP packet whose header passed all checks.
    struct Packet {
        wire::Ipv4Header header;
        std::span<const std::byte> header_bytes;
        std::span<const std::byte> payload;
    };
    // An ICMP message to send. `payload` must stay where it is during the call only.
    struct IcmpToSend {
        wire::IpAddress source;
        wire::IpAddress destination;
        std::uint8_t tos = 0;
        std::uint8_t type = 0;
        std::uint8_t code = 0;
        std::uint32_t rest = 0;
        std::span<const std::byte> payload;
    };

    Verdict dropped(Drop reason) {
        counters_->drop(reason);
        return Verdict::dropped;
    }

    [[nodiscard]] Verdict any_input(std::size_t interface, const io::Frame& frame, Instant now,
                                    Inbound& tcp, PathErrorNotice& notice);
    // expected_input.cc
    [[nodiscard]] bool expected_input(std::size_t interface, const io::Frame& frame, Inbound& tcp);
    [[nodiscard]] bool may_come(std::uint32_t source, std::uint32_t destination,
                                InterfaceKind link) const;
    // ethernet_input.cc
    [[nodiscard]] Verdict ethernet_input(Arrival& arrival);
    // arp_input.cc
    [[nodiscard]] Verdict arp_input(const Arrival& arrival);
    [[nodiscard]] Verdict on_arp_evidence(const NeighbourUpdate& update, Instant now);
    void on_address_conflict(OwnAddress& own, const wire::ArpPacket& packet, Instant now);
    [[nodiscard]] bool is_neighbour(const wire::IpAddress& address, std::uint8_t interface) const;
    Neighbours::Learned learn(const NeighbourUpdate& update, Instant now);
    // arp_output.cc
    void ask_by_broadcast(const Neighbour& neighbour, Instant now);
    void ask_by_unicast(const Neighbour& neighbour, Instant now);
    void send_announcement(std::uint8_t interface, const wire::IpAddress& own, Instant now);
    void send_announcements(Instant now);
    void send_arp(std::uint8_t interface, const wire::MacOctets& to, const wire::ArpPacket& packet,
                  Instant now);
    // ipv4_input.cc
    [[nodiscard]] Verdict ipv4_input(Arrival& arrival);
    [[nodiscard]] Verdict ipv4_not_for_own_address(const wire::Ipv4Header& header,
                                                   AddressKind destination);
    [[nodiscard]] Verdict fragment_input(Arrival& arrival, Packet& packet);
    [[nodiscard]] Verdict transport_input(Arrival& arrival, const Packet& packet,
                                          const Inbound& inbound);
    // icmp_input.cc
    [[nodiscard]] Verdict icmp_input(const Packet& packet, Instant now, PathErrorNotice& notice);
    [[nodiscard]] Verdict icmp_error_input(const Packet& packet, const wire::IcmpMessage& message,
                                           PathErrorNotice& notice);
    // icmp_output.cc
    [[nodiscard]] Verdict send_echo_reply(const Packet& request, const wire::IcmpMessage& message,
                                          Instant now);
    enum class Sent : std::uint8_t { sent, no_route, no_frame };
    void send_icmp_error(const Packet& about, std::uint8_t type, std::uint8_t code, Instant now);
    [[nodiscard]] Sent send_icmp(const IcmpToSend& message, Instant now);
    // ipv4_output.cc
    [[nodiscard]] bool refresh(Path& path, const wire::IpAddress& destination);
    void send_packet(Path& path, const wire::IpAddress& destination, io::Frame& frame, Instant now);
    void send_to(const Neighbour& neighbour, io::Frame& frame, Instant now) {
        wire::emit_ethernet(neighbour.link, frame.data);
        transmitters_[neighbour.interface].send(frame, now);
    }
    void drop_frame(std::uint8_t interface, const io::Frame& frame, Drop reason);
    // deadlines.cc
    void park(Neighbour& neighbour, const io::Frame& frame);
    void send_parked(Neighbour& neighbour, Instant now);
    void fail_parked(Neighbour& neighbour);
    void on_neighbour_timers(Instant now);
    void on_reassembly_timers(Instant now);

    // Where packets to a destination went the last time it was asked for. Addresses and routes
    // never change after create(), so it holds as long as the neighbour record does.
    struct CachedRoute {
        wire::IpAddress destination;
        wire::IpAddress source;  // for who has no address of its own in mind
        Path path;               // interface kLocal: nothing is cached here
    };
    // Addresses that may_come() found good; own addresses never change after create().
    struct KnownPair {
        std::uint32_t source = 0;
        std::uint32_t destination = 0;
        std::uint32_t link = 0;  // interface + 1; 0: nothing is known here
        friend bool operator==(const KnownPair&, const KnownPair&) = default;
    };
    static constexpr std::size_t kKnownPairs = 256;
    [[nodiscard]] KnownPair& known_pair(std::uint32_t source, std::uint32_t destination) {
        return known_pairs_[(source * 0x9e3779b1u ^ destination * 0x85ebca6bu) >> 24];
    }

    static constexpr std::size_t kCachedRoutes = 256;
    [[nodiscard]] static std::size_t place_of_route(const wire::IpAddress& destination) {
        return (destination.v4_bits() * 0x9e3779b1u) >> 24;
    }
    [[nodiscard]] CachedRoute& cached_route(const wire::IpAddress& destination) {
        return cached_routes_[place_of_route(destination)];
    }
    [[nodiscard]] const CachedRoute& cached_route(const wire::IpAddress& destination) const {
        return cached_routes_[place_of_route(destination)];
    }

    Counters* counters_;
    Limits limits_;
    std::array<KnownPair, kKnownPairs> known_pairs_{};
    std::array<CachedRoute, kCachedRoutes> cached_routes_{};
    bool other_cores_;
    std::uint8_t announcements_left_ = 0;
    std::uint8_t loopback_ = kLocal;  // the loopback interface, if there is one
    Instant announce_at_ = kNever;
    std::vector<Interface> interfaces_;
    std::vector<Transmitter> transmitters_;
    AddressTable addresses_;
    RouteTable routes_;
    Neighbours neighbours_;
    ParkedFrames parked_;
    Reassembly reassembly_;
    Identifications identifications_;
    TokenBucket echo_replies_;
    TokenBucket icmp_errors_;
    FixedQueue<PathErrorNotice> failures_;
    FixedQueue<NeighbourUpdate> updates_;
};

}  // namespace mtcp::net
