// SPDX-License-Identifier: Apache-2.0
// mtcp_socket ... mtcp_getpeername: making, naming, joining and closing sockets.
#include <netinet/in.h>
#include <sys/socket.h>

#include <cerrno>
#include <climits>

#include "api/context.h"
#include "api/socket_address.h"
#include "mtcp_api.h"
#include "socket/epoll.h"
#include "socket/listen_socket.h"
#include "socket/pipe.h"
#include "socket/stream_socket.h"

namespace mtcp::api {
namespace {

using socket::Descriptor;
using socket::DescriptorKind;

bool is_stream(const Descriptor& d) { return d.kind == DescriptorKind::stream; }
bool is_named(const Descriptor& d) { return is_stream(d) || d.kind == DescriptorKind::listener; }

void close_any(socket::Application& app, Descriptor& d, socket::CloseKind kind) {
    switch (d.kind) {
        case DescriptorKind::stream: return close_stream(app, d, kind);
        case DescriptorKind::listener: return close_listener(app, d);
        case DescriptorKind::epoll: return close_epoll(app, d);
        case DescriptorKind::pipe_read:
        case DescriptorKind::pipe_write: close_pipe_end(app, d); return app.release(d);
        case DescriptorKind::unused: return;
    }
}

int accept_on(mctx_t mctx, int sockid, sockaddr* addr, socklen_t* addrlen, int flags) {
    const SocketCall call(mctx, sockid);
    if (!call) return -1;
    if ((flags & ~(SOCK_NONBLOCK | SOCK_CLOEXEC)) != 0) return refuse(EINVAL);
    // Looked at first: a connection that was taken off the queue cannot be put back.
    if (addr != nullptr && addrlen == nullptr) return refuse(EFAULT);
    if (addr != nullptr && *addrlen > INT_MAX) return refuse(EINVAL);
    wire::Endpoint peer;
    const long id = answer(socket::accept(call.app(), call.descriptor(), peer));
    if (id < 0) return -1;
    call.app().table().at(static_cast<std::uint32_t>(id)).non_blocking =
        (flags & SOCK_NONBLOCK) != 0 ? 1 : 0;
    if (addr != nullptr) static_cast<void>(write_address(peer, addr, addrlen));
    return static_cast<int>(id);
}

}  // namespace
}  // namespace mtcp::api

using namespace mtcp::api;  // NOLINT: this file defines the C API in terms of it
using mtcp::wire::Endpoint;
namespace sockets = mtcp::socket;

