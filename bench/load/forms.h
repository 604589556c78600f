// SPDX-License-Identifier: Apache-2.0
// The calls that exist in two forms: as in BSD, and for batches (mtcp_accept_many,
// mtcp_recv_in_place, mtcp_send_close). The kernel has the first only.
#pragma once

#include <sys/uio.h>

#include <array>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <span>

#include "load/plan.h"
#include "sockets/sockets.h"

namespace bench {

// Among a million connections a program's own record of each is in no cache either: it is asked for
// this many events before its event is looked at.
inline constexpr std::size_t kEventsAhead = 4;

struct Received {
    ssize_t bytes = 0;     // as read(2)
    bool drained = false;  // there was no more
};

// What is read in place is looked at, as a program would.
inline std::uint64_t looked_at = 0;

inline Received receive_bsd(net::Context context, int socket, std::span<char> buffer) {
    const ssize_t got = net::read(context, socket, buffer.data(), buffer.size());
    return {got, got >= 0 && static_cast<std::size_t>(got) < buffer.size()};
}

inline int accept_bsd(net::Context context, int listener, std::span<int> sockets) {
    int count = 0;
    for (int& socket : sockets) {
        socket = net::accept(context, listener, nullptr, nullptr);
        if (socket < 0) break;
        ++count;
    }
    return count;
}

#if defined(BENCH_HAVE_BATCH) && !defined(APPS_ON_KERNEL)

inline void expect(net::Context context, int socket) { mtcp_expect(context, socket); }

inline Received receive_some(net::Context context, int socket, std::span<char> buffer, Form form) {
    if (form == Form::bsd) return receive_bsd(context, socket, buffer);
    std::array<iovec, 8> pieces;
    int count = static_cast<int>(pieces.size());
    const ssize_t got = mtcp_recv_in_place(context, socket, pieces.data(), &count, 0);
    if (got <= 0) return {got, true};
    looked_at += *static_cast<const unsigned char*>(pieces[0].iov_base);
    mtcp_recv_done(context, socket, static_cast<std::size_t>(got));
    return {got, static_cast<std::size_t>(count) < pieces.size()};
}

// How many were accepted; 0: none.
inline int accept_some(net::Context context, int listener, std::span<int> sockets, Form form) {
    if (form == Form::batch) {
        const int count = mtcp_accept_many(context, listener, sockets.data(),
                                           static_cast<int>(sockets.size()), SOCK_NONBLOCK);
        return count < 0 ? 0 : count;
    }
    return accept_bsd(context, listener, sockets);
}

// As write(2) and then close(2): `size` means that it is closed.
inline ssize_t send_and_close(net::Context context, int socket, const char* from,
                              std::size_t size) {
    return mtcp_send_close(context, socket, from, size);
}
inline constexpr bool kHasBatch = true;

#else

inline void expect(net::Context, int) {}  // the kernel has no such call

inline Received receive_some(net::Context context, int socket, std::span<char> buffer, Form) {
    return receive_bsd(context, socket, buffer);
}
inline int accept_some(net::Context context, int listener, std::span<int> sockets, Form) {
    return accept_bsd(context, listener, sockets);
}
inline ssize_t send_and_close(net::Context, int, const char*, std::size_t) {
    errno = ENOSYS;
    return -1;
}
inline constexpr bool kHasBatch = false;

#endif

}  // namespace bench
