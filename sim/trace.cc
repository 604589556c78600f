// SPDX-License-Identifier: Apache-2.0
// Writing down what passes.
#include "sim/trace.h"

#include <array>
#include <vector>

#include "sim/world.h"
#include "wire/checksum.h"
#include "wire/ethernet.h"
#include "wire/ipv4.h"
#include "wire/print.h"

namespace mtcp::sim {

void TraceHash::on_sent(Side from, std::span<const std::byte> frame, Instant now) {
    add(static_cast<std::uint8_t>(from));
    for (int shift = 0; shift < 64; shift += 8)
        add(static_cast<std::uint8_t>(now.ns >> shift));
    for (const std::byte b : frame)
        add(std::to_integer<std::uint8_t>(b));
}

// Sequence numbers relative to the SYN last seen from that end.
std::string TextTrace::describe(std::span<const std::byte> frame) {
    std::span<const std::byte> packet = frame;
    if (layer_ == io::Layer::ethernet) {
        const auto ethernet = wire::parse_ethernet(frame);
        if (!ethernet || ethernet->type != wire::kEtherTypeIpv4) return "ARP or other";
        packet = frame.subspan(wire::kEthernetHeader);
    }
    const auto header = wire::parse_ipv4(packet);
    if (!header || header->protocol != wire::kProtocolTcp) return "not TCP";
    auto segment = wire::parse_segment(
        packet.subspan(header->header_length, header->total_length - header->header_length));
    if (!segment) return "malformed TCP";
    const std::uint32_t ports =
        std::uint32_t{segment->source_port} << 16 | segment->destination_port;
    const std::uint32_t back =
        std::uint32_t{segment->destination_port} << 16 | segment->source_port;
    const auto source =
        std::uint64_t{header->source.v4_bits()} << 32 | header->destination.v4_bits();
    const auto destination = source << 32 | source >> 32;
    if (segment->flags.has(wire::Flags::syn)) iss_[{source, ports}] = segment->seq;
    const wire::SequenceNumber own = iss_[{source, ports}];
    const wire::SequenceNumber peers = iss_[{destination, back}];
    segment->seq = {segment->seq - own};
    segment->ack = {segment->ack - peers};
    for (wire::SackBlock& block : segment->options.sack) {
        block = {{block.begin - peers}, {block.end - peers}};
    }
    std::array<char, 40> text{};
    std::snprintf(text.data(), text.size(), "%u>%u ", segment->source_port,
                  segment->destination_port);
    return text.data() + std::string(wire::print(*segment).view());
}

void TextTrace::on_sent(Side from, std::span<const std::byte> frame, Instant now) {
    std::fprintf(out_, "%12.6f %s %s\n", static_cast<double>((now - World::kStart).ns) / 1e9,
                 from == Side::a ? "a -->  " : "  <-- b", describe(frame).c_str());
}

void TextTrace::on_delivered(Side from, std::span<const std::byte> frame, bool intact,
                             Instant now) {
    std::fprintf(out_, "%12.6f %s %s%s\n", static_cast<double>((now - World::kStart).ns) / 1e9,
                 from == Side::a ? "    ->b" : "a<-    ", describe(frame).c_str(),
                 intact ? "" : "  (damaged)");
}

namespace {

// Blocks of pcapng are made of 32-bit words in the machine's order.
void write_block(std::FILE* out, std::uint32_t type, const std::vector<std::uint32_t>& words,
                 std::span<const std::byte> bytes) {
    const std::size_t padded = (bytes.size() + 3) / 4 * 4;
    const auto length = static_cast<std::uint32_t>(12 + words.size() * 4 + padded);
    const std::array<std::uint32_t, 2> head{type, length};
    const std::array<char, 4> padding{};
    std::fwrite(head.data(), 4, 2, out);
    std::fwrite(words.data(), 4, words.size(), out);
    if (!bytes.empty()) std::fwrite(bytes.data(), 1, bytes.size(), out);
    std::fwrite(padding.data(), 1, padded - bytes.size(), out);
    std::fwrite(&length, 4, 1, out);
}

}  // namespace

PcapTrace::PcapTrace(std::FILE* out, io::Layer layer) : out_(out) {
    constexpr std::uint32_t kEthernet = 1;
    constexpr std::uint32_t kRawIp = 101;
    constexpr std::uint32_t kNanoseconds = 9;  // option if_tsresol: 10^-9
    write_block(out, 0x0a0d0d0a, {0x1a2b3c4d, 1, 0xffffffff, 0xffffffff}, {});
    write_block(
        out, 1,
        {layer == io::Layer::ethernet ? kEthernet : kRawIp, 0, 9 | 1u << 16, kNanoseconds, 0}, {});
}

void PcapTrace::on_sent(Side from, std::span<const std::byte> frame, Instant now) {
    const auto ns = static_cast<std::uint64_t>(now.ns);
    const auto length = static_cast<std::uint32_t>(frame.size());
    static_cast<void>(from);
    write_block(
        out_, 6,
        {0, static_cast<std::uint32_t>(ns >> 32), static_cast<std::uint32_t>(ns), length, length},
        frame);
}

}  // namespace mtcp::sim
