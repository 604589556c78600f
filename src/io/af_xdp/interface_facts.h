// SPDX-License-Identifier: Apache-2.0
// What the kernel says of a network interface in the calling thread's network namespace.
#pragma once

#include <algorithm>
#include <cstdint>
#include <string>

#include "base/problem.h"
#include "base/result.h"
#include "io/packet_io.h"

namespace mtcp::io {

struct InterfaceFacts {
    std::string name;
    int index = 0;
    std::uint32_t mtu = 0;
    MacAddress mac;
    std::string driver;                 // empty when the driver does not tell
    std::uint32_t receive_queues = 0;   // 0 when the driver does not tell
    std::uint32_t transmit_queues = 0;  // likewise
    bool counts_directions = false;     // `ethtool -L` has rx and tx for it, not combined
    bool up = false;

    // How many queues go both ways; 0 when the driver does not tell.
    [[nodiscard]] std::uint32_t whole_queues() const {
        if (receive_queues == 0 || transmit_queues == 0) return receive_queues + transmit_queues;
        return std::min(receive_queues, transmit_queues);
    }
};

// Fails with ENODEV when there is no such interface.
Result<InterfaceFacts, Problem> read_interface(const std::string& name);

}  // namespace mtcp::io
