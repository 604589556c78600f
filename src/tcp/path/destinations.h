// SPDX-License-Identifier: Apache-2.0
// What connections to a host have learnt and the next one can use: its Fast Open cookie and MSS
// (RFC 7413 §4.1.3), the MTU of the path (RFC 1191 §6.3, RFC 8201 §5.3). A table of fixed size; the
// entry that was used longest ago makes room.
#pragma once

#include <array>
#include <cstdint>

#include "base/memory.h"
#include "base/random.h"
#include "base/time.h"
#include "wire/ip_address.h"
#include "wire/segment.h"

namespace mtcp::tcp {

struct Destination {
    wire::IpAddress local;
    wire::IpAddress remote;    // all zero: the entry is free
    std::uint32_t used_s;      // seconds of the caller's clock
    std::uint32_t path_mtu_s;  // when path_mtu was learnt, seconds
    std::uint16_t path_mtu;    // below that of the first hop; 0: not known
    std::uint16_t mss;         // the peer's MSS option, 0: not known
    std::uint8_t cookie_length;
    bool cookie_is_experimental;  // the form in which it came
    // RFC 7413 Appendix B: a server that did not answer the option is asked once in the other form.
    enum class Form : std::uint8_t { standard, experimental, settled } form;
    std::array<std::uint8_t, wire::kFastOpenCookieMax> cookie;
};
static_assert(sizeof(Destination) <= 64);

class Destinations {
  public:
    // `entries` is rounded down to whole sets; 0: nothing is ever remembered.
    [[nodiscard]] bool reserve(std::uint32_t entries, const SecretKey& key) {
        sets_ = entries / kWays;
        key_ = key;
        region_ = Region::map(std::size_t{sets_} * kWays * sizeof(Destination), Pages::normal);
        return region_.data() != nullptr || sets_ == 0;
    }
    // nullptr: nothing is known.
    [[nodiscard]] Destination* find(const wire::FlowKey& flow, Instant now);
    // The entry, new if need be; nullptr: the table has no room at all.
    [[nodiscard]] Destination* obtain(const wire::FlowKey& flow, Instant now);
    // The path takes packets of `mtu` bytes; 0: as large as the first hop does.
    void note_path_mtu(const wire::FlowKey& flow, std::uint16_t mtu, Duration lifetime,
                       Instant now);
    // Is the MTU of any path known, so that looking is worth it?
    [[nodiscard]] bool knows_paths(Instant now) const { return now < paths_known_until_; }

  private:
    static constexpr std::uint32_t kWays = 4;
    [[nodiscard]] Destination* set_of(const wire::FlowKey& flow) const;

    Region region_;
    SecretKey key_;
    std::uint32_t sets_ = 0;
    Instant paths_known_until_;
};

// How often, and when last, Fast Open ran into a black hole (RFC 7413 §7.3).
struct FastOpenPause {
    std::uint32_t times = 0;
    Instant since;
};

}  // namespace mtcp::tcp
