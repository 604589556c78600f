// SPDX-License-Identifier: Apache-2.0
// Datagrams from fragments (RFC 791 §3.2, RFC 815's idea with a bitmap instead of hole
// descriptors). Everything is bounded: datagrams, datagrams per source, bytes, time. Different
// bytes for one place discard the whole datagram (in the spirit of RFC 5722); the same bytes again
// do no harm.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "base/counters.h"
#include "base/memory.h"
#include "base/time.h"
#include "net/configuration.h"
#include "wire/ip_address.h"

namespace mtcp::net {

struct FragmentKey {
    wire::IpAddress source;
    wire::IpAddress destination;
    std::uint32_t identification = 0;
    std::uint8_t protocol = 0;
    friend bool operator==(const FragmentKey&, const FragmentKey&) = default;
};

enum class MoreFragments : std::uint8_t { no, yes };

struct Fragment {
    FragmentKey key;
    std::uint32_t offset = 0;  // bytes
    MoreFragments more = MoreFragments::no;
    std::uint8_t ecn = 0;
    std::uint8_t interface = 0;
    std::span<const std::byte> header;  // IP header; kept of the first fragment, for ICMP
    std::span<const std::byte> payload;
};

// A datagram that was not complete in time, of which the first fragment had come (RFC 792: only
// then an ICMP error is sent).
struct TimedOut {
    std::uint8_t interface = 0;
    FragmentKey key;
    std::span<const std::byte> header;
    std::span<const std::byte> payload;  // the beginning, at least 8 bytes
};

class Reassembly {
  public:
    static constexpr Duration kTimeout = seconds(30);  // RFC 791 suggests 15 s, Linux keeps 30 s

    // `counters` must outlive it. reserved() tells whether the memory was granted.
    Reassembly(const Limits& limits, Counters& counters);
    [[nodiscard]] bool reserved() const { return region_.data() != nullptr; }

    enum class Added : std::uint8_t {
        held,      // waits for more
        complete,  // `datagram` is filled and lent until take_back_lent()
        dropped,   // counted
    };
    struct Datagram {
        std::span<const std::byte> header;  // of the first fragment
        std::span<const std::byte> payload;
        std::uint8_t ecn = 0;
    };
    [[nodiscard]] Added add(const Fragment& fragment, Instant now, Datagram& datagram);
    void take_back_lent();

    // Gives up datagrams whose time is over and counts them. True: `out` is filled (valid until the
    // next call of anything here), call again.
    [[nodiscard]] bool expired(Instant now, TimedOut& out);
    [[nodiscard]] Instant deadline() const { return next_deadline_; }
    // Datagrams collected, discarded and remembered, or lent.
    [[nodiscard]] std::uint32_t used() const { return used_; }
    [[nodiscard]] std::uint32_t bytes_held() const { return bytes_; }

  private:
    static constexpr std::size_t kBlock = 8;  // fragments begin at multiples of it
    static constexpr std::size_t kBlocksMax = 65536 / kBlock;
    static constexpr std::uint32_t kLengthUnknown = 0xffff'ffff;

    enum class State : std::uint8_t {
        free,
        collecting,
        poisoned,  // discarded; what still comes of it is discarded too
        lent,
    };
    struct Slot {
        FragmentKey key;
        Instant deadline{};
        std::uint64_t order = 0;                // of creation; the oldest is given up first
        std::uint32_t length = kLengthUnknown;  // of the payload; known with the last fragment
        std::uint32_t highest = 0;              // end of the farthest fragment
        std::uint32_t bytes = 0;                // held; counted in bytes_
        std::uint8_t ecn = 0;
        std::uint8_t ecn_seen = 0;  // bit n: a fragment with the codepoint n has come
        std::uint8_t interface = 0;
        std::uint8_t header_length = 0;  // 0: the first fragment has not come
        State state = State::free;
        std::array<std::byte, 60> header{};
        std::array<std::uint64_t, kBlocksMax / 64> present{};
    };

    [[nodiscard]] Slot* find(const FragmentKey& key);
    [[nodiscard]] Slot* begin(const Fragment& fragment, Instant now);
    // The oldest datagram being collected, of one source (nullptr: of any), other than `but`.
    [[nodiscard]] Slot* oldest(const wire::IpAddress* source, const Slot* but);
    [[nodiscard]] std::uint32_t count_of(const wire::IpAddress& source) const;
    [[nodiscard]] std::byte* buffer(const Slot& slot) const;
    [[nodiscard]] bool agrees_on_length(const Slot& slot, const Fragment& fragment) const;
    enum class Overlap : std::uint8_t { none, same_bytes, different };
    [[nodiscard]] Overlap overlap(const Slot& slot, const Fragment& fragment) const;
    void store(Slot& slot, const Fragment& fragment);
    void poison(Slot& slot);
    void evict(Slot& slot);
    void free(Slot& slot);
    [[nodiscard]] Added drop(Drop reason);

    Limits limits_;
    Counters* counters_;
    Region region_;
    std::vector<Slot> slots_;
    std::uint64_t created_ = 0;
    Instant next_deadline_ = kNever;  // never later than the first slot's
    std::uint32_t used_ = 0;
    std::uint32_t lent_ = 0;
    std::uint32_t bytes_ = 0;
};

}  // namespace mtcp::net
