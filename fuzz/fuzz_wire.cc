// SPDX-License-Identifier: Apache-2.0
// The parsers of wire/ and of small texts, one after another on the same bytes. The first byte says
// which. What was parsed and can be written again must come out the same.
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <vector>

#include "fuzz/input.h"
#include "io/middleware/faults.h"
#include "wire/address_text.h"
#include "wire/arp.h"
#include "wire/checksum.h"
#include "wire/ethernet.h"
#include "wire/icmp.h"
#include "wire/ipv4.h"
#include "wire/print.h"
#include "wire/segment.h"

namespace mtcp::fuzz {
namespace {

using Bytes = std::span<const std::byte>;

bool same(const wire::Options& a, const wire::Options& b) {
    bool same = a.mss == b.mss && a.window_shift == b.window_shift &&
                a.sack_permitted == b.sack_permitted && a.timestamps == b.timestamps;
    if (a.timestamps) same = same && a.ts_value == b.ts_value && a.ts_echo == b.ts_echo;
    return same;
}

void segment(Bytes bytes) {
    const auto parsed = wire::parse_segment(bytes);
    if (!parsed) return;
    MTCP_FUZZ_CHECK(parsed->source_port != 0 && parsed->destination_port != 0);
    MTCP_FUZZ_CHECK(parsed->options.sack_count <= wire::kSackBlocksMax);
    MTCP_FUZZ_CHECK(parsed->options.window_shift == wire::kNoWindowShift ||
                    parsed->options.window_shift <= wire::kWindowShiftMax);
    MTCP_FUZZ_CHECK(parsed->payload.size() <= bytes.size() - wire::kTcpHeaderMin);
    // Emitted and parsed again, it is the same segment, as far as the options fit.
    wire::OutgoingSegment out;
    out.seq = parsed->seq;
    out.ack = parsed->ack;
    out.window = parsed->window;
    out.flags = parsed->flags;
    out.urgent = parsed->urgent;
    out.options = parsed->options;
    if (wire::options_length(out.options) > 40) return;
    std::byte header[wire::kTcpHeaderMax];
    const std::size_t length =
        wire::emit_segment(out, parsed->source_port, parsed->destination_port, header);
    MTCP_FUZZ_CHECK(length <= wire::kTcpHeaderMax);
    const auto again = wire::parse_segment({header, length});
    MTCP_FUZZ_CHECK(again.ok());
    MTCP_FUZZ_CHECK(again->seq == parsed->seq && again->ack == parsed->ack &&
                    again->flags == parsed->flags && again->window == parsed->window);
    MTCP_FUZZ_CHECK(same(again->options, parsed->options));
}

void packet(Bytes bytes) {
    const auto header = wire::parse_ipv4(bytes);
    if (!header) return;
    MTCP_FUZZ_CHECK(header->header_length >= wire::kIpv4HeaderMin);
    MTCP_FUZZ_CHECK(header->total_length >= header->header_length);
    MTCP_FUZZ_CHECK(header->total_length <= bytes.size());
    static_cast<void>(wire::scan_options(
        bytes.subspan(wire::kIpv4HeaderMin, header->header_length - wire::kIpv4HeaderMin)));
    const Bytes payload = bytes.subspan(header->header_length,
                                        header->total_length - std::size_t{header->header_length});
    segment(payload);
    static_cast<void>(wire::parse_icmp(payload));
}

void icmp(Bytes bytes) {
    const auto message = wire::parse_icmp(bytes);
    if (message) static_cast<void>(wire::parse_quoted_segment(message->payload));
    static_cast<void>(wire::parse_quoted_segment(bytes));
}

void arp(Bytes bytes) {
    const auto parsed = wire::parse_arp(bytes);
    if (!parsed) return;
    std::byte out[wire::kArpPacket];
    wire::emit_arp(*parsed, out);
    const auto again = wire::parse_arp(out);
    MTCP_FUZZ_CHECK(again && again->sender == parsed->sender && again->target == parsed->target);
}

void checksum(Bytes bytes) {
    // However a sum is put together, it is the same: from a front of any even length and the rest.
    if (bytes.empty()) return;
    const std::size_t cut = std::to_integer<std::size_t>(bytes[0]) % bytes.size() & ~std::size_t{1};
    const std::uint32_t front = wire::checksum_add(0, bytes.first(cut));
    MTCP_FUZZ_CHECK(wire::fold(wire::checksum_add(front, bytes.subspan(cut))) ==
                    wire::fold(wire::checksum_add(0, bytes)));
}

void text(std::string_view text) {
    if (const auto faults = io::parse_faults(text)) {
        const auto again = io::parse_faults(io::to_text(*faults));
        MTCP_FUZZ_CHECK(again.ok() && *again == *faults);
    }
    static_cast<void>(wire::parse_prefix(text));
    static_cast<void>(wire::parse_mac(text));
    if (const auto address = wire::parse_address(text)) {
        MTCP_FUZZ_CHECK(wire::parse_address(wire::format_address(*address)) == address);
    }
}

}  // namespace
}  // namespace mtcp::fuzz

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace mtcp::fuzz;
    Input input(data, size);
    const std::uint32_t which = input.below(6);
    const auto rest = input.rest();
    const auto bytes = std::as_bytes(rest);
    switch (which) {
        case 0: segment(bytes); break;
        case 1: packet(bytes); break;
        case 2: icmp(bytes); break;
        case 3: arp(bytes); break;
        case 4: checksum(bytes); break;
        default: text({reinterpret_cast<const char*>(rest.data()), rest.size()}); break;
    }
    return 0;
}
