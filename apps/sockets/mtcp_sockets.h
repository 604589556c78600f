// SPDX-License-Identifier: Apache-2.0
// The calls of sockets.h on mtcp: each is the mtcp_ function of the same name.
#pragma once

#include <mtcp_api.h>
#include <mtcp_epoll.h>
#include <sys/socket.h>

#include <cerrno>
#include <cstdint>
#include <string>

namespace net {

inline constexpr const char* kStack = "mtcp";
inline constexpr int kCoresMax = 64;  // mtcp_conf::num_cores

using Context = mctx_t;
using Event = mtcp_epoll_event;

inline constexpr std::uint32_t kIn = MTCP_EPOLLIN;
inline constexpr std::uint32_t kOut = MTCP_EPOLLOUT;
inline constexpr std::uint32_t kError = MTCP_EPOLLERR;
inline constexpr std::uint32_t kHangUp = MTCP_EPOLLHUP;
inline constexpr std::uint32_t kReadHangUp = MTCP_EPOLLRDHUP;
inline constexpr std::uint32_t kEdge = static_cast<std::uint32_t>(MTCP_EPOLLET);
inline constexpr std::uint32_t kOneShot = static_cast<std::uint32_t>(MTCP_EPOLLONESHOT);
inline constexpr int kAdd = MTCP_EPOLL_CTL_ADD;
inline constexpr int kModify = MTCP_EPOLL_CTL_MOD;
inline constexpr int kRemove = MTCP_EPOLL_CTL_DEL;

// Starts the process's stack with one context per core to come. Returns what went wrong, or
// nothing.
inline std::string start(const std::string& configuration_file, int cores) {
    mtcp_conf configuration{};
    mtcp_getconf(&configuration);
    configuration.num_cores = cores;
    if (mtcp_setconf(&configuration) != 0 || mtcp_init(configuration_file.c_str()) != 0) {
        return mtcp_last_problem();
    }
    return {};
}

inline void stop() { mtcp_destroy(); }

// Called by the thread that will use the context; pins it to the core's CPU. Null: last_problem().
inline Context open_context(int core) {
    mtcp_core_affinitize(core);
    return mtcp_create_context(core);
}

inline std::string last_problem() { return mtcp_last_problem(); }
inline void close_context(Context context) { mtcp_destroy_context(context); }

inline int socket(Context context, int domain, int type, int protocol) {
    return mtcp_socket(context, domain, type, protocol);
}
inline int set_nonblocking(Context context, int socket) {
    return mtcp_setsock_nonblock(context, socket);
}
inline int bind(Context context, int socket, const sockaddr* address, socklen_t size) {
    return mtcp_bind(context, socket, address, size);
}
inline int listen(Context context, int socket, int backlog) {
    return mtcp_listen(context, socket, backlog);
}
inline int accept(Context context, int socket, sockaddr* address, socklen_t* size) {
    return mtcp_accept4(context, socket, address, size, SOCK_NONBLOCK);
}
inline int connect(Context context, int socket, const sockaddr* address, socklen_t size) {
    return mtcp_connect(context, socket, address, size);
}
inline ssize_t read(Context context, int socket, char* to, std::size_t size) {
    return mtcp_read(context, socket, to, size);
}
inline ssize_t write(Context context, int socket, const char* from, std::size_t size) {
    return mtcp_write(context, socket, from, size);
}
inline ssize_t send(Context context, int socket, const char* from, std::size_t size, int flags) {
    return mtcp_send(context, socket, from, size, flags);
}
inline int shutdown(Context context, int socket, int how) {
    return mtcp_shutdown(context, socket, how);
}
inline int close(Context context, int socket) { return mtcp_close(context, socket); }
inline int getsockopt(Context context, int socket, int level, int name, void* value,
                      socklen_t* size) {
    return mtcp_getsockopt(context, socket, level, name, value, size);
}
inline int setsockopt(Context context, int socket, int level, int name, const void* value,
                      socklen_t size) {
    return mtcp_setsockopt(context, socket, level, name, value, size);
}
inline int getsockname(Context context, int socket, sockaddr* address, socklen_t* size) {
    return mtcp_getsockname(context, socket, address, size);
}
inline int getpeername(Context context, int socket, sockaddr* address, socklen_t* size) {
    return mtcp_getpeername(context, socket, address, size);
}
inline int epoll_create(Context context, int size) { return mtcp_epoll_create(context, size); }
inline int epoll_ctl(Context context, int epoll, int operation, int socket, Event* event) {
    return mtcp_epoll_ctl(context, epoll, operation, socket, event);
}
inline int epoll_wait(Context context, int epoll, Event* events, int size, int timeout_ms) {
    return mtcp_epoll_wait(context, epoll, events, size, timeout_ms);
}

}  // namespace net
