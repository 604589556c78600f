// SPDX-License-Identifier: Apache-2.0
// A set-associative table.
#include "tcp/path/destinations.h"

#include <cstring>
#include <span>

#include "base/siphash.h"
#include "tcp/clock.h"

namespace mtcp::tcp {
namespace {

bool is_of(const Destination& entry, const wire::FlowKey& flow) {
    return entry.remote == flow.remote && entry.local == flow.local;
}

}  // namespace

Destination* Destinations::set_of(const wire::FlowKey& flow) const {
    static_assert(offsetof(wire::FlowKey, remote) == sizeof(wire::IpAddress));
    const auto addresses = std::as_bytes(std::span{&flow, 1}).first(2 * sizeof(wire::IpAddress));
    const std::uint64_t set = siphash(key_, addresses) % sets_;
    return reinterpret_cast<Destination*>(region_.data()) + set * kWays;
}

Destination* Destinations::find(const wire::FlowKey& flow, Instant now) {
    if (sets_ == 0) return nullptr;
    Destination* const set = set_of(flow);
    for (std::uint32_t i = 0; i < kWays; ++i) {
        if (!is_of(set[i], flow)) continue;
        set[i].used_s = to_s(now);
        return &set[i];
    }
    return nullptr;
}

Destination* Destinations::obtain(const wire::FlowKey& flow, Instant now) {
    if (Destination* const known = find(flow, now); known != nullptr || sets_ == 0) return known;
    Destination* const set = set_of(flow);
    Destination* oldest = set;
    for (std::uint32_t i = 0; i < kWays; ++i) {
        if (set[i].remote == wire::IpAddress{}) {
            oldest = &set[i];
            break;
        }
        if (to_s(now) - set[i].used_s > to_s(now) - oldest->used_s) oldest = &set[i];
    }
    std::memset(static_cast<void*>(oldest), 0, sizeof *oldest);
    oldest->local = flow.local;
    oldest->remote = flow.remote;
    oldest->used_s = to_s(now);
    return oldest;
}

void Destinations::note_path_mtu(const wire::FlowKey& flow, std::uint16_t mtu, Duration lifetime,
                                 Instant now) {
    Destination* const entry = mtu == 0 ? find(flow, now) : obtain(flow, now);
    if (entry == nullptr) return;
    entry->path_mtu = mtu;
    entry->path_mtu_s = to_s(now);
    if (mtu != 0) paths_known_until_ = now + lifetime;
}

}  // namespace mtcp::tcp
