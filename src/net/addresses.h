// SPDX-License-Identifier: Apache-2.0
// Our own addresses and what they say about others: which are broadcast addresses of our networks,
// which no host may have as its source (RFC 1122 §3.2.1.3).
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "base/time.h"
#include "net/configuration.h"
#include "wire/ip_address.h"

namespace mtcp::net {

enum class AddressKind : std::uint8_t { own, broadcast, multicast, other };

struct OwnAddress {
    wire::Prefix prefix;
    std::uint8_t interface = 0;
    bool has_defended = false;
    Instant defended{};  // last announcement in its defence
};

class AddressTable {
  public:
    AddressTable() = default;
    explicit AddressTable(const std::vector<InterfaceConfiguration>& interfaces);

    [[nodiscard]] bool is_local(const wire::IpAddress& address) const {
        return kind(address) == AddressKind::own;
    }
    [[nodiscard]] AddressKind kind(const wire::IpAddress& address) const;
    // The same for the bits of an IPv4 address, in host order: what the paths of packets ask.
    [[nodiscard]] AddressKind kind_v4(std::uint32_t v4) const {
        std::size_t at = home(v4);
        while (table_[at].kind != AddressKind::other) {
            if (table_[at].v4 == v4) return table_[at].kind;
            at = (at + 1) & mask_;
        }
        if (v4 >> 28 == 0xe) return AddressKind::multicast;
        return is_loopback(v4) && loops_back_ ? AddressKind::own : AddressKind::other;
    }
    // ARP answers only for the addresses of the interface asked on. nullptr: it is none of them.
    [[nodiscard]] OwnAddress* find_on_interface(const wire::IpAddress& address,
                                                std::size_t interface);
    // May a packet from the wire carry this source? On a loopback interface own addresses may.
    [[nodiscard]] bool is_valid_source(std::uint32_t v4, InterfaceKind link) const {
        const AddressKind kind_of_source = kind_v4(v4);
        if (link == InterfaceKind::loopback) return kind_of_source == AddressKind::own;
        // RFC 1122 §3.2.1.3: {0, host} only while a host learns its address; RFC 1112 §4: class E.
        return kind_of_source == AddressKind::other && v4 >> 24 != 0 && !is_loopback(v4) &&
               v4 >> 28 != 0xf;
    }
    // 127.0.0.0/8 never comes from a wire, even where it is ours (RFC 1122 §3.2.1.3 (g)).
    [[nodiscard]] static bool is_loopback(std::uint32_t v4) { return v4 >> 24 == 127; }
    // The address to speak from to `next_hop`: one whose prefix contains it, else the interface's
    // first, else first().
    [[nodiscard]] wire::IpAddress source_for(const wire::IpAddress& next_hop,
                                             std::size_t interface) const;
    // The first own address outside 127.0.0.0/8; unspecified when there is none.
    [[nodiscard]] wire::IpAddress first() const;
    [[nodiscard]] const std::vector<OwnAddress>& all() const { return own_; }

  private:
    struct Entry {
        std::uint32_t v4 = 0;
        AddressKind kind = AddressKind::other;  // other: free slot
    };
    void remember(std::uint32_t v4, AddressKind kind);
    // The configuration chooses the entries, not the peer: any spreading will do.
    [[nodiscard]] std::size_t home(std::uint32_t v4) const {
        return static_cast<std::size_t>((v4 * 0x9e3779b97f4a7c15u) >> 32) & mask_;
    }

    std::vector<OwnAddress> own_;
    std::vector<Entry> table_{1};  // of IPv4; open addressing, at most half full
    std::size_t mask_ = 0;
    bool loops_back_ = false;  // one of 127.0.0.0/8 is ours, and so all are, as on Linux
};

}  // namespace mtcp::net
