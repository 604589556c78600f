// SPDX-License-Identifier: Apache-2.0
// The table of functions, and the state behind it.
#include "tests/conformance/interface.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <sys/mman.h>

#include <algorithm>
#include <cerrno>
#include <cstdarg>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>

#include "tests/conformance/adapter.h"
#include "wire/address_text.h"

namespace mtcp::conformance {
namespace {

Adapter& adapter(void* self) { return *static_cast<Adapter*>(self); }
Calls& calls(void* self) { return adapter(self).calls; }

template <typename T = int>
T answer(long result) {
    if (result >= 0) return static_cast<T>(result);
    errno = static_cast<int>(-result);
    return -1;
}

ssize_t receive(void* self, int fd, void* data, std::size_t size, int flags) {
    const iovec buffer{data, size};
    return answer<ssize_t>(calls(self).receive(fd, {&buffer, 1}, flags));
}

ssize_t send(void* self, int fd, const void* data, std::size_t size, int flags) {
    const iovec buffer{const_cast<void*>(data), size};
    return answer<ssize_t>(calls(self).send(fd, {&buffer, 1}, flags));
}

std::span<const iovec> buffers_of(const iovec* buffers, int count) {
    return {buffers, buffers == nullptr ? 0 : static_cast<std::size_t>(std::max(count, 0))};
}

void fill_life(PacketdrillInterface& t) {
    t.free = [](void* self) { retire(&adapter(self)); };
    t.socket = [](void* self, int domain, int type, int protocol) {
        return answer(calls(self).socket(domain, type, protocol));
    };
    t.bind = [](void* self, int fd, const sockaddr* address, socklen_t length) {
        return answer(calls(self).bind(fd, address, length));
    };
    t.listen = [](void* self, int fd, int backlog) {
        return answer(calls(self).listen(fd, backlog));
    };
    t.accept = [](void* self, int fd, sockaddr* address, socklen_t* length) {
        return answer(calls(self).accept(fd, address, length));
    };
    t.connect = [](void* self, int fd, const sockaddr* address, socklen_t length) {
        return answer(calls(self).connect(fd, address, length));
    };
    t.close = [](void* self, int fd) { return answer(calls(self).close(fd)); };
    t.shutdown = [](void* self, int fd, int how) { return answer(calls(self).shutdown(fd, how)); };
    t.pipe = [](void* self, int fds[2]) { return answer(calls(self).pipe(fds)); };
    // It exists to move bytes between kernel buffers without copying; a library has none.
    t.splice = [](void*, int, loff_t*, int, loff_t*, std::size_t, unsigned) -> int {
        return answer(-ENOSYS);
    };
}

void fill_bytes(PacketdrillInterface& t) {
    t.read = [](void* self, int fd, void* data, std::size_t size) {
        return receive(self, fd, data, size, 0);
    };
    t.readv = [](void* self, int fd, const iovec* buffers, int count) {
        return answer<ssize_t>(calls(self).receive(fd, buffers_of(buffers, count), 0));
    };
    t.recv = receive;
    t.recvfrom = [](void* self, int fd, void* data, std::size_t size, int flags, sockaddr*,
                    socklen_t* length) {
        if (length != nullptr) *length = 0;  // as TCP does: it fills in no address
        return receive(self, fd, data, size, flags);
    };
    t.recvmsg = [](void* self, int fd, msghdr* message, int flags) {
        return answer<ssize_t>(calls(self).receive_message(fd, *message, flags));
    };
    t.write = [](void* self, int fd, const void* data, std::size_t size) {
        return send(self, fd, data, size, 0);
    };
    t.writev = [](void* self, int fd, const iovec* buffers, int count) {
        return answer<ssize_t>(calls(self).send(fd, buffers_of(buffers, count), 0));
    };
    t.send = send;
    t.sendto = [](void* self, int fd, const void* data, std::size_t size, int flags,
                  const sockaddr* name, socklen_t length) {
        const iovec one{const_cast<void*>(data), size};
        return answer<ssize_t>(calls(self).send_to(fd, {&one, 1}, flags, name, length));
    };
    t.sendmsg = [](void* self, int fd, const msghdr* message, int flags) {
        return answer<ssize_t>(calls(self).send_to(
            fd, {message->msg_iov, message->msg_iovlen}, flags,
            static_cast<const sockaddr*>(message->msg_name), message->msg_namelen));
    };
}

int file_control(void* self, int fd, int command, ...) {
    std::va_list list;
    va_start(list, command);
    const int flags = va_arg(list, int);
    va_end(list);
    switch (command) {
        case F_GETFL: return answer(calls(self).get_flags(fd));
        case F_SETFL: return answer(calls(self).set_flags(fd, flags));
        default: return answer(-EINVAL);
    }
}

int device_control(void* self, int fd, unsigned long request, ...) {
    std::va_list list;
    va_start(list, request);
    int* const argument = va_arg(list, int*);
    va_end(list);
    return answer(calls(self).control(fd, static_cast<int>(request), argument));
}

void fill_options(PacketdrillInterface& t) {
    t.fcntl = file_control;
    t.ioctl = device_control;
    t.getsockopt = [](void* self, int fd, int level, int name, void* value, socklen_t* length) {
        return answer(calls(self).get_option(fd, level, name, value, length));
    };
    t.setsockopt = [](void* self, int fd, int level, int name, const void* value,
                      socklen_t length) {
        return answer(calls(self).set_option(fd, level, name, value, length));
    };
    t.poll = [](void* self, pollfd* entries, nfds_t count, int timeout_ms) {
        return answer(calls(self).poll({entries, count}, timeout_ms));
    };
    t.epoll_create = [](void* self, int) { return answer(calls(self).epoll_create()); };
    t.epoll_ctl = [](void* self, int epoll, int operation, int fd, epoll_event* event) {
        return answer(calls(self).epoll_ctl(epoll, operation, fd, event));
    };
    t.epoll_wait = [](void* self, int epoll, epoll_event* events, int count, int timeout_ms) {
        if (count <= 0) return answer(-EINVAL);
        return answer(
            calls(self).epoll_wait(epoll, {events, static_cast<std::size_t>(count)}, timeout_ms));
    };
}

int next_packet(void* self, void* packet, std::size_t* size, long long* time_us) {
    Departure departure;
    if (!adapter(self).engine.next_departure(departure)) {
        std::fprintf(stderr, "mtcp: the stack sends nothing: no packet waits, no timer runs\n");
        *size = 0;
        return 0;
    }
    *size = std::min(*size, departure.packet.size());
    std::memcpy(packet, departure.packet.data(), *size);
    *time_us = departure.when.ns / 1'000;
    return 0;
}

void fill_world(PacketdrillInterface& t) {
    t.netdev_send = [](void* self, const void* packet, std::size_t size) {
        adapter(self).engine.inject({static_cast<const std::byte*>(packet), size});
        return 0;
    };
    t.netdev_receive = next_packet;
    t.usleep = [](void* self, useconds_t span_us) {
        adapter(self).engine.sleep(microseconds(span_us));
        return 0;
    };
    t.gettimeofday = [](void* self, timeval* time, struct timezone*) {
        const std::int64_t us = adapter(self).engine.read_clock().ns / 1'000;
        time->tv_sec = us / 1'000'000;
        time->tv_usec = us % 1'000'000;
        return 0;
    };
}

// "local=192.168.0.1", the only flag there is.
Addresses read_flags(const char* flags) {
    Addresses addresses;
    constexpr char kLocal[] = "local=";
    if (flags == nullptr || std::strncmp(flags, kLocal, sizeof kLocal - 1) != 0) return addresses;
    in_addr address{};
    if (::inet_pton(AF_INET, flags + sizeof kLocal - 1, &address) != 1) {
        std::fprintf(stderr, "mtcp: not an IPv4 address: %s\n", flags);
        std::exit(EXIT_FAILURE);
    }
    addresses.local = wire::IpAddress::v4(ntohl(address.s_addr));
    if (addresses.local == addresses.gateway) {
        addresses.gateway = wire::IpAddress::v4(0xc0a80001);  // 192.168.0.1
    }
    return addresses;
}

}  // namespace
}  // namespace mtcp::conformance

using namespace mtcp::conformance;  // NOLINT: this function is the library's one door

extern "C" __attribute__((visibility("default"))) void packetdrill_interface_init(
    const char* flags, PacketdrillInterface* table) {
    // Packetdrill has locked all memory, also what is reserved later: more than there may be.
    ::munlockall();
    *table = {};
    table->self = make_adapter(read_flags(flags));
    fill_life(*table);
    fill_bytes(*table);
    fill_options(*table);
    fill_world(*table);
}
