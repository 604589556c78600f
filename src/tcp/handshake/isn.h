// SPDX-License-Identifier: Apache-2.0
// Initial sequence numbers and timestamp offsets (RFC 6528, RFC 9293 §3.4.1, RFC 7323 §5.4).
#pragma once

#include <cstdint>

#include "base/random.h"
#include "base/time.h"
#include "wire/ip_address.h"
#include "wire/sequence_number.h"

namespace mtcp::tcp {

struct InitialNumbers {
    wire::SequenceNumber iss;
    std::uint32_t ts_offset = 0;
};

// ISN = M + F(flow, key): M ticks every 4 microseconds (RFC 9293 MUST-8), F is SipHash (SHLD-1,
// MUST-9). The other half of the hash is the flow's timestamp offset: constant per tuple, so that
// timestamps of successive connections of one tuple keep rising (RFC 6191 needs it), and unrelated
// between tuples.
[[nodiscard]] InitialNumbers initial_numbers(const SecretKey& key, const wire::FlowKey& flow,
                                             Instant now);

}  // namespace mtcp::tcp
