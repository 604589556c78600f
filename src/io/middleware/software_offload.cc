// SPDX-License-Identifier: Apache-2.0
// Checksum completion and TCP segmentation in software.
#include "io/middleware/software_offload.h"

#include <algorithm>
#include <cstring>

namespace mtcp::io {
namespace {

constexpr std::uint8_t kTcp = 6;
constexpr std::uint8_t kUdp = 17;
constexpr std::uint8_t kFin = 0x01;
constexpr std::uint8_t kPsh = 0x08;
constexpr std::uint8_t kCwr = 0x80;

std::uint32_t octet_at(std::span<const std::byte> bytes, std::size_t at) {
    return std::to_integer<std::uint32_t>(bytes[at]);
}
std::uint32_t word_at(std::span<const std::byte> bytes, std::size_t at) {
    return octet_at(bytes, at) << 8 | octet_at(bytes, at + 1);
}
void store_word(std::span<std::byte> bytes, std::size_t at, std::uint32_t value) {
    bytes[at] = static_cast<std::byte>(value >> 8);
    bytes[at + 1] = static_cast<std::byte>(value);
}

// RFC 1071, unfolded: sums of 16-bit words in network order.
std::uint64_t sum(std::span<const std::byte> bytes) {
    std::uint64_t total = 0;
    std::size_t at = 0;
    for (; at + 1 < bytes.size(); at += 2)
        total += word_at(bytes, at);
    if (at < bytes.size()) total += octet_at(bytes, at) << 8;
    return total;
}
std::uint32_t fold(std::uint64_t total) {
    while (total >> 16 != 0)
        total = (total & 0xffff) + (total >> 16);
    return static_cast<std::uint32_t>(total);
}

void store_transport_checksum(std::span<std::byte> frame, const TransportPlace& place) {
    const std::size_t field = place.transport + (place.protocol == kTcp ? 16u : 6u);
    store_word(frame, field, 0);
    const auto segment = frame.subspan(place.transport, place.end - place.transport);
    const auto addresses =
        place.ip_version == 4 ? frame.subspan(place.ip + 12u, 8) : frame.subspan(place.ip + 8u, 32);
    std::uint32_t checksum =
        0xffff ^ fold(sum(addresses) + place.protocol + segment.size() + sum(segment));
    if (checksum == 0 && place.protocol == kUdp) checksum = 0xffff;  // RFC 768: 0 means none
    store_word(frame, field, checksum);
}

// Offset of the IP header, or the frame's size when there is none.
std::size_t find_ip(std::span<const std::byte> frame, Layer layer) {
    if (layer == Layer::ip) return 0;
    std::size_t at = 12;
    while (at + 6 <= frame.size() &&
           (word_at(frame, at) == 0x8100 || word_at(frame, at) == 0x88a8)) {
        at += 4;
    }
    if (at + 2 > frame.size()) return frame.size();
    const std::uint32_t type = word_at(frame, at);
    return type == 0x0800 || type == 0x86dd ? at + 2 : frame.size();
}

}  // namespace

TransportPlace find_transport(std::span<const std::byte> frame, Layer layer) {
    const std::size_t ip = find_ip(frame, layer);
    if (ip + 20 > frame.size()) return {};
    TransportPlace place{.ip = static_cast<std::uint16_t>(ip),
                         .ip_version = static_cast<std::uint8_t>(octet_at(frame, ip) >> 4)};
    std::size_t transport = 0;
    std::uint32_t protocol = 0;
    if (place.ip_version == 4) {
        transport = ip + (octet_at(frame, ip) & 15) * 4;
        if ((word_at(frame, ip + 6) & 0x3fff) != 0) return {};  // a fragment
        protocol = octet_at(frame, ip + 9);
        place.end = static_cast<std::uint32_t>(ip) + word_at(frame, ip + 2);
    } else if (place.ip_version == 6 && ip + 40 <= frame.size()) {
        transport = ip + 40;
        protocol = octet_at(frame, ip + 6);
        place.end = static_cast<std::uint32_t>(ip) + 40 + word_at(frame, ip + 4);
    }
    const std::size_t smallest = protocol == kTcp ? 20 : 8;
    if ((protocol != kTcp && protocol != kUdp) || transport < ip + 20 || place.end > frame.size() ||
        transport + smallest > place.end) {
        return {};
    }
    const std::size_t header =
        protocol == kTcp ? (octet_at(frame, transport + 12) >> 4) * 4 : std::size_t{8};
    if (header < smallest || transport + header > place.end) return {};
    place.transport = static_cast<std::uint16_t>(transport);
    place.payload = static_cast<std::uint16_t>(transport + header);
    place.protocol = static_cast<std::uint8_t>(protocol);
    return place;
}

std::uint8_t ip_version_of(std::span<const std::byte> frame, Layer layer) {
    const std::size_t ip = find_ip(frame, layer);
    return ip < frame.size() ? static_cast<std::uint8_t>(octet_at(frame, ip) >> 4)
                             : std::uint8_t{0};
}

bool complete_checksum(std::span<std::byte> frame, Layer layer) {
    const TransportPlace place = find_transport(frame, layer);
    if (place.protocol == 0) return false;
    store_transport_checksum(frame, place);
    return true;
}

bool finish_partial_checksum(std::span<std::byte> frame, std::size_t start, std::size_t offset) {
    if (start + offset + 2 > frame.size()) return false;
    std::uint32_t checksum = 0xffff ^ fold(sum(frame.subspan(start)));
    if (checksum == 0) checksum = 0xffff;  // the same number, and UDP's 0 would mean none
    store_word(frame, start + offset, checksum);
    return true;
}

std::size_t cut_segment(const Frame& whole, Layer layer, std::size_t index,
                        std::span<std::byte> out) {
    const std::span<const std::byte> bytes = whole.bytes();
    TransportPlace place = find_transport(bytes, layer);
    const std::size_t offset = index * whole.segment_size;
    const std::size_t payload = place.end - std::min<std::size_t>(place.end, place.payload);
    if (place.protocol != kTcp || whole.segment_size == 0 || offset >= payload) return 0;
    const std::size_t length = std::min<std::size_t>(whole.segment_size, payload - offset);
    const std::size_t total = place.payload + length;
    if (total > out.size()) return 0;

    std::memcpy(out.data(), bytes.data(), place.payload);
    std::memcpy(out.data() + place.payload, bytes.data() + place.payload + offset, length);
    place.end = static_cast<std::uint32_t>(total);
    const std::size_t ip = place.ip;
    if (place.ip_version == 4) {
        store_word(out, ip + 2, static_cast<std::uint32_t>(total - ip));
        store_word(out, ip + 4, word_at(out, ip + 4) + static_cast<std::uint32_t>(index));
        store_word(out, ip + 10, 0);
        store_word(out, ip + 10, 0xffff ^ fold(sum(out.subspan(ip, place.transport - ip))));
    } else {
        store_word(out, ip + 4, static_cast<std::uint32_t>(total - ip - 40));
    }
    const std::size_t tcp = place.transport;
    const std::uint32_t sequence =
        (word_at(out, tcp + 4) << 16 | word_at(out, tcp + 6)) + static_cast<std::uint32_t>(offset);
    store_word(out, tcp + 4, sequence >> 16);
    store_word(out, tcp + 6, sequence);
    if (offset + length < payload) out[tcp + 13] &= ~std::byte{kFin | kPsh};
    if (index != 0) out[tcp + 13] &= ~std::byte{kCwr};
    store_transport_checksum(out, place);
    return total;
}

}  // namespace mtcp::io
