// SPDX-License-Identifier: Apache-2.0
// Neighbour records: how they are found, made and given up, and their state machine.
#include "net/neighbours.h"

#include <bit>
#include <cstring>

#include "base/assert.h"
#include "base/siphash.h"

namespace mtcp::net {
namespace {

wire::MacOctets octets(const io::MacAddress& mac) {
    wire::MacOctets out;
    std::memcpy(out.data(), mac.octet, out.size());
    return out;
}

// Old knowledge is not wrong, but it must be confirmed by the next use.
bool is_fresh(const Neighbour& record, Instant now) {
    return record.state == NeighbourState::reachable &&
           now - record.confirmed <= Neighbours::kReachableTime;
}

}  // namespace

Neighbours::Neighbours(const NetworkConfiguration& configuration, Random& random)
    : key_{random.next(), random.next()},
      records_(configuration.limits.neighbours),
      table_(std::bit_ceil(std::size_t{configuration.limits.neighbours} * 2), kNoNeighbour),
      mask_(table_.size() - 1),
      by_strangers_(configuration.limits.neighbours_by_strangers_per_second) {
    for (const InterfaceConfiguration& interface : configuration.interfaces)
        own_macs_.push_back(octets(interface.mac));
    for (const NeighbourConfiguration& entry : configuration.neighbours) {
        const NeighbourReference made =
            obtain(static_cast<std::uint8_t>(entry.interface), entry.address);
        MTCP_ASSERT(made.index != kNoNeighbour);
        records_[made.index].link.destination = octets(entry.mac);
        records_[made.index].state = NeighbourState::permanent;
    }
}

// --- finding and making records
// -------------------------------------------------------------------

std::size_t Neighbours::home(std::uint8_t interface, const wire::IpAddress& address) const {
    // Keyed, because strangers on the link choose the addresses.
    std::array<std::byte, 17> bytes;
    std::memcpy(bytes.data(), address.octet.data(), 16);
    bytes[16] = std::byte{interface};
    return static_cast<std::size_t>(siphash(key_, bytes)) & mask_;
}

std::uint16_t Neighbours::find(std::uint8_t interface, const wire::IpAddress& address) const {
    for (std::size_t at = home(interface, address); table_[at] != kNoNeighbour;
         at = (at + 1) & mask_) {
        const Neighbour& record = records_[table_[at]];
        if (record.address == address && record.interface == interface) return table_[at];
    }
    return kNoNeighbour;
}

void Neighbours::insert(std::uint16_t index) {
    std::size_t at = home(records_[index].interface, records_[index].address);
    while (table_[at] != kNoNeighbour)
        at = (at + 1) & mask_;
    table_[at] = index;
}

void Neighbours::erase(std::uint16_t index) {
    std::size_t hole = home(records_[index].interface, records_[index].address);
    while (table_[hole] != index)
        hole = (hole + 1) & mask_;
    // Entries behind the hole that could stand in it move forward, so that no search stops short.
    for (std::size_t at = (hole + 1) & mask_; table_[at] != kNoNeighbour; at = (at + 1) & mask_) {
        const Neighbour& record = records_[table_[at]];
        const std::size_t wanted = home(record.interface, record.address);
        if (((at - wanted) & mask_) >= ((at - hole) & mask_)) {
            table_[hole] = table_[at];
            hole = at;
        }
    }
    table_[hole] = kNoNeighbour;
}

std::uint16_t Neighbours::take_record() {
    if (used_ < records_.size()) return static_cast<std::uint16_t>(used_++);
    // Second chance: the first record that was not used since the hand passed it the last time.
    for (std::size_t step = 0; step < records_.size() * 2; ++step) {
        const auto index = static_cast<std::uint16_t>(hand_);
        hand_ = (hand_ + 1) % records_.size();
        Neighbour& record = records_[index];
        const bool may_go = record.state == NeighbourState::unresolved ||
                            record.state == NeighbourState::stale ||
                            record.state == NeighbourState::reachable;
        if (!may_go) continue;
        if (record.in_use != 0) {
            record.in_use = 0;
            continue;
        }
        erase(index);
        return index;
    }
    return kNoNeighbour;
}

std::uint16_t Neighbours::create(std::uint8_t interface, const wire::IpAddress& address) {
    const std::uint16_t index = take_record();
    if (index == kNoNeighbour) return kNoNeighbour;
    const std::uint32_t version = records_[index].version + 1;
    records_[index] = Neighbour{};
    records_[index].address = address;
    records_[index].link.source = own_macs_[interface];
    records_[index].interface = interface;
    records_[index].version = version;
    insert(index);
    return index;
}

NeighbourReference Neighbours::obtain(std::uint8_t interface, const wire::IpAddress& address) {
    std::uint16_t index = find(interface, address);
    if (index == kNoNeighbour) index = create(interface, address);
    if (index == kNoNeighbour) return {};
    return NeighbourReference{records_[index].version, index};
}

// --- the state machine
// ----------------------------------------------------------------------------

void Neighbours::arm(Neighbour& record, Instant at) {
    record.timer = at;
    next_timer_ = earlier(next_timer_, at);
    sweep_next_ = earlier(sweep_next_, at);
}

Neighbours::Use Neighbours::use_doubtful(Neighbour& record, Instant now) {
    switch (record.state) {
        case NeighbourState::permanent:
        case NeighbourState::probing: return Use::transmit;
        case NeighbourState::incomplete: return Use::park;
        case NeighbourState::unresolved:
            // At most half of the table, so that addresses without a station cannot drive out the
            // ones with.
            if (incomplete_ >= (records_.size() + 1) / 2) return Use::refuse;
            ++incomplete_;
            record.state = NeighbourState::incomplete;
            record.tries = 1;
            arm(record, now + kRetryInterval);
            return Use::park_and_ask;
        case NeighbourState::reachable:
            if (is_fresh(record, now)) return Use::transmit;
            [[fallthrough]];
        case NeighbourState::stale:
            // RFC 1122 §2.3.2.1 (4): ask the known station before asking everybody.
            record.state = NeighbourState::probing;
            record.tries = 1;
            arm(record, now + kRetryInterval);
            return Use::transmit_and_ask;
    }
    MTCP_UNREACHABLE();
}

void Neighbours::doubt(NeighbourReference reference, Instant now) {
    if (!is_current(reference)) return;
    Neighbour& record = records_[reference.index];
    const bool confirmed_now = now - record.confirmed < kRetryInterval;
    if (record.state == NeighbourState::reachable && !confirmed_now) {
        record.state = NeighbourState::stale;
    }
}

void Neighbours::accept(Neighbour& record, const NeighbourUpdate& update, Instant now) {
    if (record.state == NeighbourState::incomplete) --incomplete_;
    record.link.destination = update.mac;
    record.timer = kNever;
    record.tries = 0;
    const bool asked =
        record.state == NeighbourState::incomplete || record.state == NeighbourState::probing;
    if (asked && update.evidence == Evidence::answer) {
        record.state = NeighbourState::reachable;
        record.confirmed = now;
    } else {
        record.state = NeighbourState::stale;  // usable, but unproven: RFC 4861 §7.2.3
    }
}

Neighbours::Learned Neighbours::contradict(Neighbour& record, Instant now) {
    if (record.state != NeighbourState::reachable) return Learned::contradicted;
    // A forger must not get through, and a station that took the address over must not wait for a
    // minute: ask the station that we know. It answers, or broadcast questions follow.
    record.state = NeighbourState::probing;
    record.tries = 1;
    arm(record, now + kRetryInterval);
    return Learned::contradicted_and_ask;
}

Neighbours::Learned Neighbours::learn(const NeighbourUpdate& update, Instant now,
                                      std::uint16_t& index) {
    index = find(update.interface, update.address);
    if (index == kNoNeighbour) {
        if (update.evidence != Evidence::request) return Learned::unknown;
        if (!by_strangers_.take(now)) return Learned::too_many;
        index = create(update.interface, update.address);
        if (index == kNoNeighbour) return Learned::too_many;
        accept(records_[index], update, now);
        return Learned::nothing;
    }
    Neighbour& record = records_[index];
    const bool agrees = record.link.destination == update.mac;
    switch (record.state) {
        case NeighbourState::unresolved:
            if (update.evidence != Evidence::request) return Learned::unknown;
            accept(record, update, now);
            return Learned::nothing;
        case NeighbourState::incomplete:
            if (update.evidence == Evidence::claim) return Learned::unknown;
            accept(record, update, now);
            return Learned::resolved;
        case NeighbourState::permanent: return agrees ? Learned::nothing : Learned::contradicted;
        case NeighbourState::probing:
            if (!agrees) return contradict(record, now);
            if (update.evidence == Evidence::answer) accept(record, update, now);
            return Learned::nothing;
        case NeighbourState::reachable:
            if (agrees) return Learned::nothing;
            if (is_fresh(record, now)) return contradict(record, now);
            [[fallthrough]];
        case NeighbourState::stale:
            if (!agrees) accept(record, update, now);
            return Learned::nothing;
    }
    MTCP_UNREACHABLE();
}

Neighbours::Due Neighbours::expire(Neighbour& record, Instant now) {
    if (record.tries < kTriesMax) {
        ++record.tries;
        arm(record, now + kRetryInterval);
        return record.state == NeighbourState::probing ? Due::ask_unicast : Due::ask_broadcast;
    }
    if (record.state == NeighbourState::probing) {
        ++incomplete_;
        record.state = NeighbourState::incomplete;
        record.tries = 1;
        arm(record, now + kRetryInterval);
        return Due::ask_broadcast;
    }
    --incomplete_;
    record.state = NeighbourState::unresolved;
    record.timer = kNever;
    return Due::failed;
}

Neighbours::Due Neighbours::expired(Instant now, std::uint16_t& index) {
    if (swept_ == 0) sweep_next_ = kNever;
    while (swept_ < used_) {
        Neighbour& record = records_[swept_++];
        if (record.timer <= now) {
            index = static_cast<std::uint16_t>(swept_ - 1);
            return expire(record, now);
        }
        sweep_next_ = earlier(sweep_next_, record.timer);
    }
    swept_ = 0;
    next_timer_ = sweep_next_;
    return Due::nothing;
}

}  // namespace mtcp::net
