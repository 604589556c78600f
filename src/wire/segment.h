// SPDX-License-Identifier: Apache-2.0
// A TCP segment in host order, legal by construction (RFC 9293 §3.1): what parse_segment() makes of
// bytes, and what emit_segment() turns into bytes.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>

#include "base/drop.h"
#include "base/result.h"
#include "wire/ip_address.h"
#include "wire/sequence_number.h"

namespace mtcp::wire {

// Control bits; values as on the wire.
struct Flags {
    std::uint8_t bits = 0;

    static constexpr std::uint8_t fin = 0x01;
    static constexpr std::uint8_t syn = 0x02;
    static constexpr std::uint8_t rst = 0x04;
    static constexpr std::uint8_t psh = 0x08;
    static constexpr std::uint8_t ack = 0x10;
    static constexpr std::uint8_t urg = 0x20;
    static constexpr std::uint8_t ece = 0x40;
    static constexpr std::uint8_t cwr = 0x80;

    [[nodiscard]] constexpr bool has(std::uint8_t any_of) const { return (bits & any_of) != 0; }
    [[nodiscard]] constexpr bool all(std::uint8_t all_of) const {
        return (bits & all_of) == all_of;
    }
    friend constexpr bool operator==(Flags, Flags) = default;
};

// Received data [begin, end) as reported by RFC 2018.
struct SackBlock {
    SequenceNumber begin;
    SequenceNumber end;
};

inline constexpr std::size_t kSackBlocksMax = 4;
inline constexpr std::size_t kTcpHeaderMin = 20;
inline constexpr std::size_t kTcpHeaderMax = 60;
inline constexpr std::uint8_t kNoWindowShift = 0xff;
inline constexpr std::uint8_t kNoFastOpen = 0xff;
inline constexpr std::size_t kFastOpenCookieMin = 4;  // RFC 7413 §4.1.1
inline constexpr std::size_t kFastOpenCookieMax = 16;
inline constexpr std::uint8_t kWindowShiftMax = 14;  // RFC 7323 §2.3

// The options of a segment, decoded. Absent: see each field.
struct Options {
    std::uint16_t mss = 0;                       // 0: absent
    std::uint8_t window_shift = kNoWindowShift;  // already limited to kWindowShiftMax
    bool sack_permitted = false;
    bool timestamps = false;  // the two fields below are valid
    std::uint8_t sack_count = 0;
    std::uint8_t fast_open_length = kNoFastOpen;  // RFC 7413; 0: cookie request
    bool fast_open_experimental = false;          // in the form of RFC 7413 Appendix B
    std::uint32_t ts_value = 0;
    std::uint32_t ts_echo = 0;
    std::array<SackBlock, kSackBlocksMax> sack;  // only the first sack_count are valid
    std::array<std::uint8_t, kFastOpenCookieMax>
        fast_open_cookie;  // only the first fast_open_length are valid

    void clear() {
        mss = 0;
        window_shift = kNoWindowShift;
        sack_permitted = timestamps = false;
        sack_count = 0;
        fast_open_length = kNoFastOpen;
        fast_open_experimental = false;
    }
};
// Which options there are, all in one number: what stands before the first value.
[[nodiscard]] inline std::uint64_t kinds_of(const Options& options) {
    static_assert(offsetof(Options, ts_value) == sizeof(std::uint64_t));
    std::uint64_t kinds;
    std::memcpy(&kinds, &options, sizeof kinds);
    return kinds;
}

// A received segment. `payload` points into the frame.
struct Segment {
    std::uint16_t source_port = 0;
    std::uint16_t destination_port = 0;
    SequenceNumber seq;
    SequenceNumber ack;
    std::uint16_t window = 0;  // as in the header, not yet scaled
    std::uint16_t urgent = 0;
    Flags flags;
    std::uint8_t ecn = 0;  // the two ECN bits of the IP header
    Options options;
    std::span<const std::byte> payload;

    // SEG.LEN: payload plus one each for SYN and FIN.
    [[nodiscard]] std::uint32_t length() const {
        return static_cast<std::uint32_t>(payload.size()) + (flags.has(Flags::syn) ? 1u : 0u) +
               (flags.has(Flags::fin) ? 1u : 0u);
    }
};

// A segment to send. Its payload is a range of the send queue, named by its distance from SND.UNA.
struct OutgoingSegment {
    SequenceNumber seq;
    SequenceNumber ack;
    std::uint16_t window = 0;  // as for the header, already scaled
    std::uint16_t urgent = 0;
    Flags flags;
    std::uint8_t ecn = 0;
    std::uint16_t segment_size = 0;  // >0: payload is longer than one segment; cut into these (TSO)
    Options options;
    std::uint32_t data_offset = 0;  // first payload byte, counted from SND.UNA's data
    std::uint32_t data_length = 0;
};

// Decodes a TCP segment (header, options, payload) without checking the checksum. An option of
// illegal length ends the option list (RFC 9293 MUST-7, as Linux does); the segment stands.
// Errors: tcp_short, tcp_bad_header_length, tcp_bad_port.
[[nodiscard]] Result<Segment, Drop> parse_segment(std::span<const std::byte> bytes);
// The same into `segment`, whose ECN bits are left alone; Drop::count_: it is good.
[[nodiscard]] Drop parse_segment(std::span<const std::byte> bytes, Segment& segment);

// Bytes the options need, padded to a multiple of 4. At most 40; SACK blocks that do not fit are
// left out by emit_segment and not counted here.
[[nodiscard]] std::size_t options_length(const Options& options);

// Writes the header with options; the checksum field is left 0. `out` has room for kTcpHeaderMax.
struct EmittedHeader {
    std::size_t length = 0;  // bytes, a multiple of 4
    std::uint32_t sum = 0;   // over it, a running one of checksum.h
};
EmittedHeader emit_header(const OutgoingSegment& segment, std::uint16_t source_port,
                          std::uint16_t destination_port, std::span<std::byte> out);
// The same for who only wants to know the length.
std::size_t emit_segment(const OutgoingSegment& segment, std::uint16_t source_port,
                         std::uint16_t destination_port, std::span<std::byte> out);

}  // namespace mtcp::wire
