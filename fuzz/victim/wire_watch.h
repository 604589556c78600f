// SPDX-License-Identifier: Apache-2.0
// What must never be seen on the attacker's wire, whatever he sends: an ACK of what he never sent,
// a window whose right edge goes back, data of the victim that is not what its application wrote,
// or more answers than questions.
#pragma once

#include <cstdint>
#include <map>

#include "fuzz/victim/packet.h"

namespace mtcp::victim {

// The bytes both ends send: a function of the place in the stream.
[[nodiscard]] std::byte pattern_at(std::uint32_t offset);
[[nodiscard]] Bytes pattern(std::uint32_t offset, std::size_t length);

class WireWatch {
  public:
    // Everything the attacker puts on the wire.
    void on_injected(std::span<const std::byte> packet);
    void on_heard(const Heard& heard);
    // Answers without data since the last call may not exceed what `questions` explain.
    void check_answers(std::uint64_t questions);
    // The victim's application writes something else than pattern().
    void ignore_bytes() { checks_bytes_ = false; }

  private:
    struct Flow {
        bool open = false;          // a SYN of the victim was heard,
        bool several = false;       // or more: of cookies only one makes the connection
        bool forgotten = false;     // with a reset to a stray, though a cookie is still good
        bool spoke = false;         // and something behind it
        std::uint32_t iss = 0;      // of the victim
        std::uint32_t syn_ack = 0;  // and what its SYN acknowledged
        bool sent_any = false;      // the attacker sent something
        std::uint32_t reach = 0;    // one past the highest number the attacker sent
        bool several_starts = false;
        bool acked_any = false;
        std::uint32_t ack = 0;  // highest of the victim
        bool syn_with_scale = false;
        bool syn_without_scale = false;
        bool answered = false;        // the victim's SYN carried an ACK
        std::uint32_t syn_stamp = 0;  // and this TSval
        bool offer_forged = false;    // see on_injected()
        std::uint8_t shift = 0;
        bool edge_known = false;
        std::uint32_t edge = 0;
    };
    struct Key {
        std::uint32_t remote;
        std::uint16_t remote_port;
        std::uint16_t local_port;
        auto operator<=>(const Key&) const = default;
    };
    void on_victims_syn(Flow& flow, const Heard& heard);
    void check_ack(Flow& flow, const Heard& heard);
    void check_window(Flow& flow, const Heard& heard);

    std::map<Key, Flow> flows_;
    std::uint64_t answers_ = 0;
    bool checks_bytes_ = true;
    bool knows_all_ = true;  // false once fragments were sent: what they make is not followed
};

}  // namespace mtcp::victim
