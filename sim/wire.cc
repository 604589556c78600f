// SPDX-License-Identifier: Apache-2.0
// The fate of frames between two hosts.
#include "sim/wire.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "io/middleware/congestion_mark.h"
#include "io/middleware/software_offload.h"
#include "wire/big_endian.h"
#include "wire/checksum.h"
#include "wire/ethernet.h"
#include "wire/icmp.h"
#include "wire/ipv4.h"

namespace mtcp::sim {

namespace {

// The router of a narrow stretch, and what it quotes.
constexpr auto kRouter = wire::IpAddress::v4(0x0a0000fe);
constexpr std::size_t kQuotedBytes = wire::kIpv4HeaderMin + 8;

}  // namespace

Wire::Wire(World& world, io::Layer layer, const DirectionPlan& a_to_b, const DirectionPlan& b_to_a)
    : world_(world), layer_(layer), lines_{Line(a_to_b), Line(b_to_a)} {}

const Episode* Wire::episode(const Line& line, Episode::Kind kind, Instant at) const {
    const Duration since = at - World::kStart;
    for (const Episode& candidate : line.plan.episodes) {
        if (candidate.kind == kind && candidate.from <= since && since < candidate.to) {
            return &candidate;
        }
    }
    return nullptr;
}

std::size_t Wire::link_header() const {
    return layer_ == io::Layer::ethernet ? wire::kEthernetHeader : 0;
}

bool Wire::too_large(const Line& line, Side from, std::span<const std::byte> frame, Instant now) {
    const Episode* const narrow = episode(line, Episode::Kind::narrow, now);
    const Episode* const hole = episode(line, Episode::Kind::black_hole, now);
    const std::size_t packet = frame.size() - std::min(frame.size(), link_header());
    if (hole != nullptr && packet > hole->mtu) return true;
    if (narrow == nullptr || packet <= narrow->mtu) return false;
    tell_too_large(from, frame, narrow->mtu);
    return true;
}

// RFC 1191 §4: destination unreachable, fragmentation needed, with the MTU of the next hop.
void Wire::tell_too_large(Side to, std::span<const std::byte> frame, std::uint32_t mtu) {
    const std::size_t link = link_header();
    const auto header = wire::parse_ipv4(frame.subspan(link));
    if (!header || frame.size() < link + header->header_length + 8u) return;
    if ((header->fragment & wire::kIpv4DontFragment) == 0) return;
    constexpr std::size_t kMessage = wire::kIcmpHeader + kQuotedBytes;
    std::vector<std::byte> answer(link + wire::kIpv4HeaderMin + kMessage);
    if (link != 0) {  // back to whom it came from
        std::memcpy(answer.data(), frame.data() + 6, 6);
        std::memcpy(answer.data() + 6, frame.data(), 6);
        std::memcpy(answer.data() + 12, frame.data() + 12, 2);
    }
    wire::emit_ipv4({.total_length = static_cast<std::uint16_t>(wire::kIpv4HeaderMin + kMessage),
                     .protocol = wire::kProtocolIcmp,
                     .source = kRouter,
                     .destination = header->source},
                    answer.data() + link);
    const std::span<std::byte> message = std::span(answer).subspan(link + wire::kIpv4HeaderMin);
    std::memcpy(message.data() + wire::kIcmpHeader, frame.data() + link, kQuotedBytes);
    wire::emit_icmp_header(wire::kIcmpUnreachable, wire::kIcmpFragmentationNeeded, mtu, message);
    const Duration way = lines_[index(to)].plan.faults.delay;  // there and back are half of it each
    world_.at(world_.now() + way, [this, to, bytes = std::move(answer)] { inject(to, bytes); });
}

void Wire::inject(Side to, std::span<const std::byte> frame) {
    ++lines_[index(other(to))].counts.injected;
    for (Observer* observer : observers_)
        observer->on_injected(to, frame, world_.now());
    ends_[index(to)]->deliver(frame);
}

void Wire::corrupt(Line& line, std::vector<std::byte>& frame) {
    const std::uint32_t link = layer_ == io::Layer::ethernet ? wire::kEthernetHeader : 0;
    // What no checksum of ours covers (the Ethernet header, ARP) is guarded by the link's own.
    if (link != 0 && wire::load_be16(frame.data() + 12) != wire::kEtherTypeIpv4) return;
    const auto bytes = static_cast<std::uint32_t>(frame.size()) - link;
    std::uint32_t bit = link * 8 + line.dice.corrupt_bit(bytes);
    if (line.plan.corruption == Corruption::hidden) {
        // Into the payload, or nobody would ever see it.
        const io::TransportPlace place = io::find_transport(frame, layer_);
        if (place.protocol != wire::kProtocolTcp || place.payload >= frame.size()) return;
        const auto payload = static_cast<std::uint32_t>(frame.size() - place.payload);
        bit = place.payload * 8u + bit % (payload * 8u);
    }
    frame[bit / 8] ^= static_cast<std::byte>(1u << bit % 8);
    if (line.plan.corruption == Corruption::hidden) io::complete_checksum(frame, layer_);
    ++line.counts.corrupted;
}

void Wire::send(Side from, std::span<const std::byte> frame, Instant now) {
    Line& line = lines_[index(from)];
    ++line.counts.sent;
    for (Observer* observer : observers_)
        observer->on_sent(from, frame, now);
    const io::Fate fate = line.dice.next(static_cast<std::uint32_t>(frame.size()), now);
    if (fate.lost || episode(line, Episode::Kind::blackout, now) != nullptr ||
        too_large(line, from, frame, now) || (loses_also_ && loses_also_(from, frame))) {
        ++line.counts.lost;
        return;
    }
    const Instant due = release_time(line, fate.due, now);
    std::vector<std::byte> bytes(frame.begin(), frame.end());
    if (fate.marked && io::mark_congestion(bytes, layer_)) ++line.counts.marked;
    if (fate.duplicated) {
        ++line.counts.copies;
        carry(from, bytes, true, due);
    }
    if (fate.corrupted) corrupt(line, bytes);
    carry(from, std::move(bytes), !fate.corrupted, due);
}

Instant Wire::release_time(const Line& line, Instant due, Instant now) const {
    if (const Episode* slow = episode(line, Episode::Kind::slow, now); slow != nullptr) {
        due = due + slow->extra;
    }
    if (const Episode* step = episode(line, Episode::Kind::compressed, due); step != nullptr) {
        const std::int64_t ns = (due - World::kStart).ns;
        due = World::kStart + nanoseconds((ns / step->extra.ns + 1) * step->extra.ns);
    }
    if (const Episode* clog = episode(line, Episode::Kind::clogged, due); clog != nullptr) {
        due = World::kStart + clog->to;
    }
    return due;
}

void Wire::carry(Side from, std::vector<std::byte> frame, bool intact, Instant due) {
    ++lines_[index(from)].counts.in_flight;
    world_.at(due,
              [this, from, bytes = std::move(frame), intact] { deliver(from, bytes, intact); });
}

void Wire::deliver(Side from, std::span<const std::byte> frame, bool intact) {
    Line& line = lines_[index(from)];
    --line.counts.in_flight;
    ++line.counts.delivered;
    for (Observer* observer : observers_) {
        observer->on_delivered(from, frame, intact, world_.now());
    }
    ends_[index(other(from))]->deliver(frame);
}

void Wire::heal() {
    for (Line& line : lines_) {
        io::Faults kept;
        kept.delay = line.plan.faults.delay;
        kept.rate_bits_per_second = line.plan.faults.rate_bits_per_second;
        kept.queue_bytes = line.plan.faults.queue_bytes;
        kept.seed = line.plan.faults.seed + 1;
        line.plan.faults = kept;
        line.plan.episodes.clear();
        line.dice = io::FaultLine(kept);
    }
}

}  // namespace mtcp::sim
