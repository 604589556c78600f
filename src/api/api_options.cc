// SPDX-License-Identifier: Apache-2.0
// mtcp_getsockopt, mtcp_setsockopt, mtcp_setsock_nonblock, mtcp_socket_ioctl.
#include <cerrno>
#include <climits>

#include "api/context.h"
#include "mtcp_api.h"
#include "socket/socket_options.h"

using namespace mtcp::api;  // NOLINT: this file defines the C API in terms of it
namespace sockets = mtcp::socket;

extern "C" {

int mtcp_getsockopt(mctx_t mctx, int sockid, int level, int optname, void* optval,
                    socklen_t* optlen) {
    const SocketCall call(mctx, sockid);
    if (!call) return -1;
    if (optval == nullptr || optlen == nullptr) return refuse(EFAULT);
    if (*optlen > INT_MAX) return refuse(EINVAL);  // as Linux, which takes it for a negative one
    return static_cast<int>(
        answer(sockets::get_option(call.app(), call.descriptor(), level, optname,
                                   {static_cast<std::byte*>(optval), *optlen}, *optlen)));
}

int mtcp_setsockopt(mctx_t mctx, int sockid, int level, int optname, const void* optval,
                    socklen_t optlen) {
    const SocketCall call(mctx, sockid);
    if (!call) return -1;
    if (optval == nullptr && optlen != 0) return refuse(EFAULT);
    return static_cast<int>(
        answer(sockets::set_option(call.app(), call.descriptor(), level, optname,
                                   {static_cast<const std::byte*>(optval), optlen})));
}

int mtcp_setsock_nonblock(mctx_t mctx, int sockid) {
    const SocketCall call(mctx, sockid);
    if (!call) return -1;
    call.descriptor().non_blocking = 1;
    return 0;
}

int mtcp_socket_ioctl(mctx_t mctx, int sockid, int request, void* argp) {
    const SocketCall call(mctx, sockid);
    if (!call) return -1;
    if (argp == nullptr) return refuse(EFAULT);
    return static_cast<int>(answer(
        sockets::control_socket(call.app(), call.descriptor(), request, *static_cast<int*>(argp))));
}

}  // extern "C"
