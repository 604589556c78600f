// SPDX-License-Identifier: Apache-2.0
// A rate limit: `per_second` events on average, as many at once after a quiet second.
#pragma once

#include <cstdint>

#include "base/time.h"

namespace mtcp::net {

class TokenBucket {
  public:
    TokenBucket() = default;  // lets nothing pass
    explicit TokenBucket(std::uint32_t per_second)
        : per_second_(per_second), credit_ns_(full().ns) {}

    // Takes one event's worth of credit. False: the rate is used up.
    [[nodiscard]] bool take(Instant now) {
        if (per_second_ == 0) return false;
        const Duration quiet = now - refilled_;
        if (quiet.ns > 0) {
            refilled_ = now;
            credit_ns_ = quiet >= full() - Duration{credit_ns_} ? full().ns : credit_ns_ + quiet.ns;
        }
        const std::int64_t price = full().ns / per_second_;
        if (credit_ns_ < price) return false;
        credit_ns_ -= price;
        return true;
    }

  private:
    [[nodiscard]] static constexpr Duration full() { return seconds(1); }

    std::uint32_t per_second_ = 0;
    std::int64_t credit_ns_ = 0;
    Instant refilled_{};
};

}  // namespace mtcp::net
