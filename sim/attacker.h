// SPDX-License-Identifier: Apache-2.0
// Somebody off the path who knows addresses and ports, and guesses the rest: resets, SYNs, data and
// ICMP errors with sequence numbers that are never right. None of them may kill a connection
// (RFC 5961, RFC 5927).
#pragma once

#include <cstdint>
#include <map>
#include <vector>

#include "base/random.h"
#include "sim/wire.h"
#include "wire/ip_address.h"
#include "wire/segment.h"

namespace mtcp::sim {

class Attacker final : public Observer {
  public:
    Attacker(World& world, Wire& wire, io::Layer layer, std::uint64_t seed)
        : world_(world), wire_(wire), layer_(layer), random_(seed) {}

    // A guess every `interval` or so, from now until `end`.
    void begin(Duration interval, Instant end);

    void on_sent(Side from, std::span<const std::byte> frame, Instant now) override;
    void on_delivered(Side, std::span<const std::byte>, bool, Instant) override {}
    [[nodiscard]] std::uint64_t guesses() const { return guesses_; }

  private:
    // What one end of a connection has said.
    struct Speaker {
        Side side = Side::a;
        wire::IpAddress address;
        wire::IpAddress peer;
        std::uint16_t port = 0;
        std::uint16_t peer_port = 0;
        wire::SequenceNumber next;    // one past the highest it sent
        std::uint32_t window = 0;     // it offers; not scaled, so never too much
        bool synchronised = false;    // it sent more than a SYN
        bool over = false;            // it sent FIN or RST
        std::vector<std::byte> link;  // header of its frames
    };
    using Key = std::uint64_t;  // ports

    void strike();
    [[nodiscard]] wire::OutgoingSegment guess(const Speaker& pretended, const Speaker& victim);
    void send_segment(const Speaker& pretended, const wire::OutgoingSegment& segment);
    void send_icmp(const Speaker& victim);
    [[nodiscard]] std::vector<std::byte> packet(const Speaker& pretended, std::uint8_t protocol,
                                                std::size_t bytes);

    World& world_;
    Wire& wire_;
    io::Layer layer_;
    Random random_;
    Duration interval_{};
    Instant end_{};
    std::map<Key, Speaker> speakers_;
    std::uint64_t guesses_ = 0;
};

}  // namespace mtcp::sim
