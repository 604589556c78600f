// SPDX-License-Identifier: Apache-2.0
// The listeners of one core: by the id that records name them with, and by the port that segments
// come to, so that a SYN costs the same whether a program listens on one port or on thousands.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "base/assert.h"
#include "socket/channel.h"
#include "wire/ip_address.h"

namespace mtcp::stack {

class Listeners {
  public:
    // The listener is the caller's; its id is free here.
    void add(socket::Listener& listener) {
        if (by_id_.size() <= listener.id) by_id_.resize(listener.id + 1, nullptr);
        MTCP_ASSERT(by_id_[listener.id] == nullptr);
        by_id_[listener.id] = &listener;
        socket::Listener** end = &by_port_[bucket_of(listener.endpoint.port)];
        while (*end != nullptr)
            end = &(*end)->next_of_bucket;
        listener.next_of_bucket = nullptr;
        *end = &listener;
    }
    void remove(const socket::Listener& listener) {
        by_id_[listener.id] = nullptr;
        socket::Listener** link = &by_port_[bucket_of(listener.endpoint.port)];
        while (*link != &listener)
            link = &(*link)->next_of_bucket;
        *link = listener.next_of_bucket;
    }

    // nullptr: none has this id.
    [[nodiscard]] socket::Listener* operator[](std::uint32_t id) const { return by_id_[id]; }
    // By id; nullptr where one is free.
    [[nodiscard]] const std::vector<socket::Listener*>& all() const { return by_id_; }

    // Who takes a flow to `to`: who is bound to just that address before those who are to none, and
    // of several (SO_REUSEPORT) the one that the flow's hash chooses, as on Linux. nullptr: nobody.
    [[nodiscard]] socket::Listener* find(const wire::Endpoint& to, std::uint32_t hash) const {
        for (const wire::Endpoint& where : {to, wire::Endpoint{{}, to.port}}) {
            const std::uint32_t bound = count(where);
            if (bound == 0) continue;
            socket::Listener* listener = next(by_port_[bucket_of(to.port)], where);
            for (std::uint32_t skip = bound == 1 ? 0 : hash % bound; skip > 0; --skip)
                listener = next(listener->next_of_bucket, where);
            return listener;
        }
        return nullptr;
    }
    // How many are bound to just this.
    [[nodiscard]] std::uint32_t count(const wire::Endpoint& where) const {
        std::uint32_t bound = 0;
        for (const socket::Listener* listener = next(by_port_[bucket_of(where.port)], where);
             listener != nullptr; listener = next(listener->next_of_bucket, where)) {
            ++bound;
        }
        return bound;
    }

  private:
    static constexpr std::size_t kBuckets = 1024;

    [[nodiscard]] static std::size_t bucket_of(std::uint16_t port) { return port % kBuckets; }
    // :: and 0.0.0.0 are the same here.
    [[nodiscard]] static bool same(const wire::Endpoint& a, const wire::Endpoint& b) {
        const bool unspecified = a.address.is_unspecified() && b.address.is_unspecified();
        return a.port == b.port && (unspecified || a.address == b.address);
    }
    // The first of a chain that is bound to `where`.
    [[nodiscard]] static socket::Listener* next(socket::Listener* chain,
                                                const wire::Endpoint& where) {
        while (chain != nullptr && !same(chain->endpoint, where))
            chain = chain->next_of_bucket;
        return chain;
    }

    std::vector<socket::Listener*> by_id_;
    std::array<socket::Listener*, kBuckets> by_port_{};
};

}  // namespace mtcp::stack
