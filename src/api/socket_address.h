// SPDX-License-Identifier: Apache-2.0
// sockaddr_in to and from our endpoints.
#pragma once

#include <sys/socket.h>

#include "socket/channel.h"

namespace mtcp::api {

// AF_UNSPEC: no address at all, which ends an association (connect(2)).
[[nodiscard]] bool names_nobody(const sockaddr* from, socklen_t length);
// 0, or EFAULT, EINVAL, EAFNOSUPPORT.
[[nodiscard]] int read_address(const sockaddr* from, socklen_t length, wire::Endpoint& to);
// As the kernel: writes as much as there is room for, and the whole length. 0, or EFAULT, EINVAL.
[[nodiscard]] int write_address(const wire::Endpoint& from, sockaddr* to, socklen_t* length);

}  // namespace mtcp::api
