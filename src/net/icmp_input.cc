// SPDX-License-Identifier: Apache-2.0
// ICMP received: echo requests are answered, errors about our segments become notices (RFC 792,
// RFC 1122 §3.2.2, RFC 5927).
#include <optional>

#include "net/network.h"
#include "wire/icmp.h"
#include "wire/ipv4.h"

namespace mtcp::net {
namespace {

// RFC 1122 §3.2.2.1 and the registry of codes: what an unreachable message says to TCP.
std::optional<PathError> unreachable_kind(std::uint8_t code) {
    switch (code) {
        case 0:                                       // network unreachable
        case 5:                                       // source route failed
        case 6:                                       // network unknown
        case 9:                                       // network prohibited
        case 11: return PathError::net_unreachable;   // network, for this type of service
        case 1:                                       // host unreachable
        case 7:                                       // host unknown
        case 8:                                       // source host isolated
        case 10:                                      // host prohibited
        case 12:                                      // host, for this type of service
        case 13:                                      // prohibited by a filter
        case 14:                                      // precedence violation
        case 15: return PathError::host_unreachable;  // precedence cut-off
        case wire::kIcmpProtocolUnreachable: return PathError::protocol_unreachable;
        case wire::kIcmpPortUnreachable: return PathError::port_unreachable;
        case wire::kIcmpFragmentationNeeded: return PathError::fragmentation_needed;
        default: return std::nullopt;
    }
}

std::optional<PathError> error_kind(const wire::IcmpMessage& message) {
    switch (message.type) {
        // RFC 9293 MUST-54; source quench is not among them (MUST-55).
        case wire::kIcmpUnreachable: return unreachable_kind(message.code);
        case wire::kIcmpTimeExceeded: return PathError::time_exceeded;
        case wire::kIcmpParameterProblem: return PathError::parameter_problem;
        default: return std::nullopt;
    }
}

// RFC 1191 §4: the low half of the second word; 0 from routers older than that.
std::uint16_t next_hop_mtu(const wire::IcmpMessage& message, const wire::QuotedSegment& quoted) {
    const auto told = static_cast<std::uint16_t>(message.rest);
    return told != 0 ? told : wire::plateau_below(quoted.total_length);
}

}  // namespace

Verdict Network::icmp_input(const Packet& packet, Instant now, PathErrorNotice& notice) {
    ++counters_->icmp_in;
    const Result<wire::IcmpMessage, Drop> message = wire::parse_icmp(packet.payload);
    if (!message) return dropped(message.error());
    if (message->type == wire::kIcmpEchoRequest) {
        // Any code is answered, and the code comes back (as other hosts do).
        if (!echo_replies_.take(now)) return dropped(Drop::icmp_rate_limited);
        return send_echo_reply(packet, *message, now);
    }
    // Redirects would let strangers bend our routes; source quench is dead (RFC 6633).
    if (!error_kind(*message)) return dropped(Drop::icmp_ignored);
    return icmp_error_input(packet, *message, notice);
}

Verdict Network::icmp_error_input(const Packet& packet, const wire::IcmpMessage& message,
                                  PathErrorNotice& notice) {
    const Result<wire::QuotedSegment, Drop> quoted = wire::parse_quoted_segment(message.payload);
    if (!quoted) return dropped(quoted.error());
    // An error goes back to the address the segment came from; anything else was never sent by us.
    if (quoted->source != packet.header.destination) return dropped(Drop::icmp_stale);
    notice.kind = *error_kind(message);
    notice.key = wire::FlowKey{quoted->source, quoted->destination, quoted->source_port,
                               quoted->destination_port};
    notice.seq = quoted->seq;
    notice.mtu = 0;
    if (notice.kind == PathError::fragmentation_needed) {
        notice.mtu = next_hop_mtu(message, *quoted);
        if (notice.mtu < wire::kIpv4MtuMin) return dropped(Drop::icmp_malformed);
    }
    return Verdict::path_error;
}

}  // namespace mtcp::net
