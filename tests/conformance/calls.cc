// SPDX-License-Identifier: Apache-2.0
// From C's structures to the sockets of the stack and back.
#include "tests/conformance/calls.h"

#include <fcntl.h>
#include <netinet/in.h>

#include <algorithm>
#include <limits>
#include <vector>

#include "api/socket_address.h"
#include "socket/epoll.h"
#include "socket/listen_socket.h"
#include "socket/message.h"
#include "socket/pipe.h"
#include "socket/socket_options.h"
#include "socket/stream_socket.h"

namespace mtcp::conformance {
namespace {

using socket::Application;
using socket::Descriptor;
using socket::DescriptorKind;

bool is_named(const Descriptor& d) {
    return d.kind == DescriptorKind::stream || d.kind == DescriptorKind::listener;
}

// 0, or the errno of a list that the kernel would refuse.
int check(std::span<const iovec> buffers) {
    for (const iovec& buffer : buffers) {
        if (buffer.iov_base == nullptr && buffer.iov_len != 0) return EFAULT;
    }
    return 0;
}

void end(Application& app, Descriptor& d) {
    switch (d.kind) {
        case DescriptorKind::stream: close_stream(app, d, socket::CloseKind::orderly); break;
        case DescriptorKind::listener: close_listener(app, d); break;
        case DescriptorKind::epoll: close_epoll(app, d); break;
        case DescriptorKind::pipe_read:
        case DescriptorKind::pipe_write:
            close_pipe_end(app, d);
            app.release(d);
            break;
        case DescriptorKind::unused: break;
    }
}

}  // namespace

template <typename Act>
long Calls::with(int fd, Act&& act) {
    Engine::Entry entry(engine_);
    const std::uint32_t id = descriptors_.find(fd);
    if (id == kNoIndex) return -EBADF;
    return act(entry.app(), entry.app().table().at(id));
}

long Calls::name(Application& app, long id) {
    if (id < 0) return id;
    const int fd = descriptors_.add(static_cast<std::uint32_t>(id));
    if (fd >= 0) return fd;
    end(app, app.table().at(static_cast<std::uint32_t>(id)));
    return -EMFILE;
}

// --- life
// -----------------------------------------------------------------------------------------

long Calls::socket(int domain, int type, int protocol) {
    if (domain != AF_INET) return -EAFNOSUPPORT;
    if ((type & ~(SOCK_NONBLOCK | SOCK_CLOEXEC)) != SOCK_STREAM) return -EINVAL;
    if (protocol != 0 && protocol != IPPROTO_TCP) return -EPROTONOSUPPORT;
    Engine::Entry entry(engine_);
    Application& app = entry.app();
    const long id = socket::make_stream(app);
    if (id >= 0 && (type & SOCK_NONBLOCK) != 0) {
        app.table().at(static_cast<std::uint32_t>(id)).non_blocking = 1;
    }
    return name(app, id);
}

long Calls::bind(int fd, const sockaddr* address, socklen_t length) {
    return with(fd, [&](Application& app, Descriptor& d) -> long {
        if (!is_named(d)) return -ENOTSOCK;
        wire::Endpoint where;
        if (const int wrong = api::read_address(address, length, where); wrong != 0) return -wrong;
        return socket::bind(app, d, where);
    });
}

long Calls::listen(int fd, int backlog) {
    return with(fd, [&](Application& app, Descriptor& d) -> long {
        return is_named(d) ? socket::listen(app, d, backlog) : -ENOTSOCK;
    });
}

long Calls::accept(int fd, sockaddr* address, socklen_t* length) {
    return with(fd, [&](Application& app, Descriptor& d) -> long {
        wire::Endpoint peer;
        const long child = name(app, socket::accept(app, d, peer));
        if (child >= 0 && address != nullptr) {
            static_cast<void>(api::write_address(peer, address, length));
        }
        return child;
    });
}

long Calls::connect(int fd, const sockaddr* address, socklen_t length) {
    return with(fd, [&](Application& app, Descriptor& d) -> long {
        if (d.kind != DescriptorKind::stream) return is_named(d) ? -EOPNOTSUPP : -ENOTSOCK;
        if (api::names_nobody(address, length)) {
            socket::disconnect(app, d);
            return 0;
        }
        wire::Endpoint remote;
        if (const int wrong = api::read_address(address, length, remote); wrong != 0) return -wrong;
        return socket::connect(app, d, remote);
    });
}

long Calls::shutdown(int fd, int how) {
    return with(fd, [&](Application& app, Descriptor& d) -> long {
        if (d.kind != DescriptorKind::stream) return is_named(d) ? -ENOTCONN : -ENOTSOCK;
        return socket::shutdown_stream(app, d, how);
    });
}

long Calls::close(int fd) {
    return with(fd, [&](Application& app, Descriptor& d) -> long {
        end(app, d);
        descriptors_.remove(fd);
        return 0;
    });
}

long Calls::pipe(int fds[2]) {
    Engine::Entry entry(engine_);
    int ids[2] = {};
    if (const long wrong = socket::make_pipe(entry.app(), ids[0], ids[1]); wrong != 0) return wrong;
    for (int i : {0, 1}) {
        const long fd = name(entry.app(), ids[i]);
        if (fd < 0) return fd;
        fds[i] = static_cast<int>(fd);
    }
    return 0;
}

// --- bytes
// ----------------------------------------------------------------------------------------

long Calls::receive(int fd, std::span<const iovec> buffers, int flags) {
    return with(fd, [&](Application& app, Descriptor& d) -> long {
        if ((flags & ~socket::kReceiveFlags) != 0) return -EINVAL;
        if (const int wrong = check(buffers); wrong != 0) return -wrong;
        return socket::receive(app, d, socket::ByteCursor(buffers), flags);
    });
}

long Calls::send(int fd, std::span<const iovec> buffers, int flags) {
    return with(fd, [&](Application& app, Descriptor& d) -> long {
        if ((flags & ~socket::kSendFlags) != 0) return -EINVAL;
        if (const int wrong = check(buffers); wrong != 0) return -wrong;
        return socket::send(app, d, socket::ByteCursor(buffers), flags);
    });
}

long Calls::receive_message(int fd, msghdr& message, int flags) {
    return with(fd, [&](Application& app, Descriptor& d) -> long {
        if ((flags & ~(socket::kReceiveFlags | MSG_ERRQUEUE)) != 0) return -EINVAL;
        if (const int wrong = check({message.msg_iov, message.msg_iovlen}); wrong != 0)
            return -wrong;
        return socket::receive_message(app, d, message, flags);
    });
}

long Calls::send_to(int fd, std::span<const iovec> buffers, int flags, const sockaddr* name,
                    socklen_t length) {
    if (name == nullptr || (flags & MSG_FASTOPEN) == 0) return send(fd, buffers, flags);
    return with(fd, [&](Application& app, Descriptor& d) -> long {
        if ((flags & ~socket::kSendFlags) != 0) return -EINVAL;
        if (const int wrong = check(buffers); wrong != 0) return -wrong;
        if (api::names_nobody(name, length)) return -EOPNOTSUPP;
        wire::Endpoint remote;
        if (const int wrong = api::read_address(name, length, remote); wrong != 0) return -wrong;
        return socket::send_to(app, d, remote, socket::ByteCursor(buffers), flags);
    });
}

// --- options
// --------------------------------------------------------------------------------------

long Calls::get_flags(int fd) {
    return with(fd, [](Application&, Descriptor& d) -> long {
        return O_RDWR | (d.non_blocking != 0 ? O_NONBLOCK : 0);
    });
}

long Calls::set_flags(int fd, int flags) {
    return with(fd, [flags](Application&, Descriptor& d) -> long {
        d.non_blocking = (flags & O_NONBLOCK) != 0 ? 1 : 0;
        return 0;
    });
}

long Calls::control(int fd, int request, int* argument) {
    return with(fd, [&](Application& app, Descriptor& d) -> long {
        return argument == nullptr ? -EFAULT : socket::control_socket(app, d, request, *argument);
    });
}

long Calls::get_option(int fd, int level, int name, void* value, socklen_t* length) {
    return with(fd, [&](Application& app, Descriptor& d) -> long {
        if (value == nullptr || length == nullptr) return -EFAULT;
        return socket::get_option(app, d, level, name, {static_cast<std::byte*>(value), *length},
                                  *length);
    });
}

long Calls::set_option(int fd, int level, int name, const void* value, socklen_t length) {
    return with(fd, [&](Application& app, Descriptor& d) -> long {
        if (value == nullptr && length != 0) return -EFAULT;
        return socket::set_option(app, d, level, name,
                                  {static_cast<const std::byte*>(value), length});
    });
}

// --- events
// ---------------------------------------------------------------------------------------

long Calls::poll(std::span<pollfd> entries, int timeout_ms) {
    Engine::Entry entry(engine_);
    std::vector<socket::PollEntry> ours;
    for (const pollfd& wanted : entries) {
        const std::uint32_t id = descriptors_.find(wanted.fd);
        // An id that nothing has: POLLNVAL.
        const int unknown = wanted.fd < 0 ? -1 : std::numeric_limits<int>::max();
        ours.push_back({.descriptor = id == kNoIndex ? unknown : static_cast<int>(id),
                        .wanted = wanted.events,
                        .found = 0});
    }
    const long found = socket::poll(entry.app(), ours, timeout_ms);
    for (std::size_t i = 0; i < ours.size(); ++i)
        entries[i].revents = ours[i].found;
    return found;
}

long Calls::epoll_create() {
    Engine::Entry entry(engine_);
    return name(entry.app(), socket::make_epoll(entry.app()));
}

long Calls::epoll_ctl(int epoll, int operation, int fd, const epoll_event* event) {
    return with(epoll, [&](Application& app, Descriptor& d) -> long {
        const std::uint32_t watched = descriptors_.find(fd);
        if (watched == kNoIndex) return -EBADF;
        socket::EpollEvent wanted{};
        if (event != nullptr) wanted = {.events = event->events, .data = event->data.u64};
        return socket::control_epoll(app, d, static_cast<socket::EpollOperation>(operation),
                                     app.table().at(watched), wanted);
    });
}

long Calls::epoll_wait(int epoll, std::span<epoll_event> events, int timeout_ms) {
    return with(epoll, [&](Application& app, Descriptor& d) -> long {
        std::vector<socket::EpollEvent> found(events.size());
        const long count = socket::wait_epoll(app, d, found, timeout_ms);
        for (std::size_t i = 0; count > 0 && i < static_cast<std::size_t>(count); ++i) {
            events[i].events = found[i].events;
            events[i].data.u64 = found[i].data;
        }
        return count;
    });
}

}  // namespace mtcp::conformance
