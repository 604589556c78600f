// SPDX-License-Identifier: Apache-2.0
// Writing the packets a script sends, reading those it expects.
#include "tests/ladder/packet_codec.h"

#include <algorithm>
#include <cstring>

#include "wire/big_endian.h"
#include "wire/checksum.h"
#include "wire/icmp.h"
#include "wire/ipv4.h"
#include "wire/segment.h"

namespace mtcp::ladder {
namespace {

using wire::load_be16;
using wire::load_be32;
using wire::store_be16;
using wire::store_be32;

void put_byte(std::vector<std::byte>& out, std::uint32_t value) {
    out.push_back(static_cast<std::byte>(value));
}
void put_word(std::vector<std::byte>& out, std::uint32_t value) {
    for (int shift = 24; shift >= 0; shift -= 8)
        put_byte(out, value >> shift & 0xff);
}

std::uint32_t live_echo(const OptionSpec& option, const Flow& flow) {
    if (const auto seen = flow.ts_sent.find(option.echo); seen != flow.ts_sent.end()) {
        return seen->second;
    }
    return flow.ts_known ? option.echo + flow.ts_offset : option.echo;
}

void put_option(std::vector<std::byte>& out, const OptionSpec& option, const Flow& flow) {
    put_byte(out, option.kind);
    switch (option.kind) {
        case kOptionEnd:
        case kOptionNop: return;
        case kOptionMss:
            put_byte(out, 4);
            put_byte(out, option.value >> 8);
            put_byte(out, option.value & 0xff);
            return;
        case kOptionWindowScale:
            put_byte(out, 3);
            put_byte(out, option.value);
            return;
        case kOptionSackPermitted: put_byte(out, 2); return;
        case kOptionTimestamps:
            put_byte(out, 10);
            put_word(out, option.value);
            put_word(out, live_echo(option, flow));
            return;
        case kOptionSack:
            put_byte(out, static_cast<std::uint32_t>(2 + 8 * option.blocks.size()));
            for (const auto& [begin, end] : option.blocks) {
                put_word(out, begin + flow.local_base);
                put_word(out, end + flow.local_base);
            }
            return;
        default:
            put_byte(out, static_cast<std::uint32_t>(2 + option.bytes.size()));
            for (const std::uint8_t byte : option.bytes)
                put_byte(out, byte);
            return;
    }
}

// Header and payload of the segment that `tcp` describes.
std::vector<std::byte> encode_tcp(const TcpSpec& tcp, const Flow& flow, const PortsSpec& ports) {
    std::vector<std::byte> options;
    for (const OptionSpec& option : tcp.options)
        put_option(options, option, flow);
    while (options.size() % 4 != 0)
        put_byte(options, 0);
    const std::size_t header = wire::kTcpHeaderMin + options.size();
    std::vector<std::byte> segment(header + tcp.payload);
    std::byte* const at = segment.data();
    const bool has_ack = (tcp.flags & wire::Flags::ack) != 0;
    store_be16(at, ports.source);
    store_be16(at + 2, ports.destination);
    store_be32(at + 4, tcp.seq + kRemoteIss);
    store_be32(at + 8, has_ack ? tcp.ack + flow.local_base : 0);
    at[12] = static_cast<std::byte>(header / 4 << 4);
    at[13] = static_cast<std::byte>(tcp.flags);
    store_be16(at + 14, tcp.window.value_or(0));
    store_be16(at + 18, tcp.urgent);
    std::copy(options.begin(), options.end(), at + wire::kTcpHeaderMin);
    // Data of a SYN begins one number later.
    const std::uint32_t first = tcp.seq - ((tcp.flags & wire::Flags::syn) != 0 ? 0u : 1u);
    for (std::uint32_t i = 0; i < tcp.payload; ++i)
        at[header + i] = pattern_byte(first + i);
    const std::uint32_t pseudo =
        wire::pseudo_header_sum(kRemoteAddress, kLocalAddress, wire::kProtocolTcp,
                                static_cast<std::uint32_t>(segment.size()));
    store_be16(at + 16, wire::finish(wire::checksum_add(pseudo, segment)));
    return segment;
}

// RFC 792: type, code, checksum, MTU, then the header and eight octets of what it is about.
std::vector<std::byte> encode_icmp(const IcmpSpec& icmp, const Flow& flow) {
    std::vector<std::byte> message(8 + wire::kIpv4HeaderMin + 8);
    std::byte* const at = message.data();
    at[0] = static_cast<std::byte>(icmp.type);
    at[1] = static_cast<std::byte>(icmp.code);
    store_be16(at + 6, icmp.mtu);
    wire::emit_ipv4({.total_length = static_cast<std::uint16_t>(40 + icmp.payload),
                     .fragment = wire::kIpv4DontFragment,
                     .protocol = wire::kProtocolTcp,
                     .source = kLocalAddress,
                     .destination = kRemoteAddress},
                    at + 8);
    store_be16(at + 28, flow.local_port);
    store_be16(at + 30, flow.remote_port);
    store_be32(at + 32, icmp.seq + flow.local_base);
    store_be16(at + 2, wire::finish(wire::checksum_add(0, message)));
    return message;
}

// The options with their padding, until the list ends. False: an illegal length.
bool decode_options(std::span<const std::byte> bytes, std::vector<OptionSpec>& options) {
    std::size_t at = 0;
    while (at < bytes.size()) {
        OptionSpec option;
        option.kind = std::to_integer<std::uint8_t>(bytes[at]);
        if (option.kind == kOptionEnd) break;
        if (option.kind == kOptionNop) {
            options.push_back(option);
            ++at;
            continue;
        }
        if (at + 1 >= bytes.size()) return false;
        const auto length = std::to_integer<std::size_t>(bytes[at + 1]);
        if (length < 2 || at + length > bytes.size()) return false;
        const std::byte* const body = bytes.data() + at + 2;
        switch (option.kind) {
            case kOptionMss: option.value = load_be16(body); break;
            case kOptionWindowScale: option.value = std::to_integer<std::uint8_t>(body[0]); break;
            case kOptionSackPermitted: break;
            case kOptionTimestamps:
                option.value = load_be32(body);
                option.echo = load_be32(body + 4);
                break;
            case kOptionSack:
                for (std::size_t i = 0; i + 8 <= length - 2; i += 8) {
                    option.blocks.emplace_back(load_be32(body + i), load_be32(body + i + 4));
                }
                break;
            default:
                for (std::size_t i = 0; i < length - 2; ++i) {
                    option.bytes.push_back(std::to_integer<std::uint8_t>(body[i]));
                }
        }
        options.push_back(std::move(option));
        at += length;
    }
    return true;
}

void decode_tcp(std::span<const std::byte> segment, SeenPacket& seen) {
    const std::byte* const at = segment.data();
    const std::size_t header = std::to_integer<std::size_t>(at[12] >> 4) * 4;
    if (header < wire::kTcpHeaderMin || header > segment.size()) {
        seen.broken = "the TCP header's length is wrong";
        return;
    }
    seen.source_port = load_be16(at);
    seen.destination_port = load_be16(at + 2);
    seen.tcp.flags = std::to_integer<std::uint8_t>(at[13]);
    seen.tcp.seq = load_be32(at + 4);
    seen.tcp.ack = load_be32(at + 8);
    seen.tcp.window = load_be16(at + 14);
    seen.tcp.urgent = load_be16(at + 18);
    seen.tcp.payload = static_cast<std::uint32_t>(segment.size() - header);
    seen.payload.assign(segment.begin() + static_cast<std::ptrdiff_t>(header), segment.end());
    if (!decode_options(segment.subspan(wire::kTcpHeaderMin, header - wire::kTcpHeaderMin),
                        seen.tcp.options)) {
        seen.broken = "an option of illegal length";
    }
}

}  // namespace

std::vector<std::byte> encode(const PacketStep& step, const Flow& flow) {
    std::vector<std::byte> content;
    std::uint8_t protocol = wire::kProtocolTcp;
    if (const auto* tcp = std::get_if<TcpSpec>(&step.content); tcp != nullptr) {
        const PortsSpec ports = step.ports.value_or(PortsSpec{flow.remote_port, flow.local_port});
        content = encode_tcp(*tcp, flow, ports);
    } else {
        content = encode_icmp(std::get<IcmpSpec>(step.content), flow);
        protocol = wire::kProtocolIcmp;
    }
    std::vector<std::byte> packet(wire::kIpv4HeaderMin + content.size());
    wire::emit_ipv4({.tos = step.tos.value_or(step.ecn.value_or(0)),
                     .total_length = static_cast<std::uint16_t>(packet.size()),
                     .fragment = wire::kIpv4DontFragment,
                     .ttl = step.ttl.value_or(std::uint8_t{255}),
                     .protocol = protocol,
                     .source = kRemoteAddress,
                     .destination = kLocalAddress},
                    packet.data());
    std::memcpy(packet.data() + wire::kIpv4HeaderMin, content.data(), content.size());
    return packet;
}

SeenPacket decode(std::span<const std::byte> packet, Instant when) {
    SeenPacket seen;
    seen.when = when;
    const auto header = wire::parse_ipv4(packet);
    if (!header) {
        seen.broken = "the IP header is wrong";
        return seen;
    }
    seen.tos = header->tos;
    seen.ttl = header->ttl;
    const std::span<const std::byte> content =
        packet.subspan(header->header_length, header->total_length - header->header_length);
    if (header->protocol != wire::kProtocolTcp || content.size() < wire::kTcpHeaderMin) {
        seen.broken = "IP protocol " + std::to_string(header->protocol);
        return seen;
    }
    if (!wire::tcp_checksum_valid(header->source, header->destination, content)) {
        seen.broken = "the TCP checksum is wrong";
        return seen;
    }
    decode_tcp(content, seen);
    return seen;
}

void to_script_numbers(TcpSpec& tcp, Flow& flow) {
    if ((tcp.flags & wire::Flags::syn) != 0) flow.local_base = tcp.seq;
    tcp.seq -= flow.local_base;
    if ((tcp.flags & wire::Flags::ack) != 0) tcp.ack -= kRemoteIss;
    for (OptionSpec& option : tcp.options) {
        if (option.kind == kOptionTimestamps && flow.ts_known) option.value -= flow.ts_offset;
        for (auto& [begin, end] : option.blocks) {
            begin -= kRemoteIss;
            end -= kRemoteIss;
        }
    }
}

}  // namespace mtcp::ladder