extern "C" {

int mtcp_socket(mctx_t mctx, int domain, int type, int protocol) {
    const Call call(mctx);
    if (!call) return -1;
    if (domain != AF_INET) return refuse(EAFNOSUPPORT);
    if ((type & ~(SOCK_NONBLOCK | SOCK_CLOEXEC)) != SOCK_STREAM) return refuse(EINVAL);
    if (protocol != 0 && protocol != IPPROTO_TCP) return refuse(EPROTONOSUPPORT);
    const long id = answer(sockets::make_stream(call.app()));
    if (id >= 0 && (type & SOCK_NONBLOCK) != 0) {
        call.app().table().at(static_cast<std::uint32_t>(id)).non_blocking = 1;
    }
    return static_cast<int>(id);
}

int mtcp_pipe(mctx_t mctx, int pipeid[2]) {
    const Call call(mctx);
    if (!call) return -1;
    if (pipeid == nullptr) return refuse(EFAULT);
    return static_cast<int>(answer(sockets::make_pipe(call.app(), pipeid[0], pipeid[1])));
}

int mtcp_bind(mctx_t mctx, int sockid, const struct sockaddr* addr, socklen_t addrlen) {
    const SocketCall call(mctx, sockid);
    if (!call) return -1;
    if (!is_named(call.descriptor())) return refuse(ENOTSOCK);
    Endpoint where;
    if (const int wrong = read_address(addr, addrlen, where); wrong != 0) return refuse(wrong);
    return static_cast<int>(answer(sockets::bind(call.app(), call.descriptor(), where)));
}

int mtcp_listen(mctx_t mctx, int sockid, int backlog) {
    const SocketCall call(mctx, sockid);
    if (!call) return -1;
    if (!is_named(call.descriptor())) return refuse(ENOTSOCK);
    return static_cast<int>(answer(sockets::listen(call.app(), call.descriptor(), backlog)));
}

int mtcp_accept(mctx_t mctx, int sockid, struct sockaddr* addr, socklen_t* addrlen) {
    return accept_on(mctx, sockid, addr, addrlen, 0);
}

int mtcp_accept4(mctx_t mctx, int sockid, struct sockaddr* addr, socklen_t* addrlen, int flags) {
    return accept_on(mctx, sockid, addr, addrlen, flags);
}

int mtcp_init_rss(mctx_t mctx, in_addr_t saddr_base, int num_addr, in_addr_t daddr,
                  in_addr_t dport) {
    UNUSED(daddr);
    UNUSED(dport);
    const Call call(mctx);
    if (!call) return -1;
    if (num_addr < 1) return refuse(EINVAL);
    sockets::Application::SourceRange& sources = call.app().sources();
    sources = {};
    if (saddr_base == htonl(INADDR_ANY)) return 0;
    const std::uint32_t first = ntohl(saddr_base);
    const sockets::CoreView& view = call.app().view();
    for (std::uint32_t i = 0; i < static_cast<std::uint32_t>(num_addr); ++i) {
        if (!view.is_local(view.core, mtcp::wire::IpAddress::v4(first + i)))
            return refuse(EADDRNOTAVAIL);
    }
    sources = {.first = first, .count = static_cast<std::uint32_t>(num_addr), .next = 0};
    return 0;
}

int mtcp_connect(mctx_t mctx, int sockid, const struct sockaddr* addr, socklen_t addrlen) {
    const SocketCall call(mctx, sockid);
    if (!call) return -1;
    if (!is_named(call.descriptor())) return refuse(ENOTSOCK);
    if (names_nobody(addr, addrlen)) {
        sockets::disconnect(call.app(), call.descriptor());
        return 0;
    }
    if (!is_stream(call.descriptor())) return refuse(EOPNOTSUPP);
    Endpoint remote;
    if (const int wrong = read_address(addr, addrlen, remote); wrong != 0) return refuse(wrong);
    return static_cast<int>(answer(sockets::connect(call.app(), call.descriptor(), remote)));
}

int mtcp_close(mctx_t mctx, int sockid) {
    const SocketCall call(mctx, sockid);
    if (!call) return -1;
    close_any(call.app(), call.descriptor(), sockets::CloseKind::orderly);
    return 0;
}

int mtcp_abort(mctx_t mctx, int sockid) {
    const SocketCall call(mctx, sockid);
    if (!call) return -1;
    if (!is_stream(call.descriptor())) return refuse(EBADF);
    close_any(call.app(), call.descriptor(), sockets::CloseKind::abort);
    return 0;
}

int mtcp_shutdown(mctx_t mctx, int sockid, int how) {
    const SocketCall call(mctx, sockid);
    if (!call) return -1;
    sockets::Descriptor& d = call.descriptor();
    if (!is_named(d)) return refuse(ENOTSOCK);
    return static_cast<int>(answer(is_stream(d) ? sockets::shutdown_stream(call.app(), d, how)
                                                : sockets::shutdown_listener(call.app(), d, how)));
}

int mtcp_getsockname(mctx_t mctx, int sock, struct sockaddr* addr, socklen_t* addrlen) {
    const SocketCall call(mctx, sock);
    if (!call) return -1;
    if (!is_named(call.descriptor())) return refuse(ENOTSOCK);
    Endpoint name;
    if (answer(sockets::local_name(call.app(), call.descriptor(), name)) < 0) return -1;
    const int wrong = write_address(name, addr, addrlen);
    return wrong == 0 ? 0 : refuse(wrong);
}

int mtcp_getpeername(mctx_t mctx, int sockid, struct sockaddr* addr, socklen_t* addrlen) {
    const SocketCall call(mctx, sockid);
    if (!call) return -1;
    if (!is_stream(call.descriptor()))
        return refuse(is_named(call.descriptor()) ? ENOTCONN : ENOTSOCK);
    Endpoint name;
    if (answer(sockets::peer_name(call.app(), call.descriptor(), name)) < 0) return -1;
    const int wrong = write_address(name, addr, addrlen);
    return wrong == 0 ? 0 : refuse(wrong);
}

}  // extern "C"
