// SPDX-License-Identifier: Apache-2.0
// One TCB against a hand-written peer, in virtual time. Numbers are relative as in packetdrill: the
// first byte of either stream is 1. What leaves is text, one line a segment:
//   "P. 1:65(64) ack 1", "S. 0:0(0) ack 1", ". 1:1(0) ack 1 sack 5:9", "[ect0] PW. 1:65(64) ack 1"
#pragma once

#include <deque>
#include <string>
#include <vector>

#include "tcp/connection.h"
#include "tcp/passive_open.h"

namespace mtcp::tcp::testing {

inline constexpr wire::SequenceNumber kPeerIss{0xffff'f000};  // wraps soon

[[nodiscard]] wire::FlowKey some_flow();
// An environment with pools of the given size.
void prepare(Environment& env, Counters& counters, std::uint32_t pool_size = 16);

// What the peer sends.
struct In {
    std::string flags = ".";  // of "SFRPUEW."
    std::uint32_t seq = 1;    // relative to the peer's ISS
    std::uint32_t length = 0;
    std::uint32_t ack = 1;          // relative to our ISS
    std::uint32_t window = 0xffff;  // as in the header
    std::uint16_t urgent = 0;
    std::vector<std::pair<std::uint32_t, std::uint32_t>> sack;  // relative to our ISS
    wire::Options options;     // for SYNs; timestamps are added when agreed
    std::uint8_t ecn = 0;      // of the IP header
    std::int64_t ts_back = 0;  // TSval that much older than it should be
};

class Solo {
  public:
    explicit Solo(std::uint32_t pool_size = 16);
    ~Solo();
    Solo(const Solo&) = delete;
    Solo& operator=(const Solo&) = delete;

    Environment env;
    Counters counters;
    Tcb tcb;
    Instant now{seconds(1'000).ns};
    Settings settings;
    std::uint16_t path_mtu = 1500;
    FastOpenWish fast_open = FastOpenWish::none;  // of open()
    wire::Options peer_options;                   // of the peer's SYN or SYN-ACK
    std::uint32_t peer_window = 0xffff;
    std::uint8_t peer_syn_flags = 0;  // besides SYN (and ACK), as ECE and CWR

    // Sum of all reactions since the last take_events().
    std::uint16_t events = 0;
    int error = 0;
    Drop last_drop = Drop::count_;
    std::uint64_t acked = 0;
    std::uint64_t received = 0;
    Reaction last;

    // Active open; the SYN stays unsent until drained.
    void open();
    // Active open through to ESTABLISHED, with everything drained.
    void connect();
    // Passive: SYN, SYN-ACK, ACK through the half-open record.
    void accept(const In& completing = {});

    void segment(const In& in);
    void send(std::uint32_t bytes, SendHint hint = SendHint::none);
    void consume(std::uint32_t bytes);
    void shutdown(Reading reading = Reading::goes_on);
    void close();
    void abort();
    void apply_settings(HeldBytes held = HeldBytes::stay);
    void path_error(PathError error, std::uint16_t mtu, std::uint32_t seq);

    // Everything that leaves now, lines joined by " | ".
    std::string out(std::uint32_t payload_max = 0);
    // Moves time on, firing timers; what leaves is "+<ms> <segment>".
    std::string advance(Duration span);
    [[nodiscard]] std::uint16_t take_events();
    [[nodiscard]] State state() const { return tcb.state; }
    // The last segments that left, in full.
    std::vector<wire::OutgoingSegment> sent;

  private:
    void note(const Reaction& reaction);
    std::string text_of(const wire::OutgoingSegment& segment) const;
    wire::OutgoingSegment syn_ack_;
};

}  // namespace mtcp::tcp::testing
