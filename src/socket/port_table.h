// SPDX-License-Identifier: Apache-2.0
// Which local ports the sockets of one context were bound to, and whether another may join them.
#pragma once

#include <cstdint>

#include "base/memory.h"
#include "base/random.h"
#include "socket/descriptor_table.h"

namespace mtcp::socket {

class PortTable {
  public:
    [[nodiscard]] bool reserve(std::uint16_t first, std::uint16_t last, std::uint64_t seed);

    // Would `d`, with the options it has, conflict with another socket on `where`? Linux's rule:
    // addresses that overlap conflict, unless both sides have SO_REUSEPORT, or both have
    // SO_REUSEADDR and the other does not listen.
    [[nodiscard]] bool conflicts(DescriptorTable& table, const Descriptor& d,
                                 const wire::Endpoint& where);
    // A port of the range for active opens, or 0. Nobody shares it, whatever the options: as Linux.
    [[nodiscard]] std::uint16_t choose(DescriptorTable& table, const Descriptor& d,
                                       const wire::IpAddress& address);
    // `d` holds details.local.port from now on, until erase().
    void insert(DescriptorTable& table, Descriptor& d);
    void erase(DescriptorTable& table, Descriptor& d);

  private:
    enum class Sharing : std::uint8_t { by_options, never };
    [[nodiscard]] bool conflicts(DescriptorTable& table, const Descriptor& d,
                                 const wire::Endpoint& where, Sharing sharing);
    // Ids by port, as id + 1: the mapping begins as zeros, which is "none".
    [[nodiscard]] std::uint32_t& head(std::uint16_t port) {
        return reinterpret_cast<std::uint32_t*>(heads_.data())[port];
    }
    Region heads_;
    Random random_{0};
    std::uint16_t first_ = 0;
    std::uint16_t last_ = 0;
};

}  // namespace mtcp::socket
