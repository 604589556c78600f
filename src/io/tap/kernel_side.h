// SPDX-License-Identifier: Apache-2.0
// Settings of the kernel's end of a TUN/TAP interface: MTU, address, up.
#pragma once

#include <cstdint>
#include <string>

#include "base/problem.h"
#include "base/result.h"

namespace mtcp::io {

// Each names the interface by `name`, in the network namespace of the calling thread.
[[nodiscard]] Result<Done, Problem> set_mtu(const std::string& name, std::uint32_t mtu);
// `address` is "10.0.0.1/24" or "fd00::1/64".
[[nodiscard]] Result<Done, Problem> set_kernel_address(const std::string& name,
                                                       const std::string& address);
[[nodiscard]] Result<Done, Problem> bring_up(const std::string& name);

}  // namespace mtcp::io
