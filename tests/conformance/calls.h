// SPDX-License-Identifier: Apache-2.0
// The system calls of a script, with kernel descriptors and C's structures, on the stack's sockets.
// Answers are >= 0, or a negative errno.
#pragma once

#include <poll.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include <span>

#include "socket/application.h"
#include "tests/conformance/descriptor_map.h"
#include "tests/conformance/engine.h"

namespace mtcp::conformance {

class Calls {
  public:
    explicit Calls(Engine& engine) : engine_(engine) {}

    [[nodiscard]] long socket(int domain, int type, int protocol);
    [[nodiscard]] long bind(int fd, const sockaddr* address, socklen_t length);
    [[nodiscard]] long listen(int fd, int backlog);
    [[nodiscard]] long accept(int fd, sockaddr* address, socklen_t* length);
    [[nodiscard]] long connect(int fd, const sockaddr* address, socklen_t length);
    [[nodiscard]] long shutdown(int fd, int how);
    [[nodiscard]] long close(int fd);
    [[nodiscard]] long pipe(int fds[2]);

    [[nodiscard]] long receive(int fd, std::span<const iovec> buffers, int flags);
    [[nodiscard]] long receive_message(int fd, msghdr& message, int flags);
    [[nodiscard]] long send(int fd, std::span<const iovec> buffers, int flags);
    long send_to(int fd, std::span<const iovec> buffers, int flags, const sockaddr* name,
                 socklen_t length);

    [[nodiscard]] long get_flags(int fd);
    [[nodiscard]] long set_flags(int fd, int flags);
    [[nodiscard]] long control(int fd, int request, int* argument);
    [[nodiscard]] long get_option(int fd, int level, int name, void* value, socklen_t* length);
    [[nodiscard]] long set_option(int fd, int level, int name, const void* value, socklen_t length);

    [[nodiscard]] long poll(std::span<pollfd> entries, int timeout_ms);
    [[nodiscard]] long epoll_create();
    [[nodiscard]] long epoll_ctl(int epoll, int operation, int fd, const epoll_event* event);
    [[nodiscard]] long epoll_wait(int epoll, std::span<epoll_event> events, int timeout_ms);

    [[nodiscard]] bool is_ours(int fd) const { return descriptors_.find(fd) != kNoIndex; }

  private:
    // Calls `act(app, descriptor)`, or answers -EBADF.
    template <typename Act>
    [[nodiscard]] long with(int fd, Act&& act);
    // Gives a new socket its descriptor.
    [[nodiscard]] long name(socket::Application& app, long id);

    Engine& engine_;
    DescriptorMap descriptors_;
};

}  // namespace mtcp::conformance
