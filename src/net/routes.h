// SPDX-License-Identifier: Apache-2.0
// The route table: which interface, and through which gateway (RFC 1122 §3.3.1).
#pragma once

#include <cstdint>
#include <vector>

#include "net/configuration.h"
#include "wire/ip_address.h"

namespace mtcp::net {

class RouteTable {
  public:
    RouteTable() = default;
    // Configured routes, and one for the prefix of every own address; the longest wins, and of
    // equal ones the configured, in their order.
    explicit RouteTable(const NetworkConfiguration& configuration);

    // The route to `destination`, or nullptr.
    [[nodiscard]] const RouteConfiguration* find(const wire::IpAddress& destination) const;

  private:
    std::vector<RouteConfiguration> routes_;  // longest prefix first
};

}  // namespace mtcp::net
