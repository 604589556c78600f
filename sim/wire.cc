// SPDX-License-Identifier: Apache-2.0
// The fate of frames between two hosts.
#include "sim/wire.h"

#include <utility>

#include "io/middleware/software_offload.h"
#include "wire/big_endian.h"
#include "wire/checksum.h"
#include "wire/ethernet.h"

namespace mtcp::sim {

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
    if (fate.lost || episode(line, Episode::Kind::blackout, now) != nullptr) {
        ++line.counts.lost;
        return;
    }
    Instant due = fate.due;
    if (const Episode* slow = episode(line, Episode::Kind::slow, now); slow != nullptr) {
        due = due + slow->extra;
    }
    if (const Episode* clog = episode(line, Episode::Kind::clogged, due); clog != nullptr) {
        due = World::kStart + clog->to;
    }
    std::vector<std::byte> bytes(frame.begin(), frame.end());
    if (fate.duplicated) {
        ++line.counts.copies;
        carry(from, bytes, true, due);
    }
    if (fate.corrupted) corrupt(line, bytes);
    carry(from, std::move(bytes), !fate.corrupted, due);
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
    ports_[index(other(from))]->deliver(frame);
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
