// SPDX-License-Identifier: Apache-2.0
// The table of own and broadcast addresses: built once, asked for every packet.
#include "net/addresses.h"

#include <algorithm>
#include <bit>

namespace mtcp::net {
namespace {

constexpr std::uint32_t kLimitedBroadcast = 0xffffffff;

}  // namespace

AddressTable::AddressTable(const std::vector<InterfaceConfiguration>& interfaces) {
    for (std::size_t i = 0; i < interfaces.size(); ++i) {
        for (const Prefix& prefix : interfaces[i].addresses) {
            own_.push_back(OwnAddress{.prefix = prefix, .interface = static_cast<std::uint8_t>(i)});
        }
    }
    table_.resize(std::bit_ceil(own_.size() * 4 + 4));
    mask_ = table_.size() - 1;
    remember(kLimitedBroadcast, AddressKind::broadcast);
    for (const OwnAddress& own : own_) {
        if (own.prefix.address.is_v4()) remember(own.prefix.address.v4_bits(), AddressKind::own);
    }
    for (const OwnAddress& own : own_) {
        // A /31 or /32 has no broadcast address (RFC 3021 §2.1).
        if (!own.prefix.address.is_v4() || own.prefix.length > 30) continue;
        const std::uint32_t host_bits = kLimitedBroadcast >> own.prefix.length;
        remember(own.prefix.address.v4_bits() | host_bits, AddressKind::broadcast);
    }
    loops_back_ = std::any_of(own_.begin(), own_.end(), [](const OwnAddress& own) {
        return own.prefix.address.is_v4() && is_loopback(own.prefix.address.v4_bits());
    });
}

void AddressTable::remember(std::uint32_t v4, AddressKind kind) {
    if (kind_v4(v4) != AddressKind::other) return;  // the first meaning stays
    std::size_t at = home(v4);
    while (table_[at].kind != AddressKind::other)
        at = (at + 1) & mask_;
    table_[at] = Entry{v4, kind};
}

AddressKind AddressTable::kind(const wire::IpAddress& address) const {
    if (address.is_v4()) return kind_v4(address.v4_bits());
    for (const OwnAddress& own : own_) {
        if (own.prefix.address == address) return AddressKind::own;
    }
    return address.octet[0] == 0xff ? AddressKind::multicast : AddressKind::other;
}

OwnAddress* AddressTable::find_on_interface(const wire::IpAddress& address, std::size_t interface) {
    for (OwnAddress& own : own_) {
        if (own.interface == interface && own.prefix.address == address) return &own;
    }
    return nullptr;
}

wire::IpAddress AddressTable::source_for(const wire::IpAddress& next_hop,
                                         std::size_t interface) const {
    const OwnAddress* of_interface = nullptr;
    for (const OwnAddress& own : own_) {
        if (own.interface != interface) continue;
        if (own.prefix.contains(next_hop)) return own.prefix.address;
        if (of_interface == nullptr) of_interface = &own;
    }
    return of_interface != nullptr ? of_interface->prefix.address : first();
}

wire::IpAddress AddressTable::first() const {
    for (const OwnAddress& own : own_) {
        const wire::IpAddress& address = own.prefix.address;
        if (!address.is_v4() || !is_loopback(address.v4_bits())) return address;
    }
    return {};
}

}  // namespace mtcp::net
