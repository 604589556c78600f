// SPDX-License-Identifier: Apache-2.0
// Segments as a broken stack would have made them.
#include "sim/sabotage.h"

#include "io/middleware/software_offload.h"
#include "sim/world.h"
#include "wire/big_endian.h"
#include "wire/checksum.h"
#include "wire/segment.h"

namespace mtcp::sim {
namespace {

using wire::Flags;

constexpr std::uint64_t kEvery = 8;  // frames go by unharmed before one is spoilt
constexpr std::size_t kOptionTimestamps = 8;
// Within the bound of the world, far beyond that of a connection.
constexpr Duration kLate = seconds(60);
constexpr std::byte kNop{1};

// The timestamp option's value; nullptr: there is none.
std::byte* timestamp_of(std::byte* tcp) {
    const std::size_t end = (std::to_integer<std::size_t>(tcp[12]) >> 4) * 4;
    for (std::size_t at = wire::kTcpHeaderMin; at + 10 <= end;) {
        if (tcp[at] == kNop) {
            ++at;
        } else if (std::to_integer<std::size_t>(tcp[at]) == kOptionTimestamps) {
            return tcp + at + 2;
        } else {
            const auto step = std::to_integer<std::size_t>(tcp[at + 1]);
            if (step < 2) return nullptr;
            at += step;
        }
    }
    return nullptr;
}

// One byte of payload behind the packet.
void append_byte(const io::TransportPlace& place, std::vector<std::byte>& frame) {
    frame.resize(place.end);
    frame.push_back(std::byte{'!'});
    std::byte* const ip = frame.data() + place.ip;
    wire::store_be16(ip + 2, static_cast<std::uint16_t>(wire::load_be16(ip + 2) + 1));
    wire::store_be16(ip + 10, 0);
    const std::size_t header = (std::to_integer<std::size_t>(ip[0]) & 15) * 4;
    wire::store_be16(ip + 10, wire::finish(wire::checksum_add(0, {ip, header})));
}

// True when the segment was changed.
bool spoil(Sabotage sabotage, std::byte* tcp, Flags flags, bool has_payload) {
    switch (sabotage) {
        case Sabotage::early_ack:
            wire::store_be32(tcp + 8, wire::load_be32(tcp + 8) + 70'000);
            return true;
        case Sabotage::hasty_ack:
            if (has_payload) return false;
            wire::store_be32(tcp + 8, wire::load_be32(tcp + 8) + 1);
            return true;
        case Sabotage::shrinking_window:
            wire::store_be16(tcp + 14, static_cast<std::uint16_t>(wire::load_be16(tcp + 14) / 2));
            return true;
        case Sabotage::backward_timestamp:
            if (std::byte* const value = timestamp_of(tcp); value != nullptr) {
                wire::store_be32(value, wire::load_be32(value) - 100'000);
                return true;
            }
            return false;
        case Sabotage::overrun:
            if (!has_payload || flags.has(Flags::fin)) return false;
            wire::store_be32(tcp + 4, wire::load_be32(tcp + 4) + 0x1000'0000);
            return true;
        case Sabotage::talkative_reset:
            if (has_payload) return false;
            tcp[13] = std::byte{Flags::rst | Flags::ack};
            return true;
        case Sabotage::lost_mark: tcp[13] &= ~std::byte{Flags::urg}; return true;
        default: return false;
    }
}

}  // namespace

std::span<const std::byte> Saboteur::apply(std::span<const std::byte> frame) {
    if (sabotage_ == Sabotage::none) return frame;
    const io::TransportPlace place = io::find_transport(frame, layer_);
    if (place.protocol != wire::kProtocolTcp) return frame;
    const bool chosen = ++seen_ % kEvery == 0 || sabotage_ == Sabotage::lost_mark;
    const std::byte* const header = frame.data() + place.transport;
    const Flags flags{std::to_integer<std::uint8_t>(header[13])};
    const bool has_payload = place.end > place.payload;
    if (!chosen || flags.has(Flags::syn | Flags::rst)) return frame;
    bytes_.assign(frame.begin(), frame.end());
    if (!spoil(sabotage_, bytes_.data() + place.transport, flags, has_payload)) return frame;
    if (sabotage_ == Sabotage::talkative_reset) append_byte(place, bytes_);
    io::complete_checksum(bytes_, layer_);
    return bytes_;
}

bool Saboteur::loses(std::span<const std::byte> frame, Instant now) {
    if (sabotage_ != Sabotage::unfair_wire && sabotage_ != Sabotage::late_end) return false;
    const io::TransportPlace place = io::find_transport(frame, layer_);
    if (place.protocol != wire::kProtocolTcp || place.end <= place.payload) return false;
    if (sabotage_ == Sabotage::late_end) return now < World::kStart + kLate;
    const std::uint16_t port = wire::load_be16(frame.data() + place.transport);
    if (chosen_port_ == 0) chosen_port_ = port;
    return port == chosen_port_ && ++seen_ % 4 != 0;
}

}  // namespace mtcp::sim
