// SPDX-License-Identifier: Apache-2.0
// RFC 6528.
#include "tcp/handshake/isn.h"

#include <span>

#include "base/siphash.h"

namespace mtcp::tcp {

InitialNumbers initial_numbers(const SecretKey& key, const wire::FlowKey& flow, Instant now) {
    const std::uint64_t hash = siphash(key, std::as_bytes(std::span{&flow, 1}));
    const auto clock = static_cast<std::uint32_t>(now.ns / 4'000);
    return {.iss = {static_cast<std::uint32_t>(hash) + clock},
            .ts_offset = static_cast<std::uint32_t>(hash >> 32)};
}

}  // namespace mtcp::tcp
