// SPDX-License-Identifier: Apache-2.0
// The socket calls as a program in the simulator makes them: by descriptor number, on the
// application side of one core. Answers are >= 0, or a negative errno.
#pragma once

#include <sys/socket.h>

#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <span>

#include "socket/application.h"
#include "socket/epoll.h"
#include "socket/listen_socket.h"
#include "socket/socket_options.h"
#include "socket/stream_socket.h"

namespace mtcp::sim {

enum class Blocking : std::uint8_t { blocks, never_blocks };

class Sockets {
  public:
    explicit Sockets(socket::Application& app) : app_(app) {}

    [[nodiscard]] long make(Blocking blocking) {
        const long fd = socket::make_stream(app_);
        if (fd >= 0) set_blocking(static_cast<int>(fd), blocking);
        return fd;
    }
    void set_blocking(int fd, Blocking blocking) {
        if (socket::Descriptor* d = find(fd); d != nullptr) {
            d->non_blocking = blocking == Blocking::never_blocks ? 1 : 0;
        }
    }
    [[nodiscard]] bool is_open(int fd) { return find(fd) != nullptr; }
    [[nodiscard]] bool never_blocks(int fd) {
        const socket::Descriptor* d = find(fd);
        return d != nullptr && d->non_blocking != 0;
    }

    [[nodiscard]] long bind(int fd, const wire::Endpoint& where) {
        return with(fd, [&](auto& d) { return socket::bind(app_, d, where); });
    }
    [[nodiscard]] long listen(int fd, int backlog) {
        return with(fd, [&](auto& d) { return socket::listen(app_, d, backlog); });
    }
    [[nodiscard]] long accept(int fd, wire::Endpoint& peer) {
        return with(fd, [&](auto& d) { return socket::accept(app_, d, peer); });
    }
    [[nodiscard]] long connect(int fd, const wire::Endpoint& remote) {
        return with(fd, [&](auto& d) { return socket::connect(app_, d, remote); });
    }
    // connect() with AF_UNSPEC.
    [[nodiscard]] long disconnect(int fd) {
        return with(fd, [&](auto& d) {
            socket::disconnect(app_, d);
            return 0L;
        });
    }
    [[nodiscard]] long receive(int fd, std::span<std::byte> to, int flags) {
        const iovec buffer{to.data(), to.size()};
        return with(fd, [&](auto& d) {
            return socket::receive(app_, d, socket::ByteCursor({&buffer, 1}), flags);
        });
    }
    [[nodiscard]] long send(int fd, std::span<const std::byte> from, int flags) {
        const iovec buffer{const_cast<std::byte*>(from.data()), from.size()};
        return with(fd, [&](auto& d) {
            return socket::send(app_, d, socket::ByteCursor({&buffer, 1}), flags);
        });
    }
    [[nodiscard]] long send_to(int fd, const wire::Endpoint& remote,
                               std::span<const std::byte> from, int flags) {
        const iovec buffer{const_cast<std::byte*>(from.data()), from.size()};
        return with(fd, [&](auto& d) {
            return socket::send_to(app_, d, remote, socket::ByteCursor({&buffer, 1}), flags);
        });
    }
    [[nodiscard]] long shutdown(int fd, int how) {
        return with(fd, [&](auto& d) { return socket::shutdown_stream(app_, d, how); });
    }
    [[nodiscard]] long close(int fd) { return end(fd, socket::CloseKind::orderly); }
    // A reset instead of a FIN.
    [[nodiscard]] long abort(int fd) { return end(fd, socket::CloseKind::abort); }
    // SO_ERROR: 0 or an errno (positive).
    [[nodiscard]] long error(int fd) {
        return with(fd, [&](auto& d) { return long{socket::take_error(app_, d)}; });
    }
    [[nodiscard]] long local_name(int fd, wire::Endpoint& name) {
        return with(fd, [&](auto& d) { return socket::local_name(app_, d, name); });
    }
    [[nodiscard]] long peer_name(int fd, wire::Endpoint& name) {
        return with(fd, [&](auto& d) { return socket::peer_name(app_, d, name); });
    }
    [[nodiscard]] long set_option(int fd, int level, int name, std::span<const std::byte> value) {
        return with(fd, [&](auto& d) { return socket::set_option(app_, d, level, name, value); });
    }
    [[nodiscard]] long get_option(int fd, int level, int name, std::span<std::byte> value) {
        socklen_t length = 0;
        return with(
            fd, [&](auto& d) { return socket::get_option(app_, d, level, name, value, length); });
    }
    // FIONREAD, SIOCATMARK, SIOCOUTQ
    [[nodiscard]] long control(int fd, int request, int& argument) {
        return with(fd,
                    [&](auto& d) { return socket::control_socket(app_, d, request, argument); });
    }

    [[nodiscard]] long make_epoll() { return socket::make_epoll(app_); }
    [[nodiscard]] long watch(int epoll, socket::EpollOperation operation, int fd,
                             const socket::EpollEvent& event) {
        socket::Descriptor* watched = find(fd);
        if (watched == nullptr) return -EBADF;
        return with(epoll, [&](auto& d) {
            return socket::control_epoll(app_, d, operation, *watched, event);
        });
    }
    [[nodiscard]] long wait(int epoll, std::span<socket::EpollEvent> out, int timeout_ms) {
        return with(epoll, [&](auto& d) { return socket::wait_epoll(app_, d, out, timeout_ms); });
    }
    [[nodiscard]] long poll(std::span<socket::PollEntry> entries, int timeout_ms) {
        return socket::poll(app_, entries, timeout_ms);
    }

  private:
    [[nodiscard]] socket::Descriptor* find(int fd) { return app_.table().find(fd); }
    template <typename Call>
    [[nodiscard]] long with(int fd, Call&& call) {
        socket::Descriptor* d = find(fd);
        return d == nullptr ? -EBADF : call(*d);
    }
    [[nodiscard]] long end(int fd, socket::CloseKind kind) {
        socket::Descriptor* d = find(fd);
        if (d == nullptr) return -EBADF;
        switch (d->kind) {
            case socket::DescriptorKind::stream: socket::close_stream(app_, *d, kind); return 0;
            case socket::DescriptorKind::listener: socket::close_listener(app_, *d); return 0;
            case socket::DescriptorKind::epoll: socket::close_epoll(app_, *d); return 0;
            default: return -EBADF;
        }
    }

    socket::Application& app_;
};

}  // namespace mtcp::sim
