// SPDX-License-Identifier: Apache-2.0
// mtcp_expect, mtcp_accept_many, mtcp_recv_in_place, mtcp_send_close: the same work sooner, and in
// fewer calls.
#include <sys/socket.h>

#include <cerrno>

#include "api/context.h"
#include "mtcp_api.h"
#include "socket/listen_socket.h"
#include "socket/stream_socket.h"

using namespace mtcp::api;  // NOLINT: this file defines the C API in terms of it
namespace sockets = mtcp::socket;

extern "C" {

int mtcp_expect(mctx_t mctx, int sockid) {
    const Call call(mctx);
    if (!call) return -1;
    call.app().expect(static_cast<std::uint32_t>(sockid));
    return 0;
}

int mtcp_accept_many(mctx_t mctx, int sockid, int* sockids, int count, int flags) {
    const SocketCall call(mctx, sockid);
    if (!call) return -1;
    if (count < 1 || (flags & ~(SOCK_NONBLOCK | SOCK_CLOEXEC)) != 0) return refuse(EINVAL);
    if (sockids == nullptr) return refuse(EFAULT);
    const std::span<int> ids(sockids, static_cast<std::size_t>(count));
    const long taken = answer(sockets::accept_many(call.app(), call.descriptor(), ids));
    for (long i = 0; i < taken && (flags & SOCK_NONBLOCK) != 0; ++i) {
        const auto id = static_cast<std::uint32_t>(sockids[i]);
        call.app().table().at(id).non_blocking = 1;
    }
    return static_cast<int>(taken);
}

ssize_t mtcp_recv_in_place(mctx_t mctx, int sockid, struct iovec* iov, int* numIOV, int flags) {
    const SocketCall call(mctx, sockid);
    if (!call) return -1;
    if (iov == nullptr || numIOV == nullptr) return refuse(EFAULT);
    if (*numIOV < 1 || (flags & ~(MSG_DONTWAIT | MSG_NOSIGNAL)) != 0) return refuse(EINVAL);
    std::size_t used = 0;
    const long result = answer(sockets::receive_in_place(
        call.app(), call.descriptor(), {iov, static_cast<std::size_t>(*numIOV)}, used, flags));
    *numIOV = static_cast<int>(used);
    return result;
}

int mtcp_recv_done(mctx_t mctx, int sockid, size_t len) {
    const SocketCall call(mctx, sockid);
    if (!call) return -1;
    return static_cast<int>(answer(sockets::received_in_place(call.app(), call.descriptor(), len)));
}

ssize_t mtcp_send_close(mctx_t mctx, int sockid, const char* buf, size_t len) {
    const SocketCall call(mctx, sockid);
    if (!call) return -1;
    if (buf == nullptr && len != 0) return refuse(EFAULT);
    if (len > sockets::ByteCursor::kMost) return refuse(EINVAL);
    const iovec one{const_cast<char*>(buf), len};
    return answer(
        sockets::send_and_close(call.app(), call.descriptor(), sockets::ByteCursor({&one, 1})));
}

}  // extern "C"
