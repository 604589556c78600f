// SPDX-License-Identifier: Apache-2.0
// The neighbour table of one core: IP address of a station on a link → its MAC address, and what is
// known about whether that still holds (RFC 826, RFC 1122 §2.3.2, the states of RFC 4861 §7.3.2).
//
// Decides and remembers; never sends. What it answers is carried out by the Network.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "base/cache_line.h"
#include "base/random.h"
#include "base/time.h"
#include "net/configuration.h"
#include "net/parked_frames.h"
#include "net/token_bucket.h"
#include "wire/ethernet.h"
#include "wire/ip_address.h"

namespace mtcp::net {

// Names a record; when it was given to another address meanwhile, the versions differ.
struct NeighbourReference {
    std::uint32_t version = 0;
    std::uint16_t index = 0xffff;
};
inline constexpr std::uint16_t kNoNeighbour = 0xffff;

enum class NeighbourState : std::uint8_t {
    unresolved,  // nothing known, nothing asked
    incomplete,  // asked by broadcast; frames wait
    reachable,   // confirmed within kReachableTime
    stale,       // known, not confirmed lately or never by an answer; the next use asks
    probing,     // known and used, asked by unicast
    permanent,   // configured
};

struct Neighbour {
    wire::IpAddress address;
    wire::EthernetHeader link{.type = wire::kEtherTypeIpv4};  // of what is sent there
    std::uint8_t interface = 0;
    NeighbourState state = NeighbourState::unresolved;
    std::uint8_t tries = 0;
    std::uint8_t in_use = 0;  // used since the eviction hand last passed
    std::uint32_t version = 0;
    ParkedList parked;
    Instant confirmed{};
    Instant timer = kNever;  // next question, in incomplete and probing
};
static_assert(sizeof(Neighbour) == kCacheLine, "found by a shift");

// How an address was seen in an ARP packet.
enum class Evidence : std::uint8_t {
    answer,   // a reply to one of our addresses
    request,  // a request for one of our addresses: its sender wants to talk
    claim,    // anything else, such as a gratuitous announcement
};

struct NeighbourUpdate {
    wire::IpAddress address;
    wire::MacOctets mac{};
    std::uint8_t interface = 0;
    Evidence evidence = Evidence::claim;
};

class Neighbours {
  public:
    static constexpr Duration kReachableTime = seconds(60);
    static constexpr Duration kRetryInterval = seconds(1);
    static constexpr std::uint8_t kTriesMax = 3;

    // Reserves the table; static entries are put in.
    Neighbours(const NetworkConfiguration& configuration, Random& random);
    Neighbours(const Neighbours&) = delete;
    Neighbours& operator=(const Neighbours&) = delete;

    // The record for an address, made when there is none (unresolved). kNoNeighbour: the table is
    // full of records that cannot be given up.
    [[nodiscard]] NeighbourReference obtain(std::uint8_t interface, const wire::IpAddress& address);
    [[nodiscard]] std::uint16_t find(std::uint8_t interface, const wire::IpAddress& address) const;
    [[nodiscard]] bool is_current(NeighbourReference reference) const {
        return reference.index < records_.size() &&
               records_[reference.index].version == reference.version;
    }
    // The record, if it is current and packets may go there without a question; else nullptr. It
    // counts as used then.
    [[nodiscard]] const Neighbour* known(NeighbourReference reference, Instant now) {
        if (!is_current(reference)) return nullptr;
        Neighbour& record = records_[reference.index];
        record.in_use = 1;
        const bool known =
            record.state == NeighbourState::permanent ||
            (record.state == NeighbourState::reachable && now - record.confirmed <= kReachableTime);
        return known ? &record : nullptr;
    }
    [[nodiscard]] Neighbour& operator[](std::uint16_t index) { return records_[index]; }
    [[nodiscard]] std::span<Neighbour> all() { return {records_.data(), used_}; }

    // A packet wants to go to this neighbour. What to do with it:
    enum class Use : std::uint8_t {
        transmit,
        transmit_and_ask,  // and send a unicast request
        park,
        park_and_ask,  // and send a broadcast request
        refuse,        // too many neighbours are being asked for
    };
    [[nodiscard]] Use use(std::uint16_t index, Instant now) {
        Neighbour& record = records_[index];
        record.in_use = 1;
        const bool known =
            record.state == NeighbourState::permanent || record.state == NeighbourState::probing ||
            (record.state == NeighbourState::reachable && now - record.confirmed <= kReachableTime);
        return known ? Use::transmit : use_doubtful(record, now);
    }

    // Nothing comes back from there: the next packet asks the neighbour again, unless it has just
    // answered (RFC 1122 §3.3.1.4).
    void doubt(NeighbourReference reference, Instant now);

    // Somebody says who has an address. What follows:
    enum class Learned : std::uint8_t {
        nothing,               // agreed with what is known
        unknown,               // about an address that does not concern this core
        resolved,              // record `index` is usable now: send what is parked
        contradicted,          // a record that is static or fresh stands against it
        contradicted_and_ask,  // and is put to the test: send a unicast request for record `index`
        too_many,              // the sender may not make a record now
    };
    [[nodiscard]] Learned learn(const NeighbourUpdate& update, Instant now, std::uint16_t& index);

    // Timers. Call while now >= deadline() until it returns nothing.
    enum class Due : std::uint8_t {
        nothing,
        ask_broadcast,
        ask_unicast,
        failed,  // nobody answers: give up what is parked
    };
    [[nodiscard]] Due expired(Instant now, std::uint16_t& index);
    [[nodiscard]] Instant deadline() const { return next_timer_; }
    [[nodiscard]] std::size_t used() const { return used_; }

  private:
    [[nodiscard]] Use use_doubtful(Neighbour& record, Instant now);
    [[nodiscard]] std::size_t home(std::uint8_t interface, const wire::IpAddress& address) const;
    void insert(std::uint16_t index);
    void erase(std::uint16_t index);
    [[nodiscard]] std::uint16_t take_record();
    [[nodiscard]] std::uint16_t create(std::uint8_t interface, const wire::IpAddress& address);
    void arm(Neighbour& record, Instant at);
    [[nodiscard]] Learned contradict(Neighbour& record, Instant now);
    void accept(Neighbour& record, const NeighbourUpdate& update, Instant now);
    [[nodiscard]] Due expire(Neighbour& record, Instant now);

    SecretKey key_;
    std::vector<wire::MacOctets> own_macs_;  // by interface
    std::vector<Neighbour> records_;
    std::vector<std::uint16_t> table_;  // open addressing; kNoNeighbour: free
    std::size_t mask_ = 0;
    std::size_t used_ = 0;
    std::size_t incomplete_ = 0;
    std::size_t hand_ = 0;   // where the search for a record to give up goes on
    std::size_t swept_ = 0;  // where the search for expired timers goes on
    Instant next_timer_ = kNever;
    Instant sweep_next_ = kNever;
    TokenBucket by_strangers_;
};

}  // namespace mtcp::net
