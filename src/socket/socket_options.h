// SPDX-License-Identifier: Apache-2.0
// getsockopt, setsockopt and ioctl for streams and listeners.
#pragma once

#include <sys/socket.h>

#include <cstddef>
#include <span>

#include "socket/application.h"

namespace mtcp::socket {

// Writes the option's value to `out` and its size to `length`. -ENOPROTOOPT, -EINVAL (too short).
[[nodiscard]] long get_option(Application& app, Descriptor& d, int level, int name,
                              std::span<std::byte> out, socklen_t& length);
// -ENOPROTOOPT, -EINVAL (length or value), -ENOENT (congestion control).
[[nodiscard]] long set_option(Application& app, Descriptor& d, int level, int name,
                              std::span<const std::byte> value);
// FIONREAD, FIONBIO, SIOCATMARK, SIOCOUTQ; -EINVAL.
[[nodiscard]] long control_socket(Application& app, Descriptor& d, int request, int& argument);

}  // namespace mtcp::socket
