// SPDX-License-Identifier: Apache-2.0
// SYN cookies (RFC 4987 §3.6): an ISS that remembers the SYN, so that a full backlog need not.
//
//   ISS = IRS + [ period : 5 | MSS index : 3 | SipHash(flow, IRS, period, index, stamps) : 24 ]
//
// A period is 64 s; a cookie holds in the period it was made in and the next. Adding IRS keeps a
// tuple's ISS rising as the client's does. What else the SYN offered rides in the low six bits of
// our timestamp, if the client sent one: window shift (15: none) in four bits, SACK and ECN in one
// each. They come back in TSecr and are not secret: lying about them only hurts the liar. Without
// timestamps the connection has neither; that there were some is in the hash, so that those of a
// peer who never offered any are ignored (RFC 7323 §3.2).
#pragma once

#include <cstdint>

#include "base/random.h"
#include "base/time.h"
#include "wire/ip_address.h"
#include "wire/segment.h"
#include "wire/sequence_number.h"

namespace mtcp::tcp {

enum class CookieStamps : std::uint8_t { none, agreed };

[[nodiscard]] wire::SequenceNumber make_cookie(const SecretKey& key, const wire::FlowKey& flow,
                                               wire::SequenceNumber irs, std::uint16_t mss,
                                               CookieStamps stamps, Instant now);
// The MSS a valid cookie remembers (never more than the peer's), 0 if it is not one of ours with
// these `stamps`, or too old.
[[nodiscard]] std::uint16_t mss_of_cookie(const SecretKey& key, const wire::FlowKey& flow,
                                          wire::SequenceNumber irs, wire::SequenceNumber iss,
                                          CookieStamps stamps, Instant now);

struct CookieOffer {
    std::uint8_t window_shift = wire::kNoWindowShift;
    bool selective_ack = false;
    bool ecn = false;
};
// TSval for the cookie's SYN-ACK: the clock's, at most 64 ms back, with the offer in its low bits.
[[nodiscard]] std::uint32_t cookie_timestamp(std::uint32_t clock, const CookieOffer& offered);
[[nodiscard]] CookieOffer offer_of_timestamp(std::uint32_t ts_echo, std::uint32_t ts_offset);

}  // namespace mtcp::tcp
