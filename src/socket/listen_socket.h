// SPDX-License-Identifier: Apache-2.0
// Sockets that wait for connections: bind, listen, accept. Each context listens by itself.
#pragma once

#include <span>

#include "socket/application.h"

namespace mtcp::socket {

// bind(2). Port 0 stays open until choose_port(), or until the stack chooses at connect().
[[nodiscard]] long bind(Application& app, Descriptor& d, const wire::Endpoint& where);
// Gives a bound socket with port 0 its port. -EADDRINUSE when none is left.
[[nodiscard]] long choose_port(Application& app, Descriptor& d);
// listen(2). The descriptor becomes a listener; if it is one, its backlog changes.
[[nodiscard]] long listen(Application& app, Descriptor& d, int backlog);
// A listener is the stack's since listen(): the stack gives it this backlog, and the options of the
// descriptor.
void change_listener(Application& app, Descriptor& d, std::uint32_t backlog);
// accept4(2) with flags 0: the new id, and who connected.
[[nodiscard]] long accept(Application& app, Descriptor& d, wire::Endpoint& peer);
// accept() as often as there are connections, `ids.size()` times at most; sleeps only for the
// first. Returns how many.
[[nodiscard]] long accept_many(Application& app, Descriptor& d, std::span<int> ids);
// Resets what waits to be accepted; the descriptor is a bound socket again.
void stop_listening(Application& app, Descriptor& d);
// shutdown(2) of a listener, as Linux: SHUT_RD and SHUT_RDWR reset what waits to be accepted and
// make it a bound socket, which may listen or connect again; SHUT_WR changes nothing.
[[nodiscard]] long shutdown_listener(Application& app, Descriptor& d, int how);
// Resets what waits to be accepted and gives the id back.
void close_listener(Application& app, Descriptor& d);

}  // namespace mtcp::socket
