// SPDX-License-Identifier: Apache-2.0
// A keyed hash of a 4-tuple that a stranger cannot predict: behind initial sequence numbers (RFC
// 6528) and the choice of local ports (RFC 6056).
#pragma once

#include <cstdint>
#include <span>

#include "base/siphash.h"
#include "wire/ip_address.h"

namespace mtcp::wire {

[[nodiscard]] inline std::uint64_t flow_siphash(const SecretKey& key, const FlowKey& flow) {
    if (flow.local.is_v4() && flow.remote.is_v4()) {  // what tells IPv4 flows apart is 12 bytes
        SipHash hash(key);
        hash.absorb(std::uint64_t{flow.local.v4_bits()} << 32 | flow.remote.v4_bits());
        return hash.finish(std::uint64_t{flow.local_port} << 16 | flow.remote_port, 12);
    }
    return siphash(key, std::as_bytes(std::span{&flow, 1}));
}

}  // namespace mtcp::wire
