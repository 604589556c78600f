// SPDX-License-Identifier: Apache-2.0
// Watches the wire and says what must never be seen there: damaged frames, acknowledgements of what
// was never sent, windows that shrink, data that changes between transmissions, and more. It knows
// nothing of the stacks at the ends.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "sim/arrivals.h"
#include "sim/findings.h"
#include "sim/pace.h"
#include "sim/wire.h"
#include "wire/segment.h"

namespace mtcp::sim {

class WireOracle final : public Observer {
  public:
    struct Ways {
        bool cookies = false;  // it may answer a SYN with a cookie
        // Whether its device has kept segments for a while; empty: it never does.
        std::function<bool()> held_segments;
    };
    WireOracle(Findings& findings, io::Layer layer, std::uint32_t mtu, std::array<Ways, 2> ways)
        : findings_(findings), layer_(layer), mtu_(mtu), ways_(ways) {}

    void on_sent(Side from, std::span<const std::byte> frame, Instant now) override;
    void on_delivered(Side from, std::span<const std::byte> frame, bool intact,
                      Instant now) override;

    // What somebody else sends may be taken for an answer.
    void on_injected(Side to, std::span<const std::byte> frame, Instant now) override;

    // A host has forgotten everything: what was said before binds nobody any more.
    void forget();
    // Data of this host that is on its way and not acknowledged, as far as the wire can tell: of
    // which connection, and which. Empty: there is none.
    [[nodiscard]] std::string outstanding(Side side) const;
    [[nodiscard]] std::uint64_t segments() const { return segments_; }

  private:
    // One direction of a connection: who sends with these addresses and ports. Offsets count from
    // the first data byte, modulo 2^32.
    struct Sender {
        Side side = Side::a;
        bool open = false;  // its SYN was seen
        bool stale =
            false;  // the other end began anew, or more was said than seen: rules do not hold
        bool forgotten = false;  // one of the two ends lost its memory since
        bool reset = false;      // a RST passed, in either direction
        wire::SequenceNumber iss;
        std::uint32_t mss = 536;
        bool offers_scale = false;
        bool offers_sack = false;
        bool offers_timestamps = false;
        std::uint8_t shift = 0;
        bool answered = false;          // its SYN carried an ACK
        bool established = false;       // it sent something behind its SYN
        std::vector<std::byte> stream;  // what it sent
        std::uint32_t syn_bytes = 0;    // of that, in its SYN: before it knew of any window
        bool fin = false;
        Arrivals arrivals;  // of its stream, at the other end
        Pace pace;
        bool acked_any = false;
        wire::SequenceNumber ack;  // highest it sent
        bool window_known = false;
        wire::SequenceNumber edge;  // right edge of the window it offers
        bool window_arrived = false;
        wire::SequenceNumber arrived_edge;  // as far as the other end knows
        wire::SequenceNumber acked;         // highest acknowledgement that reached it
        bool timestamp_known = false;
        std::uint32_t timestamp = 0;  // highest TSval it sent
        bool timestamp_arrived = false;
        std::uint32_t arrived_timestamp = 0;  // highest of these that reached the other end

        [[nodiscard]] std::uint32_t sent() const {
            return static_cast<std::uint32_t>(stream.size()) + (fin ? 1u : 0u);
        }
        [[nodiscard]] wire::SequenceNumber next() const { return iss + 1 + sent(); }
    };
    struct Key {
        std::uint32_t source;
        std::uint32_t destination;
        std::uint16_t source_port;
        std::uint16_t destination_port;
        auto operator<=>(const Key&) const = default;
    };
    struct Seen {
        Key key{};
        wire::Segment segment;
        std::size_t options = 0;  // bytes
    };

    [[nodiscard]] bool parse(std::span<const std::byte> frame, Seen& seen, std::string& why) const;
    [[nodiscard]] bool follows_unseen_answer(const Seen& seen, const Sender& peer) const;
    [[nodiscard]] bool is_reborn(const Seen& seen, Sender& sender);
    void on_syn(const Seen& seen, Sender& sender, Sender& peer, Instant now);
    void check_flags(const Seen& seen, const Sender& sender);
    void check_options(const Seen& seen, Sender& sender, const Sender& peer);
    void check_data(const Seen& seen, Sender& sender, const Sender& peer, Instant now);
    void check_pace(const Seen& seen, Sender& sender, const Sender& peer, std::uint32_t highest,
                    Instant now);
    void check_ack(const Seen& seen, Sender& sender, const Sender& peer);
    void check_window(const Seen& seen, Sender& sender, const Sender& peer);
    void check_sack(const Seen& seen, const Sender& sender, Sender& peer);
    void check_truth(const Seen& seen, Sender& peer);
    [[nodiscard]] static std::uint8_t shift_of(const Seen& seen, const Sender& sender,
                                               const Sender& peer);
    [[nodiscard]] static wire::SequenceNumber edge_of(const Seen& seen, const Sender& sender,
                                                      const Sender& peer);
    // Whether it can be told when the stack sent what passes. (On Ethernet a segment may be dropped
    // unseen while it waits for the neighbour's address.)
    [[nodiscard]] bool times_tell(Side from) const {
        const auto& held_segments = ways_[index(from)].held_segments;
        return layer_ == io::Layer::ip && !(held_segments && held_segments());
    }
    static void note_arrival(const Seen& seen, Sender& sender, const Sender& peer);
    void wrong(const Seen& seen, const std::string& what);
    [[nodiscard]] static Key reversed(const Key& key) {
        return {key.destination, key.source, key.destination_port, key.source_port};
    }

    Findings& findings_;
    io::Layer layer_;
    std::uint32_t mtu_;
    std::array<Ways, 2> ways_;
    std::map<Key, Sender> senders_;
    std::uint64_t segments_ = 0;
};

}  // namespace mtcp::sim
