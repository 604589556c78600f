// SPDX-License-Identifier: Apache-2.0
// Connections as an application uses them: open, move bytes, close. Bytes cross to the stack and
// back as whole chains of chunks through the stream's two mailboxes (stream.h).
#pragma once

#include <sys/socket.h>

#include <span>

#include "socket/application.h"
#include "socket/byte_cursor.h"

namespace mtcp::socket {

// --- life ---
// A fresh socket. -EMFILE.
[[nodiscard]] long make_stream(Application& app);
// connect(2) to `remote`: 0, -EINPROGRESS, or why not.
[[nodiscard]] long connect(Application& app, Descriptor& d, const wire::Endpoint& remote);
// connect(2) with AF_UNSPEC: an abort (RFC 9293 §3.10.5) that leaves a socket which can connect
// anew; its options and the address that it was bound to stay. A listener becomes such a socket.
void disconnect(Application& app, Descriptor& d);
// What connect() does but for its wait; connections that already exist: why not.
[[nodiscard]] long check_unopened(Application& app, Descriptor& d);
[[nodiscard]] long check_destination(Application& app, const wire::Endpoint& remote);
// What goes with the SYN (RFC 7413): up to `bytes` of `from`; `kind`: does the rest follow?
struct EarlyWrite {
    ByteCursor& from;
    std::uint32_t bytes;
    RequestKind kind;  // write or more
};
[[nodiscard]] long start_connection(Application& app, Descriptor& d, const wire::Endpoint& remote,
                                    tcp::FastOpenWish fast_open, EarlyWrite early);
[[nodiscard]] long wait_for_connection(Application& app, Descriptor& d);
// What shutdown(2) takes.
[[nodiscard]] constexpr bool is_direction(int how) {
    return how == SHUT_RD || how == SHUT_WR || how == SHUT_RDWR;
}
// shutdown(2); `how` is SHUT_RD, SHUT_WR or SHUT_RDWR.
[[nodiscard]] long shutdown_stream(Application& app, Descriptor& d, int how);
enum class CloseKind : std::uint8_t { orderly, abort };
// Lets go of the connection, if there is one, and of the id.
void close_stream(Application& app, Descriptor& d, CloseKind kind);

// --- bytes ---
// The flags that receive() and send() understand; the caller refuses others.
inline constexpr int kReceiveFlags =
    MSG_PEEK | MSG_WAITALL | MSG_DONTWAIT | MSG_NOSIGNAL | MSG_CMSG_CLOEXEC | MSG_TRUNC;
inline constexpr int kSendFlags = MSG_DONTWAIT | MSG_NOSIGNAL | MSG_MORE | MSG_OOB | MSG_EOR |
                                  MSG_FASTOPEN | MSG_ZEROCOPY | MSG_CONFIRM | MSG_DONTROUTE;
// recvmsg(2) and sendmsg(2) for streams and pipes; `flags` are MSG_*.
[[nodiscard]] long receive(Application& app, Descriptor& d, ByteCursor to, int flags);
[[nodiscard]] long send(Application& app, Descriptor& d, ByteCursor from, int flags);
// The same with one buffer, sooner where a call has nothing to decide.
[[nodiscard]] long receive(Application& app, Descriptor& d, std::span<std::byte> to, int flags);
[[nodiscard]] long send(Application& app, Descriptor& d, std::span<const std::byte> from,
                        int flags);
// sendmsg(2) with a name: of use with MSG_FASTOPEN alone, else ignored, as by Linux.
[[nodiscard]] long send_to(Application& app, Descriptor& d, const wire::Endpoint& remote,
                           ByteCursor from, int flags);
// The part of send() for a connection that exists.
[[nodiscard]] long send_to_stream(Application& app, Descriptor& d, ByteCursor& from, int flags);
// The same, but the error that ended the connection is left for the next call: -EPIPE.
[[nodiscard]] long send_bytes(Application& app, Descriptor& d, ByteCursor& from, int flags);
// Puts bytes into the send box before the connection is opened; how many.
std::uint32_t queue_early(Application& app, Descriptor& d, ByteCursor& from, std::uint32_t bytes);

// --- bytes, in fewer steps ---
// Shows what a read would find where it lies: fills the first `used` of `out`; returns the bytes in
// them, or as receive(). They stay until received_in_place(), another read, or the close.
[[nodiscard]] long receive_in_place(Application& app, Descriptor& d, std::span<iovec> out,
                                    std::size_t& used, int flags);
// The first `bytes` of them are done with. -EINVAL: more than were there.
[[nodiscard]] long received_in_place(Application& app, Descriptor& d, std::size_t bytes);
// send() and, once everything was taken, close_stream(): one request to the stack. Returns the
// bytes taken; if that is not all, the socket is still open.
[[nodiscard]] long send_and_close(Application& app, Descriptor& d, ByteCursor from);

// --- names and state ---
// The address the socket has, or will have; chooses a port when it was bound to port 0.
[[nodiscard]] long local_name(Application& app, Descriptor& d, wire::Endpoint& name);
[[nodiscard]] long peer_name(Application& app, Descriptor& d, wire::Endpoint& name);
// The error of a failed connection, once; 0 when there is none or it was told.
[[nodiscard]] int take_error(Application& app, Descriptor& d);
// Bytes that a read would find.
[[nodiscard]] std::uint32_t readable_bytes(Application& app, Descriptor& d);
// Bytes written and not yet acknowledged.
[[nodiscard]] std::uint32_t unacknowledged_bytes(Application& app, const Descriptor& d);
[[nodiscard]] bool at_urgent_mark(Application& app, const Descriptor& d);
[[nodiscard]] bool is_connected(Application& app, const Descriptor& d);

}  // namespace mtcp::socket
