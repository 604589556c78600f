// SPDX-License-Identifier: Apache-2.0
// Following the flows of the attacker's wire.
#include "fuzz/victim/wire_watch.h"

#include <string>

#include "fuzz/victim/finding.h"
#include "wire/checksum.h"
#include "wire/ipv4.h"

namespace mtcp::victim {
namespace {

// Questions that came earlier may still be owed an answer each.
constexpr std::uint64_t kSlack = 8;
constexpr std::uint64_t kAnswersPerQuestion = 3;

// The largest there can be (RFC 7323 §2.3). Numbers farther away than this lead round the circle.
constexpr std::uint32_t kWindowMax = 1u << 30;

bool before(std::uint32_t a, std::uint32_t b) { return static_cast<std::int32_t>(a - b) < 0; }

}  // namespace

std::byte pattern_at(std::uint32_t offset) {
    const std::uint32_t mixed = (offset >> 2) * 0x9e3779b1u;
    return static_cast<std::byte>((mixed ^ mixed >> 15) >> offset % 4 * 8);
}

Bytes pattern(std::uint32_t offset, std::size_t length) {
    Bytes bytes(length);
    for (std::size_t i = 0; i < length; ++i)
        bytes[i] = pattern_at(offset + static_cast<std::uint32_t>(i));
    return bytes;
}

void WireWatch::on_injected(std::span<const std::byte> packet) {
    const auto ip = wire::parse_ipv4(packet);
    if (!ip || ip->protocol != wire::kProtocolTcp) return;
    if (ip->is_fragment()) {
        knows_all_ = false;
        return;
    }
    const auto bytes =
        packet.subspan(ip->header_length, ip->total_length - std::size_t{ip->header_length});
    if (!wire::tcp_checksum_valid(ip->source, ip->destination, bytes)) return;
    const auto segment = wire::parse_segment(bytes);
    if (!segment) return;
    Flow& flow = flows_[{ip->source.v4_bits(), segment->source_port, segment->destination_port}];
    const std::uint32_t end = segment->seq.raw + segment->length();
    const bool near = before(flow.reach, end) && end - flow.reach <= kWindowMax;
    if (!flow.sent_any || near) flow.reach = end;
    // Of SYNs with numbers far apart any may have made the connection, by its cookie.
    flow.several_starts |=
        flow.sent_any && segment->flags.has(wire::Flags::syn) && flow.reach != end;
    flow.sent_any = true;
    if (segment->flags.has(wire::Flags::syn)) {
        (segment->options.window_shift == wire::kNoWindowShift ? flow.syn_without_scale
                                                               : flow.syn_with_scale) = true;
        // A number far from the others begins anew: half of all numbers lie "before".
        if (!flow.acked_any) flow.reach = end;
    } else if (segment->options.timestamps && segment->seq.raw == flow.syn_ack &&
               segment->ack.raw == flow.iss + 1) {
        // Had the SYN been answered with a cookie, this would say what it offered.
        constexpr std::uint32_t kOffer = 63;
        flow.offer_forged |= ((segment->options.ts_echo ^ flow.syn_stamp) & kOffer) != 0;
    }
}

void WireWatch::on_victims_syn(Flow& flow, const Heard& heard) {
    // Behind what follows a SYN it is another connection, whose cookie may bear the same number.
    const bool again = flow.open && !flow.spoke && flow.iss == heard.segment.seq.raw &&
                       flow.answered == heard.segment.flags.has(wire::Flags::ack) &&
                       flow.syn_ack == heard.segment.ack.raw;
    if (again) return;
    flow.several = flow.open || flow.forgotten;
    flow.open = true;
    flow.spoke = false;
    flow.iss = heard.segment.seq.raw;
    flow.syn_ack = heard.segment.ack.raw;
    flow.answered = heard.segment.flags.has(wire::Flags::ack);
    flow.acked_any = flow.edge_known = false;
    flow.syn_stamp = heard.segment.options.ts_value;
    flow.offer_forged = false;
    flow.shift = heard.segment.options.window_shift == wire::kNoWindowShift
                     ? 0
                     : heard.segment.options.window_shift;
}

void WireWatch::check_ack(Flow& flow, const Heard& heard) {
    const std::uint32_t ack = heard.segment.ack.raw;
    if (heard.segment.flags.has(wire::Flags::syn)) {
        // Answers a SYN of ours, wherever that lay.
        flow.ack = ack;
        flow.acked_any = true;
        if (knows_all_ && before(flow.reach, ack)) flow.reach = ack;
        return;
    }
    if (!flow.acked_any) return;
    if (knows_all_ && !flow.several_starts && before(flow.reach, ack) &&
        ack - flow.reach < kWindowMax) {
        finding("the victim acknowledged what was never sent: " + std::to_string(ack) +
                ", sent up to " + std::to_string(flow.reach));
    }
    if (before(flow.ack, ack)) flow.ack = ack;
}

// RFC 9293 SHLD-14: a receiver should not shrink its window.
void WireWatch::check_window(Flow& flow, const Heard& heard) {
    // Nobody knows what was agreed.
    if ((flow.syn_with_scale && flow.syn_without_scale) || flow.offer_forged) return;
    // What came in pieces may have forged the offer as well.
    if (!knows_all_ && flow.syn_stamp != 0) return;
    const bool syn = heard.segment.flags.has(wire::Flags::syn);
    const int shift = syn || !flow.syn_with_scale ? 0 : flow.shift;
    const std::uint32_t edge =
        heard.segment.ack.raw + (std::uint32_t{heard.segment.window} << shift);
    // Rounding to the unit of the scale may take back a part of one.
    const std::uint32_t unit = flow.syn_with_scale ? 1u << flow.shift : 1;
    if (flow.edge_known && before(edge + (unit - 1), flow.edge)) {
        finding("the victim's window went back by " + std::to_string(flow.edge - edge));
    }
    flow.edge = edge;
    flow.edge_known = true;
}

void WireWatch::on_heard(const Heard& heard) {
    if (heard.payload.empty()) ++answers_;
    const wire::Flags flags = heard.segment.flags;
    if (flags.has(wire::Flags::rst)) {
        // What follows may be another connection with the same addresses.
        const auto found =
            flows_.find({heard.key.remote.v4_bits(), heard.key.remote_port, heard.key.local_port});
        if (found != flows_.end()) {
            Flow& flow = found->second;
            flow.forgotten |= flow.open;
            flow.open = flow.edge_known = false;
        }
        return;
    }
    Flow& flow = flows_[{heard.key.remote.v4_bits(), heard.key.remote_port, heard.key.local_port}];
    if (flags.has(wire::Flags::syn)) on_victims_syn(flow, heard);
    if (!flow.open) return;
    if (!flags.has(wire::Flags::syn)) flow.spoke = true;
    if (flow.several && !flags.has(wire::Flags::syn)) {
        // What is said first tells which it was: the last (a keep-alive bears the number of the
        // SYN), or another, whose first data lie behind its SYN.
        if (heard.segment.seq.raw - flow.iss > 1) {
            if (heard.payload.empty()) return;
            flow.iss = heard.segment.seq.raw - 1;
            flow.edge_known = false;
        }
        flow.several = false;
    }
    if (flags.has(wire::Flags::ack)) {
        check_ack(flow, heard);
        check_window(flow, heard);
    }
    if (!checks_bytes_) return;
    const std::uint32_t syn = flags.has(wire::Flags::syn) ? 1 : 0;
    const std::uint32_t offset = heard.segment.seq.raw + syn - flow.iss - 1;
    // A zero-window or keep-alive probe may carry a byte of before.
    if (static_cast<std::int32_t>(offset) < 0) return;
    if (heard.payload != pattern(offset, heard.payload.size())) {
        finding("the victim sent bytes that its application did not write, at " +
                std::to_string(offset));
    }
}

void WireWatch::check_answers(std::uint64_t questions) {
    if (answers_ > kSlack + kAnswersPerQuestion * questions) {
        finding(std::to_string(answers_) + " answers to " + std::to_string(questions) + " packets");
    }
    answers_ = 0;
}

}  // namespace mtcp::victim
