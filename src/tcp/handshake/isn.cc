// SPDX-License-Identifier: Apache-2.0
// RFC 6528.
#include "tcp/handshake/isn.h"

#include "wire/flow_siphash.h"

namespace mtcp::tcp {

// RFC 9293 MUST-9: a keyed hash of the tuple.
InitialNumbers initial_numbers(const SecretKey& key, const wire::FlowKey& flow, Instant now) {
    const std::uint64_t hash = wire::flow_siphash(key, flow);
    const auto clock = static_cast<std::uint32_t>(now.ns / 4'000);
    return {.iss = {static_cast<std::uint32_t>(hash) + clock},
            .ts_offset = static_cast<std::uint32_t>(hash >> 32)};
}

}  // namespace mtcp::tcp
