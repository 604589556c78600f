// SPDX-License-Identifier: Apache-2.0
// A connection between the victim and the honest host, in the same core as all that is attacked.
// Whatever happens there, its bytes pass in time and nothing of it is sent twice.
#pragma once

#include "fuzz/victim/victim.h"

namespace mtcp::victim {

class Bystander {
  public:
    static constexpr std::uint16_t kPort = 7;
    explicit Bystander(Victim& victim);
    ~Bystander();
    Bystander(const Bystander&) = delete;
    Bystander& operator=(const Bystander&) = delete;

    // Moves bytes both ways over the connection and over a fresh one. Anything but their arrival at
    // once is a finding.
    void check();

  private:
    struct Pair {
        long client = -1;
        long server = -1;
    };
    [[nodiscard]] Pair open();
    void exchange(const Pair& pair);
    void pass(sim::Sockets& from, long sender, sim::Sockets& to, long receiver);

    Victim& victim_;
    long listener_ = -1;
    Pair pair_;
    std::uint32_t passed_ = 0;
};

}  // namespace mtcp::victim
