// SPDX-License-Identifier: Apache-2.0
// Ports in use, as lists of ids by port.
#include "socket/port_table.h"

namespace mtcp::socket {

bool PortTable::reserve(std::uint16_t first, std::uint16_t last, std::uint64_t seed) {
    heads_ = Region::map(65'536 * sizeof(std::uint32_t), Pages::normal);
    first_ = first;
    last_ = last;
    random_ = Random(seed);
    return heads_.data() != nullptr;
}

bool PortTable::conflicts(DescriptorTable& table, const Descriptor& d,
                          const wire::Endpoint& where) {
    return conflicts(table, d, where, Sharing::by_options);
}

bool PortTable::conflicts(DescriptorTable& table, const Descriptor& d, const wire::Endpoint& where,
                          Sharing sharing) {
    const DescriptorDetails& mine = table.details(d);
    for (std::uint32_t entry = head(where.port); entry != 0;) {
        const Descriptor& other = table.at(entry - 1);
        const DescriptorDetails& theirs = table.details(other);
        entry = theirs.port_next;
        if (&other == &d) continue;
        const bool overlap = where.address.is_unspecified() ||
                             theirs.local.address.is_unspecified() ||
                             where.address == theirs.local.address;
        if (!overlap) continue;
        if (sharing == Sharing::never) return true;
        if (mine.reuse_port != 0 && theirs.reuse_port != 0) continue;
        if (mine.reuse_address != 0 && theirs.reuse_address != 0 &&
            other.kind != DescriptorKind::listener) {
            continue;
        }
        return true;
    }
    return false;
}

std::uint16_t PortTable::choose(DescriptorTable& table, const Descriptor& d,
                                const wire::IpAddress& address) {
    const std::uint32_t count = std::uint32_t{last_} - first_ + 1;
    const std::uint32_t start = random_.below(count);
    for (std::uint32_t i = 0; i < count; ++i) {
        const auto port = static_cast<std::uint16_t>(first_ + (start + i) % count);
        if (!conflicts(table, d, {address, port}, Sharing::never)) return port;
    }
    return 0;
}

void PortTable::insert(DescriptorTable& table, Descriptor& d) {
    DescriptorDetails& details = table.own_details(d);
    std::uint32_t& first = head(details.local.port);
    details.port_next = first;
    first = table.id_of(d) + 1;
    d.in_port_table = 1;
}

void PortTable::erase(DescriptorTable& table, Descriptor& d) {
    if (d.in_port_table == 0) return;
    const std::uint32_t entry = table.id_of(d) + 1;
    const DescriptorDetails& details = table.details(d);
    std::uint32_t* link = &head(details.local.port);
    while (*link != entry)
        link = &table.own_details(table.at(*link - 1)).port_next;
    *link = details.port_next;
    d.in_port_table = 0;
}

}  // namespace mtcp::socket
