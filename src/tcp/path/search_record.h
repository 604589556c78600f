// SPDX-License-Identifier: Apache-2.0
// What a connection remembers of its path's MTU beyond the one in use (Tcb::path_mtu), once that is
// in doubt. From the core's pool; most connections never have one.
#pragma once

#include <cstdint>

#include "wire/sequence_number.h"

namespace mtcp::tcp {

inline constexpr std::uint32_t kPathSearchesMax = 65'536;  // what Tcb::search can name

// MTUs are of whole IP packets, bytes; Tcb::path_mtu is RFC 4821's search_low.
struct PathSearch {
    enum class Probe : std::uint8_t {
        none,
        due,  // the next full flight begins with one
        out,
    };

    std::uint16_t first_hop;  // of the way out when the connection was born: never more
    std::uint16_t high;       // search_high (RFC 4821 §7.2): not known to be too large
    std::uint16_t size;       // of the probe that is due or out
    Probe probe;
    bool cut;                         // the path takes less than segments may be made for
    bool probing;                     // RFC 4821 is at work, not only RFC 1191
    wire::SequenceNumber begin;       // the probe that is out...
    wire::SequenceNumber end;         // ...carries these
    wire::SequenceNumber sized_from;  // SND.NXT when Tcb::path_mtu last changed
    std::uint32_t settled_s;          // when the path was last found to take no more than this
    // ICMP (RFC 5927 §7)
    std::uint32_t claims_since_s;  // the first of...
    std::uint8_t claims;           // ...those that were believed at once
    std::uint16_t claim;           // held back until the segment that it quotes times out; 0: none
    wire::SequenceNumber claim_seq;
};

}  // namespace mtcp::tcp
