// SPDX-License-Identifier: Apache-2.0
// One connection as the attacker holds it: he follows the handshake by hand and knows where the
// victim's windows lie.
#pragma once

#include <cstdint>

#include "fuzz/victim/packet.h"
#include "fuzz/victim/victim.h"

namespace mtcp::victim {

class RawPeer {
  public:
    RawPeer(Victim& victim, std::uint16_t from_port, std::uint16_t to_port = 80,
            wire::IpAddress from = kAttacker)
        : address(from), port(from_port), victim_port(to_port), victim_(victim) {}

    // Three-way handshake as a client; `options` go into the SYN. True: the victim answered.
    bool connect(Bytes options = {});
    // Answers a SYN of the victim that was heard.
    bool accept(Bytes options = {});

    // A segment at SND.NXT that acknowledges everything; its payload counts into SND.NXT if sent
    // by send().
    [[nodiscard]] TcpFields segment(std::uint8_t flags, Bytes payload = {}) const;
    // Sends the segment as it is, follows it with SND.NXT, lets the victim answer.
    void send(const TcpFields& fields);
    // Sends a segment without remembering it: forged, or out of order.
    void throw_in(const TcpFields& fields);
    // Takes note of what the victim sent.
    void hear(const Heard& heard);
    // hear() of all that was heard for this connection; returns it.
    std::vector<Heard> listen();

    wire::IpAddress address;
    std::uint16_t port;
    std::uint16_t victim_port;
    std::uint32_t iss = 1'000'000;
    std::uint32_t snd_nxt = 0;
    std::uint32_t victim_iss = 0;
    std::uint32_t rcv_nxt = 0;  // one past the highest number heard
    std::uint32_t acked = 0;    // highest ACK heard: the victim's RCV.NXT
    std::uint32_t window = 0;   // of the victim, scaled
    std::uint8_t victim_shift = 0;
    std::uint16_t own_window = 65535;
    bool was_reset = false;
    bool timestamps = false;
    std::uint32_t ts_value = 1000;
    std::uint32_t ts_echo = 0;

  private:
    [[nodiscard]] bool is_ours(const Heard& heard) const;
    Victim& victim_;
};

}  // namespace mtcp::victim
