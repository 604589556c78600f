// SPDX-License-Identifier: Apache-2.0
// TCP Fast Open (RFC 7413): data in the SYN for those who show a cookie.
#pragma once

#include <cstdint>

#include "tcp/arrival.h"
#include "tcp/connection.h"

namespace mtcp::tcp {

// --- server (RFC 7413 §4.1.2, §4.2.2) ---

// The cookie of an address pair in the option of a SYN-ACK: SipHash-2-4 of both addresses as they
// stand in the IP header, in eight bytes.
void write_cookie(const SecretKey& key, const wire::FlowKey& flow, wire::Options& options);
enum class CookieVerdict : std::uint8_t { wrong, current, of_backup };
[[nodiscard]] CookieVerdict check_fast_open_cookie(const FastOpenKeys& keys,
                                                   const wire::FlowKey& flow,
                                                   const wire::Options& options);

// --- client (RFC 7413 §4.1.3, §4.2.1) ---

// What our SYN carries besides what it always does.
struct FastOpenOffer {
    enum class Option : std::uint8_t { none, request, cookie } option = Option::none;
    bool experimental = false;
    bool data = false;       // bytes may ride along
    std::uint32_t room = 0;  // so many
};
[[nodiscard]] FastOpenOffer plan_fast_open(Environment& env, const Tcb& tcb, Instant now);
// Adds the offer to the first SYN; how many of the bytes queued go along.
std::uint32_t write_fast_open(Environment& env, Tcb& tcb, Instant now, wire::OutgoingSegment& syn);
// The SYN-ACK came: remembers cookie and MSS, or that there is none.
void learn_from_syn_ack(Arrival& a);

// RFC 7413 §7.3: some middleboxes swallow such SYNs, or what follows them. Then Fast Open rests on
// the whole core.
void pause_fast_open(Environment& env, Instant now);
// The retransmission timer of a connection that tried it has expired; is this the end of it?
enum class Expired : std::uint8_t { no, yes };
void note_timeout(Environment& env, const Tcb& tcb, Expired expired, Instant now);
// A connection that tried it came to its end: did data flow?
void judge_fast_open(Environment& env, const Tcb& tcb, Instant now);

}  // namespace mtcp::tcp
