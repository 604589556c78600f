// SPDX-License-Identifier: Apache-2.0
// The canaries: stacks, wires and programs broken on purpose, one way each. A world with one of
// them must fail, and by the oracle that is there for it; else the oracle is blind.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "io/packet_io.h"

namespace mtcp::sim {

enum class Sabotage : std::uint8_t {
    none,
    hidden_corruption,   // bytes change on the wire, checksums are put right again
    swallowed_frames,    // the device loses received frames and tells nobody
    lost_timer,          // the stack forgets its deadline
    early_ack,           // it acknowledges what was never sent
    hasty_ack,           // it acknowledges what has not arrived yet
    shrinking_window,    // it takes back window it had offered
    talkative_reset,     // its resets carry payload
    backward_timestamp,  // its timestamps run backwards
    overrun,             // it numbers data beyond the window
    leaked_descriptor,   // the program forgets a socket
    dead_wire,           // the wire never heals
    late_end,            // one connection's data passes long after all faults have ended
    lying_epoll,         // the program is told of bytes that are not there
    unfair_wire,         // one flow loses what the others do not
    different_twin,      // the run without header prediction is another one
    flood,               // its first window is of any size
    impatience,          // its retransmission timer does not double
    lost_mark,           // it keeps to itself which bytes are urgent
    deaf_cores,          // its cores do not look for what others hand to them
};

struct Canary {
    Sabotage sabotage;
    std::string_view name;
    std::string_view oracle;  // that must find it: the beginning of a finding
};

inline constexpr std::array kCanaries{
    Canary{Sabotage::hidden_corruption, "hidden corruption", "byte stream"},
    Canary{Sabotage::swallowed_frames, "swallowed frames", "no silent drop"},
    Canary{Sabotage::lost_timer, "lost timer", "deadline"},
    Canary{Sabotage::early_ack, "early acknowledgement", "wire: acknowledges what was never"},
    Canary{Sabotage::shrinking_window, "shrinking window", "wire: a right window edge that"},
    Canary{Sabotage::talkative_reset, "reset with payload", "wire: payload in a SYN or RST"},
    Canary{Sabotage::backward_timestamp, "backward timestamp", "wire: a timestamp that goes back"},
    Canary{Sabotage::overrun, "overrun", "wire: "},
    Canary{Sabotage::leaked_descriptor, "leaked descriptor", "no leak"},
    Canary{Sabotage::dead_wire, "dead wire", "liveness"},
    Canary{Sabotage::late_end, "late end", "liveness: session 0"},
    Canary{Sabotage::lying_epoll, "lying epoll", "epoll truth"},
    Canary{Sabotage::unfair_wire, "unfair wire", "fairness"},
    Canary{Sabotage::different_twin, "different twin", "header prediction"},
    Canary{Sabotage::hasty_ack, "hasty acknowledgement", "wire: acknowledges what never arrived"},
    Canary{Sabotage::flood, "flood", "wire: more than congestion control"},
    Canary{Sabotage::impatience, "impatience", "wire: again in silence, after a time-out not"},
    Canary{Sabotage::lost_mark, "lost mark", "urgent: "},
    Canary{Sabotage::deaf_cores, "deaf cores", "liveness"},
};

// The canary of a seed; its world is "canary".
[[nodiscard]] constexpr const Canary& canary_of(std::uint64_t seed) {
    return kCanaries[seed % kCanaries.size()];
}

// Makes of the frames of a sound stack those of a broken one.
class Saboteur {
  public:
    Saboteur(Sabotage sabotage, io::Layer layer) : sabotage_(sabotage), layer_(layer) {}
    // What goes on the wire in place of `frame`.
    [[nodiscard]] std::span<const std::byte> apply(std::span<const std::byte> frame);
    // Whether the wire shall lose it.
    [[nodiscard]] bool loses(std::span<const std::byte> frame, Instant now);

  private:
    Sabotage sabotage_;
    io::Layer layer_;
    std::uint64_t seen_ = 0;
    std::uint16_t chosen_port_ = 0;  // of the flow that suffers
    std::vector<std::byte> bytes_;
};

}  // namespace mtcp::sim
