// SPDX-License-Identifier: Apache-2.0
// The calls of sockets.h on the kernel's sockets and epoll: what a well-written epoll program does,
// with one listener per thread (SO_REUSEPORT), so that only the stack differs.
#pragma once

#include <fcntl.h>
#include <sched.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstdint>
#include <string>

namespace net {

inline constexpr const char* kStack = "kernel";
inline constexpr int kCoresMax = CPU_SETSIZE;

struct KernelContext {
    int core;
};
using Context = KernelContext*;
using Event = ::epoll_event;

inline constexpr std::uint32_t kIn = EPOLLIN;
inline constexpr std::uint32_t kOut = EPOLLOUT;
inline constexpr std::uint32_t kError = EPOLLERR;
inline constexpr std::uint32_t kHangUp = EPOLLHUP;
inline constexpr std::uint32_t kReadHangUp = EPOLLRDHUP;
inline constexpr std::uint32_t kEdge = EPOLLET;
inline constexpr std::uint32_t kOneShot = EPOLLONESHOT;
inline constexpr int kAdd = EPOLL_CTL_ADD;
inline constexpr int kModify = EPOLL_CTL_MOD;
inline constexpr int kRemove = EPOLL_CTL_DEL;

inline std::string start(const std::string& /*configuration_file*/, int /*cores*/) {
    // A write to a connection that was reset shall be an error and no signal, as on mtcp.
    std::signal(SIGPIPE, SIG_IGN);
    return {};
}

inline void stop() {}

// Pins the thread to the core-th CPU among those that the process was given (taskset).
inline Context open_context(int core) {
    cpu_set_t allowed;
    CPU_ZERO(&allowed);
    if (sched_getaffinity(getpid(), sizeof allowed, &allowed) == 0) {
        int nth = 0;
        for (std::size_t cpu = 0; cpu < CPU_SETSIZE; ++cpu) {
            if (CPU_ISSET(cpu, &allowed) && nth++ == core) {
                cpu_set_t one;
                CPU_ZERO(&one);
                CPU_SET(cpu, &one);
                sched_setaffinity(0, sizeof one, &one);
                break;
            }
        }
    }
    return new KernelContext{core};
}

inline std::string last_problem() { return "no context"; }
inline void close_context(Context context) { delete context; }

inline int socket(Context, int domain, int type, int protocol) {
    return ::socket(domain, type | SOCK_CLOEXEC, protocol);
}
inline int set_nonblocking(Context, int socket) {
    return ::fcntl(socket, F_SETFL, ::fcntl(socket, F_GETFL) | O_NONBLOCK);
}
inline int bind(Context, int socket, const sockaddr* address, socklen_t size) {
    return ::bind(socket, address, size);
}
inline int listen(Context, int socket, int backlog) { return ::listen(socket, backlog); }
inline int accept(Context, int socket, sockaddr* address, socklen_t* size) {
    return ::accept4(socket, address, size, SOCK_NONBLOCK | SOCK_CLOEXEC);
}
inline int connect(Context, int socket, const sockaddr* address, socklen_t size) {
    return ::connect(socket, address, size);
}
inline ssize_t read(Context, int socket, char* to, std::size_t size) {
    return ::recv(socket, to, size, 0);
}
inline ssize_t write(Context, int socket, const char* from, std::size_t size) {
    return ::send(socket, from, size, MSG_NOSIGNAL);
}
inline ssize_t send(Context, int socket, const char* from, std::size_t size, int flags) {
    return ::send(socket, from, size, flags | MSG_NOSIGNAL);
}
inline int shutdown(Context, int socket, int how) { return ::shutdown(socket, how); }
inline int close(Context, int socket) { return ::close(socket); }
inline int getsockopt(Context, int socket, int level, int name, void* value, socklen_t* size) {
    return ::getsockopt(socket, level, name, value, size);
}
inline int setsockopt(Context, int socket, int level, int name, const void* value, socklen_t size) {
    return ::setsockopt(socket, level, name, value, size);
}
inline int getsockname(Context, int socket, sockaddr* address, socklen_t* size) {
    return ::getsockname(socket, address, size);
}
inline int getpeername(Context, int socket, sockaddr* address, socklen_t* size) {
    return ::getpeername(socket, address, size);
}
inline int epoll_create(Context, int /*size*/) { return ::epoll_create1(EPOLL_CLOEXEC); }
inline int epoll_ctl(Context, int epoll, int operation, int socket, Event* event) {
    return ::epoll_ctl(epoll, operation, socket, event);
}
inline int epoll_wait(Context, int epoll, Event* events, int size, int timeout_ms) {
    return ::epoll_wait(epoll, events, size, timeout_ms);
}

}  // namespace net
