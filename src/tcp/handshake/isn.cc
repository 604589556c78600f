// SPDX-License-Identifier: Apache-2.0
// RFC 6528.
#include "tcp/handshake/isn.h"

#include <array>
#include <cstring>
#include <span>

#include "base/siphash.h"

namespace mtcp::tcp {

// RFC 9293 MUST-9: a keyed hash of the tuple.
InitialNumbers initial_numbers(const SecretKey& key, const wire::FlowKey& flow, Instant now) {
    std::uint64_t hash;
    if (flow.local.is_v4() && flow.remote.is_v4()) {  // what tells IPv4 flows apart is 12 bytes
        std::array<std::byte, 12> tuple;
        std::memcpy(tuple.data(), flow.local.octet.data() + 12, 4);
        std::memcpy(tuple.data() + 4, flow.remote.octet.data() + 12, 4);
        std::memcpy(tuple.data() + 8, &flow.local_port, 2);
        std::memcpy(tuple.data() + 10, &flow.remote_port, 2);
        hash = siphash(key, tuple);
    } else {
        hash = siphash(key, std::as_bytes(std::span{&flow, 1}));
    }
    const auto clock = static_cast<std::uint32_t>(now.ns / 4'000);
    return {.iss = {static_cast<std::uint32_t>(hash) + clock},
            .ts_offset = static_cast<std::uint32_t>(hash >> 32)};
}

}  // namespace mtcp::tcp
