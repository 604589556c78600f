// SPDX-License-Identifier: Apache-2.0
// mtcp_read ... mtcp_recvmsg: bytes.
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <climits>

#include "api/context.h"
#include "api/socket_address.h"
#include "mtcp_api.h"
#include "socket/message.h"
#include "socket/stream_socket.h"

namespace mtcp::api {
namespace {

using socket::ByteCursor;
using Buffers = std::span<const iovec>;

constexpr std::size_t kBuffersMax = 1024;  // IOV_MAX

// `flags`: with MSG_TRUNC nothing is written there (tcp(7)), so that there need be nothing.
int check_buffers(const iovec* buffers, std::size_t count, int flags = 0) {
    if (count > kBuffersMax) return EINVAL;
    if (count != 0 && buffers == nullptr) return EFAULT;
    std::size_t total = 0;
    for (std::size_t i = 0; i < count; ++i) {
        if (buffers[i].iov_len == 0) continue;
        if (buffers[i].iov_base == nullptr && (flags & MSG_TRUNC) == 0) return EFAULT;
        if (buffers[i].iov_len > SSIZE_MAX - total) return EINVAL;
        total += buffers[i].iov_len;
    }
    return 0;
}

long receive_into(mctx_t mctx, int sockid, Buffers buffers, int flags) {
    const SocketCall call(mctx, sockid);
    if (!call) return -1;
    if ((flags & ~socket::kReceiveFlags) != 0) return refuse(EINVAL);
    return answer(socket::receive(call.app(), call.descriptor(), ByteCursor(buffers), flags));
}

// As Linux: read(2) and readv(2) of no byte do not look at the connection.
long read_nothing(mctx_t mctx, int sockid) {
    const SocketCall call(mctx, sockid);
    if (!call) return -1;
    const socket::DescriptorKind kind = call.descriptor().kind;
    if (kind == socket::DescriptorKind::stream || kind == socket::DescriptorKind::listener)
        return 0;
    return answer(socket::receive(call.app(), call.descriptor(), std::span<std::byte>{}, 0));
}

bool is_nothing(Buffers buffers) {
    return std::ranges::all_of(buffers, [](const iovec& one) { return one.iov_len == 0; });
}

long send_from(mctx_t mctx, int sockid, Buffers buffers, int flags) {
    const SocketCall call(mctx, sockid);
    if (!call) return -1;
    if ((flags & ~socket::kSendFlags) != 0) return refuse(EINVAL);
    return answer(socket::send(call.app(), call.descriptor(), ByteCursor(buffers), flags));
}

// A name counts only with MSG_FASTOPEN, as on Linux.
long send_named(mctx_t mctx, int sockid, Buffers buffers, int flags, const sockaddr* name,
                socklen_t name_length) {
    if (name == nullptr || name_length == 0 || (flags & MSG_FASTOPEN) == 0) {
        return send_from(mctx, sockid, buffers, flags);
    }
    const SocketCall call(mctx, sockid);
    if (!call) return -1;
    if ((flags & ~socket::kSendFlags) != 0) return refuse(EINVAL);
    if (names_nobody(name, name_length)) return refuse(EOPNOTSUPP);
    wire::Endpoint remote;
    if (const int wrong = read_address(name, name_length, remote); wrong != 0) return refuse(wrong);
    return answer(
        socket::send_to(call.app(), call.descriptor(), remote, ByteCursor(buffers), flags));
}

}  // namespace
}  // namespace mtcp::api

using namespace mtcp::api;  // NOLINT: this file defines the C API in terms of it

