// SPDX-License-Identifier: Apache-2.0
// The client's side of TCP Fast Open in the calls of a program (RFC 7413 Appendix A): connect and
// send in one (MSG_FASTOPEN), or a connect() that waits for the first write
// (TCP_FASTOPEN_CONNECT).
#pragma once

#include <cstddef>
#include <span>

#include "socket/application.h"
#include "socket/byte_cursor.h"

namespace mtcp::socket {

// TCP_FASTOPEN_KEY in tcp(7): keys of sixteen bytes each, the one in use first. False: no such
// size.
[[nodiscard]] bool read_keys(std::span<const std::byte> from, tcp::FastOpenKeys& keys);
// As many of them as there is room for; the bytes written.
[[nodiscard]] std::size_t write_keys(const tcp::FastOpenKeys& keys, std::span<std::byte> to);
[[nodiscard]] tcp::FastOpenWish wish_of(Application& app, const Descriptor& d);
// TCP_FASTOPEN_CONNECT: true if data could go with the SYN, which then waits for it.
[[nodiscard]] bool defer_connect(Application& app, Descriptor& d, const wire::Endpoint& remote);
// May a program use it at all (configuration)?
[[nodiscard]] bool has_fast_open(Application& app, Descriptor& d);
// Opens the connection, `from` in the SYN as far as it fits. As Linux: a blocking call waits for
// the handshake and sends the rest; a non-blocking one returns what went with the SYN, or
// -EINPROGRESS.
[[nodiscard]] long open_with_data(Application& app, Descriptor& d, const wire::Endpoint& remote,
                                  ByteCursor from, int flags);

}  // namespace mtcp::socket
