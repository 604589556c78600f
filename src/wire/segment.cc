// SPDX-License-Identifier: Apache-2.0
// TCP segments: bytes to Segment and OutgoingSegment to bytes (RFC 9293 §3.1, §3.2).
#include "wire/segment.h"

#include <cstring>

#include "wire/big_endian.h"
#include "wire/checksum.h"

namespace mtcp::wire {
namespace {

// Option kinds and their lengths on the wire.
constexpr std::uint8_t kEnd = 0;
constexpr std::uint8_t kNoOperation = 1;
constexpr std::uint8_t kMss = 2;
constexpr std::uint8_t kWindowScale = 3;
constexpr std::uint8_t kSackPermitted = 4;
constexpr std::uint8_t kSack = 5;
constexpr std::uint8_t kTimestamps = 8;
constexpr std::uint8_t kFastOpen = 34;
constexpr std::uint8_t kExperiment = 254;         // RFC 6994, and its identifier of Fast Open
constexpr std::uint16_t kFastOpenMagic = 0xf989;  // (RFC 7413 Appendix B)
constexpr std::size_t kTimestampsLength = 10;
constexpr std::size_t kOptionsMax = kTcpHeaderMax - kTcpHeaderMin;

std::uint8_t octet(const std::byte* at) { return static_cast<std::uint8_t>(*at); }

void parse_sack(const std::byte* body, std::size_t body_length, Options& options) {
    if (body_length == 0 || body_length % 8 != 0) return;
    const std::size_t blocks = body_length / 8;
    for (std::size_t i = 0; i < blocks && i < kSackBlocksMax; ++i) {
        options.sack[i] = {{load_be32(body + 8 * i)}, {load_be32(body + 8 * i + 4)}};
    }
    options.sack_count =
        static_cast<std::uint8_t>(blocks < kSackBlocksMax ? blocks : kSackBlocksMax);
}

void parse_fast_open(const std::byte* body, std::size_t body_length, Options& options) {
    // RFC 7413 §4.1.1: no cookie is a request, else 4 to 16 bytes, an even number.
    const bool sane = body_length >= kFastOpenCookieMin && body_length <= kFastOpenCookieMax &&
                      body_length % 2 == 0;
    if (body_length != 0 && !sane) return;
    std::memcpy(options.fast_open_cookie.data(), body, body_length);
    options.fast_open_length = static_cast<std::uint8_t>(body_length);
}

// A known option of the wrong size is skipped like an unknown one (RFC 9293 MUST-6).
void parse_option(std::uint8_t kind, const std::byte* body, std::size_t body_length,
                  Options& options) {
    switch (kind) {
        case kMss:
            if (body_length == 2) options.mss = load_be16(body);
            break;
        case kWindowScale:
            if (body_length == 1) {  // RFC 7323 §2.3: more than 14 counts as 14
                const std::uint8_t shift = octet(body);
                options.window_shift = shift < kWindowShiftMax ? shift : kWindowShiftMax;
            }
            break;
        case kSackPermitted:
            if (body_length == 0) options.sack_permitted = true;
            break;
        case kSack: parse_sack(body, body_length, options); break;
        case kTimestamps:
            if (body_length == 8) {
                options.timestamps = true;
                options.ts_value = load_be32(body);
                options.ts_echo = load_be32(body + 4);
            }
            break;
        case kFastOpen:
            parse_fast_open(body, body_length, options);
            options.fast_open_experimental = false;
            break;
        case kExperiment:
            if (body_length >= 2 && load_be16(body) == kFastOpenMagic) {
                parse_fast_open(body + 2, body_length - 2, options);
                options.fast_open_experimental = true;
            }
            break;
        default: break;
    }
}

// RFC 9293 MUST-5, MUST-64. A length below 2 or past the end would never let the loop advance or
// read beyond the header: it ends the list (MUST-7).
// RFC 9293 MUST-4, MUST-68: two options are one octet, all others tell their length.
void parse_options(const std::byte* at, const std::byte* end, Options& options) {
    while (at < end) {
        const std::uint8_t kind = octet(at);
        if (kind == kEnd) return;
        if (kind == kNoOperation) {
            ++at;
            continue;
        }
        if (end - at < 2) return;
        const std::size_t length = octet(at + 1);
        if (length < 2 || length > static_cast<std::size_t>(end - at)) return;
        parse_option(kind, at + 2, length - 2, options);
        at += length;
    }
}

constexpr std::uint32_t kAlignedTimestamps = 0x0101'080a;  // RFC 7323 Appendix A
constexpr std::uint32_t kPermittedAndTimestamps = 0x0402'080a;
constexpr std::uint32_t kScaleAligned = 0x01'0303;

// The options of a SYN as Linux and we order them: MSS, SACK-permitted, timestamps, window scale.
bool is_usual_syn(const std::byte* at) {
    return load_be16(at) == (kMss << 8 | 4) && load_be32(at + 4) == kPermittedAndTimestamps &&
           load_be16(at + 16) == (kNoOperation << 8 | kWindowScale) && at[18] == std::byte{3};
}
bool is_usual_syn(const Options& options) {
    return options.mss != 0 && options.sack_permitted && options.timestamps &&
           options.window_shift != kNoWindowShift && options.sack_count == 0 &&
           options.fast_open_length > options.fast_open_cookie.size();
}
void parse_usual_syn(const std::byte* at, Options& options) {
    const std::uint8_t shift = octet(at + 19);
    options.mss = load_be16(at + 2);
    options.sack_permitted = options.timestamps = true;
    options.ts_value = load_be32(at + 8);
    options.ts_echo = load_be32(at + 12);
    options.window_shift = shift < kWindowShiftMax ? shift : kWindowShiftMax;
}

// SACK blocks that fit beside the other options.
std::size_t sack_blocks_that_fit(const Options& options, std::size_t used) {
    const std::size_t room = kOptionsMax - used;
    if (options.sack_count == 0 || room < 12) return 0;
    const std::size_t fit = (room - 4) / 8;
    return options.sack_count < fit ? options.sack_count : fit;
}

// Length of all options but SACK; each group is padded to four bytes on its own.
std::size_t fixed_options_length(const Options& options) {
    std::size_t length = 0;
    if (options.mss != 0) length += 4;
    if (options.timestamps) {
        length += 12;  // SACK-permitted replaces the two NOPs
    } else if (options.sack_permitted) {
        length += 4;
    }
    if (options.window_shift != kNoWindowShift) length += 4;
    if (options.fast_open_length <= options.fast_open_cookie.size()) {
        const std::size_t header = options.fast_open_experimental ? 4 : 2;
        length += (options.fast_open_length + header + 3) & ~std::size_t{3};
    }
    return length;
}

std::byte* put(std::byte* at, std::uint8_t a, std::uint8_t b, std::uint8_t c, std::uint8_t d) {
    at[0] = std::byte{a};
    at[1] = std::byte{b};
    at[2] = std::byte{c};
    at[3] = std::byte{d};
    return at + 4;
}

std::byte* emit_fast_open(const Options& options, std::byte* at) {
    const std::size_t length =
        options.fast_open_length + (options.fast_open_experimental ? 4u : 2u);
    *at++ = std::byte{options.fast_open_experimental ? kExperiment : kFastOpen};
    *at++ = static_cast<std::byte>(length);
    if (options.fast_open_experimental) {
        store_be16(at, kFastOpenMagic);
        at += 2;
    }
    std::memcpy(at, options.fast_open_cookie.data(), options.fast_open_length);
    at += options.fast_open_length;
    for (std::size_t end = length; end % 4 != 0; ++end)
        *at++ = std::byte{kNoOperation};
    return at;
}

// The order Linux uses: everything stays aligned to four bytes.
// RFC 9293 MUST-69: padding is no-operation, in front; nothing follows an end of list.
std::byte* emit_options(const Options& options, std::byte* at) {
    const std::size_t sack_blocks = sack_blocks_that_fit(options, fixed_options_length(options));
    if (options.mss != 0) {
        at = put(at, kMss, 4, static_cast<std::uint8_t>(options.mss >> 8),
                 static_cast<std::uint8_t>(options.mss));
    }
    if (options.timestamps) {
        at = options.sack_permitted
                 ? put(at, kSackPermitted, 2, kTimestamps, kTimestampsLength)
                 : put(at, kNoOperation, kNoOperation, kTimestamps, kTimestampsLength);
        store_be32(at, options.ts_value);
        store_be32(at + 4, options.ts_echo);
        at += 8;
    } else if (options.sack_permitted) {
        at = put(at, kNoOperation, kNoOperation, kSackPermitted, 2);
    }
    if (options.window_shift != kNoWindowShift) {
        at = put(at, kNoOperation, kWindowScale, 3, options.window_shift);
    }
    if (options.fast_open_length <= options.fast_open_cookie.size()) {
        at = emit_fast_open(options, at);
    }
    if (sack_blocks != 0) {
        at = put(at, kNoOperation, kNoOperation, kSack,
                 static_cast<std::uint8_t>(2 + 8 * sack_blocks));
        for (std::size_t i = 0; i < sack_blocks; ++i, at += 8) {
            store_be32(at, options.sack[i].begin.raw);
            store_be32(at + 4, options.sack[i].end.raw);
        }
    }
    return at;
}

}  // namespace

Drop parse_segment(std::span<const std::byte> bytes, Segment& segment) {
    if (bytes.size() < kTcpHeaderMin) return Drop::tcp_short;
    const std::byte* const header = bytes.data();
    const std::uint64_t ports = load_be64(header);  // and SEG.SEQ
    const std::uint64_t control = load_be64(header + 8);
    const std::size_t header_length = std::size_t{control >> 28 & 15} * 4;
    if (header_length < kTcpHeaderMin || header_length > bytes.size()) {
        return Drop::tcp_bad_header_length;
    }
    segment.source_port = static_cast<std::uint16_t>(ports >> 48);
    segment.destination_port = static_cast<std::uint16_t>(ports >> 32);
    if (segment.source_port == 0 || segment.destination_port == 0) return Drop::tcp_bad_port;
    segment.seq = {static_cast<std::uint32_t>(ports)};
    segment.ack = {static_cast<std::uint32_t>(control >> 32)};
    segment.flags = {static_cast<std::uint8_t>(control >> 16)};
    segment.window = static_cast<std::uint16_t>(control);
    segment.urgent = load_be16(header + 18);
    segment.payload = bytes.subspan(header_length);
    segment.options.clear();
    // What nearly every segment after the handshake carries, RFC 7323 Appendix A.
    if (header_length == 32 && load_be32(header + 20) == kAlignedTimestamps) {
        segment.options.timestamps = true;
        segment.options.ts_value = load_be32(header + 24);
        segment.options.ts_echo = load_be32(header + 28);
    } else if (header_length == 40 && is_usual_syn(header + kTcpHeaderMin)) {
        parse_usual_syn(header + kTcpHeaderMin, segment.options);
    } else if (header_length > kTcpHeaderMin) {
        parse_options(header + kTcpHeaderMin, header + header_length, segment.options);
    }
    return Drop::count_;
}

Result<Segment, Drop> parse_segment(std::span<const std::byte> bytes) {
    Segment segment;
    const Drop drop = parse_segment(bytes, segment);
    if (drop != Drop::count_) return failure(drop);
    return segment;
}

std::size_t options_length(const Options& options) {
    const std::size_t fixed = fixed_options_length(options);
    const std::size_t blocks = sack_blocks_that_fit(options, fixed);
    return blocks == 0 ? fixed : fixed + 4 + 8 * blocks;
}

// In words of eight bytes, whose sum comes out of registers: read back at once, bytes that were
// stored in smaller pieces would have to be waited for.
EmittedHeader emit_header(const OutgoingSegment& segment, std::uint16_t source_port,
                          std::uint16_t destination_port, std::span<std::byte> out) {
    std::byte* const header = out.data();
    const Options& options = segment.options;
    const auto front = [&](std::size_t length) {
        const std::uint64_t ports = std::uint64_t{source_port} << 48 |
                                    std::uint64_t{destination_port} << 32 | segment.seq.raw;
        const std::uint64_t control = std::uint64_t{segment.ack.raw} << 32 |
                                      std::uint64_t{length / 4} << 28 |
                                      std::uint64_t{segment.flags.bits} << 16 | segment.window;
        return checksum_add_word(store_be64(header, ports), store_be64(header + 8, control));
    };
    const std::uint64_t urgent = std::uint64_t{segment.urgent} << 32;
    if (kinds_of(options) == kinds_of(Options{.timestamps = true})) [[likely]] {
        std::uint64_t sum = front(32);
        sum = checksum_add_word(sum, store_be64(header + 16, urgent | kAlignedTimestamps));
        sum = checksum_add_word(
            sum, store_be64(header + 24, std::uint64_t{options.ts_value} << 32 | options.ts_echo));
        return {32, checksum_of_word(sum)};
    }
    if (is_usual_syn(options)) {
        std::uint64_t sum = front(40);
        sum = checksum_add_word(
            sum,
            store_be64(header + 16, urgent | std::uint64_t{kMss << 8 | 4} << 16 | options.mss));
        sum = checksum_add_word(
            sum, store_be64(header + 24,
                            std::uint64_t{kPermittedAndTimestamps} << 32 | options.ts_value));
        sum = checksum_add_word(
            sum, store_be64(header + 32, std::uint64_t{options.ts_echo} << 32 | kScaleAligned << 8 |
                                             options.window_shift));
        return {40, checksum_of_word(sum)};
    }
    const std::byte* const end = emit_options(options, header + kTcpHeaderMin);
    const auto length = static_cast<std::size_t>(end - header);
    const std::uint64_t sum = front(length);
    store_be32(header + 16, segment.urgent);
    return {length, checksum_add(checksum_of_word(sum), {header + 16, length - 16})};
}

std::size_t emit_segment(const OutgoingSegment& segment, std::uint16_t source_port,
                         std::uint16_t destination_port, std::span<std::byte> out) {
    return emit_header(segment, source_port, destination_port, out).length;
}

}  // namespace mtcp::wire
