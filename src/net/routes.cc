// SPDX-License-Identifier: Apache-2.0
// Longest-prefix match over a sorted list: hosts have few routes and ask once per connection.
#include "net/routes.h"

#include <algorithm>

namespace mtcp::net {

RouteTable::RouteTable(const NetworkConfiguration& configuration) : routes_(configuration.routes) {
    for (std::size_t i = 0; i < configuration.interfaces.size(); ++i) {
        for (const Prefix& prefix : configuration.interfaces[i].addresses) {
            // Many addresses of one network are one route.
            const bool there =
                std::any_of(routes_.begin(), routes_.end(), [&](const RouteConfiguration& route) {
                    return route.interface == i && route.gateway.is_unspecified() &&
                           route.destination.length == prefix.length &&
                           route.destination.address.is_v4() == prefix.address.is_v4() &&
                           route.destination.contains(prefix.address);
                });
            if (!there) routes_.push_back(RouteConfiguration{prefix, {}, i});
        }
    }
    std::stable_sort(routes_.begin(), routes_.end(),
                     [](const RouteConfiguration& a, const RouteConfiguration& b) {
                         return a.destination.mapped_length() > b.destination.mapped_length();
                     });
}

const RouteConfiguration* RouteTable::find(const wire::IpAddress& destination) const {
    for (const RouteConfiguration& route : routes_) {
        // A short prefix must not match across families: ::/0 is not 0.0.0.0/0.
        if (route.destination.address.is_v4() == destination.is_v4() &&
            route.destination.contains(destination)) {
            return &route;
        }
    }
    return nullptr;
}

}  // namespace mtcp::net