extern "C" {

ssize_t mtcp_recv(mctx_t mctx, int sockid, char* buf, size_t len, int flags) {
    // tcp(7): with MSG_TRUNC nothing is written there.
    const bool discards = (flags & MSG_TRUNC) != 0;
    if (buf == nullptr && len != 0 && !discards) return refuse(EFAULT);
    const SocketCall call(mctx, sockid);
    if (!call) return -1;
    if ((flags & ~mtcp::socket::kReceiveFlags) != 0) return refuse(EINVAL);
    const std::span to{reinterpret_cast<std::byte*>(buf), len};
    return answer(mtcp::socket::receive(call.app(), call.descriptor(), to, flags));
}

ssize_t mtcp_read(mctx_t mctx, int sockid, char* buf, size_t len) {
    if (len == 0) return read_nothing(mctx, sockid);
    return mtcp_recv(mctx, sockid, buf, len, 0);
}

int mtcp_readv(mctx_t mctx, int sockid, const struct iovec* iov, int numIOV) {
    if (numIOV < 0) return refuse(EINVAL);
    const auto count = static_cast<std::size_t>(numIOV);
    if (const int wrong = check_buffers(iov, count); wrong != 0) return refuse(wrong);
    if (is_nothing({iov, count})) return static_cast<int>(read_nothing(mctx, sockid));
    return static_cast<int>(receive_into(mctx, sockid, {iov, count}, 0));
}

ssize_t mtcp_send(mctx_t mctx, int sockid, const char* buf, size_t len, int flags) {
    if (buf == nullptr && len != 0) return refuse(EFAULT);
    const SocketCall call(mctx, sockid);
    if (!call) return -1;
    if ((flags & ~mtcp::socket::kSendFlags) != 0) return refuse(EINVAL);
    const std::span from{reinterpret_cast<const std::byte*>(buf), len};
    return answer(mtcp::socket::send(call.app(), call.descriptor(), from, flags));
}

ssize_t mtcp_sendto(mctx_t mctx, int sockid, const char* buf, size_t len, int flags,
                    const struct sockaddr* addr, socklen_t addrlen) {
    if (buf == nullptr && len != 0) return refuse(EFAULT);
    const iovec one{const_cast<char*>(buf), len};
    return send_named(mctx, sockid, {&one, 1}, flags, addr, addrlen);
}

ssize_t mtcp_write(mctx_t mctx, int sockid, const char* buf, size_t len) {
    return mtcp_send(mctx, sockid, buf, len, 0);
}

int mtcp_writev(mctx_t mctx, int sockid, const struct iovec* iov, int numIOV) {
    if (numIOV < 0) return refuse(EINVAL);
    const auto count = static_cast<std::size_t>(numIOV);
    if (const int wrong = check_buffers(iov, count); wrong != 0) return refuse(wrong);
    return static_cast<int>(send_from(mctx, sockid, {iov, count}, 0));
}

ssize_t mtcp_sendmsg(mctx_t mctx, int sockid, const struct msghdr* msg, int flags) {
    if (msg == nullptr) return refuse(EFAULT);
    if (msg->msg_controllen != 0) return refuse(EINVAL);
    if (msg->msg_iovlen > kBuffersMax) return refuse(EMSGSIZE);
    if (const int wrong = check_buffers(msg->msg_iov, msg->msg_iovlen); wrong != 0)
        return refuse(wrong);
    return send_named(mctx, sockid, {msg->msg_iov, msg->msg_iovlen}, flags,
                      static_cast<const sockaddr*>(msg->msg_name), msg->msg_namelen);
}

ssize_t mtcp_recvmsg(mctx_t mctx, int sockid, struct msghdr* msg, int flags) {
    if (msg == nullptr) return refuse(EFAULT);
    if (msg->msg_iovlen > kBuffersMax) return refuse(EMSGSIZE);
    if (const int wrong = check_buffers(msg->msg_iov, msg->msg_iovlen, flags); wrong != 0)
        return refuse(wrong);
    const SocketCall call(mctx, sockid);
    if (!call) return -1;
    if ((flags & ~(mtcp::socket::kReceiveFlags | MSG_ERRQUEUE)) != 0) return refuse(EINVAL);
    return answer(mtcp::socket::receive_message(call.app(), call.descriptor(), *msg, flags));
}

}  // extern "C"
