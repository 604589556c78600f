// SPDX-License-Identifier: Apache-2.0
// Between a script's segments, whose numbers are relative, and packets on the wire.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <vector>

#include "tests/ladder/script.h"
#include "wire/ip_address.h"

namespace mtcp::ladder {

// The addresses that packetdrill uses for IPv4.
inline constexpr wire::IpAddress kLocalAddress = wire::IpAddress::v4(0xc0a80001);   // 192.168.0.1
inline constexpr wire::IpAddress kGateway = wire::IpAddress::v4(0xc0a80002);        // 192.168.0.2
inline constexpr wire::IpAddress kRemoteAddress = wire::IpAddress::v4(0xc0000201);  // 192.0.2.1
inline constexpr std::uint16_t kServicePort = 8080;
// The script's sequence number 0 of the remote end: near the wrap, so that every script crosses it.
inline constexpr std::uint32_t kRemoteIss = 0xffff'fc00;

// One connection of a script: what its relative numbers stand for.
struct Flow {
    std::uint16_t local_port = 0;
    std::uint16_t remote_port = 0;
    std::uint32_t local_base = 0;  // the stack's ISS, once a SYN of it was seen
    std::uint32_t ts_offset = 0;   // the stack's TS val minus the script's
    bool ts_known = false;
    std::map<std::uint32_t, std::uint32_t> ts_sent;  // script's TS val -> the stack's
    std::vector<std::byte> written;                  // what the application wrote
};

// What the bytes of a stream are when a script does not say: a function of their position.
[[nodiscard]] constexpr std::byte pattern_byte(std::uint32_t position) {
    return static_cast<std::byte>((position * 2654435761u) >> 24);
}

// The packet of a script's "<" step. Data bytes follow pattern_byte(seq - 1 ...).
[[nodiscard]] std::vector<std::byte> encode(const PacketStep& step, const Flow& flow);

// A packet of the stack, numbers still as on the wire.
struct SeenPacket {
    Instant when;
    std::uint8_t tos = 0;
    std::uint8_t ttl = 0;
    std::uint16_t source_port = 0;
    std::uint16_t destination_port = 0;
    TcpSpec tcp;
    std::vector<std::byte> payload;
    std::string broken;  // why it is not a legal TCP packet; else empty
};
[[nodiscard]] SeenPacket decode(std::span<const std::byte> packet, Instant when);
// Makes the numbers relative; learns the stack's ISS from a SYN.
void to_script_numbers(TcpSpec& tcp, Flow& flow);

[[nodiscard]] std::string to_text(const TcpSpec& tcp);
[[nodiscard]] std::string to_text(const StepTime& time);

}  // namespace mtcp::ladder
