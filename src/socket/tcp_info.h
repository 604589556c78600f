// SPDX-License-Identifier: Apache-2.0
// A connection's status in the layout of Linux's struct tcp_info.
#pragma once

#include <linux/inet_diag.h>
#include <linux/tcp.h>

#include <cstddef>

#include "socket/channel.h"
#include "tcp/status.h"

namespace mtcp::socket {

[[nodiscard]] tcp_info to_tcp_info(const tcp::Status& status);
// TCP_CC_INFO. Returns how much of `info` the algorithm fills; 0: it has nothing to tell.
[[nodiscard]] std::size_t to_congestion_info(const tcp::Status& status, tcp_cc_info& info);
[[nodiscard]] tcp_info listening_tcp_info(const Listener& listener);

}  // namespace mtcp::socket
