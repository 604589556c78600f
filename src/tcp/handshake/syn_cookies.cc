// SPDX-License-Identifier: Apache-2.0
// RFC 4987.
#include "tcp/handshake/syn_cookies.h"

#include <array>
#include <span>

#include "base/siphash.h"
#include "tcp/passive_open.h"

namespace mtcp::tcp {
namespace {

using wire::SequenceNumber;

// Ascending; the first is what a peer without the option gets. Chosen from what the Internet uses.
constexpr std::array<std::uint16_t, 8> kMssTable{88, 536, 1220, 1300, 1380, 1440, 1460, 8960};

constexpr std::int64_t kPeriodNs = 64'000'000'000;
static_assert(kCookieLife.ns == 2 * kPeriodNs);
constexpr std::uint32_t kHashMask = 0x00ff'ffff;
constexpr std::uint32_t kPeriodMask = 31;
constexpr std::uint8_t kNoShift = 15;
constexpr std::uint32_t kOfferMask = 63;

struct HashInput {
    wire::FlowKey flow;
    SequenceNumber irs;
    std::uint32_t mss_index;
    std::uint32_t timestamps;
    std::uint64_t period;
};
static_assert(sizeof(HashInput) == 56);  // no padding: every byte is hashed

std::uint32_t hash(const SecretKey& key, const wire::FlowKey& flow, SequenceNumber irs,
                   std::uint32_t mss_index, CookieStamps stamps, std::uint64_t period) {
    const HashInput input{flow, irs, mss_index, stamps == CookieStamps::agreed, period};
    return static_cast<std::uint32_t>(siphash(key, std::as_bytes(std::span{&input, 1}))) &
           kHashMask;
}

std::uint64_t period_of(Instant now) { return static_cast<std::uint64_t>(now.ns / kPeriodNs); }

}  // namespace

SequenceNumber make_cookie(const SecretKey& key, const wire::FlowKey& flow, SequenceNumber irs,
                           std::uint16_t mss, CookieStamps stamps, Instant now) {
    std::uint32_t index = 0;
    while (index + 1 < kMssTable.size() && kMssTable[index + 1] <= mss)
        ++index;
    const std::uint64_t period = period_of(now);
    const std::uint32_t low = static_cast<std::uint32_t>(period) & kPeriodMask;
    return irs + (low << 27 | index << 24 | hash(key, flow, irs, index, stamps, period));
}

std::uint16_t mss_of_cookie(const SecretKey& key, const wire::FlowKey& flow, SequenceNumber irs,
                            SequenceNumber iss, CookieStamps stamps, Instant now) {
    const std::uint32_t cookie = iss - irs;
    const std::uint32_t index = cookie >> 24 & 7;
    const std::uint64_t current = period_of(now);
    const std::uint32_t age = (static_cast<std::uint32_t>(current) - (cookie >> 27)) & kPeriodMask;
    if (age > 1 || age > current) return 0;
    if (hash(key, flow, irs, index, stamps, current - age) != (cookie & kHashMask)) return 0;
    return kMssTable[index];
}

std::uint32_t cookie_timestamp(std::uint32_t clock, const CookieOffer& offered) {
    std::uint32_t bits =
        offered.window_shift == wire::kNoWindowShift ? kNoShift : offered.window_shift;
    if (offered.selective_ack) bits |= 1u << 4;
    if (offered.ecn) bits |= 1u << 5;
    std::uint32_t stamped = (clock & ~kOfferMask) | bits;
    // Never ahead of the clock, or the next segments would look older (RFC 7323 §5).
    if (static_cast<std::int32_t>(stamped - clock) > 0) stamped -= kOfferMask + 1;
    return stamped;
}

CookieOffer offer_of_timestamp(std::uint32_t ts_echo, std::uint32_t ts_offset) {
    const std::uint32_t bits = (ts_echo - ts_offset) & kOfferMask;
    CookieOffer offer;
    const auto shift = static_cast<std::uint8_t>(bits & 15);
    if (shift != kNoShift) offer.window_shift = shift;
    offer.selective_ack = (bits >> 4 & 1) != 0;
    offer.ecn = (bits >> 5 & 1) != 0;
    return offer;
}

}  // namespace mtcp::tcp
