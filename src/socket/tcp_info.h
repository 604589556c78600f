// SPDX-License-Identifier: Apache-2.0
// A connection's status in the layout of Linux's struct tcp_info.
#pragma once

#include <linux/tcp.h>

#include "tcp/status.h"

namespace mtcp::socket {

[[nodiscard]] tcp_info to_tcp_info(const tcp::Status& status);
[[nodiscard]] tcp_info listening_tcp_info();

}  // namespace mtcp::socket
