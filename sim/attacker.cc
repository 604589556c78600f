// SPDX-License-Identifier: Apache-2.0
// Forging.
#include "sim/attacker.h"

#include "wire/big_endian.h"
#include "wire/checksum.h"
#include "wire/ethernet.h"
#include "wire/icmp.h"
#include "wire/ipv4.h"

namespace mtcp::sim {

using wire::Flags;

namespace {

constexpr std::size_t kPayload = 32;
constexpr std::size_t kQuoted = wire::kIpv4HeaderMin + 8;

std::uint64_t key_of(std::uint16_t source, std::uint16_t destination, Side side) {
    return std::uint64_t{source} << 32 | std::uint64_t{destination} << 8 | index(side);
}

}  // namespace

void Attacker::begin(Duration interval, Instant end) {
    interval_ = interval;
    end_ = end;
    world_.at(world_.now() + interval, [this] { strike(); });
}

void Attacker::on_sent(Side from, std::span<const std::byte> frame, Instant) {
    const std::size_t link = layer_ == io::Layer::ethernet ? wire::kEthernetHeader : 0;
    if (frame.size() < link) return;
    const auto header = wire::parse_ipv4(frame.subspan(link));
    if (!header || header->protocol != wire::kProtocolTcp) return;
    const auto segment = wire::parse_segment(
        frame.subspan(link + header->header_length, header->total_length - header->header_length));
    if (!segment) return;
    Speaker& speaker = speakers_[key_of(segment->source_port, segment->destination_port, from)];
    const bool syn = segment->flags.has(Flags::syn);
    const wire::SequenceNumber next = segment->seq + segment->length();
    if (syn) speaker = Speaker{};
    if (syn || next > speaker.next) speaker.next = next;
    speaker.side = from;
    speaker.address = header->source;
    speaker.peer = header->destination;
    speaker.port = segment->source_port;
    speaker.peer_port = segment->destination_port;
    speaker.window = segment->window;
    speaker.synchronised = speaker.synchronised || !syn;
    speaker.over = speaker.over || segment->flags.has(Flags::fin | Flags::rst);
    speaker.link.assign(frame.begin(), frame.begin() + static_cast<std::ptrdiff_t>(link));
}

void Attacker::strike() {
    if (world_.now() >= end_) return;
    world_.at(
        world_.now() + nanoseconds(interval_.ns / 2 + random_.below(1000) * interval_.ns / 1000),
        [this] { strike(); });
    if (speakers_.empty()) return;
    auto at = speakers_.begin();
    std::advance(at, random_.below(static_cast<std::uint32_t>(speakers_.size())));
    const Speaker& pretended = at->second;
    const auto found =
        speakers_.find(key_of(pretended.peer_port, pretended.port, other(pretended.side)));
    if (found == speakers_.end()) return;
    const Speaker& victim = found->second;
    if (!pretended.synchronised || !victim.synchronised || pretended.over || victim.over) return;
    ++guesses_;
    if (random_.below(5) == 0) {
        send_icmp(victim);
    } else {
        send_segment(pretended, guess(pretended, victim));
    }
}

// In the window, where a reset is answered with a challenge and data looks plausible, but always
// beyond what was sent; or anywhere.
wire::OutgoingSegment Attacker::guess(const Speaker& pretended, const Speaker& victim) {
    wire::OutgoingSegment segment;
    const bool near = random_.below(3) != 0 && victim.window > 2;
    const std::uint32_t beyond =
        near ? 1 + random_.below(victim.window - 1) : 0x1000'0000 + random_.below(0x7000'0000);
    segment.seq = pretended.next + beyond;
    segment.window = static_cast<std::uint16_t>(random_.below(0x10000));
    // RFC 5961 §5.2: what was never sent; half of the numbers are.
    segment.ack = victim.next + 0x1000 + random_.below(0x4000'0000);
    constexpr std::array<std::uint8_t, 6> kFlags{Flags::rst,
                                                 Flags::rst,
                                                 Flags::rst | Flags::ack,
                                                 Flags::syn,
                                                 Flags::ack | Flags::psh,
                                                 Flags::ack | Flags::fin};
    segment.flags = {kFlags[random_.below(kFlags.size())]};
    if (segment.flags.has(Flags::psh)) segment.data_length = kPayload;
    return segment;
}

std::vector<std::byte> Attacker::packet(const Speaker& pretended, std::uint8_t protocol,
                                        std::size_t bytes) {
    std::vector<std::byte> frame = pretended.link;
    frame.resize(frame.size() + wire::kIpv4HeaderMin + bytes);
    wire::emit_ipv4({.total_length = static_cast<std::uint16_t>(wire::kIpv4HeaderMin + bytes),
                     .protocol = protocol,
                     .source = pretended.address,
                     .destination = pretended.peer},
                    frame.data() + pretended.link.size());
    return frame;
}

void Attacker::send_segment(const Speaker& pretended, const wire::OutgoingSegment& segment) {
    const std::size_t bytes = wire::kTcpHeaderMin + segment.data_length;
    std::vector<std::byte> frame = packet(pretended, wire::kProtocolTcp, bytes);
    std::array<std::byte, wire::kTcpHeaderMax> header;
    wire::emit_segment(segment, pretended.port, pretended.peer_port, header);
    const std::span<std::byte> tcp = std::span(frame).last(bytes);
    std::copy_n(header.begin(), wire::kTcpHeaderMin, tcp.begin());
    const std::uint32_t sum = wire::pseudo_header_sum(
        pretended.address, pretended.peer, wire::kProtocolTcp, static_cast<std::uint32_t>(bytes));
    wire::store_be16(tcp.data() + 16, wire::finish(wire::checksum_add(sum, tcp)));
    wire_.inject(other(pretended.side), frame);
}

// A hard error about a segment of the victim's that it never sent (RFC 5927 §4).
void Attacker::send_icmp(const Speaker& victim) {
    const Speaker& pretended =
        speakers_.at(key_of(victim.peer_port, victim.port, other(victim.side)));
    std::vector<std::byte> frame =
        packet(pretended, wire::kProtocolIcmp, wire::kIcmpHeader + kQuoted);
    const std::span<std::byte> message = std::span(frame).last(wire::kIcmpHeader + kQuoted);
    std::byte* const quoted = message.data() + wire::kIcmpHeader;
    wire::emit_ipv4({.total_length = 1500,
                     .protocol = wire::kProtocolTcp,
                     .source = victim.address,
                     .destination = victim.peer},
                    quoted);
    wire::store_be16(quoted + wire::kIpv4HeaderMin, victim.port);
    wire::store_be16(quoted + wire::kIpv4HeaderMin + 2, victim.peer_port);
    const wire::SequenceNumber seq = victim.next + 1 + random_.below(0x4000'0000);
    wire::store_be32(quoted + wire::kIpv4HeaderMin + 4, seq - wire::SequenceNumber{0});
    constexpr std::array<std::uint8_t, 3> kCodes{
        wire::kIcmpPortUnreachable, wire::kIcmpProtocolUnreachable, wire::kIcmpFragmentationNeeded};
    const std::uint8_t code = kCodes[random_.below(kCodes.size())];
    wire::emit_icmp_header(wire::kIcmpUnreachable, code,
                           code == wire::kIcmpFragmentationNeeded ? 68 : 0, message);
    wire_.inject(victim.side, frame);
}

}  // namespace mtcp::sim
