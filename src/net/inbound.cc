// SPDX-License-Identifier: Apache-2.0
// Whether a received segment's TCP checksum stands.
#include "net/inbound.h"

#include "wire/big_endian.h"
#include "wire/checksum.h"
#include "wire/segment.h"

namespace mtcp::net {
namespace {

constexpr std::size_t kChecksumField = 16;  // RFC 9293 §3.1

// The sender's kernel wrote the pseudo-header sum and left the rest to a device that never was.
bool holds_pseudo_header_sum(const Inbound& inbound) {
    const auto length = static_cast<std::uint32_t>(inbound.bytes.size());
    const std::uint32_t sum =
        wire::pseudo_header_sum(inbound.key.remote, inbound.key.local, wire::kProtocolTcp, length);
    return wire::load_be16(inbound.bytes.data() + kChecksumField) == wire::fold(sum);
}

bool is_right(const Inbound& inbound) {
    if (!inbound.follows_addresses) {
        return wire::tcp_checksum_valid(inbound.key.remote, inbound.key.local, inbound.bytes);
    }
    constexpr std::size_t kAddresses = 8;
    const auto length = static_cast<std::uint32_t>(inbound.bytes.size());
    return wire::sum_is_valid(
        wire::checksum_add(wire::pseudo_header_rest(wire::kProtocolTcp, length),
                           {inbound.bytes.data() - kAddresses, length + kAddresses}));
}

}  // namespace

bool verify_checksum(const Inbound& inbound, Counters& counters) {
    if (inbound.checksum == io::Checksum::verified) return true;
    // Too short to hold the field: the parser drops and counts it.
    if (inbound.bytes.size() < wire::kTcpHeaderMin) return true;
    // Cheap and, where it is allowed at all, what nearly every segment looks like: so it comes
    // first.
    const bool may_be_partial = inbound.checksum == io::Checksum::partial ||
                                inbound.partial_checksums == PartialChecksums::accepted;
    if (may_be_partial && holds_pseudo_header_sum(inbound)) {
        ++counters.checksum_partial;
        return true;
    }
    if (is_right(inbound)) return true;
    counters.drop(Drop::tcp_bad_checksum);
    return false;
}

}  // namespace mtcp::net
