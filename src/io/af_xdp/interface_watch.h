// SPDX-License-Identifier: Apache-2.0
// Tells of what somebody changes of an interface in use and the stack does not follow: a lower MTU,
// another MAC address.
#pragma once

#include <cstdint>

#include "base/time.h"
#include "io/af_xdp/control_socket.h"
#include "io/af_xdp/interface_facts.h"

namespace mtcp::io {

class InterfaceWatch {
  public:
    // `mtu`: the largest packet that is sent on the interface `opened`.
    InterfaceWatch(const InterfaceFacts& opened, std::uint32_t mtu);
    // Looks once a second, and logs each change once.
    void look(Instant now);
    // In a forked child: gives up its descriptor.
    void abandon() { control_.close(); }

  private:
    void look_at_mtu(const ifreq& named);
    void look_at_mac(const ifreq& named);

    ControlSocket control_;
    int index_;
    std::uint32_t mtu_;
    MacAddress mac_;
    std::uint32_t seen_mtu_;
    MacAddress seen_mac_;
    Instant due_;
};

}  // namespace mtcp::io
