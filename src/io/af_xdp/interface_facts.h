// SPDX-License-Identifier: Apache-2.0
// What the kernel says of a network interface in the calling thread's network namespace.
#pragma once

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
    std::string driver;                // empty when the driver does not tell
    std::uint32_t receive_queues = 0;  // 0 when the driver does not tell
    bool up = false;
};

// Fails with ENODEV when there is no such interface.
Result<InterfaceFacts, Problem> read_interface(const std::string& name);

}  // namespace mtcp::io
